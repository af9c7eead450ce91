"""What a service manager is told: sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from resolver.server.service_manager import VARIABLES, ServiceManager, manager_here
from tests.support.listening_manager import listening


def test_each_word_is_one_datagram(tmp_path: Path) -> None:
    with listening(tmp_path / "notify") as there:
        manager = ServiceManager({"NOTIFY_SOCKET": str(there.path)})
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        manager.ready("5 of 5 processes answer")
        manager.reloading()
        manager.reloaded("5 of 5 processes answer")
        manager.reloaded("not reloading, so nothing is said")
        manager.stopping()
        manager.close()
        manager.stopping()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        ready, reloading, again, stopping = there.rest()
    assert ready == again == {"READY": "1", "STATUS": "5 of 5 processes answer"}
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= after
    assert stopping == {"STOPPING": "1"}


def test_a_status_is_said_once_and_stays_one_line(tmp_path: Path) -> None:
    with listening(tmp_path / "notify") as there:
        manager = ServiceManager({"NOTIFY_SOCKET": str(there.path)})
        for _ in range(3):
            manager.status("data /a\nREADY=1")
        manager.close()
        assert there.rest() == [{"STATUS": "data /a READY=1"}]


def test_the_watchdog_hears_twice_in_its_time(tmp_path: Path) -> None:
    with listening(tmp_path / "notify") as there:
        environ = {"NOTIFY_SOCKET": str(there.path), "WATCHDOG_USEC": "4000000"}
        manager = ServiceManager(environ)
        for now in (100.0, 101.0, 101.9, 102.0, 103.9, 104.1):
            manager.alive(now)
        assert there.rest() == [{"WATCHDOG": "1"}] * 3
        assert manager.due == 106.1
        manager.close()


@pytest.mark.parametrize(
    "watch",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "x"},
        {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_watchdog_of_ours_nothing_is_due(tmp_path: Path, watch: dict[str, str]) -> None:
    with listening(tmp_path / "notify") as there:
        manager = ServiceManager({"NOTIFY_SOCKET": str(there.path), **watch})
        manager.alive(1e12)
        assert manager.due == float("inf")
        assert there.rest() == []
        manager.close()


def test_an_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("")  # the kernel chooses an abstract name
        name = sock.getsockname()[1:].decode()
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).stopping()
        assert sock.recv(100) == b"STOPPING=1"


def test_a_manager_that_does_not_listen_ends_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for where in (str(tmp_path / "nobody"), "vsock:2:1234", "x" * 200, "/" + "x" * 200):
        manager = ServiceManager({"NOTIFY_SOCKET": where})
        manager.ready("")
        manager.alive(0.0)
        manager.close()
    said = capfd.readouterr().err
    assert "takes no word: No such file or directory" in said
    assert "expected a path or @ and a name" in said


def test_children_do_not_find_where_their_parent_tells(tmp_path: Path) -> None:
    with listening(tmp_path / "notify") as there:
        environ = {
            "NOTIFY_SOCKET": str(there.path),
            "WATCHDOG_USEC": "1000000",
            "WATCHDOG_PID": str(os.getpid()),
            "PATH": "/bin",
        }
        manager = manager_here(environ)
        assert environ == {"PATH": "/bin"}
        assert {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} == set(VARIABLES)
        assert manager.due == 0.0
        manager.ready("")
        assert there.until("READY")
        manager.close()
