"""The demo: what it tells happens; and what it says where it cannot."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from examples.demo import nodes
from examples.demo.terminal import DemoError
from tests.support.servers import CHECKOUT, children, command_line, eventually

SECONDS = 120.0  # on a busy machine


def _free() -> int:
    """A port that is free at all addresses of the demo."""
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
        with suppress(DemoError):
            nodes.check_addresses(port)
            return port


PORT = _free()


@contextmanager
def demo(folder: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The demo, run in a folder."""
    with (folder / "out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples.demo"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PORT": str(PORT), **variables},
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def test_the_demo_does_what_it_says_and_leaves_nothing_running(tmp_path: Path) -> None:
    with demo(tmp_path, DEMO_EXIT="1") as process:
        _, err = process.communicate(timeout=SECONDS)
    said = (tmp_path / "out").read_text()
    assert (process.returncode, err) == (0, ""), said
    assert "待回执 wait 0, 未通过 refused 0" in said
    assert "403 OUT_OF_SCOPE" in said
    receipt = re.search(r"its receipt is there: active +([0-9.]+) +([0-9.]+)\n", said)
    assert receipt is not None and float(receipt[2]) > 0
    assert {path.name for path in tmp_path.iterdir()} == {"out", "demo-data"}
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.3", PORT))


def test_ctrl_c_ends_all_its_processes(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        eventually("nodes are served", lambda: len(children(process.pid)) > 1)
        servers = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        eventually("they have ended", lambda: not any(map(command_line, servers)))


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_is_in_use_is_told_with_what_to_do(
    tmp_path: Path, kind: socket.SocketKind
) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.4", PORT))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        with demo(tmp_path) as process:
            _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert f"port {PORT} of 127.0.0.4 is in use" in err and "make demo" in err


def test_an_address_that_the_machine_has_not_is_told_with_what_to_do() -> None:
    said = nodes.what_to_do(OSError(errno.EADDRNOTAVAIL, "not there"), "127.0.0.2", 5300)
    assert "no address 127.0.0.2" in said and "sudo ifconfig lo0 alias 127.0.0.$n" in said


def test_a_second_demo_in_the_same_folder_leaves_the_first_alone(tmp_path: Path) -> None:
    (tmp_path / "demo-data" / "national").mkdir(parents=True)
    with (tmp_path / "demo-data" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with demo(tmp_path) as process:
            _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1 and "another demo runs in demo-data" in err
    assert (tmp_path / "demo-data" / "national").is_dir()


@pytest.mark.parametrize("port", ["0", "x", "65536", "-1"])
def test_what_is_no_port_is_told(tmp_path: Path, port: str) -> None:
    with demo(tmp_path, PORT=port) as process:
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert err.startswith(f"\ndemo: PORT={port}: expected a port")
