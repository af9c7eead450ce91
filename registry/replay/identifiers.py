"""Leaves about identifiers: `after` is the record, the row follows from it and the row before."""

from __future__ import annotations

from typing import Any, Final

import msgpack

from csid.identifier import Identifier
from csid.prefix import SEGMENTS
from registry.replay.effect import Effect, ReplayFault, Step, require
from registry.rules import marks, moves, offers, serials
from registry.rules.draft import Draft
from registry.rules.filing import HELD, held_rows, read_receipt
from registry.rules.lifecycle import BIRTH, LIVE, TRANSITIONS, Verb, verb_between
from registry.rules.requests import Move
from registry.tables import view
from registry.tables.enums import BY_WORD, LISTED, WORDS, OfferState, State
from registry.tables.index import place_of
from registry.tables.rows import NO_LEAF, Assignment, Expired, Pool, PoolUse

_unpack: Final[Any] = msgpack.unpackb
_ADVANCED: Final = frozenset(
    {Verb.FILE, Verb.ACTIVATE, Verb.WITHDRAW, Verb.SUSPEND, Verb.REINSTATE}
)
_IMPORTED: Final = frozenset(set(State) - {State.SUPERSEDED})


def assigned(step: Step) -> Effect:
    """A code that was chosen."""
    return _born(step, BIRTH, minted=False)


def minted(step: Step) -> Effect:
    """A code that a pool gave."""
    return _born(step, BIRTH, minted=True)


def imported(step: Step) -> Effect:
    """An identifier as an import says: assigned, or changed."""
    if step.entry.prev == NO_LEAF:
        return _born(step, _IMPORTED, minted=False)
    name, before = _subject(step)
    state, target = _said(step.entry.after)
    verb = verb_between(before.state, state)
    require(verb is not None, f"no step leads from {_word(before.state)} to {_word(state)}")
    return _changed(step, name, before, state, target, step.entry.ttl)


def updated(step: Step) -> Effect:
    """Another record in the same state."""
    name, before = _subject(step)
    state, target = _said(step.entry.after)
    require(before.state in LIVE, f"{name} is {_word(before.state)}, which nothing changes")
    wanted = TRANSITIONS[before.state, Verb.UPDATE]
    require(state is wanted, f"{name} is {_word(before.state)}, not {_word(state)}")
    return _changed(step, name, before, state, target, step.entry.ttl)


def advanced(step: Step) -> Effect:
    """The next state."""
    name, before = _subject(step)
    state, target = _said(step.entry.after)
    verb = verb_between(before.state, state)
    require(verb in _ADVANCED, f"no step leads from {_word(before.state)} to {_word(state)}")
    return _changed(step, name, before, state, target)


def retired(step: Step) -> Effect:
    """The end, with a tombstone."""
    name, before = _subject(step)
    state, target = _said(step.entry.after)
    require(state is State.RETIRED, f"its record is {_word(state)}")
    _require_verb(name, before, Verb.RETIRE)
    return _changed(step, name, before, state, target)


def receipted(step: Step) -> Effect:
    """What the national node says to a filing."""
    name, before = _subject(step)
    state, target = _said(step.entry.after)
    _, status = read_receipt(step.entry.to)
    wanted = State.ACTIVE if status.success else State.REFUSED
    is_due = before.state is State.FILING or (not status.success and before.state in LISTED)
    require(is_due, f"{name} is {_word(before.state)}: no receipt is due")
    require(state is wanted, f"its record is {_word(state)}, the receipt says {status.name}")
    effect = _changed(step, name, before, state, target)._replace(to=step.entry.to)
    if not step.entry.to.endswith(f"/{HELD}"):
        return effect
    require(before.state is State.SUSPENDED, f"{name} is {_word(before.state)}, and not on hold")
    rows = held_rows(step.view, name, step.leaf, step.entry.time)
    return effect._replace(rows=(*effect.rows, *rows))


def renewed(step: Step) -> Effect:
    """Valid for longer; what had expired is in use again."""
    name, before = _subject(step)
    state, target = _said(step.entry.after)
    expired = view.get_expired(step.view, name)
    require(before.state in LIVE, f"{name} is {_word(before.state)}, which nothing changes")
    wanted = TRANSITIONS[before.state, Verb.UPDATE if expired is None else Verb.RENEW]
    require(state is wanted, f"{name} is {_word(before.state)}, not {_word(state)}")
    return _changed(step, name, before, state, target)


def expired(step: Step) -> Effect:
    """Suspended, as its last day is over."""
    name, before = _subject(step)
    state, target = _said(step.entry.after)
    require(state is State.SUSPENDED, f"its record is {_word(state)}")
    _require_verb(name, before, Verb.EXPIRE)
    effect = _changed(step, name, before, state, target)
    row = marks.expired_row(name, Expired(step.leaf, step.entry.time))
    return effect._replace(rows=(*effect.rows, row))


def lapsed(step: Step) -> Effect:
    """The end of what was not renewed in time."""
    name, before = _subject(step)
    state, target = _said(step.entry.after)
    require(state is State.RETIRED, f"its record is {_word(state)}")
    require(view.get_expired(step.view, name) is not None, f"{name} has not expired")
    _require_verb(name, before, Verb.LAPSE)
    return _changed(step, name, before, state, target)


