"""Holds (监管暂停): what the authority of a territory suspends in the cut of another node.

The national node sets and lifts them, as a region node or its own people ask; the node that has the
cut notes them and suspends what is held; the region node keeps what it has asked for.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from csid import prefix
from csid.errors import IdentifierError
from registry.rules.case import Case
from registry.rules.cut_rules import able
from registry.rules.decision import Decision, Refusal
from registry.rules.held import holders_text
from registry.rules.nodes import suffix_of
from registry.rules.requests import (
    REFERENCE_MAX,
    AnswerHold,
    AskHold,
    EndHold,
    LiftHold,
    NoteHold,
    Role,
    SetHold,
)
from registry.rules.status import Status
from registry.tables import codec, log_entry, network
from registry.tables.changes import Row, TreeChange
from registry.tables.enums import HOLD_WORDS, CutState, HoldState, NodeRole, State
from registry.tables.rows import NO_LEAF, AskedHold, Hold, Holder
from registry.tables.view import (
    View,
    cut_above,
    get_asked_hold,
    get_assignment,
    get_hold,
    get_place,
    get_root,
    holds_in,
)

REASON_OCTETS: Final = 240  # of UTF-8: it stands in one character string of the root zone
HOLDS_MAX: Final = 1_000  # in one cut, with which they go
# What an answer leads from and to; others are late.
ANSWERS: Final = frozenset(
    {
        (HoldState.WANTED, HoldState.SENT),
        (HoldState.WANTED, HoldState.REFUSED),
        (HoldState.SENT, HoldState.HELD),
        (HoldState.SENT, HoldState.RELEASED),
        (HoldState.HELD, HoldState.RELEASED),
        (HoldState.RELEASING, HoldState.RELEASED),
        (HoldState.RELEASED, HoldState.RELEASING),  # it was set once more, by what came late
        (HoldState.RELEASING, HoldState.SENT),  # it may not be released: what is there stays
    }
)
# In these there is something to be done, so they are found by state.
OPEN: Final = (HoldState.WANTED, HoldState.SENT, HoldState.RELEASING)
_OVER: Final = (HoldState.RELEASED, HoldState.REFUSED)
_ADVANCE: Final = "advance"
_TAKE: Final = "take"


# -- at the national node


def set_hold(case: Case, body: SetHold) -> Decision:
    """A region node, or the national one, holds something of another node."""
    target = _target(case.view, body.target)
    if isinstance(target, Refusal):
        return target.about(body.target[:REFERENCE_MAX])
    name = body.node.lower()
    refusal = (
        _reason_fault(case.request.reason)
        or (_may_hold(case.view, target, name) if name else None)
        or _lies_in_cut(case.view, target, name)
    )
    if refusal is not None:
        return refusal.about(target)
    before = get_hold(case.view, target)
    by = () if before is None else before.by
    since = next((one.since for one in by if one.node == name), case.now)
    mine = Holder(name, since, case.request.reason)
    if mine in by:
        return Decision(Status.UNCHANGED, target)
    others = [one for one in by if one.node != name]
    return _held(case, target, before, tuple(sorted((*others, mine))))


def lift_hold(case: Case, body: LiftHold) -> Decision:
    """Who holds something releases it, or the national node does."""
    target = _target(case.view, body.target)
    if isinstance(target, Refusal):
        return target.about(body.target[:REFERENCE_MAX])
    name = body.node.lower()
    node = able(case.view, name) if case.request.actor.role is Role.NODE else None
    if isinstance(node, Refusal):
        return node.about(target)
    before = get_hold(case.view, target)
    by = () if before is None else before.by
    rest = tuple(one for one in by if name and one.node != name)
    if rest == by:
        detail = f"nothing is held at {target}" + (f" by node {name}" if name else "")
        if before is not None:
            detail += f"; it is held {holders_text(before)}"
        return Decision(Status.UNCHANGED, target, detail)
    return _held(case, target, before, rest)


def _target(seen: View, text: str) -> str | Refusal:
    """What is to be held, in canonical form: a prefix of whole segments, or an identifier."""
    suffix = suffix_of(seen)
    return suffix if isinstance(suffix, Refusal) else target_of(text)


def target_of(text: str) -> str | Refusal:
    """What is to be held, in canonical form."""
    if len(text) > REFERENCE_MAX:
        return Refusal(Status.BAD_VALUE, f"{text[:80]!r}… is no prefix of an identifier")
    try:
        return prefix.whole(text, len(prefix.SEGMENTS))
    except IdentifierError as error:
        return Refusal(Status.BAD_VALUE, str(error))


def _reason_fault(reason: str) -> Refusal | None:
    if not reason:
        detail = "no reason is given, which the node that has it is told: give it with --reason"
        return Refusal(Status.BAD_VALUE, detail)
    octets = len(reason.encode())
    if octets > REASON_OCTETS:
        detail = f"the reason has {octets} octets of UTF-8, at most {REASON_OCTETS} are taken"
        return Refusal(Status.BAD_RANGE, detail)
    return None


def _may_hold(seen: View, target: str, name: str) -> Refusal | None:
    """Whether a node is the supervising authority of all that lies at or below a target."""
    node = able(seen, name)
    if isinstance(node, Refusal):
        return node
    if node.role is not NodeRole.REGION:
        detail = f"node {name} is no region node, which supervises what lies in its divisions"
        return Refusal(Status.NODE_SCOPE, detail)
    segments = target.split("/")
    if node.scope and len(segments) < 3:
        detail = (
            f"{target} is for every location, node {name} supervises {', '.join(node.scope)} only; "
            "give OWNER/INDUSTRY/LOCATION, or an identifier"
        )
        return Refusal(Status.NODE_SCOPE, detail)
    if node.scope and not segments[2].startswith(node.scope):
        detail = f"location {segments[2]}: node {name} supervises {', '.join(node.scope)} only"
        return Refusal(Status.NODE_SCOPE, detail)
    return None


def _lies_in_cut(seen: View, target: str, name: str) -> Refusal | None:
    """Whether a target lies in a cut that is filed, of another node, with room for one more."""
    found = cut_above(seen, target)
    if found is None or found[1].state is not CutState.FILED:
        return Refusal(Status.NOT_FOUND, f"no cut is filed at or above {target}")
    cut, row = found
    if name and row.node == name:
        detail = f"{cut} is a cut of node {name} itself: csid suspend does it there"
        return Refusal(Status.STATE_PROHIBITS, detail)
    held = islice(holds_in(seen, cut), HOLDS_MAX)
    if get_hold(seen, target) is None and sum(1 for _ in held) == HOLDS_MAX:
        detail = f"{HOLDS_MAX:,} holds are in {cut}; hold a prefix above them"
        return Refusal(Status.WAITING_QUOTA, detail)
    return None


def _held(case: Case, target: str, before: Hold | None, by: tuple[Holder, ...]) -> Decision:
    after = Hold(by, case.leaf)
    rows, tree = changed(target, before, after)
    prev = NO_LEAF if before is None else before.leaf
    return case.done(target, rows, tree, codec.encode(after), prev)


def changed(
    target: str, before: Hold | None, after: Hold | None
) -> tuple[list[Row], list[TreeChange]]:
    """The rows and names that follow from a hold that is another."""
    old = network.hold_names(target, before) if before is not None else []
    new = network.hold_names(target, after) if after is not None else []
    return rows_of(target, after), network.changes(old, new)


def rows_of(target: str, after: Hold | None) -> list[Row]:
    """The row of a hold: none if nobody holds it."""
    row = codec.encode(after) if after is not None and after.by else None
    return [(codec.HOLDS, target.encode("ascii"), row)]


# -- at the node that has the cut


def note_hold(case: Case, body: NoteHold) -> Decision:
    """Somebody holds what is registered here, or nobody any more."""
    target = target_of(body.target)
    if isinstance(target, Refusal):
        return target.about(body.target[:REFERENCE_MAX])
    before = get_hold(case.view, target)
    after = Hold(tuple(sorted(Holder(*one) for one in body.by)), case.leaf)
    if after.by == (() if before is None else before.by):
        return Decision(Status.UNCHANGED, target)
    prev = NO_LEAF if before is None else before.leaf
    return case.done(target, rows_of(target, after), after=codec.encode(after), prev=prev)


def is_by_hold(seen: View, name: str) -> bool:
    """Whether an identifier that is suspended is so by a hold, and not by this node's own people.

    Of one that came suspended with its cut that is not known: then it counts as held.
    """
    row = get_assignment(seen, name)
    leaf = seen.leaf(row.leaf) if row is not None and row.state is State.SUSPENDED else None
    if leaf is None:
        return False
    entry = log_entry.decode(leaf)
    return entry.kind == _TAKE or (entry.kind, entry.role) == (_ADVANCE, Role.NODE.value)


# -- at the region node


def ask_hold(case: Case, body: AskHold) -> Decision:
    """The national node is to be asked for a hold."""
    target = _asked(case.view, body.target)
    if isinstance(target, Refusal):
        return target.about(body.target[:REFERENCE_MAX])
    if refusal := _reason_fault(case.request.reason):
        return refusal.about(target)
    before = get_asked_hold(case.view, target)
    if before is not None and before.state is HoldState.RELEASING:
        detail = f"{target} is being released; hold it again once it is: csid filing holds"
        return Decision(Status.STATE_PROHIBITS, target, detail)
    is_over = before is None or before.state in _OVER
    if before is not None and not is_over and before.reason == case.request.reason:
        return Decision(Status.UNCHANGED, target)
    since = case.now if before is None or is_over else before.since
    row = AskedHold(HoldState.WANTED, case.request.reason, "", 0, since, case.now, case.leaf)
    return _noted(case, target, before, row)


def end_hold(case: Case, body: EndHold) -> Decision:
    """The national node is to release what this node holds."""
    target = _asked(case.view, body.target)
    if isinstance(target, Refusal):
        return target.about(body.target[:REFERENCE_MAX])
    before = get_asked_hold(case.view, target)
    if before is not None and before.state in (HoldState.RELEASING, HoldState.RELEASED):
        return Decision(Status.UNCHANGED, target)
    since = case.now if before is None else before.since
    serial = 0 if before is None else before.serial
    reason = case.request.reason
    row = AskedHold(HoldState.RELEASING, reason, "", serial, since, case.now, case.leaf)
    return _noted(case, target, before, row)


def answer_hold(case: Case, body: AnswerHold) -> Decision:
    """The national node has said something to a hold."""
    target = target_of(body.target)
    if isinstance(target, Refusal):
        return target.about(body.target[:REFERENCE_MAX])
    before = get_asked_hold(case.view, target)
    if before is None:
        return Decision(Status.NOT_FOUND, target, "its hold was not asked for here")
    if before.leaf != body.leaf or (before.state, body.state) not in ANSWERS:
        return Decision(Status.UNCHANGED, target, "the answer is late")
    row = before._replace(
        state=body.state,
        why=case.request.reason,
        serial=body.serial or before.serial,
        changed=case.now,
        leaf=case.leaf,
    )
    return _noted(case, target, before, row)


def _asked(seen: View, text: str) -> str | Refusal:
    """What is to be held or released, in canonical form, if this node may ask for such."""
    place, root = get_place(seen), get_root(seen)
    if root is None or place is None or place.role is not NodeRole.REGION:
        detail = "this is no region node of a network, which supervises what lies in its divisions"
        return Refusal(Status.NODE_SCOPE, detail)
    return target_of(text)


def _noted(case: Case, target: str, before: AskedHold | None, row: AskedHold) -> Decision:
    prev = NO_LEAF if before is None else before.leaf
    return case.done(target, asked_rows(target, before, row), after=codec.encode(row), prev=prev)


def state_prefix(state: HoldState) -> str:
    """What stands in BY_STATE for a hold in a state, before what it holds."""
    return f"hold-{HOLD_WORDS[state][0]}"


def asked_rows(target: str, before: AskedHold | None, after: AskedHold) -> list[Row]:
    """What is written of a hold that was asked for."""
    rows: list[Row] = [(codec.ASKED_HOLDS, target.encode("ascii"), codec.encode(after))]
    old = None if before is None else before.state
    for state, value in ((old, None), (after.state, b"")):
        if state in OPEN and old is not after.state:
            rows.append((codec.BY_STATE, codec.state_key(state_prefix(state), target), value))
    return rows
