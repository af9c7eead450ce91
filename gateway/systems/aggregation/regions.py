"""Pictures of other nodes, as they are kept.

    regions       region -> Kept: what regions have told this node of themselves
    outlines      region -> Kept: the same as others are told it, small
    neighbours    region -> Kept: what the nation has told this node of others
    sent          -> Sent: what the nation has of this node's picture

Reports are taken and outlined in one transaction, so what is said of a picture is the same in both.
What was made of a picture is remembered until that says something else: whoever has written it, it
is as if it were made each time.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.systems.aggregation import believing, exchange
from gateway.systems.aggregation.exchange import (
    Answer,
    ExchangeError,
    Head,
    Kept,
    Report,
    Shown,
    Told,
)
from resolver.tables import Tables

REGIONS, OUTLINES, NEIGHBOURS, SENT = NAMES = ("regions", "outlines", "neighbours", "sent")
_SENT: Final = b"sent"
_pack: Final = msgspec.msgpack.Encoder().encode
_kept_of: Final = msgspec.msgpack.Decoder(Kept).decode
_head_of: Final = msgspec.msgpack.Decoder(Head).decode


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
        self._shown: dict[str, Shown] = {}
        self._outlines: dict[str, tuple[Head, int, list[Told]]] = {}

    def all(self, table: str, now: int) -> list[Kept]:
        """What is kept of others and not too old, by region."""
        with self._tables.reading() as txn:
            rows = [bytes(row) for _, row in txn.cursor(self._tables[table])]
        found = map(_kept_of, rows)
        return [one for one in found if now - one.at <= exchange.DROP_MS]

    def shown(self, now: int) -> list[Shown]:
        """What regions have told that is not too old, by region, as it is counted."""
        with self._tables.reading() as txn:
            found = [self._shown_of(txn, one) for one in self._heads(txn, now)]
        self._shown = {one.head.region: one for one in found}
        return found

    def _shown_of(self, txn: Any, head: Head) -> Shown:
        known = self._shown.get(head.region)
        if known is not None and known.head == head:
            return known
        return exchange.shown(_kept_of(txn.get(head.region.encode(), db=self._tables[REGIONS])))

    def _heads(self, txn: Any, now: int) -> list[Head]:
        heads = (_head_of(row) for _, row in txn.cursor(self._tables[OUTLINES]))
        return [one for one in heads if now - one.at <= exchange.DROP_MS]

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
                shown = exchange.shown(kept)
                txn.put(name, _pack(exchange.outlined(shown)), db=self._tables[OUTLINES])
        if kept is not None and kept is not before:
            self._shown[report.region] = shown
        return (0 if kept is None else kept.number), whole

    def answer(self, report: Report, node: str, number: int, whole: bool, now: int) -> Answer:
        """What is said to a report: what others have told meanwhile."""
        with self._tables.reading() as txn:
            others = [one for one in self._heads(txn, now) if one.region != report.region]
            neighbours = exchange.neighbours_of(
                others, lambda head, most: self._outline(txn, head, most), report.have, now
            )
        return Answer(number, whole, now, node, neighbours)

    def _outline(self, txn: Any, head: Head, most: int) -> list[Told]:
        """At most so many groups of an outline."""
        known = self._outlines.get(head.region)
        if known is None or known[:2] != (head, most):
            row = txn.get(head.region.encode(), db=self._tables[OUTLINES])
            known = head, most, exchange.fewer(_kept_of(row), most)
            self._outlines[head.region] = known
        return known[2]

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
        for table, *same in ((OUTLINES, REGIONS), (NEIGHBOURS,)):
            with self._tables.writing() as txn:
                for name in self._old(txn, table, now):
                    self._outlines.pop(name.decode(), None)
                    for each in (table, *same):
                        txn.delete(name, db=self._tables[each])

    def _old(self, txn: Any, table: str, now: int) -> list[bytes]:
        rows = txn.cursor(self._tables[table])
        return [bytes(name) for name, row in rows if now - _head_of(row).at > exchange.DROP_MS]
