"""Any octets at all: an answer or silence, never an exception, within its limits and at once."""

from __future__ import annotations

import os
import random
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.limits import EDNS_UDP_OCTETS, MAX_MESSAGE_OCTETS
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from tests.support.memory import MemoryTree, zone_data
from tests.support.packets import (
    NOW,
    PEER,
    message,
    mutated,
    opt,
    option,
    parsed,
    query,
    question,
    random_query,
)
from tests.support.servers import CHECKOUT, SUFFIX, make_data

ZONES = {
    "example.": """\
$TTL 300
@         SOA    ns1 host 7 7200 900 1209600 60
@         NS     ns1
ns1       A      192.0.2.1
*.wild    TXT    "wild"
www       A      192.0.2.80
a.ent     CNAME  x.dn
loop      CNAME  loop
dn        DNAME  wild
dnself    DNAME  dnself2
dnself2   DNAME  x.dnself
grow      DNAME  x.y.z.grow
many      TXT    {filler}
cut       NS     ns.cut
ns.cut    A      192.0.2.53
\\000\\001  TXT  "escaped"
""".format(filler=" ".join("x" * 250 for _ in range(10))),
    "sub.example.": "$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns.example.\nwww A 192.0.2.2\n",
    ".": "$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns.example.\nexample NS ns1.example.\n",
}
TREE = MemoryTree(dict(zone_data(text, origin) for origin, text in ZONES.items()))
OWNERS = sorted({owner for origin, text in ZONES.items() for owner in zone_data(text, origin)[1]})


def answer(packet: bytes, stream: bool = False) -> bytes | None:
    return Answerer(OptWriter(bytes(16), b"node")).answer(packet, TREE.source(), NOW, PEER, stream)


def check(packet: bytes, reply: bytes | None, stream: bool = False) -> None:
    """What holds of the answer to any octets at all."""
    if len(packet) < 12 or packet[2] & 0x80:
        assert reply is None
        return
    assert reply is not None
    assert reply[:2] == packet[:2]
    assert reply[2] & 0x80
    assert reply[2] & 0x78 == packet[2] & 0x78
    assert len(reply) <= (MAX_MESSAGE_OCTETS if stream else EDNS_UDP_OCTETS)
    read = parsed(reply)
    if read.edns < 0 and not stream:
        assert len(reply) <= 512
    if read.question:
        octets = len(names.from_text(str(read.question[0].name))) + 4
        assert reply[12 : 12 + octets] == packet[12 : 12 + octets]


@given(st.binary(max_size=600), st.booleans())
def test_any_octets_are_answered_or_not(packet: bytes, stream: bool) -> None:
    check(packet, answer(packet, stream), stream)


@given(st.binary(max_size=400), st.booleans())
def test_any_octets_behind_a_plausible_header_are_answered(rest: bytes, stream: bool) -> None:
    for counts in ((1, 0, 0, 0), (1, 0, 0, 1), (0, 0, 0, 1), (1, 0, 1, 65535)):
        packet = message(counts=counts, tail=rest)
        check(packet, answer(packet, stream), stream)


