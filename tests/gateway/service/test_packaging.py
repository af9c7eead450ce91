"""The unit, the users and folders, the configuration and the image that an installation has."""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from gateway.configuration import load
from gateway.packaging import files
from gateway.packaging.__main__ import main
from resolver.client.settings import SERVERS_VARIABLE
from tests.support.listening_manager import listening
from tests.support.opened import opened
from tests.support.servers import CHECKOUT, PATIENCE, eventually, make_data

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1  # prctl(2), Linux 6.3
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
MODULE = [sys.executable, "-m", "gateway.cli"]


def program(name: str) -> str:
    """The path of a program of systemd."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def settings(unit: str) -> Iterator[tuple[str, str]]:
    """Names and values of a unit, in its order."""
    for line in unit.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            yield name, value


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with all that is written for an installation."""
    root = tmp_path_factory.mktemp("root")
    assert main([str(root)]) == 0
    return root


UNITS = ("csid.service", "csid-gateway.service", "csid-systems.service", "csid-escrow.service")


@pytest.mark.parametrize("name", UNITS)
def test_the_unit_gives_little_to_who_breaks_in(root: Path, name: str) -> None:
    unit = root / "usr/lib/systemd/system" / name
    words = ["security", "--offline=true", "--threshold=20", str(unit)]  # of 100
    looked = subprocess.run([program("systemd-analyze"), *words], capture_output=True, text=True)
    found = re.search(rf"Overall exposure level for {name}: ([0-9.]+)", looked.stdout)
    assert found is not None, looked
    assert float(found[1]) <= 2.0
    assert looked.returncode == 0


@pytest.mark.parametrize("name", [*UNITS, "csid-escrow.timer"])
def test_systemd_knows_every_word_of_the_unit(root: Path, name: str) -> None:
    unit = root / "usr/lib/systemd/system" / name
    words = ["verify", "--man=no", "--recursive-errors=no", str(unit)]
    looked = subprocess.run([program("systemd-analyze"), *words], capture_output=True, text=True)
    said = [
        line
        for line in (looked.stdout + looked.stderr).splitlines()
        if name in line and "/usr/bin/csid is not executable" not in line
    ]
    assert said == []


@as_root
def test_user_and_folders_are_made_as_the_unit_needs_them(root: Path, tmp_path: Path) -> None:
    there = tmp_path / "root"
    shutil.copytree(root, there)
    subprocess.run([program("systemd-sysusers"), f"--root={there}", "csid.conf"], check=True)
    (line,) = (there / "etc/passwd").read_text().splitlines()
    name, _, uid, gid, _, home, shell = line.split(":")
    assert (name, home, shell) == ("csid", "/var/lib/csid", "/usr/sbin/nologin")
    said = dict(settings((there / "usr/lib/systemd/system/csid.service").read_text()))
    assert (said["User"], said["Group"]) == (name, name)
    assert f"/var/lib/{said['StateDirectory']}" == home
    words = [f"--root={there}", "--create", "csid.conf"]
    subprocess.run([program("systemd-tmpfiles"), *words], check=True)
    state = (there / "var/lib/csid").stat()
    assert (state.st_uid, state.st_gid, state.st_mode & 0o777) == (int(uid), int(gid), 0o750)


def test_the_configuration_to_begin_with_can_be_used(root: Path) -> None:
    found = load.load(root / "etc/csid/csid.toml", {})
    assert found.node.data == Path(files.DATA)
    said = "\n".join(
        f'[{name}]\ndata = "{folder}"'
        for name, folder in (
            ("node", files.DATA),
            ("gateway", files.GATEWAY),
            ("systems", files.SYSTEMS),
        )
    )
    assert found == load.parse(said.encode(), "")
    assert (root / "etc/csid/csid.toml").stat().st_mode & 0o044 == 0o044  # csid resolve reads it


def test_a_configuration_that_is_there_stays(tmp_path: Path) -> None:
    there = tmp_path / "etc/csid/csid.toml"
    there.parent.mkdir(parents=True)
    there.write_text("# mine\n")
    assert there not in list(files.write(tmp_path))
    assert there.read_text() == "# mine\n"


