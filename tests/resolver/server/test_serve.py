"""`csid serve` as an administrator meets it: start, errors, lost processes, changes, the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.query
import pytest

from resolver.server.signals import MEANINGLESS
from resolver.server.tcp_process import READERS_SECONDS
from resolver.store.environment import Store
from tests.support.servers import (
    PATIENCE,
    SUFFIX,
    ZONE,
    Server,
    alive,
    children,
    eventually,
    make_data,
    put_zone,
    run,
    serving,
    start,
)

END_WITHIN = 2.0  # seconds

Ask = Callable[..., dns.message.Message]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("serve") / "data")


def address_over(ask: Ask, server: Server, name: str = "www", host: str = "127.0.0.1") -> str:
    """The address a name has, asked over one transport; the rcode's number if it has none."""
    question = dns.message.make_query(f"{name}.{SUFFIX}", "A")
    answer = ask(question, host, port=server.port, timeout=PATIENCE)
    return str(answer.answer[0][0]) if answer.answer else str(answer.rcode())


def test_ready_names_what_is_served_and_it_answers(data: Path) -> None:
    with serving(data, workers=2) as server:
        port = server.port
        assert server.ready == f"ready: udp+tcp 127.0.0.1:{port}, 2 workers, data {data}"
        assert address_over(dns.query.udp, server) == "192.0.2.1"
        assert address_over(dns.query.tcp, server) == "192.0.2.1"
        assert len(server.workers("resolver.server.worker")) == 2


def test_ipv6_and_several_addresses(data: Path) -> None:
    with serving(data, listen=["[::1]:0", "127.0.0.1:0"]) as server:
        assert address_over(dns.query.udp, server, host="::1") == "192.0.2.1"
        assert address_over(dns.query.tcp, server, host="::1") == "192.0.2.1"
        assert server.ready.count(":") > 3
        other = int(server.ready.split(",")[0].rpartition(":")[2])
        question = dns.message.make_query(f"www.{SUFFIX}", "A")
        for ask in (dns.query.udp, dns.query.tcp):
            assert ask(question, "127.0.0.1", port=other, timeout=PATIENCE).answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_in_time(data: Path, number: signal.Signals) -> None:
    with serving(data, workers=2) as server:
        family = children(server.process.pid)
        assert len(family) == 5  # two workers, TCP, the writer, sync
        idle = socket.create_connection(("127.0.0.1", server.port))
        begin = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(PATIENCE) == 0
        assert time.monotonic() - begin < END_WITHIN
        assert not any(map(alive, family))
        idle.close()
        assert server.log.read_text() == ""


def test_ctrl_c_reaches_the_whole_group_and_ends_it_quietly(data: Path) -> None:
    # A terminal sends SIGINT to every process of its group at once.
    with serving(data, workers=2) as server:
        family = children(server.process.pid)
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.process.wait(PATIENCE) == 0
        assert not any(map(alive, family))
        assert server.log.read_text() == ""


def test_a_killed_server_leaves_no_children_and_starts_again(data: Path) -> None:
    with serving(data, workers=2) as server:
        port = server.port
        family = children(server.process.pid)
        server.process.kill()
        server.process.wait(PATIENCE)
        eventually("all children end", lambda: not any(map(alive, family)))
    with serving(data, listen=[f"127.0.0.1:{port}"]) as server:
        assert address_over(dns.query.udp, server) == "192.0.2.1"
        assert address_over(dns.query.tcp, server) == "192.0.2.1"


@pytest.mark.parametrize(
    ("module", "ask"),
    [("resolver.server.worker", dns.query.udp), ("resolver.server.tcp", dns.query.tcp)],
)
def test_a_killed_process_is_replaced_and_queries_wait_meanwhile(
    data: Path, module: str, ask: Ask
) -> None:
    with serving(data) as server:
        (pid,) = server.workers(module)
        os.kill(pid, signal.SIGKILL)
        eventually("it is gone", lambda: not alive(pid))
        # Asked at once, while nobody is there: the query waits in the socket.
        assert address_over(ask, server) == "192.0.2.1"
        (replacement,) = server.workers(module)
        assert replacement != pid
        eventually("it is told", lambda: "signal 9; it is replaced" in server.log.read_text())