@pytest.mark.parametrize("seed", range(4))
def test_queries_and_their_mutations_are_answered(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(1_000):
        packet = random_query(rng, OWNERS)
        stream = rng.random() < 0.3
        for one in (packet, mutated(rng, packet)):
            check(one, answer(one, stream), stream)


HOSTILE = {
    "64 KiB of one-octet labels": message(question(b"\1a" * 32_000, "A")),
    "64 KiB of options": query(
        "www.example.", "A", opt(*[option(65001)] * 16_000)
    ),
    "64 KiB of cookies": query("www.example.", "A", opt(*[option(10, bytes(8))] * 5_000)),
    "64 KiB of records": message(
        question("www.example.", "A"),
        counts=(1, 0, 0, 5_900),
        tail=(b"\0\0\1\0\1" + bytes(6)) * 5_900,
    ),
    "64 KiB of records with long names": message(
        question("www.example.", "A"),
        counts=(1, 0, 0, 65535),
        tail=(b"\1a" * 120 + b"\xc0\x0c\0\1\0\1" + bytes(6)) * 250,
    ),
    "a name of 127 labels below a DNAME that adds three": query(
        b"\1a" * 115 + b"\4grow\7example\0", "A"
    ),
    "DNAMEs that lead to each other": query(b"\1a" * 60 + b"\6dnself\7example\0", "A"),
    "127 labels that are not there": query(b"\1a" * 122 + b"\7example\0", "A"),
    "a name of zeros": query(
        b"".join(bytes((size,)) + bytes(size) for size in (63, 63, 63, 61)) + b"\0", "A"
    ),
}  # fmt: skip


@pytest.mark.parametrize("packet", HOSTILE.values(), ids=HOSTILE)
def test_the_costliest_packets_cost_little(packet: bytes) -> None:
    """A tenth of a second is a thousand times what an honest query takes."""
    start = time.process_time()
    reply = answer(packet, True)
    assert time.process_time() - start < 0.1
    check(packet, reply, True)
    check(packet, answer(packet))


# -- the same through the process that serves


@contextmanager
def worker(data: Path, pure: bool) -> Iterator[tuple[subprocess.Popen[bytes], tuple[str, int]]]:
    """A UDP worker process on a loopback socket of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        ready, tell = os.pipe()
        command = ["-m", "resolver.server.worker", "--data", data, "--fd", sock.fileno()]
        process = subprocess.Popen(
            [sys.executable, *map(str, command), "--ready-fd", str(tell)],
            pass_fds=(sock.fileno(), tell),
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "CSID_PURE": "1" if pure else ""},
        )
        os.close(tell)
        try:
            assert os.read(ready, 1) == b"+"
            yield process, sock.getsockname()
        finally:
            os.close(ready)
            process.terminate()
            process.wait(10)


def resident(process: subprocess.Popen[bytes]) -> int:
    """Kilobytes of memory of its own that a process has."""
    status = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    rows = dict(line.split(":") for line in status.splitlines()[1:])
    return int(rows["Private_Dirty"].split()[0]) + int(rows["Private_Clean"].split()[0])


def exchange(sock: socket.socket, packets: list[bytes]) -> dict[bytes, bytes]:
    """Send packets, with IDs of their own; the answers by ID, waited for until none is missing."""
    due = {packet[:2] for packet in packets if len(packet) >= 12 and not packet[2] & 0x80}
    for packet in packets:
        with suppress(ConnectionRefusedError):
            sock.send(packet)
    got: dict[bytes, bytes] = {}
    while due - set(got):
        if not select.select([sock], [], [], 5)[0]:
            break
        reply = sock.recv(65535)
        got[reply[:2]] = reply
    assert due == set(got)
    return got


@pytest.mark.parametrize("pure", [False, True], ids=["as built", "interpreted"])
def test_a_worker_lives_through_thousands_of_bad_packets(pure: bool, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    rng = random.Random(1)
    owners = [names.from_text(label + SUFFIX) for label in ("", "www.", "ns.", "many.", "gone.")]
    with (
        worker(data, pure) as (process, address),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        sock.connect(address)
        sizes = []
        for _ in range(3):
            for _ in range(40):
                packets = []
                for ident in range(50):
                    kind = rng.random()
                    packet = random_query(rng, owners)
                    if kind < 0.6:
                        packet = mutated(rng, packet)
                    elif kind < 0.7:
                        packet = rng.randbytes(rng.choice((0, 1, 11, 12, 13, 100, 1400, 5000)))
                    packets.append((ident.to_bytes(2, "big") + packet[2:])[: len(packet)])
                replies = exchange(sock, packets)
                for packet in packets:
                    if len(packet) <= 4096:
                        check(packet, replies.get(packet[:2]))
            sizes.append(resident(process))
        assert process.poll() is None
        www = query(f"www.{SUFFIX}", "A")
        assert len(parsed(exchange(sock, [www])[www[:2]]).answer) == 1
        assert sizes[2] - sizes[0] < 1_000, f"{sizes} KiB"
