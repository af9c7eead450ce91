"""What the record of an identifier may say, whichever request brings it: facts merged, endings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from csid.errors import IdentifierError, RecordError
from csid.fields import BY_NAME, TEXT_MAX
from csid.identifier import parse
from csid.limits import MAX_TTL
from csid.record import RECORD_OCTETS_MAX, Record, encode
from registry.rules import policy
from registry.rules.case import Case
from registry.rules.decision import Refusal
from registry.rules.lifecycle import BIRTH
from registry.rules.requests import Facts
from registry.rules.status import Status
from registry.tables.enums import BY_WORD, WORDS, State

# Whatever is given as active must fit when it is suspended, a word three octets longer.
RECORD_ROOM: Final = RECORD_OCTETS_MAX - 3
_GFLOPS: Final = "gflops"  # the fact that is a map: merged letter by letter


def packed_record(record: Record) -> bytes | Refusal:
    """The record that somebody gives in canonical bytes, if there is room to suspend it later."""
    packed = fitting(record)
    if isinstance(packed, Refusal):
        return packed
    if len(packed) > RECORD_ROOM and BY_WORD[record.state] in BIRTH:
        return Refusal(
            Status.RECORD_TOO_LARGE,
            f"the record has {len(packed)} octets, at most {RECORD_ROOM} are taken; "
            "give fewer or shorter endpoints",
        )
    return packed


def fitting(record: Record) -> bytes | Refusal:
    """The record in canonical bytes, if they are not too many."""
    try:
        return encode(record)
    except RecordError as error:
        return Refusal(Status.RECORD_TOO_LARGE, str(error))


def merged(before: Record, given: Facts, whole: bool) -> Record | Refusal:
    """The record with facts (JSON form) in place of its own, or with these alone; None takes one
    away. The state stays unless it is among them.
    """
    for name, _ in given:
        if name not in BY_NAME and name != "extra":
            return Refusal(Status.BAD_VALUE, f"{name}: unknown; known are {', '.join(BY_NAME)}")
    held = before.json()
    facts = {"state": held["state"]} if whole else held
    for name, value in given:
        own = facts.get(name)
        if name == _GFLOPS and isinstance(value, Mapping) and isinstance(own, Mapping):
            value = {**own, **value}
        facts[name] = value
    numbers = facts.get(_GFLOPS)
    if isinstance(numbers, Mapping):
        facts[_GFLOPS] = {key: one for key, one in numbers.items() if one is not None} or None
    try:
        return Record({name: value for name, value in facts.items() if value is not None})
    except RecordError as error:
        return Refusal(Status.BAD_VALUE, str(error))


def ttl_holds(ttl: int | None) -> Refusal | None:
    """Whether a TTL can be one (RFC 2181 section 8); None is none said."""
    if ttl is None or 0 <= ttl <= MAX_TTL:
        return None
    return Refusal(Status.BAD_RANGE, f"TTL {ttl} is outside 0 to {MAX_TTL} seconds")


def successor_of(name: str, text: str) -> str | Refusal:
    """What to use instead of an identifier that ends, here or at another node; empty if nothing."""
    try:
        successor = str(parse(text)) if text else ""
    except IdentifierError as error:
        return Refusal(Status.BAD_VALUE, f"the successor: {error}")
    if successor == name:
        return Refusal(Status.TARGET_UNUSABLE, "it cannot be its own successor")
    return successor


def ending_holds(case: Case, name: str, record: Record) -> Refusal | None:
    """Whether an identifier may end as a record says: not in the future, in the past by an
    administrator only, and with a successor that is one. What lives has no ending
    (`csid.fields.check_together`).
    """
    ended = record.ended
    if ended is None:
        return None
    if ended > case.day:
        return Refusal(
            Status.BAD_RANGE, f"ended {ended} lies ahead; expected {case.day} at the latest"
        )
    if ended < case.day:
        refusal = policy.past_allowed(case.request.actor, f"to end what ended {ended}")
        if refusal is not None:
            return refusal
    successor = successor_of(name, record.successor or "")
    return successor if isinstance(successor, Refusal) else None


def tombstone(case: Case, record: Record, successor: str) -> Record:
    """The last record with its end. What does not fit is left to the audit log."""
    facts: dict[str, object] = {
        "state": WORDS[State.RETIRED].record,
        "ended": case.day.isoformat(),
        "successor": successor or None,
        "reason": case.request.reason[:TEXT_MAX].strip() or None,
    }
    for dropped in ("reason", "endpoints", "gflops", "name"):
        ended = record.changed(**facts)
        if isinstance(fitting(ended), bytes):
            return ended
        facts[dropped] = None
    return record.changed(**facts)
