"""Cuts that move, at the two nodes (ADR 14): where they are on their way, and the identifiers that
are this node's no more, or are from now on. The zone's records stay as they are by all of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from csid import prefix
from csid.errors import CsidError, IdentifierError
from csid.record import Record, decode, encode
from registry.rules import assignments, marks, policy
from registry.rules.case import Case, entry_writer
from registry.rules.decision import Decision, Refusal
from registry.rules.draft import Draft
from registry.rules.filing import CUT_SEGMENTS, in_scope, written
from registry.rules.lifecycle import LIVE
from registry.rules.participants import Right
from registry.rules.requests import REFERENCE_MAX, Leave, MoveFiling, Take, TakeSubtree
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.changes import Changes, Row
from registry.tables.enums import BY_WORD, FILING_WORDS, WORDS, FilingState, State
from registry.tables.rows import NO_LEAF, Assignment, CutFiling, Redirect
from registry.tables.view import View

# From which states a cut comes to each; None: nothing is known of it here.
STEPS: Final[Mapping[FilingState, frozenset[FilingState | None]]] = {
    FilingState.MOVING: frozenset(
        {None, FilingState.WANTED, FilingState.WAITING, FilingState.FILED}
    ),
    FilingState.FILED: frozenset({FilingState.MOVING, FilingState.TAKING}),
    FilingState.LEAVING: frozenset({FilingState.MOVING}),
    FilingState.MOVED: frozenset({FilingState.LEAVING, FilingState.TAKING}),
    FilingState.TAKING: frozenset(
        {None, FilingState.REFUSED, FilingState.MOVED, FilingState.LEAVING}
    ),
}
# What is kept as the record of an identifier that had become an alias elsewhere, which no zone
# says.
UNKNOWN: Final = encode(Record({"state": WORDS[State.ACTIVE].record}))


def note(case: Case, body: MoveFiling) -> Decision:
    """A cut has come to another point of its way."""
    try:
        cut = prefix.whole(body.cut, CUT_SEGMENTS)
    except IdentifierError as error:
        return Decision(Status.BAD_VALUE, body.cut[:REFERENCE_MAX], str(error))
    before = view.get_cut_filing(case.view, cut)
    state = None if before is None else before.state
    if before is not None and (state, before.node) == (body.state, body.node):
        return Decision(Status.UNCHANGED, cut)
    if state not in STEPS.get(body.state, ()) and state is not body.state:
        word = "unknown" if state is None else FILING_WORDS[state][0]
        detail = f"{cut} is {word} here; it cannot become {FILING_WORDS[body.state][0]}"
        return Decision(Status.STATE_PROHIBITS, cut, detail)
    if body.state is FilingState.TAKING and (refusal := _may_take(case.view, cut)):
        return refusal.about(cut)
    since = case.now if before is None else before.since
    row = CutFiling(body.state, case.request.reason, since, case.now, case.leaf, body.node)
    return written(case, cut, row, before)


def _may_take(seen: View, cut: str) -> Refusal | None:
    """Whether a cut of another node can become this one's."""
    root = view.get_root(seen)
    if root is None or not root.registers:
        return Refusal(Status.OUT_OF_SCOPE, "this node assigns no identifiers")
    owner = cut.partition("/")[0]
    refusal = in_scope(seen, cut) or policy.right_holds(
        view.get_owner(seen, owner), owner, Right.HOLD_IDENTIFIERS
    )
    if refusal is not None:
        return refusal
    for table, what in ((codec.ASSIGNMENTS, "is assigned"), (codec.FILINGS, "is filed")):
        found = next(seen.scan(table, f"{cut}/".encode("ascii")), None)
        if found is not None:
            return Refusal(Status.ASSOCIATED, f"{found[0].decode('ascii')} {what} here")
    return None


def leave(case: Case, body: Leave) -> Decision:
    """An identifier is the other node's."""
    name = str(body.identifier)
    before = view.get_assignment(case.view, name)
    if before is None:
        return Decision(Status.UNCHANGED, name)
    if refusal := _is_at(case.view, name, FilingState.LEAVING):
        return refusal.about(name)
    after = before._replace(leaf=case.leaf, changed=case.now)
    rows = left(case.view, name, before, after)
    return case.done(name, rows, after=before.record, prev=before.leaf)


