"""Zones that are not served any more and whose data is kept for a while, for their return.

    sync.parted  00 + canonical key of an apex -> msgpack [entry, mark, until]
                 01 + until(5) + canonical key of an apex -> empty

`entry` is what stood under the apex (resolver/store/apexes.py): its generation and its journal are
neither served nor doomed. `mark` says who may have them back, `until` (Unix seconds) when they go.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

import msgpack

from csid import names
from resolver.store.apexes import ZoneEntry, split_zone_entry
from resolver.store.seek import APEX_PREFIX
from resolver.store.table import Table

if TYPE_CHECKING:
    from resolver.store.write import WriteTransaction

PARTED: Final = b"sync.parted"
_DUE: Final = b"\x01"
_SECONDS_OCTETS: Final = 5  # so that the longest apex fits behind them


class Moment(Protocol):
    """A transaction, as far as this module looks into it."""

    def table(self, name: bytes, /) -> Table:
        """A table of the store."""
        ...


def entries(moment: Moment) -> Iterator[ZoneEntry]:
    """The generations and journals of all zones that are kept so."""
    for _, value in moment.table(PARTED).scan(APEX_PREFIX):
        yield split_zone_entry(msgpack.unpackb(value)[0])


def part(txn: WriteTransaction, origin: bytes, mark: bytes, until: int) -> None:
    """Serve the zone at `origin` (wire form) no longer, and keep its data until a time.

    Raises:
        ZoneError: there is no zone with this apex.
    """
    apex = names.key_of(origin)
    forget(txn, origin)
    entry = txn.take_away(origin)
    txn.table(PARTED).put(APEX_PREFIX + apex, msgpack.packb([entry, mark, until]))
    txn.table(PARTED).put(_due(until, apex), b"")


def restore(txn: WriteTransaction, origin: bytes, mark: bytes) -> bool:
    """Serve the zone at `origin` (wire form) again if its data is kept under this mark; what is
    kept under another one goes. Returns whether it is served.
    """
    kept = _kept(txn, names.key_of(origin))
    if kept is None:
        return False
    entry, own_mark, until = kept
    if own_mark != mark:
        forget(txn, origin)
        return False
    _clear(txn, names.key_of(origin), until)
    txn.bring_back(origin, entry)
    return True


def forget(txn: WriteTransaction, origin: bytes) -> None:
    """Let go of what is kept of the zone at `origin` (wire form), if anything is."""
    apex = names.key_of(origin)
    kept = _kept(txn, apex)
    if kept is None:
        return
    _clear(txn, apex, kept[2])
    entry = split_zone_entry(kept[0])
    txn.table(b"doomed").put(entry.generation, entry.journal)


def expire(txn: WriteTransaction, now: int, most: int) -> int:
    """Let go of up to `most` zones whose time is over; returns of how many."""
    due = [
        key[1 + _SECONDS_OCTETS :]
        for key, _ in islice(txn.table(PARTED).scan(_DUE), most)
        if int.from_bytes(key[1 : 1 + _SECONDS_OCTETS], "big") <= now
    ]
    for apex in due:
        forget(txn, names.wire_of_key(apex))
    return len(due)


def _kept(txn: Moment, apex: bytes) -> tuple[bytes, bytes, int] | None:
    value = txn.table(PARTED).get(APEX_PREFIX + apex)
    if value is None:
        return None
    entry, mark, until = msgpack.unpackb(value)
    return entry, mark, until


def _clear(txn: WriteTransaction, apex: bytes, until: int) -> None:
    txn.table(PARTED).delete(APEX_PREFIX + apex)
    txn.table(PARTED).delete(_due(until, apex))


def _due(until: int, apex: bytes) -> bytes:
    return _DUE + until.to_bytes(_SECONDS_OCTETS, "big") + apex
