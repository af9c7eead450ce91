"""Batches of datagrams, by both ways of doing the system calls, on real sockets."""

from __future__ import annotations

import importlib
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from csid.limits import BATCH_PACKETS
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.server import udp
from tests.support.memory import MemoryTree, zone_data
from tests.support.packets import NOW, message, opt, option, parsed, query, question
from tests.support.servers import CHECKOUT

KINDS = ("resolver.server.datagrams", "resolver.server.cdatagrams")
TREE = MemoryTree(
    dict(
        [
            zone_data(
                "$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns.test.\nwww A 192.0.2.1\n"
                f'long TXT "{"x" * 200}"\n',
                "example.",
            )
        ]
    )
)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    """The class that carries datagrams, in plain Python and compiled."""
    try:
        return importlib.import_module(request.param).Datagrams
    except ImportError:
        pytest.skip(f"{request.param} is not compiled here")


def bound(family: int = socket.AF_INET, host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(5)
    return sock


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with bound() as sock:
        sock.settimeout(None)
        yield sock


@pytest.fixture
def asker(server: socket.socket) -> Iterator[socket.socket]:
    with bound() as sock:
        sock.connect(server.getsockname())
        yield sock


def received(datagrams: Any, count: int) -> list[bytes]:
    """Exactly `count` datagrams, which are on their way and may come in several batches."""
    packets: list[bytes] = []
    while len(packets) < count:
        datagrams.receive()
        packets += datagrams.packets()
    return packets


def test_a_batch_is_received_as_it_was_sent(
    kind: Any, server: socket.socket, asker: socket.socket
) -> None:
    sent = [bytes([number]) * (number * 20) for number in range(40)]
    for packet in sent:
        asker.send(packet)
    datagrams = kind(server)
    assert received(datagrams, len(sent)) == sent
    assert datagrams.addresses()[0] == socket.inet_aton("127.0.0.1")


def test_a_longer_queue_is_taken_batch_by_batch(
    kind: Any, server: socket.socket, asker: socket.socket
) -> None:
    for number in range(BATCH_PACKETS + 10):
        asker.send(number.to_bytes(2, "big"))
    datagrams = kind(server)
    assert datagrams.receive() == BATCH_PACKETS
    first = datagrams.packets()
    assert datagrams.receive() == 10
    last = datagrams.packets()
    assert first + last == [number.to_bytes(2, "big") for number in range(BATCH_PACKETS + 10)]


def test_a_datagram_longer_than_its_slot_is_cut_off(
    kind: Any, server: socket.socket, asker: socket.socket
) -> None:
    asker.send(b"a" * 9_000)
    asker.send(b"b")
    assert received(kind(server), 2) == [b"a" * 4_096, b"b"]


def test_each_asker_gets_its_own_answers(kind: Any, server: socket.socket) -> None:
    """Whatever their sizes, and however the kernel is handed them: all of a batch, each once."""
    askers = [bound() for _ in range(4)]
    for number in range(BATCH_PACKETS):
        askers[number % 4].sendto(bytes((number,)), server.getsockname())
    datagrams = kind(server)
    assert datagrams.receive() == BATCH_PACKETS
    expected: list[set[bytes]] = [set() for _ in askers]
    replies_sent = []
    for packet in datagrams.packets():
        number = packet[0]
        # Two sizes for each asker, a few of a size of their own, the largest among them
        size = 1232 if number < 8 else 100 + number if number % 5 == 0 else 200 + number % 4
        reply = bytes((number,)) * size
        expected[number % 4].add(reply)
        replies_sent.append(reply)
    datagrams.send(replies_sent)
    for asker, replies in zip(askers, expected, strict=True):
        assert {asker.recv(2048) for _ in replies} == replies
        asker.setblocking(False)
        with pytest.raises(BlockingIOError):
            asker.recv(2048)
        asker.close()


def test_a_full_batch_of_the_largest_answers_leaves(
    kind: Any, server: socket.socket, asker: socket.socket
) -> None:
    for _ in range(BATCH_PACKETS):
        asker.send(b"?")
    datagrams = kind(server)
    assert datagrams.receive() == BATCH_PACKETS
    datagrams.send([bytes((slot,)) * 1232 for slot in range(BATCH_PACKETS)])
    got = {asker.recv(2048) for _ in range(BATCH_PACKETS)}
    assert got == {bytes((slot,)) * 1232 for slot in range(BATCH_PACKETS)}


def test_some_are_answered_and_others_stay_silent(
    kind: Any, server: socket.socket, asker: socket.socket
) -> None:
    for number in range(6):
        asker.send(bytes((number,)))
    datagrams = kind(server)
    assert datagrams.receive() == 6
    answered = (0, 1, 3, 5)
    datagrams.send([bytes((slot,)) * 30 if slot in answered else None for slot in range(6)])
    assert sorted(asker.recv(2048)[0] for _ in range(4)) == [0, 1, 3, 5]
    asker.setblocking(False)
    with pytest.raises(BlockingIOError):
        asker.recv(2048)


def test_an_asker_that_is_gone_does_not_harm_the_others(
    kind: Any, server: socket.socket, asker: socket.socket
) -> None:
    with bound() as gone:
        gone.sendto(b"gone", server.getsockname())
    datagrams = kind(server)
    for _ in range(3):
        asker.send(b"here")
        time.sleep(0.01)
        datagrams.receive()
        datagrams.send(datagrams.packets())
        assert asker.recv(100) == b"here"


def test_ipv6_askers_are_known_and_answered(kind: Any) -> None:
    try:
        server = bound(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with server, bound(socket.AF_INET6, "::1") as asker:
        asker.connect(server.getsockname())
        server.settimeout(None)
        datagrams = kind(server)
        for _ in range(3):
            asker.send(b"?")
        assert len(received(datagrams, 1)) >= 1
        assert datagrams.addresses()[0] == socket.inet_pton(socket.AF_INET6, "::1")
        datagrams.send([b"!"])
        assert asker.recv(10) == b"!"


@pytest.mark.parametrize(
    ("family", "anywhere", "asked"),
    [
        (socket.AF_INET, "0.0.0.0", "127.0.0.7"),
        (socket.AF_INET6, "::", "::1"),
        (socket.AF_INET6, "::", "::ffff:127.0.0.7"),
    ],
)
def test_the_answer_comes_from_the_address_that_was_asked(
    kind: Any, family: int, anywhere: str, asked: str
) -> None:
    """Also where the socket is bound to all addresses: others would not take the answer."""
    try:
        server = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind((anywhere, 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with server, socket.socket(family, socket.SOCK_DGRAM) as asker:
        datagrams = kind(server)
        asker.connect((asked, server.getsockname()[1]))
        asker.settimeout(5)
        for _ in range(2):
            asker.send(b"?")
            asker.send(b"?")
            count = 0
            while count < 2:
                got = datagrams.receive()
                datagrams.send([b"!"] * got)
                count += got
            assert (asker.recv(10), asker.recv(10)) == (b"!", b"!")


def test_a_signal_does_not_end_the_wait(
    kind: Any, server: socket.socket, asker: socket.socket
) -> None:
    datagrams = kind(server)
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    main = threading.main_thread().ident
    assert main is not None
    interrupt = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1))
    arrive = threading.Timer(0.1, asker.send, (b"?",))
    interrupt.start()
    arrive.start()
    try:
        assert received(datagrams, 1) == [b"?"]
    finally:
        signal.signal(signal.SIGUSR1, before)
        interrupt.join()
        arrive.join()


def test_a_closed_socket_is_an_error(kind: Any, server: socket.socket) -> None:
    datagrams = kind(server)
    server.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        datagrams.receive()


def test_a_slot_takes_no_more_than_it_holds(
    kind: Any, server: socket.socket, asker: socket.socket
) -> None:
    """An oversize answer is a bug here, and must not run into the next slot."""
    asker.send(b"?")
    asker.send(b"?")
    datagrams = kind(server)
    datagrams.receive()
    with pytest.raises(ValueError, match=r"3000|2048"):
        datagrams.send([bytes(3000), b"!"])
    with pytest.raises(IndexError):
        datagrams.send([b"!"] * (BATCH_PACKETS + 1))


# -- a path narrower than our answers

NARROW = "127.0.0.9"
COMMANDS = (
    "ip link set lo up",
    f"ip route replace local {NARROW} dev lo mtu 600 table local",
)


def test_answers_wider_than_the_path_to_one_asker_still_arrive(kind: Any) -> None:
    """Grouped or not, they leave in fragments; and the others of the batch leave with them."""
    own_network = ["unshare", "--map-root-user", "--net", "sh", "-c"]
    prepare = " && ".join(COMMANDS)
    try:
        subprocess.run([*own_network, prepare], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("no network namespaces for this user here")
    here = "tests.resolver.server.test_udp"
    script = f"from {here} import answers_over_a_narrow_path as f; f('{kind.__module__}')"
    done = subprocess.run(
        [*own_network, f"{prepare} && exec {sys.executable} -c {shlex.quote(script)}"],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "3 3\n3 3\n", done.stderr


def answers_over_a_narrow_path(module: str) -> None:
    """Two batches of six answers for two askers; prints what arrived at each."""
    with bound() as server, bound() as wide, bound(host=NARROW) as narrow:
        server.settimeout(None)
        datagrams = importlib.import_module(module).Datagrams(server)
        for _ in range(2):
            for asker in (wide, narrow) * 3:
                asker.sendto(b"?", server.getsockname())
            assert datagrams.receive() == 6
            datagrams.send([bytes(1_000)] * 6)
            arrived = []
            for asker in (wide, narrow):
                arrived.append(0)
                while select.select([asker], [], [], 0.1)[0]:
                    asker.recv(2_000)
                    arrived[-1] += 1
            print(*arrived)


@pytest.mark.parametrize("waiting", [False, True])
def test_told_to_stop_it_takes_no_more(
    kind: Any, server: socket.socket, asker: socket.socket, waiting: bool
) -> None:
    """By a signal, whether it waits at that moment or has a batch in hand."""
    datagrams = kind(server)
    before = signal.signal(signal.SIGUSR1, lambda *_: datagrams.stop())
    main = threading.main_thread().ident
    assert main is not None
    interrupt = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1))
    try:
        if waiting:
            interrupt.start()
        else:
            asker.send(b"?")
            assert datagrams.receive() == 1
            signal.raise_signal(signal.SIGUSR1)
            asker.send(b"for another")
        while (count := datagrams.receive()) == 0:
            pass
        assert count == -1
        if not waiting:
            assert datagrams.packets()[0] == b"?"
            assert server.recv(20) == b"for another"
    finally:
        signal.signal(signal.SIGUSR1, before)
        interrupt.cancel()


# -- a batch through the answerer


def test_a_batch_is_answered_from_one_snapshot(
    kind: Any, server: socket.socket, asker: socket.socket
) -> None:
    """Answers, silence and refusals side by side, in one batch."""
    packets = {
        0: query("www.example.", "A"),
        1: b"short",
        2: message(question("www.example.", "A"), flags=0x8000),
        3: query("gone.example.", "A", opt()),
        4: query("long.example.", "TXT", opt(option(10, bytes(8)))),
        5: b"",
        6: message(),
        7: query("www.example.", "A"),
    }
    for number, packet in packets.items():
        asker.send(number.to_bytes(2, "big") + packet[2:] if len(packet) > 2 else packet)
    datagrams = kind(server)
    time.sleep(0.05)
    count = datagrams.receive()
    assert count == len(packets)
    answerer = Answerer(OptWriter(bytes(16)))
    udp.answer_batch(answerer, datagrams, TREE.source(), NOW)
    replies = [parsed(asker.recv(2048)) for _ in range(5)]
    assert sorted((reply.id, int(reply.rcode()), len(reply.answer)) for reply in replies) == [
        (0, 0, 1),
        (3, 3, 0),
        (4, 0, 1),
        (6, 1, 0),
        (7, 0, 1),
    ]


def test_serving_goes_on_from_batch_to_batch(
    kind: Any, server: socket.socket, asker: socket.socket
) -> None:
    """Each batch sees the store as it then is; the loop ends only with its socket or process."""

    class Ended(Exception):
        pass

    moments: list[None] = []

    class Moment:
        def __enter__(self) -> int:
            if len(moments) == 3:
                raise Ended
            moments.append(None)
            return len(moments)

        def __exit__(self, *_: object) -> None:
            pass

    store = SimpleNamespace(moment=Moment, source_in=lambda _: TREE.source())
    answerer = Answerer(OptWriter(bytes(16)))
    loop = threading.Thread(target=lambda: _until(Ended, store, answerer, kind(server)))
    loop.start()
    for _ in range(3):
        asker.send(query("www.example.", "A"))
        assert len(parsed(asker.recv(2048)).answer) == 1
    asker.send(query("www.example.", "A"))
    loop.join(5)
    assert not loop.is_alive()


class Damaged:
    """Batches of one question, the second of which cannot be read."""

    def __init__(self) -> None:
        self.batch = 0
        self.sent: list[int] = []

    def receive(self) -> int:
        self.batch += 1
        return 1 if self.batch < 4 else -1

    def packets(self) -> list[bytes]:
        if self.batch == 2:
            raise LookupError("damaged")
        return [query("www.example.", "A")]

    def addresses(self) -> list[bytes]:
        return [bytes(4)]

    def send(self, replies: list[bytes | None]) -> None:
        self.sent.append(self.batch)


def test_damage_costs_a_batch_and_not_the_worker(capfd: pytest.CaptureFixture[str]) -> None:
    store = SimpleNamespace(moment=nullcontext, source_in=lambda _: TREE.source())
    counters = memoryview(bytearray(16)).cast("Q")
    datagrams = Damaged()
    udp.serve(store, Answerer(OptWriter(bytes(16))), datagrams, counters)
    assert 2 not in datagrams.sent and {1, 3} <= set(datagrams.sent)
    assert list(counters) == [2, 2]
    said = capfd.readouterr().err
    assert said == "csid: a batch of questions was given up: LookupError('damaged')\n"


def _until(end: type[Exception], store: Any, answerer: Answerer, datagrams: Any) -> None:
    try:
        udp.serve(store, answerer, datagrams, memoryview(bytearray(16)).cast("Q"))
    except end:
        return


@pytest.mark.parametrize(
    ("family", "host", "to"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0", "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0", "127.0.0.2"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "::1"),
    ],
)
def test_who_is_answered_later_is_answered_from_the_address_that_was_asked(
    kind: Any, family: int, host: str, to: str
) -> None:
    try:
        server = bound(family, host)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with server, bound(family, to) as one, bound(family, to) as other:
        server.settimeout(None)
        datagrams = kind(server)
        for number, sock in enumerate((one, other)):
            sock.connect((to, server.getsockname()[1]))
            sock.send(bytes((number,)) * 12)
        askers = {}
        while len(askers) < 2:
            datagrams.receive()
            for slot, packet in enumerate(datagrams.packets()):
                askers[packet[0]] = datagrams.origin(slot)
        for number, sock in enumerate((one, other)):  # connected: from elsewhere nothing comes
            # Plain and compiled, whichever the class is of.
            sys.modules[kind.__module__].send_later(server, askers[number], b"later")
            assert sock.recv(100) == b"later"
        with pytest.raises(IndexError):
            datagrams.origin(BATCH_PACKETS)