def test_the_unit_names_the_program_where_it_is(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--program", "/opt/csid/bin/csid"]) == 0
    unit = (tmp_path / "usr/lib/systemd/system/csid.service").read_text()
    commands = [value for name, value in settings(unit) if name.startswith("Exec")]
    assert [one.split()[0] for one in commands] == [
        "/opt/csid/bin/csid",
        "/opt/csid/bin/csid",
        "/bin/kill",
    ]


def test_what_is_registered_is_deposited_by_the_command_of_its_unit(
    root: Path, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data")
    assert (
        subprocess.run([*MODULE, "audit", "key", "--new", "tests", "--data", data]).returncode == 0
    )
    file = tmp_path / "csid.toml"
    file.write_text(f'[node]\ndata = "{data}"\n')
    said = dict(settings((root / "usr/lib/systemd/system/csid-escrow.service").read_text()))
    line = said["ExecStart"].replace("/etc/csid/csid.toml", str(file))
    folder = tmp_path / "escrow"
    folder.mkdir()
    words = shlex.split(line.replace(said["ConditionPathIsDirectory"], str(folder)))
    for count in (1, 2):
        assert words[0] == files.PROGRAM
        subprocess.run([*MODULE, *words[1:]], check=True)
        assert len(list(folder.glob("*.deposit"))) == count
    key = data / "audit-key.pem.pub"
    subprocess.run([*MODULE, "escrow", "verify", folder, "--key", key], check=True)


def confined() -> None:
    """What MemoryDenyWriteExecute= does."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)


@as_root
def test_the_commands_of_the_unit_start_reload_and_end_a_node(
    root: Path, open_folder: Path
) -> None:
    """As its user, on port 53 by the one capability that it has."""
    unit = list(settings((root / "usr/lib/systemd/system/csid.service").read_text()))
    said = dict(unit)
    data = make_data(open_folder / "data")
    file = open_folder / "csid.toml"
    file.write_text(
        f'[node]\ndata = "{data}"\n[serve]\nlisten = ["127.0.0.78:53"]\nworkers = 1\n'
        '[http]\nlisten = ["127.0.0.78:0"]\n'
    )
    nobody = pwd.getpwnam("nobody")
    for path in (data, *data.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    (open_folder / "scratch").mkdir()
    only = f"-all,+{said['AmbientCapabilities'].removeprefix('CAP_').lower()}"
    assert said["CapabilityBoundingSet"] == said["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    as_csid = ["sh", "-c", f'umask {said["UMask"]}; exec "$@"', "sh"]
    as_csid += ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    as_csid += [f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}"]
    as_csid += ["--no-new-privs"]

    def command(line: str) -> list[str]:
        words = shlex.split(line.replace("/etc/csid/csid.toml", str(file)))
        return [*MODULE, *words[1:]] if words[0] == files.PROGRAM else words

    with listening(open_folder / "notify") as manager, (open_folder / "log").open("w") as log:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CHECKOUT),
            "HOME": str(data),
            "NOTIFY_SOCKET": str(manager.path),
            "WATCHDOG_USEC": str(int(said["WatchdogSec"]) * 1_000_000),
        }
        process = subprocess.Popen(
            opened([*as_csid, *command(said["ExecStart"])], open_folder / "scratch"),
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd="/",
            env=environment,
            preexec_fn=confined,
        )
        try:
            assert said["Type"] == "notify"
            assert manager.until("READY")["STATUS"].startswith("5 of 5 processes answer")
            query = dns.message.make_query("www.csid.internal.", "A")
            assert dns.query.udp(query, "127.0.0.78", timeout=PATIENCE).answer
            manager.until("WATCHDOG")
            environment["MAINPID"] = str(process.pid)
            for line in [value for name, value in unit if name == "ExecReload"]:
                words = [os.path.expandvars(one) for one in command(line)]
                words = [one.replace("$MAINPID", str(process.pid)) for one in words]
                subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
            manager.until("RELOADING")
            manager.until("READY")
            process.send_signal(signal.SIGTERM)
            manager.until("STOPPING")
            assert process.wait(int(said["TimeoutStopSec"])) == 0
        finally:
            process.kill()
            process.communicate()
    assert "served without a writer" not in (open_folder / "log").read_text()


def test_the_image_runs_as_nobody_in_particular_and_asks_itself(tmp_path: Path) -> None:
    """Its command and its health check are run here as they stand in the file."""
    text = files.sample("Containerfile").replace("\\\n", " ")
    lines = [tuple(line.split(" ", 1)) for line in text.splitlines() if line and line[0] != "#"]
    last = lines[max(at for at, (word, _) in enumerate(lines) if word == "FROM") :]
    said = dict(last)
    assert said["USER"] == "csid"
    assert "CSID_DATA=/var/lib/csid/node" in said["ENV"]
    assert said["VOLUME"] == "/var/lib/csid"
    command = [*json.loads(said["ENTRYPOINT"]), *json.loads(said["CMD"])]
    data = make_data(tmp_path / "node")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "csid"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(MODULE)} "$@"\n')
    script.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{script.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        "CSID_DATA": str(data),
    }
    line = said["HEALTHCHECK"].partition(" CMD ")[2]

    def code(port: int) -> int:
        asked = environment | {SERVERS_VARIABLE: f"127.0.0.1:{port}"}
        return subprocess.run(["sh", "-c", line], env=asked).returncode

    process = subprocess.Popen(
        [*command[:-1], "127.0.0.1:0", "--workers", "1"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[2].rstrip(",").rpartition(":")[2])
        eventually("it is well", lambda: code(port) == 0)
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0
        process.communicate()
    assert code(port) == 1  # nobody answers
