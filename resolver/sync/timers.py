"""When a zone that follows another server is looked at again (RFC 1035 section 3.3.13).

    sync.timers   due(5) + 00 + canonical key of an apex -> empty, or FULL

`due` is in Unix seconds; AT_ONCE and AGAIN are at once. Each zone that follows has one row, that of
its state (resolver/sync/states.py), so what is due is found without reading of any that is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from random import Random
from struct import Struct
from typing import Final, NamedTuple

from csid.protocol import SOA
from resolver.store import node
from resolver.store.apexes import NOT_READY, split_zone_entry
from resolver.store.seek import APEX_PREFIX
from resolver.sync.settings import TIMERS, Moment, where

FULL: Final = b"\x01"  # the zone is transferred as a whole, whatever serial is held
AT_ONCE: Final = 0
AGAIN: Final = 1  # as AT_ONCE, asked for where that stands already: it may be looked at just now

_DUE_OCTETS: Final = 5
_TAIL_OCTETS: Final = 20  # of SOA data, behind its names: five numbers
_TAIL: Final = Struct(">4I")  # all but the last, which is of no matter here

# Bounds in seconds, for a primary that says what would hurt it, or us.
LEAST_REFRESH: Final = 2
MOST_REFRESH: Final = 28 * 86_400
LEAST_RETRY: Final = 1
MOST_RETRY: Final = 14 * 86_400
MOST_EXPIRE: Final = 365 * 86_400
MOST_BOOTSTRAP: Final = 600  # between two attempts to get a zone that was never here


class Soa(NamedTuple):
    """What the SOA of a zone says to its secondaries, as it says it."""

    serial: int
    refresh: int  # seconds, as those that follow
    retry: int
    expire: int

    @property
    def times(self) -> Times:
        """What is done: within bounds, and with time to notice a primary that is away before the
        zone expires (RFC 1912 section 2.2: expire is longer than refresh and retry).
        """
        return _times(self.refresh, self.retry, self.expire)


class Times(NamedTuple):
    """Seconds between two looks, after a failure, and without any success until it expires."""

    refresh: int
    retry: int
    expire: int


@lru_cache(1_024)  # many zones say the same
def _times(refresh: int, retry: int, expire: int) -> Times:
    refresh = min(max(refresh, LEAST_REFRESH), MOST_REFRESH)
    retry = min(max(retry, LEAST_RETRY), MOST_RETRY)
    return Times(refresh, retry, min(max(expire, refresh + retry), MOST_EXPIRE + refresh + retry))


def soa_in(blob: bytes) -> Soa | None:
    """The SOA in the node of an apex; None if it has none."""
    at = node.find_entry(blob, SOA) if len(blob) >= len(node.EMPTY) else 0
    if not at:
        return None
    records = node.records_at(blob, at)
    return Soa(*_TAIL.unpack_from(records, len(records) - _TAIL_OCTETS))


def held_of(moment: Moment, apex: bytes) -> tuple[Soa | None, int]:
    """The SOA of the zone that is held at an apex (canonical key), None if there is no zone, or
    nothing of it is here yet; and its flags.
    """
    value = moment.table(b"apexes").get(APEX_PREFIX + apex)
    if value is None:
        return None, NOT_READY
    entry = split_zone_entry(value)
    blob = moment.table(b"tree").get(entry.generation)
    return (None if blob is None else soa_in(blob)), entry.flags


def soa_of(moment: Moment, apex: bytes) -> Soa | None:
    """The SOA of the zone that is held at an apex; as `held_of`."""
    return held_of(moment, apex)[0]


def is_ahead(serial: int, of: int) -> bool:
    """Whether one serial is newer than another (RFC 1982 section 3.2)."""
    return 0 < (serial - of) % 2**32 < 2**31


def earlier(seconds: int, random: Random) -> int:
    """Seconds less a random tenth, so that zones that came together part."""
    return max(1, seconds - int(random.random() * (seconds // 10 + 1)))


def bootstrap(failures: int, random: Random) -> int:
    """Seconds until the next attempt to get a zone that was never here."""
    return earlier(min(2 ** min(failures, 20), MOST_BOOTSTRAP), random)


def timer_key(due: int, apex: bytes) -> bytes:
    """The key of a zone's row."""
    return due.to_bytes(_DUE_OCTETS, "big") + where(apex)


def is_full(moment: Moment, due: int, apex: bytes) -> bool:
    """Whether a zone is to be transferred as a whole by its row."""
    return moment.table(TIMERS).get(timer_key(due, apex)) == FULL


def rows(moment: Moment, start: bytes = b"") -> Iterator[tuple[bytes, int, bytes, bool]]:
    """(key, due, apex, whether in full) of the rows from a key on, in the order in which they are
    due.
    """
    for key, value in moment.table(TIMERS).scan(b"", start):
        yield key, int.from_bytes(key[:_DUE_OCTETS], "big"), key[_DUE_OCTETS + 1 :], value == FULL
