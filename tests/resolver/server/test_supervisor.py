"""The supervisor: what hangs, fails, is told to it, or happens to the data under it."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import lmdb
import pytest

from csid.address import Address
from resolver.server.asking import UdpAsker, udp_askers
from resolver.server.child import Child, StartError
from resolver.server.signals import MEANINGLESS
from resolver.server.sockets import bind
from resolver.store.environment import Store
from tests.support.hanging import WAYS
from tests.support.packets import query
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
)
from tests.support.supervised import HASTY, supervised

WORKER, TCP = "resolver.server.worker", "resolver.server.tcp"
OTHER = ZONE.replace("192.0.2.1\n", "192.0.2.77\n")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data")


def question() -> dns.message.Message:
    return dns.message.make_query(f"www.{SUFFIX}", "A")


def address(server: Server, ask: Callable[..., dns.message.Message] = dns.query.udp) -> str:
    """The address of www, asked once."""
    answer = ask(question(), "127.0.0.1", port=server.port, timeout=PATIENCE)
    return str(answer.answer[0][0])


def says(server: Server, *words: str) -> None:
    """Wait until the server has said something on stderr."""
    eventually(
        f"{words} in {server.log.read_text()!r}",
        lambda: any(
            all(word in line for word in words) for line in server.log.read_text().splitlines()
        ),
    )


def reports(server: Server, *words: str) -> None:
    """Wait until a report holds these: an answer may come before it is counted."""

    def holds() -> bool:
        before = len(server.log.read_text())
        server.process.send_signal(signal.SIGUSR1)
        eventually("a report", lambda: "TCP server" in server.log.read_text()[before:])
        lines = server.log.read_text()[before:].splitlines()
        return any(all(word in line for word in words) for line in lines)

    eventually(f"{words} are reported", holds)


def has_opened(server: Server, times: int) -> bool:
    """Whether all processes have been replaced by such as opened the data anew."""
    return server.log.read_text().count("all processes have opened it anew") == times


def is_replaced(server: Server, module: str, pid: int) -> bool:
    """Whether another process does the work of one that ended."""
    return server.workers(module) not in ([], [pid])


# -- what lives and does not answer


@pytest.mark.parametrize(
    ("module", "name"), [(WORKER, "UDP worker 1 of 127.0.0.1"), (TCP, "TCP server")]
)
def test_a_process_that_is_stopped_is_replaced(data: Path, module: str, name: str) -> None:
    with supervised(data) as server:
        (pid,) = server.workers(module)
        os.kill(pid, signal.SIGSTOP)
        says(server, f"csid: {name}", f"process {pid}, has not answered for", "killed")
        says(server, name, "ended by signal 9; it is replaced")
        assert address(server) == "192.0.2.1"
        assert address(server, dns.query.tcp) == "192.0.2.1"
        assert pid not in server.workers(module)


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_one_question_takes_up_for_ever_is_replaced(data: Path, way: str) -> None:
    with supervised(data, module="tests.support.hanging") as server:
        hanging = dns.message.make_query(f"{way}.{SUFFIX}", "A")
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(hanging.to_wire(prepend_length=True))
            with pytest.raises(dns.exception.Timeout):
                dns.query.udp(hanging, "127.0.0.1", port=server.port, timeout=0.1)
            for name in ("UDP worker 1", "TCP server"):
                says(server, f"csid: {name}", "has not answered for", "killed")
                says(server, name, "ended by signal 9; it is replaced")
        assert address(server) == "192.0.2.1"
        assert address(server, dns.query.tcp) == "192.0.2.1"


def test_of_many_workers_those_that_are_stopped_are_replaced_and_no_other(data: Path) -> None:
    with supervised(data, workers=5, listen=("127.0.0.1:0", "[::1]:0", "0.0.0.0:0")) as server:
        before = server.workers(WORKER)
        assert len(before) == 15
        stopped = before[1::4]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        for pid in stopped:
            says(server, f"process {pid}, has not answered")

        def replaced() -> bool:
            now = server.workers(WORKER)
            return len(now) == 15 and not set(now) & set(stopped)

        eventually("all are there again", replaced)
        assert set(before) - set(server.workers(WORKER)) == set(stopped)
        assert server.log.read_text().count("has not answered") == len(stopped)


def test_an_idle_server_and_a_flooded_one_are_left_alone(data: Path) -> None:
    with supervised(data, workers=2) as server, socket.socket(type=socket.SOCK_DGRAM) as flood:
        family = children(server.process.pid)
        time.sleep(15 * HASTY.look_seconds)
        flood.connect(("127.0.0.1", server.port))
        flood.setblocking(False)
        end = time.monotonic() + 15 * HASTY.look_seconds
        while time.monotonic() < end:
            for _ in range(500):
                with contextlib.suppress(OSError):
                    flood.send(query(f"www.{SUFFIX}", "A"))
        assert sorted(children(server.process.pid)) == sorted(family)
        assert server.log.read_text() == ""


def test_a_process_that_is_never_ready_is_killed_and_ends_the_server(data: Path) -> None:
    selector = selectors.DefaultSelector()
    timing = HASTY._replace(start_seconds=0.1)
    child = Child(
        "slow", lambda: ["/bin/sh", "-c", "exec sleep 60"], [], Silent(), timing, selector
    )
    child.start()
    time.sleep(0.2)
    child.look()
    with pytest.raises(StartError, match="slow could not start: signal 9"):
        eventually("it ends", lambda: turn(child, selector))


class Silent:
    """Asks nothing."""

    def ask(self) -> None:
        pass

    def pending(self) -> bool:
        return False

    def close(self) -> None:
        pass


def turn(child: Child, selector: selectors.BaseSelector) -> bool:
    for key, _ in selector.select(0):
        key.data()
    child.reap()
    return child.process is None


def test_each_worker_is_reached_by_a_port_of_its_own() -> None:
    bound = bind(Address("0.0.0.0", 0), 32)
    try:
        askers = udp_askers(bound)
        assert not any(asker.pending() for asker in askers)
        for at, asker in enumerate(askers):
            asker.ask()
            assert [bool(select.select([sock], [], [], 0)[0]) for sock in bound.udp] == [
                other == at for other in range(32)
            ]
            bound.udp[at].recv(100)
    finally:
        bound.close()


def test_an_empty_datagram_of_a_stranger_is_seen_to_wait() -> None:
    bound = bind(Address("127.0.0.1", 0), 1)
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        asker = UdpAsker(bound.udp[0], None)
        assert not asker.pending()
        stranger.sendto(b"", bound.address)
        assert asker.pending()
    bound.close()


# -- what fails


def test_delays_double_and_the_reason_is_told() -> None:
    child = Child(
        "one that fails",
        lambda: ["/bin/sh", "-c", "echo first >&2; echo 'csid: the reason' >&2; exit 3"],
        [],
        Silent(),
        HASTY._replace(steady_seconds=5.0, first_delay=0.2, max_delay=1.0, most_failures=6),
        selector := selectors.DefaultSelector(),
    )
    child.settle()
    delays = []
    for _ in range(5):
        child.start()
        begin = time.monotonic()
        eventually("it ends", lambda: turn(child, selector))
        assert child.due is not None
        delays.append(round(child.due - begin, 1))
    assert delays == [0.0, 0.2, 0.4, 0.8, 1.0]
    child.start()
    with pytest.raises(StartError, match=r"^one that fails could not start: exit code 3: the re"):
        eventually("it ends", lambda: turn(child, selector))


def test_without_room_for_a_process_the_server_waits_and_does_not_end() -> None:
    child = Child(
        "none", lambda: ["/no/such/program"], [], Silent(), HASTY, selectors.DefaultSelector()
    )
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2 * HASTY.most_failures):
        child.start()
        child.reap()
        assert child.due is not None
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_before


def test_without_room_for_a_process_at_the_start_the_server_ends_with_the_reason(
    data: Path,
) -> None:
    timing = HASTY._replace(start_seconds=0.5)
    with (
        pytest.raises(AssertionError, match=r"(?s)Too many open files.* could not be started wit"),
        supervised(data, timing=timing, files=12),
    ):
        pass


def test_slots_of_dead_readers_keep_no_process_from_starting(data: Path) -> None:
    with supervised(data) as server:
        script = (
            "import lmdb, os, sys\n"
            "environment = lmdb.open(sys.argv[1], readonly=True)\n"
            "held = []\n"
            "try:\n"
            "    while True:\n"
            "        held.append(environment.begin())\n"
            "except lmdb.ReadersFullError:\n"
            "    os._exit(7)\n"
        )
        assert subprocess.run([sys.executable, "-c", script, data]).returncode == 7
        for module in (WORKER, TCP):
            (pid,) = server.workers(module)
            os.kill(pid, signal.SIGKILL)
            eventually("it is replaced", partial(is_replaced, server, module, pid))
        serves(server, "192.0.2.1")
        assert "could not start" not in server.log.read_text()


def test_a_version_that_changed_under_the_server_ends_it_with_the_reason(data: Path) -> None:
    with supervised(data) as server:
        environment = lmdb.open(str(data), max_dbs=8)
        with environment.begin(write=True) as txn:
            txn.put(b"schema", b"3", db=environment.open_db(b"meta", txn=txn))
        environment.close()
        assert address(server) == "192.0.2.1"
        os.kill(server.workers(WORKER)[0], signal.SIGKILL)
        assert server.process.wait(PATIENCE) == 2
        last = server.log.read_text().splitlines()[-1]
        assert "UDP worker 1 of" in last and "could not start: exit code 1" in last
        assert "schema version 3, this program reads version 2" in last
        assert "Traceback" not in server.log.read_text()
        assert server.log.read_text().count("it is replaced") == HASTY.most_failures


# -- signals


def test_sighup_lets_each_process_be_followed_by_a_new_one_and_no_query_is_lost(
    data: Path,
) -> None:
    with supervised(data, workers=2) as server:
        before = set(server.workers(WORKER))
        lost: list[Exception] = []
        stop = threading.Event()

        def ask() -> None:
            with socket.socket(type=socket.SOCK_DGRAM) as sock:
                sock.connect(("127.0.0.1", server.port))
                sock.settimeout(PATIENCE)
                while not stop.is_set():
                    try:
                        sock.send(query(f"www.{SUFFIX}", "A"))
                        sock.recv(1000)
                    except OSError as error:
                        lost.append(error)

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for one in askers:
            one.start()
        for number in range(1, 4):
            server.process.send_signal(signal.SIGHUP)
            eventually("all are new", partial(has_opened, server, number))
            assert not before & set(server.workers(WORKER))
            before = set(server.workers(WORKER))
        stop.set()
        for one in askers:
            one.join()
        assert not lost
        assert "ended by" not in server.log.read_text()


def test_sigusr1_prints_what_each_process_has_done(data: Path) -> None:
    with supervised(data, timing=HASTY._replace(look_seconds=60.0)) as server:
        for _ in range(3):
            address(server)
        reports(server, "UDP worker 1", "restarts 0, queries 3, batches 3")
        (pid,) = server.workers(WORKER)
        os.kill(pid, signal.SIGKILL)
        says(server, "ended by signal 9")
        address(server)
        (pid,) = server.workers(WORKER)
        reports(
            server,
            f"UDP worker 1 of 127.0.0.1:{server.port}: process {pid}, up",
            "restarts 1, queries 4, batches 4, dropped by the kernel 0",
        )
        says(server, "TCP server: process", "restarts 0")
        assert address(server, dns.query.tcp) == "192.0.2.1"


def test_no_signal_without_a_meaning_ends_anything(data: Path) -> None:
    with supervised(data) as server:
        family = children(server.process.pid)
        for number in sorted(MEANINGLESS - {signal.SIGHUP, signal.SIGUSR1}):
            for pid in (server.process.pid, *family):
                os.kill(pid, number)
        for pid in family:  # these have a meaning to the supervisor only
            os.kill(pid, signal.SIGHUP)
            os.kill(pid, signal.SIGINT)
        assert address(server) == "192.0.2.1"
        assert address(server, dns.query.tcp) == "192.0.2.1"
        assert sorted(children(server.process.pid)) == sorted(family)
        assert server.stop() == 0


@pytest.mark.parametrize("gone", [True, False])
def test_a_stderr_that_nobody_reads_holds_nothing_up(data: Path, gone: bool) -> None:
    reading, writing = os.pipe()
    with contextlib.suppress(BlockingIOError):
        os.set_blocking(writing, False)
        while not gone and os.write(writing, bytes(65_536)):
            pass
    os.set_blocking(writing, True)
    if gone:
        os.close(reading)
    with supervised(data, stderr=writing) as server:
        for module in (WORKER, TCP):
            (pid,) = server.workers(module)
            os.kill(pid, signal.SIGKILL)
            eventually("it is replaced", partial(is_replaced, server, module, pid))
        server.process.send_signal(signal.SIGUSR1)
        assert address(server) == "192.0.2.1"
        assert address(server, dns.query.tcp) == "192.0.2.1"
        assert server.stop() == 0
    os.close(writing)
    if not gone:
        os.close(reading)


# -- the data directory


def serves(server: Server, wanted: str) -> None:
    for ask in (dns.query.udp, dns.query.tcp):
        eventually(f"{wanted} is served", lambda ask=ask: address(server, ask) == wanted)


def test_another_data_directory_in_its_place_is_opened(data: Path) -> None:
    with supervised(data) as server:
        family = children(server.process.pid)
        other = make_data(data.with_name("other"), OTHER)
        data.rename(data.with_name("old"))
        other.rename(data)
        says(server, "another data directory has taken its place")
        says(server, "all processes have opened it anew")
        serves(server, "192.0.2.77")
        eventually("the old have ended", lambda: not any(map(alive, family)))
        time.sleep(5 * HASTY.look_seconds)
        assert server.log.read_text().count("opened it anew") == 1


def test_a_symbolic_link_that_is_turned_is_followed(data: Path) -> None:
    other = make_data(data.with_name("other"), OTHER)
    current = data.with_name("current")
    current.symlink_to(data)
    with supervised(current) as server:
        assert address(server) == "192.0.2.1"
        (turned := data.with_name("turned")).symlink_to(other)
        turned.rename(current)
        says(server, "all processes have opened it anew")
        serves(server, "192.0.2.77")


def test_a_directory_that_is_gone_is_told_and_what_was_open_is_served(data: Path) -> None:
    with supervised(data) as server:
        away = data.rename(data.with_name("away"))
        says(server, "the data directory is gone; what is open is served on")
        assert address(server) == "192.0.2.1"
        (pid,) = server.workers(WORKER)
        os.kill(pid, signal.SIGKILL)
        says(server, "ended by signal 9")
        time.sleep(5 * HASTY.look_seconds)
        assert address(server, dns.query.tcp) == "192.0.2.1"
        assert server.workers(WORKER) == []
        away.rename(data)
        says(server, "there is a data directory again")
        assert address(server) == "192.0.2.1"
        assert server.log.read_text().count("directory is gone") == 1


def test_a_server_without_data_and_without_processes_ends(data: Path) -> None:
    with supervised(data) as server:
        shutil.rmtree(data)
        says(server, "is gone")
        for pid in children(server.process.pid):
            os.kill(pid, signal.SIGKILL)
        assert server.process.wait(PATIENCE) == 2
        assert "the data directory is gone, and so are all" in server.log.read_text()


def test_what_cannot_be_opened_in_its_place_leaves_the_old_served(data: Path) -> None:
    with supervised(data) as server:
        family = children(server.process.pid)
        (half := data.with_name("half")).write_bytes(b"half a copy" * 1000)
        half.rename(data / "data.mdb")
        says(server, "cannot be opened anew: exit code 1", "no LMDB file")
        assert address(server) == "192.0.2.1"
        assert address(server, dns.query.tcp) == "192.0.2.1"
        assert set(family) <= set(children(server.process.pid))
        shutil.copytree(make_data(data.with_name("other"), OTHER), data.with_name("whole"))
        (data.with_name("whole") / "data.mdb").rename(data / "data.mdb")
        says(server, "all processes have opened it anew")
        serves(server, "192.0.2.77")


def test_a_lock_file_that_is_made_anew_is_opened_anew(data: Path) -> None:
    """Readers and writers with different lock files know nothing of each other."""
    with supervised(data) as server:
        (data / "lock.mdb").unlink()
        says(server, "all processes have opened it anew")
        with Store.open(data, writable=True) as store:
            assert store.usage()["readers"] > 0
            put_zone(store, OTHER)
        serves(server, "192.0.2.77")


@pytest.mark.parametrize("octets", [0, 8192])
def test_a_data_file_that_is_cut_short_ends_the_server_with_the_reason(
    data: Path, octets: int
) -> None:
    """Whoever maps it is killed by the kernel."""
    with supervised(data) as server:
        os.truncate(data / "data.mdb", octets)
        with pytest.raises(dns.exception.Timeout):
            dns.query.udp(question(), "127.0.0.1", port=server.port, timeout=0.1)
        says(server, "UDP worker 1", "data.mdb or lock.mdb was cut short under it")
        assert server.process.wait(PATIENCE) == 2
        assert "could not start" in server.log.read_text().splitlines()[-1]


def test_a_lock_file_that_is_cut_short_costs_processes_and_not_the_server(data: Path) -> None:
    with supervised(data) as server:
        os.truncate(data / "lock.mdb", 0)
        with pytest.raises(dns.exception.Timeout):
            dns.query.udp(question(), "127.0.0.1", port=server.port, timeout=0.1)
        says(server, "UDP worker 1", "was cut short under it")
        serves(server, "192.0.2.1")


def test_a_secret_that_everybody_can_read_is_told(data: Path) -> None:
    (data / "data.mdb").chmod(0o644)
    with supervised(data) as server:
        assert server.log.read_text() == ""  # nobody else can look into the directory
    data.chmod(0o755)
    with supervised(data) as server:
        says(server, "data.mdb, which holds the cookie secret, can be read by everybody here")
