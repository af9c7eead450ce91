"""Changes by UPDATE at a steady rate, and a secondary that follows: for `bench_lag.py --rate`.

The names of the zone get other addresses in turn, so that it stays as large as it is; each PROBE-th
change is of the first name, and its address is the number of the change. The secondary is asked
for that name again and again: what it answers tells up to where it has followed.
"""

from __future__ import annotations

import select
import socket
import statistics
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import family, memory
from csid import names
from csid.protocol import CLASS_ANY, CLASS_IN, SOA, A
from resolver.sync import tsig

PROBE = 40  # changes from one of the first name to the next
FIRST = 1 << 24  # the address of change 0: 1.0.0.0
ASK_SECONDS = 0.002  # between two questions
LOOK_SECONDS = 5.0  # between two looks at memory and files
LOST_SECONDS = 5.0  # after which an answer that has not come is lost
DRAIN_SECONDS = 30.0  # for the secondary to have followed, at the end
_UPDATE = 5 << 11  # opcode, in the second field of the header


class Sender:
    """Makes UPDATEs of a zone whose names are n0000000, n0000001 ... below its origin."""

    def __init__(self, origin: bytes, count: int, key: tsig.Key) -> None:
        self._origin = origin
        self._count = count
        self._key = key

    def message(self, number: int) -> bytes:
        """The change of a number, signed now."""
        place = number % self._count if number % PROBE else 0
        label = b"n%07d" % place
        owner = bytes((len(label),)) + label + b"\xc0\x0c"  # below the origin in the question
        fields = (number & 0xFFFF, _UPDATE, 1, 0, 2, 0)
        head = b"".join(field.to_bytes(2, "big") for field in fields)
        zone = self._origin + _two(SOA) + _two(CLASS_IN)
        gone = owner + _two(A) + _two(CLASS_ANY) + bytes(6)
        come = owner + _two(A) + _two(CLASS_IN) + bytes((0, 0, 0, 60, 0, 4))
        come += (FIRST + number).to_bytes(4, "big")
        message, _ = tsig.sign(head + zone + gone + come, self._key, int(time.time()))
        return message


def _two(number: int) -> bytes:
    return number.to_bytes(2, "big")


class Followed:
    """When changes of the first name were sent, and how long after that each was answered for."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, float]] = deque()
        self._last = -1
        self.lags: list[float] = []  # seconds

    def sent(self, number: int, when: float) -> None:
        self._sent.append((number, when))
        self._last = number

    def seen(self, number: int, when: float) -> None:
        """The secondary answers with the change of a number, or what was there before all."""
        if number > self._last:
            return
        while self._sent and self._sent[0][0] <= number:
            self.lags.append(when - self._sent.popleft()[1])

    @property
    def waiting(self) -> int:
        return len(self._sent)


def sustained(
    ports: tuple[int, int],
    sender: Sender,
    question: bytes,
    nodes: Sequence[tuple[Path, int]],
    rate: float,
    seconds: float,
) -> None:
    """Send changes at a rate, and print how the secondary has followed.

    Args:
        question: for the first name.
        nodes: their folders and processes: of the primary, of the secondary.
    """
    followed, answered, refused = Followed(), 0, 0
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as primary,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as secondary,
    ):
        for sock, port in zip((primary, secondary), ports, strict=True):
            sock.connect(("127.0.0.1", port))
            sock.setblocking(False)
        print_held("at first", nodes)
        begun = time.perf_counter()
        asked, looked, number = 0.0, begun, 0
        while True:
            now = time.perf_counter()
            due = int(min(now - begun, seconds) * rate)
            while number < due:
                if not number % PROBE:
                    followed.sent(number, now)
                primary.send(sender.message(number))
                number += 1
            late = now - begun - seconds
            if late >= 0 and not followed.waiting and (answered == number or late > LOST_SECONDS):
                break
            if late >= DRAIN_SECONDS:
                print(f"not followed after {DRAIN_SECONDS:g} s: {followed.waiting} changes")
                break
            if now >= asked + ASK_SECONDS:
                asked = now
                secondary.send(question)
            if now >= looked + LOOK_SECONDS:
                looked = now
                told = (f"after {now - begun:.0f} s", nodes)
                threading.Thread(target=print_held, args=told).start()
            readable, _, _ = select.select([primary, secondary], [], [], 0.0005)
            if primary in readable:
                answered += 1
                refused += bool(primary.recv(512)[3] & 15)
            if secondary in readable:
                address = secondary.recv(512)[len(question) + 12 :][:4]  # of the first record
                found = int.from_bytes(address, "big") - FIRST
                followed.seen(found, time.perf_counter())
        took = time.perf_counter() - begun
        print_held("at the end", nodes)
    print(f"{number} changes in {took:.1f} s: {answered} answered, {refused} of them refused")
    cuts = statistics.quantiles(followed.lags, n=100)
    most = max(followed.lags)
    print(
        f"sent to answered by the secondary: p50 {1e3 * cuts[49]:.0f} ms, "
        f"p99 {1e3 * cuts[98]:.0f} ms, most {1e3 * most:.0f} ms"
    )


def print_held(when: str, nodes: Sequence[tuple[Path, int]]) -> None:
    """Print the data files' octets, and the own memory of the largest process of each node."""
    told = []
    for folder, pid in nodes:
        file = (folder / "data.mdb").stat()
        own = max(memory(member).own for member in family(pid))
        told.append(f"{folder.name}: file {file.st_size / 2**20:.0f} MiB, {own / 2**20:.0f} MiB")
    print(f"{when}: {'; '.join(told)} of its own in the largest process", flush=True)


def first_name(origin: str) -> bytes:
    """The question for the first name."""
    return b"\0\1\0\0\0\1\0\0\0\0\0\0" + names.from_text(f"n0000000.{origin}") + b"\0\1\0\1"
