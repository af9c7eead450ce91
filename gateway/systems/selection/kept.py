"""Demands that are kept: matched again when supply changes, and handed on once something fits."""

from __future__ import annotations

import secrets
from typing import Any, Final, Literal

import msgspec

from csid.errors import CsidError
from gateway.systems.selection.demand import Demand
from resolver.tables import Tables

TABLE: Final = "demands"
DEMANDS_MAX: Final = 10_000
OF_ONE_MAX: Final = 1_000  # of one caller
DAYS_MAX: Final = 366
DAY: Final = 86_400_000  # milliseconds

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
        selected: what the dispatcher was given.
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


class Demands:
    """The demands in some tables; one process writes them.

    Args:
        tables: with one of the name TABLE.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._table = tables[TABLE]

    def keep(self, by: str, demand: Demand, now: int, until: int, dispatch: bool) -> Kept:
        """Keep a demand; it is on the disk then.

        Raises:
            TooManyError: there are too many.
        """
        made = Kept(secrets.token_urlsafe(9), by, demand, now, until, dispatch, changed=now)
        with self._tables.writing() as txn:
            entries = txn.stat(self._table)["entries"]
            own = sum(_decode(row).by == by for _, row in txn.cursor(db=self._table))
            if entries >= DEMANDS_MAX or own >= OF_ONE_MAX:
                raise TooManyError(
                    f"{entries:,} demands are kept, {own:,} of this caller; withdraw some"
                )
            txn.put(made.name.encode(), _encode(made), db=self._table)
        return made

    def get(self, name: str) -> Kept | None:
        """The demand of a name."""
        with self._tables.reading() as txn:
            row = txn.get(name.encode()[:100] or b"-", db=self._table)
        return None if row is None else _decode(row)

    def all(self) -> list[Kept]:
        """All demands, by name."""
        with self._tables.reading() as txn:
            return [_decode(row) for _, row in txn.cursor(db=self._table)]

    def change(self, kept: Kept) -> None:
        """Put a demand in the place of what it was, if it is kept still."""
        with self._tables.writing() as txn:
            if txn.get(kept.name.encode(), db=self._table) is not None:
                txn.put(kept.name.encode(), _encode(kept), db=self._table)

    def withdraw(self, name: str) -> bool:
        """Keep a demand no longer; False if it is not kept."""
        with self._tables.writing() as txn:
            return bool(txn.delete(name.encode()[:100] or b"-", db=self._table))


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Kept).decode
