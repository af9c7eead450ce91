"""Decisions about one identifier: given, changed, ended."""

from __future__ import annotations

from typing import Final

from csid.errors import IdentifierError, RecordError
from csid.fields import TEXT_MAX as RECORD_TEXT_MAX
from csid.identifier import Identifier, make, parse
from csid.record import RECORD_OCTETS_MAX, Record, decode, encode
from registry.rules import policy, pools
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.draft import Draft
from registry.rules.lifecycle import BIRTH, LIVE, TRANSITIONS, Verb, verb_between
from registry.rules.requests import Advance, Assign, Import, Mint, Retire, Update
from registry.rules.status import Status
from registry.tables import view
from registry.tables.enums import BY_WORD, WORDS, State
from registry.tables.index import place_of
from registry.tables.rows import Assignment, Pool, PoolUse

# Whatever is given as active must fit when it is suspended, a word three octets longer.
RECORD_ROOM: Final = RECORD_OCTETS_MAX - 3
ADVANCES: Final = frozenset({Verb.FILE, Verb.ACTIVATE, Verb.WITHDRAW, Verb.SUSPEND, Verb.REINSTATE})


def assign(case: Case, body: Assign) -> Decision:
    """A code that the asker has chosen."""
    name = str(body.identifier)
    before = view.get_assignment(case.view, name)
    if before is not None:
        return taken(name, before)
    if BY_WORD[body.record.state] not in BIRTH:
        return Decision(
            Status.STATE_PROHIBITS,
            name,
            f"an identifier cannot begin as {body.record.state}; give reserved, filing or active",
        )
    return give(case, body.identifier, body.record, pool_of(case, body.identifier))


def mint(case: Case, body: Mint) -> Decision:
    """The next free code of a pool."""
    found = pools.candidates(case.view, body.pool)
    if isinstance(found, Refusal):
        return found.about(body.pool[:200])
    if BY_WORD[body.record.state] not in BIRTH:
        detail = f"an identifier cannot begin as {body.record.state}"
        return Decision(Status.STATE_PROHIBITS, found[0].code, detail)
    for pool in found:
        free = pools.next_free(case.view, pool)
        if isinstance(free, Refusal):
            refusal = free
            continue
        serial, use = free
        owner, industry, location, kind = pool.place.split("/")
        identifier = make(owner, industry, location, kind, pool.capability, serial)
        return give(case, identifier, body.record, (pool, use))
    return refusal.about(found[-1].code)


def give(
    case: Case,
    identifier: Identifier,
    record: Record,
    pool: tuple[Pool, PoolUse] | None,
    year: int = 0,
) -> Decision:
    """An identifier that is not assigned yet, if all rules hold; ``year`` as in `Import`."""
    name = str(identifier)
    packed = packed_record(record)
    if isinstance(packed, Refusal):
        return packed.about(name)
    state = BY_WORD[record.state]
    refusal = may_have(case, identifier, pool, more=state in LIVE, year=year)
    if refusal is not None:
        return refusal.about(name)
    row = Assignment(state, case.leaf, case.now, case.now, 0, packed, _successor(record))
    draft = Draft(case.view)
    draft.enter(identifier, row, pool)
    return case.done(name, draft.rows(), draft.tree, after=packed, year=year)


def may_have(
    case: Case,
    identifier: Identifier,
    pool: tuple[Pool, PoolUse] | None,
    more: bool,
    year: int = 0,
) -> Refusal | None:
    """Whether this code may be given now; ``more``: its owner has one identifier more by it."""
    as_of = policy.registration_year(case.request.actor, year, case.day.year)
    refusal = policy.place_open(case.view, place_of(identifier), as_of)
    if refusal is None and more:
        refusal = policy.owner_quota(case.view, identifier.owner)
    if refusal is None and pool is not None:
        block, use = pool
        refusal = policy.pool_quota(block, use._replace(assigned=use.assigned - 1))
    return refusal


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
        return give(case, identifier, record, pool_of(case, identifier), body.year)
    packed = packed_record(record)
    if isinstance(packed, Refusal):
        return packed.about(name)
    if packed == before.record:
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
    refusal = policy.verb_allowed(case.request.actor, verb)
    if refusal is not None:
        return refusal.about(name)
    return changed(case, identifier, before, state, packed, _successor(record))


