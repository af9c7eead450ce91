"""UPDATEs sent to a running node, over UDP and TCP, by nsupdate and knsupdate and by many at once:
what is answered NOERROR is there, whatever is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import pytest

from registry.service import Registry
from resolver.store.environment import Store
from tests.support import trees, updating
from tests.support.books import OWNERS, SUFFIX, accredit, create
from tests.support.servers import Server, eventually
from tests.support.supervised import supervised

HOST = "127.0.0.1"
WRITER = "gateway.writing"
SECRET = dns.tsigkeyring.to_text(updating.RING)[updating.KEY][1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory whose zone a key may update."""
    path = create(tmp_path / "data")
    with Registry.alone(path, sync=False) as registry:
        accredit(registry, *OWNERS)
        updating.allow(registry.store, SUFFIX)
    return path


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    with supervised(data, writer=True) as server:
        eventually("the writer listens", lambda: (data / "update.sock").exists())
        yield server


def check(data: Path) -> None:
    """What must hold of a directory at rest."""
    with Store.open(data) as store:
        trees.check(store)
        assert updating.verified(store).faults == []


def add(name: str, text: str = "x", *prerequisites: tuple[str, ...]) -> dns.update.UpdateMessage:
    message = updating.new(SUFFIX)
    for step, *given in prerequisites:
        getattr(message, step)(*given)
    message.replace(f"{name}.{SUFFIX}", 60, "TXT", text)
    message.use_tsig(updating.RING, updating.KEY)
    return message


def ask(
    server: Server, message: dns.message.Message, stream: bool = False, seconds: float = 20
) -> str:
    exchange = dns.query.tcp if stream else dns.query.udp
    return updating.told(exchange(message, HOST, timeout=seconds, port=server.port))


CLIENTS = {
    "nsupdate": ["nsupdate", "-y", f"hmac-sha256:{updating.KEY}:{SECRET}"],
    "knsupdate": ["knsupdate", "-y", f"hmac-sha256:{updating.KEY}:{SECRET}"],
}


def run(
    program: str, server: Server, stream: bool, *lines: str
) -> subprocess.CompletedProcess[str]:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    script = "\n".join([f"server {HOST} {server.port}", f"zone {SUFFIX}", *lines, "send", "quit"])
    return subprocess.run(
        [*CLIENTS[program], *(["-v"] if stream else [])],
        input=script + "\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("stream", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("program", ["nsupdate", "knsupdate"])
def test_updates_of_other_programs_are_carried_out(
    data: Path, server: Server, program: str, stream: bool
) -> None:
    name = f"by-{program}.{SUFFIX}"
    done = run(
        program, server, stream, f"prereq nxdomain {name}", f"update add {name} 60 A 192.0.2.1"
    )
    assert (done.returncode, done.stderr.strip()) == (0, ""), done
    again = run(
        program, server, stream, f"prereq nxdomain {name}", f"update add {name} 60 A 192.0.2.2"
    )
    assert "YXDOMAIN" in again.stdout + again.stderr
    code = f"x.{SUFFIX}"
    outside = run(program, server, stream, f"update add *.{SUFFIX} 60 A 192.0.2.1")
    assert "REFUSED" in outside.stdout + outside.stderr, code
    with Store.open(data) as store:
        lines = updating.text(store, SUFFIX)
    assert [line for line in lines if line.startswith("by-")] == [f"{name} 60 IN A 192.0.2.1\n"]
    check(data)


@pytest.mark.parametrize("stream", [False, True], ids=["udp", "tcp"])
def test_the_answer_is_signed_and_comes_with_what_is_visible_then(
    server: Server, stream: bool
) -> None:
    for number in range(20):
        message = add("seen", f"{number}")
        assert ask(server, message, stream) == "NOERROR"
        query = dns.message.make_query(f"seen.{SUFFIX}", "TXT")
        answer = dns.query.udp(query, HOST, timeout=20, port=server.port)
        assert answer.answer[0][0].to_text() == f'"{number}"'


@pytest.mark.parametrize("stream", [False, True], ids=["udp", "tcp"])
def test_without_a_writer_an_update_fails_at_once(data: Path, stream: bool) -> None:
    with supervised(data) as server:
        begun = time.monotonic()
        assert ask(server, add("never"), stream).startswith("SERVFAIL")
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("stream", [False, True], ids=["udp", "tcp"])
def test_a_writer_that_was_replaced_is_found_again(server: Server, stream: bool) -> None:
    assert ask(server, add("before"), stream) == "NOERROR"
    (pid,) = server.workers(WRITER)
    os.kill(pid, signal.SIGKILL)
    eventually(
        "updates are carried out again",
        lambda: ask(server, add("after"), stream).startswith("NOERROR"),
    )


def test_of_two_who_update_by_what_they_saw_only_one_wins(data: Path, server: Server) -> None:
    assert ask(server, add("count", "0")) == "NOERROR"
    rounds, won = 40, []

    def client(who: int) -> None:
        for number in range(rounds):
            seen = ("present", f"count.{SUFFIX}", "TXT", f'"{number}"')
            answer = ask(server, add("count", f"{number + 1}", seen), bool(who % 2))
            assert answer in ("NOERROR", "NXRRSET")
            if answer == "NOERROR":
                won.append(number)
            while f'"{number}"' in seen_text():
                time.sleep(0.001)

    def seen_text() -> str:
        query = dns.message.make_query(f"count.{SUFFIX}", "TXT")
        return dns.query.udp(query, HOST, timeout=20, port=server.port).answer[0][0].to_text()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(client, range(4)))
    assert sorted(won) == list(range(rounds))
    check(data)


