"""Holds (监管暂停) at the national node: UPDATEs (RFC 2136) of the root zone under a region node's
key, at the name TARGET.holds of a prefix or identifier that lies in another node's cut. A TXT
record that is added, `why=TEXT`, holds it; to take out the RRset, or the record, releases what that
node holds, and nothing of what others do.
"""

from __future__ import annotations

import re
from typing import Any, Final

from csid import names
from csid.protocol import ANY, CLASS_IN, FORMERR, NOERROR, REFUSED, TXT
from registry.desk import Batch
from registry.network import told
from registry.network.cuts import text_of
from registry.network.receipts import shown
from registry.network.told import Undone
from registry.rules.decision import Decision
from registry.rules.requests import Actor, LiftHold, Request, Role, SetHold
from registry.tables import network
from registry.tables.naming import Names
from registry.tables.registered import begins_shaped, is_shaped
from registry.zones import others
from registry.zones.held import HOLDS
from registry.zones.updates import Result
from resolver.sync import timers
from resolver.sync.settings import key_row
from resolver.sync.update import effect
from resolver.sync.update.message import Record

MOST: Final = 100  # holds in one UPDATE
WHY: Final = "why="


_SAID: Final = re.compile(r"done as of serial ([0-9]{1,10})")


def said(serial: int) -> str:
    """What the national node answers: the serial of the root zone that has the hold, or not."""
    return f"done as of serial {serial}"


def serial_in(text: str) -> int | None:
    """The serial that an answer says; None if it says none."""
    found = _SAID.fullmatch(text)
    return int(found[1]) % 2**32 if found else None


class Holds:
    """The claim (`registry.zones.updates`) of what region nodes hold."""

    def takes(self, core: Any, asked: effect.Asked) -> bool:
        """Whether an UPDATE is about holds alone."""
        return told.concerns(core, asked, HOLDS)

    def carry_out(
        self, core: Any, asked: effect.Asked, key: bytes, address: bytes, now: int
    ) -> Result:
        """Set and lift holds; all that one UPDATE asks for, or nothing."""
        suffix = Names(core.suffix)
        with core.store.read() as read:
            row = key_row(read, key)
        if row is None or not row.node:
            return Result(REFUSED, "region nodes alone hold something, under their keys")
        if len(asked.changes) > MOST:
            return Result(REFUSED, f"{len(asked.changes)} holds, at most {MOST} are taken")
        if rcode := told.begun(core, asked, row.node, now):
            return Result(rcode)
        actor = Actor(row.node, Role.NODE, row.node)
        decisions = []
        try:
            with core.desk.batch(core.store, now) as batch:
                for record in asked.changes:
                    decisions.append(_carry_out(batch, suffix, actor, record))
        except Undone as undone:
            return undone.result
        for observe in core.stages.observe:
            for decision in decisions:
                observe(decision)
        idle = next((one for one in decisions if one.detail), None)
        if idle is not None:
            return Result(NOERROR, idle.detail)
        with core.store.read() as read:
            soa = timers.soa_of(read, asked.apex)
        return Result(NOERROR, said(soa.serial) if soa is not None else "")


def _carry_out(batch: Batch, suffix: Names, actor: Actor, record: Record) -> Decision:
    below = record.key[len(names.key_of(suffix.wire)) + len(HOLDS) :]
    is_add = record.rrclass == CLASS_IN
    text = "".join(others.strings_of(record.data)) if is_add and record.rrtype == TXT else ""
    is_target = bool(below) and (begins_shaped(below) or is_shaped(below))
    is_sound = text.startswith(WHY) if is_add else record.rrtype in (TXT, ANY)
    if not is_target or not is_sound:
        wanted = (
            f"expected at TARGET.{network.HOLDS} a TXT record {WHY}TEXT, or to take its TXT out"
        )
        raise Undone(Result(FORMERR, wanted))
    target = below[:-1].replace(b"\0", b"/").decode("ascii").upper()
    if is_add:
        reason = shown(text.removeprefix(WHY))
        decision = batch.decide(Request(actor, SetHold(target, actor.owner), reason))
    else:
        decision = batch.decide(Request(actor, LiftHold(target, actor.owner)))
    if not decision.status.success:
        raise Undone(Result(REFUSED, text_of(decision)))
    return decision
