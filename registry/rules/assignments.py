"""Decisions that give an identifier: chosen, minted, imported."""

from __future__ import annotations

from csid.identifier import Identifier, make
from csid.record import Record
from registry.rules import policy, pools, serials
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.draft import Draft
from registry.rules.filed import asked
from registry.rules.lifecycle import BIRTH, LIVE
from registry.rules.records import ending_holds, packed_record, ttl_holds
from registry.rules.requests import Assign, Mint
from registry.rules.status import Status
from registry.tables import view
from registry.tables.enums import BY_WORD, WORDS
from registry.tables.index import place_of
from registry.tables.rows import DEFAULT_TTL, Assignment, Pool, PoolUse


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
    pool = pool_of(case, body.identifier)
    return give(case, body.identifier, body.record, pool, ttl=body.ttl)


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
        return give(case, identifier, body.record, (pool, use), ttl=body.ttl)
    return refusal.about(found[-1].code)


def give(
    case: Case,
    identifier: Identifier,
    record: Record,
    pool: tuple[Pool, PoolUse] | None,
    year: int = 0,
    ttl: int | None = None,
) -> Decision:
    """An identifier that is not assigned yet, if all rules hold; year and TTL as in `Import`."""
    name = str(identifier)
    record = asked(record, view.get_root(case.view))
    state = BY_WORD[record.state]
    refusal = (
        ttl_holds(ttl)
        or ending_holds(case, name, record)
        or may_have(case, identifier, pool, more=state in LIVE, year=year)
    )
    packed = refusal or packed_record(record)
    if isinstance(packed, Refusal):
        return packed.about(name)
    row = Assignment(
        state,
        case.leaf,
        case.now,
        case.now,
        0,
        packed,
        record.successor or "",
        DEFAULT_TTL if ttl is None else ttl,
    )
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
    refusal = policy.year_holds(as_of, case.day.year) or policy.place_open(
        case.view, place_of(identifier), as_of
    )
    if refusal is None and more:
        refusal = policy.owner_quota(case.view, identifier.owner)
    if refusal is None and pool is not None:
        block, use = pool
        refusal = policy.pool_quota(block, use._replace(assigned=use.assigned - 1))
    return refusal


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
    is_next = serials.number(identifier.serial) == use.next
    return pool, PoolUse(use.assigned + 1, use.next + is_next)