def test_a_change_of_data_is_served_without_restart(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with serving(data) as server:
        for ask in (dns.query.udp, dns.query.tcp):
            assert address_over(ask, server, "new") == "3"
        with Store.open(data, writable=True) as store:
            put_zone(store, ZONE + "new A 192.0.2.99\n")
        for ask in (dns.query.udp, dns.query.tcp):
            assert address_over(ask, server, "new") == "192.0.2.99"


def test_reader_slots_of_killed_processes_are_freed_at_start(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with serving(data) as server:
        assert address_over(dns.query.udp, server) == "192.0.2.1"
        server.process.kill()
        server.process.wait(PATIENCE)
    with Store.open(data) as store:
        assert store.usage()["readers"] > 0
        with serving(data):
            assert store.check_readers() == 0
    assert READERS_SECONDS <= 60


def test_no_signal_without_a_meaning_ends_a_server_that_begins(data: Path, tmp_path: Path) -> None:
    """Before anything is imported that takes its time, such as what reads the data."""
    numbers = sorted(map(int, MEANINGLESS))
    (tmp_path / "lmdb.py").write_text(
        f"import os\nfor number in {numbers}: os.kill(os.getpid(), number)\nraise SystemExit(7)\n"
    )
    words = ["serve", "--data", str(data), "--listen", "127.0.0.1:0"]
    with start(words, subprocess.DEVNULL, path=tmp_path) as process:
        assert process.wait(PATIENCE) == 7


def test_a_port_in_use_is_told_in_one_line(data: Path) -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            port = taken.getsockname()[1]
            assert_refused(
                ["--data", str(data), "--listen", f"127.0.0.1:{port}"],
                f"cannot listen on 127.0.0.1:{port}: another program listens there",
            )


def test_a_second_server_on_the_same_port_is_refused(data: Path) -> None:
    with serving(data) as server:
        assert_refused(
            ["--data", str(data), "--listen", f"127.0.0.1:{server.port}"], "another program"
        )
        assert address_over(dns.query.udp, server) == "192.0.2.1"


@pytest.mark.parametrize(
    "address", ["", "5300", "127.0.0.1", "127.0.0.1:", "::1:5300", "[::1]", "host:53", "1.2.3.4:x"]
)
def test_an_address_that_is_none_is_refused(data: Path, address: str) -> None:
    assert_refused(["--data", str(data), f"--listen={address}"], "is no address to listen on")


def test_an_address_of_another_machine_is_refused(data: Path) -> None:
    assert_refused(
        ["--data", str(data), "--listen", "192.0.2.1:0"], "this machine has no such address"
    )


def test_a_missing_data_directory_is_refused(tmp_path: Path) -> None:
    assert_refused(["--data", str(tmp_path / "none"), "--listen", "127.0.0.1:0"], "csid init")


def test_a_foreign_data_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"something else" * 1_000)
    assert_refused(["--data", str(tmp_path), "--listen", "127.0.0.1:0"], "data.mdb")


def assert_refused(words: list[str], reason: str) -> None:
    """`csid serve` ends at once with exit code 2 and one line that holds the reason."""
    done = run("serve", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_process_that_cannot_start_ends_the_server_with_a_reason(
    data: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    broken = tmp_path / "site"
    broken.mkdir()
    (broken / "trio.py").write_text("raise SystemExit('no trio today')\n")
    with log.open("w") as stderr:
        process = start(
            ["serve", "--data", str(data), "--listen", "127.0.0.1:0"], stderr, path=broken
        )
        out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert out == ""
    assert log.read_text() == "csid: TCP server could not start: exit code 1: no trio today\n"
