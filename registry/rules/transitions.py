"""Decisions that change an identifier: another record, another state, the end.

Each finds what the identifier comes to; `turned` holds it to the rules, the same by every route.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from csid.record import Record, decode
from registry.rules import policy
from registry.rules.assignments import give, pool_of, taken
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.draft import Draft
from registry.rules.filed import asked
from registry.rules.held import not_held
from registry.rules.lifecycle import LIVE, TRANSITIONS, Verb, verb_between
from registry.rules.locks import prohibited
from registry.rules.records import (
    ending_holds,
    fitting,
    merged,
    packed_record,
    successor_of,
    tombstone,
    ttl_holds,
)
from registry.rules.requests import Advance, Import, Retire, Update
from registry.rules.status import Status
from registry.tables import view
from registry.tables.changes import Row
from registry.tables.enums import BY_WORD, WORDS, State
from registry.tables.rows import Assignment

ADVANCES: Final = frozenset({Verb.FILE, Verb.ACTIVATE, Verb.WITHDRAW, Verb.SUSPEND, Verb.REINSTATE})


def put(case: Case, body: Import) -> Decision:
    """What a row of an import asks: assign, change, or nothing."""
    identifier, record = body.identifier, body.record
    name = str(identifier)
    before = view.get_assignment(case.view, name)
    state = BY_WORD[record.state]
    if before is None:
        refusal = policy.birth_allowed(case.request.actor, state)
        if refusal is not None:
            return refusal.about(name)
        return give(case, identifier, record, pool_of(case, identifier), body.year, body.ttl)
    record = _as_filed(case, before, record)
    state = BY_WORD[record.state]
    packed = packed_record(record)
    if isinstance(packed, Refusal):
        return packed.about(name)
    if _says(before, body, packed):
        return Decision(Status.UNCHANGED, name)
    if before.state not in LIVE:
        return taken(name, before)
    verb = verb_between(before.state, state)
    if verb is None:
        return Decision(
            Status.STATE_PROHIBITS,
            name,
            f"is {WORDS[before.state].record}, the row says {record.state}; no single step leads "
            "there",
        )
    return turned(case, name, before, verb, record, body.ttl)


def _as_filed(case: Case, before: Assignment, record: Record) -> Record:
    """What a row says of an identifier that it has as active, and the national node not yet: as
    long as nothing else differs that it waits, or was refused; else it is filed again.
    """
    if before.state not in (State.RESERVED, State.FILING, State.REFUSED):
        return record
    filed = asked(record, view.get_root(case.view))
    if filed is not record and before.state is State.REFUSED:
        refused = record.changed(state=WORDS[State.REFUSED].record)
        return refused if packed_record(refused) == before.record else filed
    return filed


def _says(row: Assignment, body: Import, packed: bytes) -> bool:
    """Whether the registry says already what an import does, or what it will come to."""
    if body.ttl not in (None, row.ttl):
        return False
    if row.state is State.SUPERSEDED:  # its row has the record that it had before
        return row.record == packed and row.target == body.alias
    return row.record in (packed, body.final)


def update(case: Case, body: Update) -> Decision:
    """Other facts, in the state that the identifier is in: merged into what it says now."""
    name = str(body.identifier)
    present = view.get_assignment(case.view, name)
    refusal = _unchanged_since(case, body, present)
    if refusal is not None:
        return refusal.about(name)
    before = held(case, name, Verb.UPDATE)
    if isinstance(before, Refusal):
        return before.about(name)
    record = merged(decode(before.record), body.facts, body.whole)
    if isinstance(record, Refusal):
        return record.about(name)
    packed = packed_record(record)
    if isinstance(packed, Refusal):
        return packed.about(name)
    word = WORDS[before.state].record
    if packed == before.record and body.ttl in (None, before.ttl):
        return Decision(Status.UNCHANGED, name)
    if record.state != word:
        return Decision(
            Status.STATE_PROHIBITS,
            name,
            f"is {word}, the record says {record.state}; a state is changed by file, "
            "activate, withdraw, suspend, reinstate or retire",
        )
    if before.state is State.REFUSED:
        record = record.changed(state=WORDS[State.FILING].record)
    return turned(case, name, before, Verb.UPDATE, record, body.ttl)


def _unchanged_since(case: Case, body: Update, row: Assignment | None) -> Refusal | None:
    """Whether an identifier is as the asker saw it."""
    leaf = body.unless_changed_since
    if leaf is None or row is None:
        return None
    if not 0 <= leaf < case.leaf:
        return Refusal(Status.BAD_RANGE, f"leaf {leaf} is none of the {case.leaf} of the audit log")
    if row.leaf <= leaf:
        return None
    return Refusal(
        Status.CHANGED_SINCE,
        f"leaf {row.leaf} changed it after leaf {leaf}; look at it again, then ask as of that leaf",
    )


def advance(case: Case, body: Advance) -> Decision:
    """The next state, the record otherwise as it is."""
    name = str(body.identifier)
    if body.verb not in ADVANCES:
        detail = f"{body.verb.value} is a request of its own"
        return Decision(Status.BAD_VALUE, name, detail)
    present = view.get_assignment(case.view, name)
    if present is not None and _reached(present.state, body.verb):
        # What a hold has suspended is not so for this node's own people: it ends with that.
        refusal = not_held(case.view, case.request.actor, name, body.verb)
        return Decision(Status.UNCHANGED, name) if refusal is None else refusal.about(name)
    before = held(case, name, body.verb)
    if isinstance(before, Refusal):
        return before.about(name)
    state = TRANSITIONS[before.state, body.verb]
    record = decode(before.record).changed(state=WORDS[state].record)
    return turned(case, name, before, body.verb, record)


def retire(case: Case, body: Retire) -> Decision:
    """The end: a tombstone for ever."""
    name = str(body.identifier)
    successor = successor_of(name, body.successor)
    if isinstance(successor, Refusal):
        return successor.about(name)
    present = view.get_assignment(case.view, name)
    if present is not None and (present.state, present.target) == (State.RETIRED, successor):
        return Decision(Status.UNCHANGED, name)
    before = held(case, name, Verb.RETIRE)
    if isinstance(before, Refusal):
        return before.about(name)
    record = tombstone(case, decode(before.record), successor)
    return turned(case, name, before, Verb.RETIRE, record)


def _reached(state: State, verb: Verb) -> bool:
    return any(after is state for (_, by), after in TRANSITIONS.items() if by is verb)


def held(case: Case, name: str, verb: Verb) -> Assignment | Refusal:
    """An identifier that is there and in a state from which the verb leads on."""
    refusal = policy.cut_stays(case.view, name)
    if refusal is not None:
        return refusal
    before = view.get_assignment(case.view, name)
    if before is None:
        return Refusal(Status.NOT_FOUND, f"{name} is not assigned here")
    if (before.state, verb) not in TRANSITIONS:
        words = WORDS[before.state]
        instead = f", its place is taken by {before.target}" if before.target else ""
        return Refusal(
            Status.STATE_PROHIBITS,
            f"is {words.record} {words.zh}{instead}; {verb.value} does not follow from that",
        )
    return before


def turned(
    case: Case,
    name: str,
    before: Assignment,
    verb: Verb,
    record: Record,
    ttl: int | None = None,
    to: str = "",
    asked: Verb | None = None,
    beside: Sequence[Row] = (),
) -> Decision:
    """What an identifier that is ``before`` comes to by a verb, with the record it then has.

    Every request that changes an identifier and leaves it one of its own ends here, so the same
    holds by all routes. ``ttl``: seconds, None as it is. ``to``: what the leaf says there.
    ``asked``: what locks know it as, if not as the verb. ``beside``: rows that go with it.
    """
    state = TRANSITIONS[before.state, verb]
    is_filed = state is State.FILING and before.state is not state
    refusal = (
        policy.verb_allowed(case.request.actor, verb)
        or policy.cut_stays(case.view, name)
        or prohibited(case, name, before, asked or verb, record.successor or "")
        or not_held(case.view, case.request.actor, name, verb)
        or _keeps_term(case, name, before, verb, record)
        or policy.answer_allowed(case.view, case.request.actor, verb)
        or (policy.cut_open(case.view, name.rpartition("/")[0]) if is_filed else None)
        or ttl_holds(ttl)
        or ending_holds(case, name, record)
    )
    packed = refusal or fitting(record)
    if isinstance(packed, Refusal):
        return packed.about(name)
    after = before._replace(
        state=state,
        record=packed,
        target=record.successor or "",
        ttl=before.ttl if ttl is None else ttl,
    )
    if after == before:
        return Decision(Status.UNCHANGED, name)
    draft = Draft(case.view)
    draft.change(name, before, after._replace(leaf=case.leaf, changed=case.now))
    rows = (*draft.rows(), *beside)
    decision = case.done(name, rows, draft.tree, after=packed, prev=before.leaf, to=to)
    return decision._replace(subject=name)


def _keeps_term(
    case: Case, name: str, before: Assignment, verb: Verb, record: Record
) -> Refusal | None:
    """Of what has expired, only a renewal changes until when it is valid."""
    if verb is not Verb.UPDATE or view.get_expired(case.view, name) is None:
        return None
    if record.valid_until == decode(before.record).valid_until:
        return None
    return Refusal(Status.STATE_PROHIBITS, f"has expired: csid renew {name} --until DAY")
