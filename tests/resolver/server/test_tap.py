"""dnstap: what is told, read by programs of others, and by the definition of protobuf."""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.server import ctap, tap_frames
from resolver.server.counters import UNTOLD, Counters, unread
from resolver.server.tap import MAX_HELD_OCTETS, Tap, Told, packed, unpacked
from resolver.server.tap_frames import ACCEPT, CONTENT_TYPE, READY, START, Pile, Place, head_of
from tests.support.servers import eventually, make_data, serving

FSTRM = shutil.which("fstrm_capture")
QUERY = dns.message.make_query("www.csid.internal.", "A")
PLACE = Place(head_of("ns1", "csid 1"), tap_frames.UDP, bytes([127, 0, 0, 1]), 53)
HERE = bytes([192, 0, 2, 1])


def fields(octets: bytes) -> dict[int, Any]:
    """The fields of a protobuf message by number."""
    found: dict[int, Any] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            value |= (octets[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if octets[at - 1] < 128:
                return value

    while at < len(octets):
        key = varint()
        if key & 7 == 0:
            found[key >> 3] = varint()
        elif key & 7 == 2:
            size = varint()
            found[key >> 3] = octets[at : at + size]
            at += size
        else:
            assert key & 7 == 5
            found[key >> 3] = int.from_bytes(octets[at : at + 4], "little")
            at += 4
    return found


def frames_in(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Frames as (type of a control frame or 0, body)."""
    at = 0
    while at < len(octets):
        (size,) = struct.unpack_from(">I", octets, at)
        if size:
            yield 0, octets[at + 4 : at + 4 + size]
            at += 4 + size
        else:
            size, kind = struct.unpack_from(">II", octets, at + 4)
            yield kind, octets[at + 12 : at + 8 + size]
            at += 8 + size


def messages_in(octets: bytes) -> list[dict[int, Any]]:
    """The messages of the data frames."""
    found = []
    for kind, body in frames_in(octets):
        if not kind:
            outer = fields(body)
            assert outer[15] == 1
            found.append(fields(outer[14]))
    return found


def test_a_query_and_its_answer_have_the_fields_of_the_definition() -> None:
    pile = tap_frames.Pile()
    pile.add(PLACE, [b"question"], [HERE], [4_242], [b"answer"], 1_500_000_007, True, True)
    query, answer = messages_in(pile.left())
    where = {2: 1, 3: 1, 4: HERE, 5: bytes([127, 0, 0, 1]), 6: 4_242, 7: 53}
    when = {8: 1, 9: 500_000_007}
    assert query == {1: 1, **where, **when, 10: b"question"}
    assert answer == {1: 2, **where, **when, 12: 1, 13: 500_000_007, 14: b"answer"}


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=300),
            st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
            st.integers(0, 65_535),
            st.none() | st.binary(max_size=2_000),
        ),
        max_size=8,
    ),
    st.builds(
        Place,
        st.builds(head_of, st.text(max_size=200), st.text(max_size=20)),
        st.integers(1, 3),
        st.just(b"") | st.binary(min_size=16, max_size=16),
        st.integers(0, 65_535),
    ),
    st.integers(0, 2**62),
    st.booleans(),
    st.booleans(),
)
def test_the_compiled_frames_are_the_same(
    batch: list[tuple[bytes, bytes, int, bytes | None]],
    place: Place,
    now: int,
    queries: bool,
    answers: bool,
) -> None:
    packets = [one[0] for one in batch]
    addresses = [one[1] for one in batch]
    ports = [one[2] for one in batch]
    replies = [one[3] for one in batch]
    piles: tuple[Pile, Pile] = tap_frames.Pile(), ctap.Pile()
    for _ in range(2):
        for pile in piles:
            pile.add(place, packets, addresses, ports, replies, now, queries, answers)
        assert piles[0].left() == piles[1].left()
        assert len(piles[0]) == len(piles[1]) == len(piles[0].left())


@pytest.mark.parametrize("kind", [tap_frames.Pile, ctap.Pile])
@given(steps=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 3_000)), max_size=40))
def test_a_pile_gives_what_was_added_and_knows_the_frames_that_are_left(
    kind: type[Pile], steps: list[tuple[int, int]]
) -> None:
    pile, whole, taken = kind(), bytearray(), bytearray()
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        there.setblocking(False)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least there is
        for number, (size, read) in enumerate(steps):
            before = len(pile)
            pile.add(PLACE, [bytes(size)] * 3, [HERE] * 3, [1] * 3, [None] * 3, number, True, True)
            whole += pile.left()[before:]
            pile.send(here.fileno())
            with contextlib.suppress(BlockingIOError):
                taken += there.recv(read) if read else b""
        left = pile.left()
        with contextlib.suppress(BlockingIOError):
            while True:
                taken += there.recv(65_536)
        assert taken + left == whole
        ends = accumulate(4 + len(body) for _, body in frames_in(bytes(whole)))
        assert pile.clear() == sum(end > len(taken) for end in ends)
        assert not pile
        assert pile.left() == b""


class Reader:
    """A reader of frame streams that accepts any number of connections."""

    def __init__(self, path: Path) -> None:
        self.streams: list[bytearray] = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(str(path))
        self.sock.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            peer, _ = self.sock.accept()
            self.streams.append(bytearray())
            threading.Thread(target=self._read, args=(peer, self.streams[-1]), daemon=True).start()

    def _read(self, peer: socket.socket, stream: bytearray) -> None:
        ready = tap_frames.control(READY)
        assert peer.recv(len(ready), socket.MSG_WAITALL) == ready
        peer.sendall(tap_frames.control(ACCEPT))
        while octets := peer.recv(65_536):
            stream += octets

    def told(self) -> list[dict[int, Any]]:
        """All messages so far; none if one is cut in the middle just now."""
        try:
            return [one for stream in self.streams for one in messages_in(bytes(stream))]
        except (struct.error, IndexError, KeyError):
            return []


def test_a_server_tells_a_reader_what_it_answers(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    reader = Reader(tmp_path / "tap.sock")
    file = tmp_path / "csid.toml"
    file.write_text(f'[dnstap]\nto = "unix:{tmp_path}/tap.sock"\n[serve]\nnsid = "ns1"\n')
    with serving(data, "--config", str(file)) as server:

        def ask() -> bool:
            dns.query.udp(QUERY, "127.0.0.1", port=server.port, timeout=5)
            dns.query.tcp(QUERY, "127.0.0.1", port=server.port, timeout=5)
            return {(one[1], one[3]) for one in reader.told()} == {(1, 1), (2, 1), (1, 2), (2, 2)}

        eventually("all are told", ask)
        udp = [one for one in reader.told() if one[3] == tap_frames.UDP]
        asked = next(one for one in udp if one[1] == 1 and one[10] == QUERY.to_wire())
        assert (asked[5], asked[7]) == (bytes([127, 0, 0, 1]), server.port)
        answered = next(one for one in udp if one[1] == 2 and one[6] == asked[6])
        assert dns.message.from_wire(answered[14]).answer
    for stream in reader.streams:
        kinds = [kind for kind, _ in frames_in(bytes(stream))]
        assert (kinds[0], set(kinds[1:])) == (START, {0})


def test_what_was_collected_is_told_when_the_server_ends(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    reader = Reader(tmp_path / "tap.sock")
    file = tmp_path / "csid.toml"
    file.write_text(f'[dnstap]\nto = "unix:{tmp_path}/tap.sock"\nanswers = false\n')
    wire = QUERY.to_wire()

    def told() -> int:
        return sum(one.get(10) == wire for one in reader.told())

    with serving(data, "--config", str(file)) as server:
        dns.query.udp(QUERY, "127.0.0.1", port=server.port, timeout=5)
        dns.query.tcp(QUERY, "127.0.0.1", port=server.port, timeout=5)
        eventually("the reader is heard by both processes", lambda: told() == 2)
        for _ in range(5):
            dns.query.udp(QUERY, "127.0.0.1", port=server.port, timeout=5)
        dns.query.tcp(QUERY, "127.0.0.1", port=server.port, timeout=5)
        server.stop()
    eventually("all are told", lambda: told() == 8)


@pytest.mark.skipif(FSTRM is None, reason="fstrm_capture (Debian: fstrm-bin)")
def test_fstrm_takes_what_is_told(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    words = [str(FSTRM), "-t", CONTENT_TYPE.decode(), "-u", f"{tmp_path}/tap.sock"]
    capture = subprocess.Popen([*words, "-w", f"{tmp_path}/taken"], stderr=subprocess.DEVNULL)
    try:
        eventually("it listens", lambda: (tmp_path / "tap.sock").exists())
        file = tmp_path / "csid.toml"
        file.write_text(f'[dnstap]\nto = "unix:{tmp_path}/tap.sock"\nqueries = false\n')
        with serving(data, "--config", str(file)) as server:
            for _ in range(20):
                dns.query.udp(QUERY, "127.0.0.1", port=server.port, timeout=5)
    finally:
        capture.terminate()
        capture.wait(10)
    octets = (tmp_path / "taken").read_bytes()
    assert next(frames_in(octets))[0] == START
    found = messages_in(octets)
    assert found
    assert {one[1] for one in found} == {2}


def test_several_processes_put_whole_frames_into_one_file(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    file, taken = tmp_path / "csid.toml", tmp_path / "taken"
    file.write_text(f'[dnstap]\nto = "file:{taken}"\n')
    wire = QUERY.to_wire()

    def asked() -> int:
        return sum(one.get(10) == wire for one in messages_in(taken.read_bytes()))

    with serving(data, "--config", str(file), workers=3) as server:
        for _ in range(50):
            dns.query.udp(QUERY, "127.0.0.1", port=server.port, timeout=5)
        dns.query.tcp(QUERY, "127.0.0.1", port=server.port, timeout=5)
        eventually("the file has them", lambda: asked() == 51)
    assert [kind for kind, _ in frames_in(taken.read_bytes()) if kind] == [START]
    assert not list(tmp_path.glob("taken.*"))


def test_without_a_reader_nothing_waits_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    counters = unread()
    tap = Tap(Told(f"unix:{tmp_path}/nobody", True, True, "a", "b"), counters)
    for _ in range(10):
        tap.tell(PLACE, [b"q"] * 5, [HERE] * 5, [1] * 5, [b"a", None, b"a", b"a", b"a"])
    assert counters[UNTOLD] == 10 * 9


@contextlib.contextmanager
def listened(folder: Path) -> Iterator[tuple[Tap, socket.socket, Counters]]:
    """A tap, the socket on which its reader is to accept it, and what it counts."""
    counters = unread()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(f"{folder}/tap.sock")
        sock.listen()
        yield Tap(Told(f"unix:{folder}/tap.sock", True, True, "a", "b"), counters), sock, counters


def test_a_reader_that_reads_no_more_costs_bounded_memory(tmp_path: Path) -> None:
    with listened(tmp_path) as (tap, sock, counters):
        batch = ([b"q" * 1_000] * 64, [HERE] * 64, [1] * 64)
        tap.tell(PLACE, *batch, [None] * 64)
        peer, _ = sock.accept()
        peer.sendall(tap_frames.control(ACCEPT))
        lost = counters[UNTOLD]
        for _ in range(1_000):
            tap.tell(PLACE, *batch, [None] * 64)
        assert counters[UNTOLD] > lost
        assert len(tap._pile) < MAX_HELD_OCTETS + 64 * 2_000
        peer.close()


def test_few_frames_are_collected_and_what_a_reader_left_behind_is_counted(tmp_path: Path) -> None:
    with listened(tmp_path) as (tap, sock, counters):
        batch = [b"q"] * 5, [HERE] * 5, [1] * 5, [b"a", None, b"a", b"a", b"a"]
        tap.tell(PLACE, *batch)
        peer, _ = sock.accept()
        peer.sendall(tap_frames.control(ACCEPT))
        tap.flush()
        begun = [tap_frames.control(READY), tap_frames.control(START)]
        octets = peer.recv(1 << 16)
        assert octets.startswith(b"".join(begun))
        assert len(messages_in(octets)) == 9
        tap.tell(PLACE, *batch)
        with pytest.raises(BlockingIOError):
            peer.recv(1, socket.MSG_DONTWAIT)
        peer.close()
        assert counters[UNTOLD] == 0
        tap.flush()
        assert counters[UNTOLD] == 9
        tap.tell(PLACE, *batch)  # nobody is looked for so soon again
        assert counters[UNTOLD] == 18


def test_what_is_told_goes_to_a_process_as_it_is() -> None:
    told = Told("unix:/run/x", True, False, "ns1.例", "csid 1")
    assert unpacked(packed(told)) == told
