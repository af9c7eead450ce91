"""Pictures of other nodes, as they are kept.

    regions       region -> Kept: what regions have told this node of themselves
    outlines      region -> Kept: the same as others are told it, small
    neighbours    region -> Kept: what the nation has told this node of others
    sent          -> Sent: what the nation has of this node's picture

Reports are taken and outlined in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from gateway.systems.aggregation import believing, exchange
from gateway.systems.aggregation.exchange import Answer, ExchangeError, Kept, Report, Told
from resolver.tables import Tables

REGIONS, OUTLINES, NEIGHBOURS, SENT = NAMES = ("regions", "outlines", "neighbours", "sent")
_SENT: Final = b"sent"
_pack: Final = msgspec.msgpack.Encoder().encode
_kept_of: Final = msgspec.msgpack.Decoder(Kept).decode


class Sent(msgspec.Struct, frozen=True):
    """What the nation has of this node's picture, and how the exchange goes.

    Attributes:
        number: of the last report that was made; `base`: of the last one that it has, whose groups
            are `groups`; 0: the next one has to be whole.
        whole: reports since one was whole.
        at: Unix milliseconds of the last exchange that worked.
        why: it does not; empty if it does.
    """

    number: int = 0
    base: int = 0
    whole: int = 0
    at: int = 0
    why: str = ""
    groups: list[Told] = []


_sent_of: Final = msgspec.msgpack.Decoder(Sent).decode


class Regions:
    """What is kept.

    Args:
        tables: with NAMES.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def all(self, table: str, now: int) -> list[Kept]:
        """What is kept of others and not too old, by region."""
        with self._tables.reading() as txn:
            rows = [bytes(row) for _, row in txn.cursor(self._tables[table])]
        found = map(_kept_of, rows)
        return [one for one in found if now - one.at <= exchange.DROP_MS]

    def take(
        self, report: Report, node: str, prefixes: tuple[str, ...] | None, now: int
    ) -> tuple[int, bool]:
        """Take a report; the number up to which all is here, and whether the next has to be whole.

        Raises:
            ExchangeError: it is not believed.
        """
        name, table = report.region.encode(), self._tables[REGIONS]
        with self._tables.writing() as txn:
            row = txn.get(name, db=table)
            if row is None and txn.stat(table)["entries"] >= exchange.REGIONS_MAX:
                raise ExchangeError(f"there are {exchange.REGIONS_MAX} regions already")
            before = None if row is None else _kept_of(row)
            kept, whole = believing.believe(report, before, node, prefixes, now)
            if kept is not None and kept is not before:
                txn.put(name, _pack(kept), db=table)
                outline = exchange.outlined(kept)
                txn.put(name, _pack(outline), db=self._tables[OUTLINES])
        return (0 if kept is None else kept.number), whole

    def answer(self, report: Report, node: str, number: int, whole: bool, now: int) -> Answer:
        """What is said to a report: what others have told meanwhile."""
        others = [one for one in self.all(OUTLINES, now) if one.region != report.region]
        neighbours = exchange.neighbours_of(others, report.have, now)
        return Answer(number, whole, now, node, neighbours)

    def hear(self, answer: Answer, region: str, number: int, now: int) -> None:
        """Keep what the nation tells of others.

        Args:
            number: of the report that is answered.

        Raises:
            ExchangeError: it is not believed; nothing is changed.
        """
        table = self._tables[NEIGHBOURS]
        with self._tables.writing() as txn:
            rows = [bytes(row) for _, row in txn.cursor(table)]
            before = {one.region: one for one in map(_kept_of, rows)}
            after = believing.heard(answer, before, region, number, now)
            for name in before.keys() - after.keys():
                txn.delete(name.encode(), db=table)
            for name, one in after.items():
                txn.put(name.encode(), _pack(one), db=table)

    def sent(self) -> Sent:
        """What the nation has."""
        with self._tables.reading() as txn:
            row = txn.get(_SENT, db=self._tables[SENT])
            return Sent() if row is None else _sent_of(row)

    def send(self, sent: Sent) -> None:
        """Remember what it has."""
        with self._tables.writing() as txn:
            txn.put(_SENT, _pack(sent), db=self._tables[SENT])

    def forget(self, now: int) -> None:
        """Forget what is too old."""
        for table in (REGIONS, OUTLINES, NEIGHBOURS):
            with self._tables.writing() as txn:
                for name in self._old(txn, table, now):
                    txn.delete(name, db=self._tables[table])

    def _old(self, txn: Any, table: str, now: int) -> Iterable[bytes]:
        rows = [(bytes(name), bytes(row)) for name, row in txn.cursor(self._tables[table])]
        return [name for name, row in rows if now - _kept_of(row).at > exchange.DROP_MS]