def left(seen: View, name: str, before: Assignment, after: Assignment) -> list[Row]:
    """The rows of an identifier that is this node's no more."""
    key = name.encode("ascii")
    rows: list[Row] = [(codec.ASSIGNMENTS, key, None), (codec.GONE, key, codec.encode(after))]
    rows += marks.ended(seen, name)
    if before.state is not State.ACTIVE:
        rows.append((codec.BY_STATE, codec.state_key(WORDS[before.state].record, name), None))
    if before.state in LIVE:
        owner = name.partition("/")[0]
        count = codec.encode(view.count_live(seen, owner) - 1)
        rows.append((codec.COUNTS, codec.owner_count_key(owner), count))
    return rows


def take(case: Case, body: Take) -> Decision:
    """An identifier is this node's, as its zone has it."""
    name = str(body.identifier)
    if view.get_assignment(case.view, name) is not None:
        return Decision(Status.UNCHANGED, name)
    if refusal := _is_at(case.view, name, FilingState.TAKING):
        return refusal.about(name)
    gone = view.get_gone(case.view, name)
    try:
        row = row_of(body, gone)
    except CsidError as error:
        return Decision(Status.BAD_VALUE, name, str(error))
    since = case.now if gone is None else gone.since
    row = row._replace(leaf=case.leaf, since=since, changed=case.now)
    record = row.record
    draft = Draft(case.view)
    pool = assignments.pool_of(case, body.identifier) if gone is None else None
    draft.enter(body.identifier, row, pool)
    prev = NO_LEAF if gone is None else gone.leaf
    writer = entry_writer(case.request.actor, body.kind, case.now, case.request.reason)
    leaf = writer.entry(name, record, prev, body.target, Status.DONE.number, (), body.ttl, case.key)
    rows = (*draft.rows(), *came(name, gone))
    return Decision(Status.DONE, name, "", Changes(rows, (), leaf))


def row_of(body: Take, gone: Assignment | None) -> Assignment:
    """What is registered of an identifier as its zone has it, but for when.

    Args:
        gone: its row when it moved away from this node, if ever.

    Raises:
        CsidError: its record is none.
    """
    record = body.record
    if body.target:
        state = State.SUPERSEDED
        is_same = gone is not None and gone.target == body.target
        record = gone.record if gone is not None and is_same else UNKNOWN
    else:
        state = BY_WORD[decode(record).state]
    target = body.target or decode(record).successor or ""
    return Assignment(state, NO_LEAF, 0, 0, 0, record, target, body.ttl)


def came(name: str, gone: Assignment | None) -> list[Row]:
    """The rows of an identifier that had moved away, and is back."""
    return [] if gone is None else [(codec.GONE, name.encode("ascii"), None)]


def take_subtree(case: Case, body: TakeSubtree) -> Decision:
    """A prefix leads elsewhere, as its zone has it."""
    before = view.get_subtree(case.view, body.old)
    if before is not None and before.new == body.new:
        return Decision(Status.UNCHANGED, body.old)
    if refusal := _is_at(case.view, f"{body.old}/", FilingState.TAKING):
        return refusal.about(body.old)
    row = codec.encode(Redirect(body.new, case.leaf, case.now))
    rows = [(codec.SUBTREES, body.old.encode("ascii"), row)]
    prev = NO_LEAF if before is None else before.leaf
    return case.done(body.old, rows, after=row, prev=prev, to=body.new)


def _is_at(seen: View, name: str, state: FilingState) -> Refusal | None:
    """Whether the cut around a name is at a point of its way."""
    for cut in prefix.ancestors(name.rpartition("/")[0]):
        filing = view.get_cut_filing(seen, cut)
        if filing is not None and filing.state is state:
            return None
    return Refusal(Status.STATE_PROHIBITS, f"{name} lies in no cut that is {state.name.lower()}")