def aliased(step: Step) -> Effect:
    """An identifier leads to another that lives."""
    name, before = _subject(step)
    new = step.entry.to
    _require_verb(name, before, Verb.SUPERSEDE)
    target = view.get_assignment(step.view, new)
    if target is None or target.state not in LIVE or new == name:
        raise ReplayFault(f"{new}, which it leads to, does not live")
    draft = Draft(step.view)
    draft.change(name, before, _superseded(step, before))
    deeper = marks.came_deeper(step.view, new, before.depth + 1)
    if before.depth + 1 > target.depth:
        draft.deepen(identifier_of(new), target, before.depth + 1)
    return Effect((*draft.rows(), *deeper), draft.tree, before.record, before.leaf, new)


def moved(step: Step) -> Effect:
    """A new identifier with the record of the old one, which leads to it."""
    return _put_over(step, agreed=False)


def accepted(step: Step) -> Effect:
    """What was offered to another owner is taken."""
    entry = step.entry
    offer = view.get_offer(step.view, entry.on)
    if offer is None or offer.state is not OfferState.OPEN:
        raise ReplayFault(f"{entry.on} is not offered to anybody")
    require(offer.to in ("", entry.to.partition("/")[0]), f"{entry.on} is offered to {offer.to}")
    effect = _put_over(step, agreed=True)
    rows = marks.offer_rows(entry.on, offers.accepted(offer, entry.by, entry.role, entry.time))
    return effect._replace(rows=(*effect.rows, *rows))


def _put_over(step: Step, agreed: bool) -> Effect:
    name, before = _subject(step)
    entry = step.entry
    _require_verb(name, before, Verb.SUPERSEDE)
    new = identifier_of(entry.to)
    body = Move(identifier_of(name), new)
    is_free = view.get_assignment(step.view, entry.to) is None
    earlier = moves.earlier_of(step.view, body)
    require(is_free or earlier is not None, f"{entry.to} is assigned already")
    pool = pool_of(step, new, minted=False) if earlier is None else None
    draft = Draft(step.view)
    deeper = moves.put_over(
        draft, step.view, name, before, new, earlier, step.leaf, entry.time, pool, agreed
    )
    if deeper is None:
        raise ReplayFault(f"more aliases lead to {entry.to} than are followed")
    rows = (*draft.rows(), *deeper)
    return Effect(rows, draft.tree, before.record, before.leaf, entry.to)


def _born(step: Step, states: frozenset[State], minted: bool) -> Effect:
    entry = step.entry
    identifier = _free(step, entry.on)
    state, target = _said(entry.after)
    require(state in states, f"{entry.on} begins as {_word(state)}")
    pool = pool_of(step, identifier, minted)
    require(pool is not None or not minted, f"{entry.on} lies in no pool")
    row = Assignment(state, step.leaf, entry.time, entry.time, 0, entry.after, target, entry.ttl)
    draft = Draft(step.view)
    draft.enter(identifier, row, pool)
    return Effect(draft.rows(), draft.tree, entry.after)


def _changed(
    step: Step,
    name: str,
    before: Assignment,
    state: State,
    target: str = "",
    ttl: int | None = None,
) -> Effect:
    entry = step.entry
    after = before._replace(
        state=state,
        leaf=step.leaf,
        changed=entry.time,
        record=entry.after,
        target=target,
        ttl=before.ttl if ttl is None else ttl,
    )
    draft = Draft(step.view)
    draft.change(name, before, after)
    return Effect(draft.rows(), draft.tree, entry.after, before.leaf)


def _superseded(step: Step, before: Assignment) -> Assignment:
    entry = step.entry
    return before._replace(
        state=State.SUPERSEDED,
        leaf=step.leaf,
        changed=entry.time,
        target=entry.to,
    )


def _subject(step: Step) -> tuple[str, Assignment]:
    """The identifier that a leaf changes, as it was before."""
    name = step.entry.on
    before = view.get_assignment(step.view, name)
    if before is None:
        raise ReplayFault(f"{name} is not assigned")
    return name, before


def _free(step: Step, name: str) -> Identifier:
    """An identifier that is not assigned yet."""
    require(view.get_assignment(step.view, name) is None, f"{name} is assigned already")
    return identifier_of(name)


def identifier_of(name: str) -> Identifier:
    parts = name.split("/")
    if len(parts) != len(SEGMENTS):
        raise ReplayFault(f"{name[:80]!r} is no identifier")
    return Identifier(*parts)


def _said(record: bytes) -> tuple[State, str]:
    """The state and the successor that a record says."""
    values = _unpack(record, use_list=False)
    return BY_WORD[values["st"]], values.get("su", "")


def pool_of(step: Step, identifier: Identifier, minted: bool) -> tuple[Pool, PoolUse] | None:
    """The pool that a code lies in, with the use it has by it."""
    serial = identifier.serial
    pool = view.pool_around(step.view, place_of(identifier), identifier.capability, serial)
    if pool is None:
        return None
    use = view.get_use(step.view, pool)
    number = serials.number(serial)
    # Version 1 went past a serial only when it was minted.
    passed = minted or (number == use.next and step.entry.version > 1)
    return pool, PoolUse(use.assigned + 1, number + 1 if passed else use.next)


def _require_verb(name: str, before: Assignment, verb: Verb) -> None:
    holds = (before.state, verb) in TRANSITIONS
    require(holds, f"{name} is {_word(before.state)}; {verb.value} does not follow from that")


def _word(state: State) -> str:
    return WORDS[state].record
