"""`csid serve` as a service: what its manager hears, what SIGHUP reads again, as whom it runs."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import pytest

from resolver.server.privileges import PrivilegesError, account, require_usable
from tests.support.listening_manager import Listening, listening
from tests.support.opened import opened
from tests.support.servers import CHECKOUT, PATIENCE, children, eventually, make_data, serving

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    """A service manager, which servers of the test are started by."""
    with listening(tmp_path / "notify") as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
        yield manager


def nsid(port: int) -> bytes:
    """The name that a server gives."""
    query = dns.message.make_query("www.csid.internal.", "A", use_edns=0)
    query.use_edns(options=[dns.edns.GenericOption(dns.edns.NSID, b"")])
    answer = dns.query.udp(query, "127.0.0.1", port=port, timeout=PATIENCE)
    return next((bytes(one.nsid) for one in answer.options if one.otype == dns.edns.NSID), b"")


def test_the_manager_hears_of_start_reload_and_end(tmp_path: Path, there: Listening) -> None:
    data = make_data(tmp_path / "data")
    with serving(data) as server:
        ready = there.until("READY")
        assert ready["STATUS"] == f"4 of 4 processes answer; data {data}"
        assert nsid(server.port) == b""
        server.process.send_signal(signal.SIGHUP)
        assert there.until("RELOADING")["MONOTONIC_USEC"].isdecimal()
        assert there.until("READY")
        assert nsid(server.port) == b""
        begin = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begin < 5
        assert there.until("STOPPING")


def test_processes_of_the_server_do_not_speak_for_it(tmp_path: Path, there: Listening) -> None:
    with serving(make_data(tmp_path / "data")) as server:
        there.until("READY")
        for pid in children(server.process.pid):
            assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_the_watchdog_hears_while_the_supervisor_lives(
    tmp_path: Path, there: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    with serving(make_data(tmp_path / "data")) as server:
        there.until("READY")
        for _ in range(3):
            there.until("WATCHDOG")
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        there.rest()
        time.sleep(1.0)
        assert there.rest() == []
        server.process.send_signal(signal.SIGCONT)
        there.until("WATCHDOG")


def test_the_status_tells_of_a_process_that_died(tmp_path: Path, there: Listening) -> None:
    with serving(make_data(tmp_path / "data")) as server:
        there.until("READY")
        (sync,) = server.workers("registry.sync.process")
        os.kill(sync, signal.SIGSTOP)
        os.kill(sync, signal.SIGKILL)
        # It is back at once, or the manager hears that it is not.
        eventually("it is replaced", lambda: sync not in server.workers("registry.sync.process"))
        assert all(
            "processes answer" in one.get("STATUS", "processes answer") for one in there.rest()
        )


def test_sighup_reads_the_configuration_again(tmp_path: Path, there: Listening) -> None:
    file = tmp_path / "csid.toml"
    file.write_text('[serve]\nnsid = "first"\n')
    with serving(make_data(tmp_path / "data"), "--config", str(file)) as server:
        there.until("READY")
        assert nsid(server.port) == b"first"
        file.write_text('[serve]\nnsid = "second"\nuser = "nobody"\n[log]\nformat = "json"\n')
        server.process.send_signal(signal.SIGHUP)
        there.until("READY")
        assert nsid(server.port) == b"second"
        said = server.log.read_text()
        assert "[serve] user: changed, and will hold when the server is started again" in said


def test_a_configuration_that_cannot_be_used_changes_nothing(
    tmp_path: Path, there: Listening
) -> None:
    file = tmp_path / "csid.toml"
    file.write_text('[serve]\nnsid = "first"\n')
    with serving(make_data(tmp_path / "data"), "--config", str(file)) as server:
        there.until("READY")
        file.write_text('[serve]\nnsdi = "second"\n')
        server.process.send_signal(signal.SIGHUP)
        there.until("READY")
        assert nsid(server.port) == b"first"
        said = server.log.read_text()
        assert "no such option; did you mean nsid?; what was read before holds on" in said


def test_what_the_command_line_says_holds_over_a_new_configuration(
    tmp_path: Path, there: Listening
) -> None:
    file = tmp_path / "csid.toml"
    file.write_text("")
    options = ["--config", str(file), "--nsid", "given"]
    with serving(make_data(tmp_path / "data"), *options) as server:
        there.until("READY")
        file.write_text('[serve]\nnsid = "second"\n')
        server.process.send_signal(signal.SIGHUP)
        there.until("READY")
        assert nsid(server.port) == b"given"


def test_a_sighup_before_the_server_is_ready_is_obeyed_afterwards(
    tmp_path: Path, there: Listening
) -> None:
    file = tmp_path / "csid.toml"
    file.write_text('[serve]\nnsid = "first"\n')
    with serving(make_data(tmp_path / "data"), "--config", str(file)) as server:
        there.until("READY")
        file.write_text('[serve]\nnsid = "second"\n')
        for _ in range(3):
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        eventually("the new name is given", lambda: nsid(server.port) == b"second")
        assert server.process.poll() is None


# -- as another user


@as_root
def test_it_gives_up_all_rights_once_it_listens_on_port_53(open_folder: Path) -> None:
    data = make_data(open_folder / "data")
    nobody = pwd.getpwnam("nobody")
    for path in (data, *data.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    (open_folder / "scratch").mkdir()
    words = ["-m", "gateway.cli", "serve", "--data", str(data), "--workers", "1"]
    words += ["--user", "nobody", "--listen", "127.0.0.77:53"]
    log = open_folder / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            opened([sys.executable, *words], open_folder / "scratch"),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready"), log.read_text()
        query = dns.message.make_query("www.csid.internal.", "A")
        assert dns.query.udp(query, "127.0.0.77", timeout=PATIENCE).answer
        pids = [process.pid, *children(process.pid)]
        assert len(pids) == 5
        for pid in pids:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            assert status["Uid"].split() == [str(nobody.pw_uid)] * 4
            assert status["Gid"].split() == [str(nobody.pw_gid)] * 4
            assert set(status["Groups"].split()) <= {str(nobody.pw_gid)}
            assert {int(status[one], 16) for one in ("CapEff", "CapPrm", "CapAmb")} == {0}
            assert status["NoNewPrivs"] == "1"
        process.send_signal(signal.SIGHUP)
        eventually("all is opened anew", lambda: "opened it anew" in log.read_text())
        assert "served without a writer" not in log.read_text()
        assert dns.query.tcp(query, "127.0.0.77", timeout=PATIENCE).answer
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()


@as_root
def test_data_of_another_user_are_refused_in_words(open_folder: Path) -> None:
    data = make_data(open_folder / "data")
    (open_folder / "scratch").mkdir()
    words = ["-m", "gateway.cli", "serve", "--data", str(data)]
    words += ["--user", "nobody", "--listen", "127.0.0.1:0"]
    ended = subprocess.run(
        opened([sys.executable, *words], open_folder / "scratch"),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert ended.returncode == 2
    assert f"{data}: belongs to root, and nobody cannot read and write it" in ended.stderr
    assert f"chown -R nobody: {data}" in ended.stderr


@as_root
def test_one_file_of_another_user_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(tmp_path / "data")
    require_usable(data, "csid")
    for file in (data / "data.mdb", Path(sys.executable)):
        refused = {file}
        monkeypatch.setattr(os, "access", lambda path, *_, no=refused, **__: path not in no)
        with pytest.raises(
            PrivilegesError, match=rf"^{file}: (belongs to root, and )?csid cannot read"
        ):
            require_usable(data, "csid")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no-such-user", "there is no such user; make one"),
        ("root", "that user may do everything; name another"),
        ("a\0b", "there is no such user"),
    ],
)
def test_users_that_cannot_be_are_refused_in_words(name: str, words: str) -> None:
    with pytest.raises(PrivilegesError, match=words):
        account(name)


def test_only_root_becomes_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    with pytest.raises(PrivilegesError, match="only root can become another user"):
        account("nobody")
