"""Leaves about cuts that move between nodes, at the two nodes (`registry.rules.handover`)."""

from __future__ import annotations

from csid.record import decode
from registry.replay.effect import Effect, ReplayFault, Step, require
from registry.replay.identifiers import identifier_of, pool_of
from registry.replay.parties import of_filing
from registry.rules import handover
from registry.rules.draft import Draft
from registry.tables import codec, view
from registry.tables.enums import BY_WORD, State
from registry.tables.rows import NO_LEAF, Assignment, CutFiling, Redirect


def noted(step: Step) -> Effect:
    """Where a cut is on its way."""
    entry = step.entry
    row, before = codec.decode_cut_filing(entry.after), view.get_cut_filing(step.view, entry.on)
    state = None if before is None else before.state
    leads = state in handover.STEPS.get(row.state, ()) or state is row.state
    require(leads, f"no step leads from {state} to {row.state}")
    since = entry.time if before is None else before.since
    wanted = CutFiling(row.state, entry.why, since, entry.time, row.leaf, row.node)
    require(row == wanted, "its row differs")
    return of_filing(step, row, before)


def left(step: Step) -> Effect:
    """An identifier that is another node's."""
    name = step.entry.on
    before = view.get_assignment(step.view, name)
    if before is None:
        raise ReplayFault(f"{name} is not assigned")
    after = before._replace(leaf=step.leaf, changed=step.entry.time)
    rows = handover.left(step.view, name, before, after)
    return Effect(rows, after=before.record, prev=before.leaf)


def taken(step: Step) -> Effect:
    """An identifier that is this node's from now on."""
    entry = step.entry
    name, time = entry.on, entry.time
    require(view.get_assignment(step.view, name) is None, f"{name} is assigned already")
    gone = view.get_gone(step.view, name)
    record = decode(entry.after)
    state = State.SUPERSEDED if entry.to else BY_WORD[record.state]
    since = time if gone is None else gone.since
    target = entry.to or record.successor or ""
    row = Assignment(state, step.leaf, since, time, 0, entry.after, target, entry.ttl)
    identifier = identifier_of(name)
    draft = Draft(step.view)
    draft.enter(identifier, row, pool_of(step, identifier, minted=False) if gone is None else None)
    rows = (*draft.rows(), *handover.came(name, gone))
    prev = NO_LEAF if gone is None else gone.leaf
    return Effect(rows, (), entry.after, prev, entry.to, ttl=entry.ttl)


def subtree_taken(step: Step) -> Effect:
    """A prefix that leads elsewhere."""
    entry = step.entry
    before = view.get_subtree(step.view, entry.on)
    row = codec.encode(Redirect(entry.to, step.leaf, entry.time))
    prev = NO_LEAF if before is None else before.leaf
    rows = ((codec.SUBTREES, entry.on.encode("ascii"), row),)
    return Effect(rows, (), row, prev, entry.to)
