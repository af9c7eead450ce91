"""What a process of the server has done so far, in memory that its supervisor can read.

A process that is killed leaves its counters behind, and one that hangs shows it by counters that
stand still. Each is written by one thread of one process only, so no lock is needed.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from typing import Final

from csid.protocol import BADVERS, RCODES

CELLS: Final = 160
OCTETS: Final = 8 * CELLS

Counters = memoryview  # of unsigned 64-bit numbers, by the positions below

QUERIES: Final = 0  # answered or left unanswered on purpose
BATCHES: Final = 1  # in which they were taken from the kernel
# What is no plain query (`resolver.server.special`).
SIGNED: Final = 2
NOTIFIES: Final = 3
UPDATES: Final = 4
AXFRS: Final = 5
IXFRS: Final = 6
# Of the TCP server (`resolver.server.connections`, `transfers`).
ACCEPTED: Final = 8
REFUSED_PEERS: Final = 9
SHED: Final = 10
EXPIRED: Final = 11
FAILED: Final = 12
TRANSFERRED: Final = 13
OPEN: Final = 14
HELD: Final = 15
SPOOLED: Final = 16
# Answers that were held back (`resolver.server.rate_limit`), and those sent cut down instead.
LIMITED: Final = 17
SLIPPED: Final = 18
UNTOLD: Final = 19  # messages that dnstap should have had (`resolver.server.tap`)
# Of a recursive resolver (`resolver.server.recursive`): questions that the cache had no answer to,
# and those that nobody took; questions to other servers, and answers by nobody; of the cache.
MISSED: Final = 20
UNHEARD: Final = 21
UPSTREAM: Final = 22
UNANSWERED: Final = 23
STALE: Final = 24
PRESENT: Final = 25
ABSENT: Final = 26
CACHE_OCTETS: Final = 27
UNDER_WAY: Final = 28

TRUNCATED: Final = 0  # within the cells of a `Tally`
OCTETS_SENT: Final = 1
RCODE: Final = 8  # and those behind it: answers by response code
MOST_RCODES: Final = 24

# Where the tallies of a process begin: of answers over its own transport, over TLS, and of those
# that the writer has given and another thread sends.
PLAIN: Final = 32
TLS: Final = 64
LATER: Final = 96

NAMES: Final[Mapping[int, str]] = {
    QUERIES: "queries",
    BATCHES: "batches",
    SIGNED: "signed",
    NOTIFIES: "notify",
    UPDATES: "update",
    AXFRS: "axfr",
    IXFRS: "ixfr",
    ACCEPTED: "accepted",
    REFUSED_PEERS: "refused",
    SHED: "shed",
    EXPIRED: "expired",
    FAILED: "failed",
    TRANSFERRED: "transferred",
    OPEN: "open",
    HELD: "held",
    SPOOLED: "spooled",
    LIMITED: "limited",
    SLIPPED: "slipped",
    UNTOLD: "untold",
    MISSED: "missed",
    UNHEARD: "unheard",
    UPSTREAM: "upstream",
    UNANSWERED: "unanswered",
    STALE: "stale",
    PRESENT: "present",
    ABSENT: "absent",
    CACHE_OCTETS: "cache-octets",
    UNDER_WAY: "under-way",
}
GAUGES: Final = frozenset(
    {OPEN, HELD, SPOOLED, PRESENT, ABSENT, CACHE_OCTETS, UNDER_WAY}
)  # what is now; the others are since the start
_TALLIES: Final = {PLAIN: "plain", TLS: "tls", LATER: "later"}


class Tally:
    """Counts answers as they are sent, by response code.

    `resolver.server.cdatagrams.Tally` is the same, compiled.

    Args:
        counters: where.
        start: at which of them its cells begin: PLAIN, TLS or LATER.
    """

    def __init__(self, counters: Counters, start: int) -> None:
        self._cells = counters[start : start + RCODE + MOST_RCODES]

    def count(self, message: bytes) -> None:
        """One answer is sent, which has a header."""
        cells = self._cells
        cells[OCTETS_SENT] += len(message)
        cells[TRUNCATED] += message[2] >> 1 & 1
        cells[RCODE + rcode_of(message)] += 1


def rcode_of(message: bytes) -> int:
    """The response code of an answer of ours, with what of it an OPT record has (RFC 6891 section
    6.1.3): that is BADVERS alone, whose answer has nothing besides.
    """
    rcode = message[3] & 15
    if rcode or any(message[6:10]) or not message[11]:
        return rcode
    at = 12
    if message[5]:
        while at < len(message) and 0 < message[at] < 64:
            at += 1 + message[at]
        at += 5
    is_badvers = at + 6 <= len(message) and message[at + 5] == BADVERS >> 4
    return BADVERS if is_badvers else rcode


def make() -> tuple[int, Counters]:
    """New counters, all 0, and a descriptor by which another process can open them.

    Raises:
        OSError: the system has no room for them.
    """
    fd = os.memfd_create("csid-counters")
    try:
        os.ftruncate(fd, OCTETS)
        return fd, _view(fd)
    except OSError:
        os.close(fd)
        raise


def open_inherited(fd: int | None) -> Counters:
    """The counters behind a descriptor, which is closed; without one, some that nobody reads."""
    if fd is None:
        return unread()
    try:
        return _view(fd)
    finally:
        os.close(fd)


def unread() -> Counters:
    """Counters that nobody reads."""
    return memoryview(bytearray(OCTETS)).cast("Q")


def add(gone: list[int], counters: Counters) -> None:
    """Add what a process has counted that is gone to what those before it have."""
    for at in range(CELLS):
        if at not in GAUGES:
            gone[at] += counters[at]


def told(cells: list[int]) -> dict[str, object]:
    """Counters by name, without those that are 0; answers by the names of their response codes."""
    named: dict[str, object] = {name: cells[at] for at, name in NAMES.items() if cells[at]}
    for start, name in _TALLIES.items():
        codes = {
            RCODES.get(code, f"RCODE{code}"): cells[start + RCODE + code]
            for code in range(MOST_RCODES)
            if cells[start + RCODE + code]
        }
        if codes:
            named[name] = {
                "answers": codes,
                "truncated": cells[start + TRUNCATED],
                "octets": cells[start + OCTETS_SENT],
            }
    return named


def _view(fd: int) -> Counters:
    return memoryview(mmap.mmap(fd, OCTETS)).cast("Q")
