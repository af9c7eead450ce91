"""Moves of cuts at the national node (ADR 14): what the two nodes say of one, each by an UPDATE
(RFC 2136) of the root zone under its key, that adds a TXT record at CUT.moves: `serial=NUMBER` who
gives the cut away, `why=TEXT` who cannot do its part. Its prerequisite is the RRset that was seen
there, so what is said of another move does nothing. The switch itself is a filing (`cuts.py`).
"""

from __future__ import annotations

from typing import Any, Final

from csid import names
from csid.protocol import CLASS_IN, FORMERR, NOERROR, REFUSED, TXT
from registry.desk import Batch
from registry.network import told
from registry.network.cuts import text_of
from registry.network.receipts import shown
from registry.network.told import Undone
from registry.rules.requests import Actor, DeclineCut, FreezeCut, Request, Role
from registry.tables import network
from registry.tables.naming import Names
from registry.tables.registered import begins_shaped
from registry.tables.view import get_cut
from registry.zones import others
from registry.zones.moving import MOVES
from registry.zones.updates import Result
from resolver.sync.settings import key_row
from resolver.sync.update import effect
from resolver.sync.update.message import Record

MOST: Final = 100  # cuts in one UPDATE


class Moves:
    """The claim (`registry.zones.updates`) of what nodes say of moves."""

    def takes(self, core: Any, asked: effect.Asked) -> bool:
        """Whether an UPDATE is about moves alone."""
        return told.concerns(core, asked, MOVES)

    def carry_out(
        self, core: Any, asked: effect.Asked, key: bytes, address: bytes, now: int
    ) -> Result:
        """Note what is said; all of one UPDATE, or nothing."""
        suffix = Names(core.suffix)
        with core.store.read() as read:
            row = key_row(read, key)
        if row is None or not row.node:
            return Result(REFUSED, "the two nodes alone say something to the move of a cut")
        if len(asked.changes) > MOST:
            return Result(REFUSED, f"{len(asked.changes)} records, at most {MOST} are taken")
        bound = {
            one.key for one in asked.prerequisites if (one.rrtype, one.rrclass) == (TXT, CLASS_IN)
        }
        if any(record.key not in bound for record in asked.changes):
            text = "expected as prerequisite the TXT records of the move that it is about"
            return Result(REFUSED, text)
        if rcode := told.begun(core, asked, row.node, now):
            return Result(rcode)
        actor = Actor(row.node, Role.NODE, row.node)
        try:
            with core.desk.batch(core.store, now) as batch:
                for record in asked.changes:
                    _carry_out(batch, suffix, actor, record)
        except Undone as undone:
            return undone.result
        return Result(NOERROR)


def _carry_out(batch: Batch, suffix: Names, actor: Actor, record: Record) -> None:
    below = record.key[len(names.key_of(suffix.wire)) + len(MOVES) :]
    said = list(others.strings_of(record.data))
    verb, _, value = said[0].partition("=") if len(said) == 1 else ("", "", "")
    is_add = record.rrtype == TXT and record.rrclass == CLASS_IN
    if not is_add or not begins_shaped(below) or verb not in ("serial", "why"):
        text = f"expected one TXT record at CUT.{network.MOVES}, serial=NUMBER or why=TEXT"
        raise Undone(Result(FORMERR, text))
    cut = below[:-1].replace(b"\0", b"/").decode("ascii").upper()
    row = get_cut(batch.view, cut)
    number = row.moving.number if row is not None and row.moving is not None else -1
    if verb == "why":
        decision = batch.decide(Request(actor, DeclineCut(cut, actor.owner, number), shown(value)))
    elif value.isascii() and value.isdecimal() and len(value) <= 10:
        body = FreezeCut(cut, actor.owner, number, int(value))
        decision = batch.decide(Request(actor, body))
    else:
        raise Undone(Result(FORMERR, f"serial {value[:20]!r}: expected a number"))
    if not decision.status.success:
        raise Undone(Result(REFUSED, text_of(decision)))