def update(case: Case, body: Update) -> Decision:
    """Another record, in the state that the identifier is in."""
    name = str(body.identifier)
    before = held(case, name, Verb.UPDATE)
    if isinstance(before, Refusal):
        return before.about(name)
    word = WORDS[before.state].record
    if body.record.state != word:
        return Decision(
            Status.STATE_PROHIBITS,
            name,
            f"is {word}, the record says {body.record.state}; a state is changed by file, "
            "activate, withdraw, suspend, reinstate or retire",
        )
    packed = packed_record(body.record)
    if isinstance(packed, Refusal):
        return packed.about(name)
    if packed == before.record:
        return Decision(Status.UNCHANGED, name)
    return changed(case, body.identifier, before, before.state, packed)


def advance(case: Case, body: Advance) -> Decision:
    """The next state, the record otherwise as it is."""
    name = str(body.identifier)
    if body.verb not in ADVANCES:
        detail = f"{body.verb.value} is a request of its own"
        return Decision(Status.BAD_VALUE, name, detail)
    present = view.get_assignment(case.view, name)
    if present is not None and _reached(present.state, body.verb):
        return Decision(Status.UNCHANGED, name)
    before = held(case, name, body.verb)
    if isinstance(before, Refusal):
        return before.about(name)
    state = TRANSITIONS[before.state, body.verb]
    packed = encode(decode(before.record).changed(state=WORDS[state].record))
    return changed(case, body.identifier, before, state, packed)


def retire(case: Case, body: Retire) -> Decision:
    """The end: a tombstone for ever."""
    name = str(body.identifier)
    try:
        successor = str(parse(body.successor)) if body.successor else ""
    except IdentifierError as error:
        return Decision(Status.BAD_VALUE, name, f"the successor: {error}")
    present = view.get_assignment(case.view, name)
    if present is not None and (present.state, present.target) == (State.RETIRED, successor):
        return Decision(Status.UNCHANGED, name)
    before = held(case, name, Verb.RETIRE)
    if isinstance(before, Refusal):
        return before.about(name)
    if successor == name:
        return Decision(Status.TARGET_UNUSABLE, name, "it cannot be its own successor")
    packed = _tombstone(
        decode(before.record),
        ended=case.day.isoformat(),
        successor=successor or None,
        reason=case.request.reason[:RECORD_TEXT_MAX].strip() or None,
    )
    return changed(case, body.identifier, before, State.RETIRED, packed, successor)


def changed(
    case: Case,
    identifier: Identifier,
    before: Assignment,
    state: State,
    packed: bytes,
    target: str = "",
) -> Decision:
    """An identifier in another state or with another record."""
    after = before._replace(
        state=state, leaf=case.leaf, changed=case.now, record=packed, target=target
    )
    draft = Draft(case.view)
    draft.change(identifier, before, after)
    return case.done(str(identifier), draft.rows(), draft.tree, after=packed, prev=before.leaf)


def packed_record(record: Record) -> bytes | Refusal:
    """The record in canonical bytes, if there is room to suspend it later."""
    try:
        packed = encode(record)
    except RecordError as error:
        return Refusal(Status.RECORD_TOO_LARGE, str(error))
    if len(packed) > RECORD_ROOM and BY_WORD[record.state] in BIRTH:
        return Refusal(
            Status.RECORD_TOO_LARGE,
            f"the record has {len(packed)} octets, at most {RECORD_ROOM} are taken; "
            "give fewer or shorter endpoints",
        )
    return packed


def _tombstone(record: Record, **facts: object) -> bytes:
    """The last record with its end. What does not fit is left to the audit log."""
    without: dict[str, object] = {}
    for dropped in ("", "reason", "endpoints", "gflops", "name"):
        if dropped:
            without[dropped] = None
        try:
            return encode(record.changed(state="retired", **{**facts, **without}))
        except RecordError as error:
            if error.field != "record":
                raise
            last = error
    raise last


def _reached(state: State, verb: Verb) -> bool:
    return any(after is state for (_, by), after in TRANSITIONS.items() if by is verb)


def held(case: Case, name: str, verb: Verb) -> Assignment | Refusal:
    """An identifier that is there and in a state from which the verb leads on."""
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


def taken(name: str, row: Assignment) -> Decision:
    instead = f", its place is taken by {row.target}" if row.target else ""
    status = Status.EXISTS if row.state in LIVE else Status.NEVER_AGAIN
    words = WORDS[row.state]
    detail = f"{name} is {words.record} {words.zh}{instead}; choose another serial"
    return Decision(status, name, detail)


def pool_of(case: Case, identifier: Identifier) -> tuple[Pool, PoolUse] | None:
    """The pool that a chosen code lies in, with the use it will have."""
    place = place_of(identifier)
    pool = view.pool_around(case.view, place, identifier.capability, identifier.serial)
    if pool is None:
        return None
    use = view.get_use(case.view, pool)
    return pool, use._replace(assigned=use.assigned + 1)


def _successor(record: Record) -> str:
    return record.successor or ""