def test_what_was_answered_is_there_whenever_the_writer_is_killed(
    data: Path, server: Server
) -> None:
    kills = 6
    answered: dict[str, str] = {}
    tried: dict[str, set[str]] = {}
    over = threading.Event()

    def client(who: int) -> None:
        turn = 0
        while not over.is_set():
            name, text = f"c{who}n{turn % 7}", f"{turn}"
            tried.setdefault(name, set()).add(text)
            message = add(name, text)
            message.replace(f"twin-{name}.{SUFFIX}", 60, "TXT", text)
            message.use_tsig(updating.RING, updating.KEY)
            turn += 1
            try:
                answer = ask(server, message, bool(who % 2), 2)
            except (OSError, EOFError, dns.exception.DNSException):
                continue
            if answer == "NOERROR":
                answered[name] = text

    with ThreadPoolExecutor(6) as threads:
        clients = [threads.submit(client, who) for who in range(6)]
        for number in range(kills):
            eventually("a writer runs", lambda: server.workers(WRITER))
            wanted = _sum(answered) + 1
            eventually("updates go on", lambda wanted=wanted: _sum(answered) >= wanted)
            time.sleep(0.01 * number)
            for pid in server.workers(WRITER):
                os.kill(pid, signal.SIGKILL)
        over.set()
        for one in clients:
            one.result()
    assert server.stop() == 0
    check(data)
    with Store.open(data) as store:
        lines = updating.text(store, SUFFIX)
    held = {line.split()[0].split(".")[0]: line.split('"')[1] for line in lines if " TXT " in line}
    for name, text in answered.items():
        assert int(held[name]) >= int(text), f"an answered update of {name} is lost"
    for name in tried:
        assert held.get(name) == held.get(f"twin-{name}"), f"half an update of {name} is there"
        assert held.get(name) in {None, *tried[name]}


def _sum(answered: dict[str, str]) -> int:
    return sum(map(int, list(answered.values())))


def test_what_is_no_update_at_the_writers_socket_ends_its_connection_only(
    data: Path, server: Server
) -> None:
    for octets in (b"\xff" * 64, b"\0\0\0\7" + bytes(7), b"\0\0\0\0", b"\0\0\1\0short"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(data / "update.sock"))
            sock.sendall(octets)
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(20)
            assert sock.recv(64) == b""
    assert ask(server, add("after")) == "NOERROR"


def test_many_on_one_connection_are_all_answered_between_queries(server: Server) -> None:
    messages = [add(f"piped{number}") for number in range(40)]
    query = dns.message.make_query(f"ns1.{SUFFIX}", "A")
    wires = [one.to_wire() for message in messages for one in (message, query)]
    with socket.create_connection((HOST, server.port), timeout=20) as sock:
        sock.sendall(b"".join(len(wire).to_bytes(2, "big") + wire for wire in wires))
        file = sock.makefile("rb")
        answers = [file.read(int.from_bytes(file.read(2), "big")) for _ in wires]
    by_id = {answer[:2]: answer for answer in answers}
    for message in messages:
        answer = updating.read(message, by_id[message.id.to_bytes(2, "big")])
        assert answer.rcode() == dns.rcode.NOERROR
    assert by_id[query.id.to_bytes(2, "big")][3] & 15 == dns.rcode.NOERROR


@pytest.mark.parametrize("stream", [False, True], ids=["udp", "tcp"])
def test_a_writer_that_hangs_holds_up_no_query(server: Server, stream: bool) -> None:
    assert ask(server, add("before"), stream) == "NOERROR"
    (pid,) = server.workers(WRITER)
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(ask, server, add("hangs"), stream)
        query = dns.message.make_query(f"before.{SUFFIX}", "TXT")
        for _ in range(20):
            assert dns.query.udp(query, HOST, timeout=20, port=server.port).answer
            assert dns.query.tcp(query, HOST, timeout=20, port=server.port).answer
        assert waits.result().startswith("SERVFAIL")  # its supervisor replaces it
    eventually("it goes on", lambda: ask(server, add("after"), stream).startswith("NOERROR"))
