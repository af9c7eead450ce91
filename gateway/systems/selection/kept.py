"""Demands that are kept: matched again when supply changes, and handed on once something fits.

One table has them, and before them by what they are found without being read; no name begins with
the octet 00:

    00 b KEY 00 NAME    nothing: of the demands of a caller
    00 o NAME           until(8, big-endian) dispatch(1): of those that are open
    NAME                the demand (`Kept`, msgpack)
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

import msgspec

from csid.errors import CsidError
from gateway.systems.selection.demand import Demand
from resolver.tables import Tables

TABLE: Final = "demands"
DEMANDS_MAX: Final = 10_000
OF_ONE_MAX: Final = 1_000  # of one caller
DAYS_MAX: Final = 366
DAY: Final = 86_400_000  # milliseconds
_BY, _OPEN = b"\0b", b"\0o"
_NAMES: Final = b"\1"  # where they begin
_UNTIL: Final = 8  # octets

# Nobody was asked yet; the dispatcher has it; the dispatcher does not want it; its time is over.
State = Literal["open", "handed", "refused", "ended"]


class TooManyError(CsidError):
    """No more demands are kept."""


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """A demand that is kept. Times are Unix milliseconds.

    Attributes:
        name: what it is called.
        by: whose it is: the name of a key.
        until: when it need not be met any more.
        dispatch: it is handed to the dispatcher as soon as something fits.
        state: where it is.
        changed: since when.
        why: the dispatcher does not have it.
        selected: of what the dispatcher was given the first ones, `identifier` and `points`.
        allocation: what it was given to be taken of which pools.
    """

    name: str
    by: str
    demand: Demand
    at: int
    until: int
    dispatch: bool = False
    state: State = "open"
    changed: int = 0
    why: str = ""
    selected: list[dict[str, Any]] = []
    allocation: list[dict[str, Any]] = []


class Open(NamedTuple):
    """An open demand, as it is found: until when it is to be met (Unix ms), whether it is handed
    over.
    """

    name: str
    until: int
    dispatch: bool


class Demands:
    """The demands in some tables; one process writes them.

    Args:
        tables: with one of the name TABLE.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._table = tables[TABLE]
        self.find()

    def find(self) -> None:
        """Make anew by what demands are found, where that is not as it is to be: an older version
        of this program kept them without.
        """
        with self._tables.reading() as txn:
            if self._found(txn) == self._to_find(txn):
                return
        with self._tables.writing() as txn:
            for key in self._found(txn):
                txn.delete(key, db=self._table)
            for key, value in self._to_find(txn).items():
                txn.put(key, value, db=self._table)

    def _found(self, txn: Any) -> dict[bytes, bytes]:
        cursor = txn.cursor(db=self._table)
        return dict(_from(cursor, b"\0"))

    def _to_find(self, txn: Any) -> dict[bytes, bytes]:
        cursor = txn.cursor(db=self._table)
        if not cursor.set_range(_NAMES):
            return {}
        return dict(one for _, row in cursor for one in _finds(_decode(row)))

    def keep(self, by: str, demand: Demand, now: int, until: int, dispatch: bool) -> Kept:
        """Keep a demand; it is on the disk then.

        Raises:
            TooManyError: there are too many.
        """
        made = Kept(secrets.token_urlsafe(9), by, demand, now, until, dispatch, changed=now)
        with self._tables.writing() as txn:
            cursor = txn.cursor(db=self._table)
            entries, own = _count(cursor, _BY), _count(cursor, _of(by))
            if entries >= DEMANDS_MAX or own >= OF_ONE_MAX:
                raise TooManyError(
                    f"{entries:,} demands are kept, {own:,} of this caller; withdraw some"
                )
            txn.put(made.name.encode(), _encode(made), db=self._table)
            for key, value in _finds(made):
                txn.put(key, value, db=self._table)
        return made

    def get(self, name: str) -> Kept | None:
        """The demand of a name."""
        with self._tables.reading() as txn:
            row = txn.get(_key(name), db=self._table)
        return None if row is None else _decode(row)

    def open(self) -> list[Open]:
        """The open ones, by name."""
        with self._tables.reading() as txn:
            found = _from(txn.cursor(db=self._table), _OPEN)
            return [
                Open(
                    key[len(_OPEN) :].decode(),
                    int.from_bytes(value[:_UNTIL], "big"),
                    bool(value[_UNTIL]),
                )
                for key, value in found
            ]

    def page(self, by: str | None, after: str, most: int) -> list[Kept]:
        """Demands of a caller, None: of all, whose names follow one, by name; one moment."""
        with self._tables.reading() as txn:
            cursor = txn.cursor(db=self._table)
            behind = after.encode()[:100] + b"\0" if after else b""
            if by is None:
                there = cursor.set_range(max(behind, _NAMES))
                return [_decode(row) for _, row in islice(cursor, most)] if there else []
            begin = _of(by)
            found = islice(_from(cursor, begin, behind), most)
            names = [key[len(begin) :] for key, _ in found]
            return [_decode(txn.get(name, db=self._table)) for name in names]

    def change(self, kept: Kept) -> bool:
        """Put a demand in the place of what it was; False if it is not kept any more."""
        with self._tables.writing() as txn:
            if txn.get(_key(kept.name), db=self._table) is None:
                return False
            self._forget(txn, kept)
            txn.put(kept.name.encode(), _encode(kept), db=self._table)
            for key, value in _finds(kept):
                txn.put(key, value, db=self._table)
            return True

    def withdraw(self, name: str) -> bool:
        """Keep a demand no longer; False if it is not kept."""
        with self._tables.writing() as txn:
            row = txn.get(_key(name), db=self._table)
            if row is None:
                return False
            self._forget(txn, _decode(row))
            return bool(txn.delete(_key(name), db=self._table))

    def _forget(self, txn: Any, kept: Kept) -> None:
        for key in (_of(kept.by) + kept.name.encode(), _OPEN + kept.name.encode()):
            txn.delete(key, db=self._table)


def _finds(kept: Kept) -> Iterator[tuple[bytes, bytes]]:
    """By what a demand is found."""
    name = kept.name.encode()
    yield _of(kept.by) + name, b""
    if kept.state == "open":
        yield _OPEN + name, kept.until.to_bytes(_UNTIL, "big") + bytes((kept.dispatch,))


def _of(by: str) -> bytes:
    return _BY + by.encode() + b"\0"


def _key(name: str) -> bytes:
    """Under what a demand stands; a caller may have sent anything as its name."""
    key = name.encode()[:100]
    return key if key >= _NAMES else b"-"


def _from(cursor: Any, begin: bytes, behind: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """The entries whose keys begin so, from one of them on."""
    if cursor.set_range(begin + behind):
        for key, value in cursor:
            if not key.startswith(begin):
                return
            yield key, value


def _count(cursor: Any, begin: bytes) -> int:
    return sum(1 for _ in _from(cursor, begin))


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Kept).decode
