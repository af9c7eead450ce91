"""Leaves about what stands beside an identifier: locks, offers; `after` is the row. And how long
identifiers are valid.
"""

from __future__ import annotations

from registry.replay.effect import Effect, ReplayFault, Step, require
from registry.rules import marks
from registry.rules.lifecycle import LIVE
from registry.rules.requests import Role
from registry.tables import codec, view
from registry.tables.enums import OfferState
from registry.tables.rows import NO_LEAF, Locks, Offer, Validity


def locked(step: Step) -> Effect:
    """Locks more, or less."""
    entry = step.entry
    _require_live(step)
    row = view.get_locks(step.view, entry.on) or Locks(0, 0, NO_LEAF, 0)
    said = codec.decode_locks(entry.after)
    _require_turned(entry.kind, row.owner, said.owner)
    _require_turned(entry.kind, row.server, said.server)
    is_node = entry.role == Role.ADMINISTRATOR.value
    require(is_node or row.server == said.server, f"{entry.role} changes locks of the node")
    require((row.server, row.owner) != (said.server, said.owner), "changes no lock")
    after = said._replace(leaf=step.leaf, since=entry.time)
    rows = marks.lock_rows(entry.on, after)
    return Effect(rows, after=codec.encode(after), prev=row.leaf)


def _require_turned(kind: str, before: int, after: int) -> None:
    more, less = (after, before) if kind == "lock.add" else (before, after)
    require(more & less == less, f"{kind} leads from {before:x} to no {after:x}")


def offered(step: Step) -> Effect:
    """An identifier is offered to another owner."""
    entry = step.entry
    _require_live(step)
    before = view.get_offer(step.view, entry.on)
    said = codec.decode_offer(entry.after)
    is_free = before is None or before.state is not OfferState.OPEN or before.until <= entry.time
    require(is_free, f"{entry.on} is offered already")
    require(said.until > entry.time, "its offer has ended before it began")
    wanted = said._replace(
        state=OfferState.OPEN,
        by=entry.by,
        role=entry.role,
        answered="",
        answered_role="",
        leaf=step.leaf,
        since=entry.time,
        changed=entry.time,
    )
    return _of_offer(step, wanted, NO_LEAF if before is None else before.leaf)


def cancelled(step: Step) -> Effect:
    """An offer was taken back."""
    return _answered(step, OfferState.CANCELLED)


def rejected(step: Step) -> Effect:
    """An offer was turned down."""
    return _answered(step, OfferState.REJECTED)


def _answered(step: Step, state: OfferState) -> Effect:
    entry = step.entry
    before = view.get_offer(step.view, entry.on)
    if before is None or before.state is not OfferState.OPEN:
        raise ReplayFault(f"{entry.on} is not offered to anybody")
    after = before._replace(
        state=state,
        answered=entry.by,
        answered_role=entry.role,
        leaf=step.leaf,
        changed=entry.time,
    )
    return _of_offer(step, after, before.leaf)


def _of_offer(step: Step, row: Offer, prev: int) -> Effect:
    rows = marks.offer_rows(step.entry.on, row)
    return Effect(rows, after=codec.encode(row), prev=prev)


def _require_live(step: Step) -> None:
    row = view.get_assignment(step.view, step.entry.on)
    require(row is not None and row.state in LIVE, f"{step.entry.on} does not live")


def validity_set(step: Step) -> Effect:
    """How long before and after its last day an identifier is expiring, and renewable."""
    entry = step.entry
    require(entry.on.encode() == codec.VALIDITY_KEY, "is about no validity")
    before, said = view.get_validity(step.view), codec.decode_validity(entry.after)
    row = codec.encode(Validity(said.expiring, said.grace, step.leaf, entry.time))
    rows = ((codec.SETTINGS, codec.VALIDITY_KEY, row),)
    return Effect(rows, after=row, prev=before.leaf)
