"""The time for which an identifier is valid, as its record says (`valid_until`, China's date, that
day among them): what follows from it, and from the days that the node has set.

    valid → expiring: the last `expiring` days → expired: an active one is suspended, renewable for
    `grace` days → ended

What waits to be active, and what the node holds, neither expires nor ends by itself.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, NamedTuple

from csid.errors import RecordError
from csid.record import Record, decode
from registry.rules.case import Case, day_of
from registry.rules.decision import Decision, Refusal
from registry.rules.lifecycle import TRANSITIONS, Verb
from registry.rules.marks import expired_row
from registry.rules.records import packed_record, tombstone
from registry.rules.requests import Expire, Lapse, Renew, Role, SetValidity
from registry.rules.status import Status
from registry.rules.transitions import held, turned
from registry.tables import codec, view
from registry.tables.enums import LISTED, WORDS, State
from registry.tables.rows import Assignment, Expired, Validity
from registry.tables.view import View

SUBJECT: Final = codec.VALIDITY_KEY.decode()
DAYS_MAX: Final = 3_660
VALID, EXPIRING, EXPIRED = "valid", "expiring", "expired"  # csid.vocabulary.PHASES
REASON: Final = "有效期届满 the time for which it was valid is over"


class Term(NamedTuple):
    """Where an identifier is in the time for which it is valid."""

    phase: str
    until: date  # the last day
    renewable: date  # the last day on which it may be renewed


def term(row: Assignment, expired: Expired | None, days: Validity, today: date) -> Term | None:
    """Where an identifier is; None if it is valid without an end.

    The days of grace count from when it was suspended, if that was later than its last day: so
    nobody loses them by what a node did not do in time.
    """
    until = decode(row.record).valid_until
    if until is None:
        return None
    over = until if expired is None else max(until, day_of(expired.since))
    renewable = later(over, days.grace)
    if expired is not None or until < today:
        return Term(EXPIRED, until, renewable)
    phase = EXPIRING if later(today, days.expiring) >= until else VALID
    return Term(phase, until, renewable)


def later(day: date, days: int) -> date:
    """A day so many days later, the last of the calendar if there is none."""
    return day + timedelta(min(days, (date.max - day).days))


def term_of(seen: View, name: str, row: Assignment, today: date) -> Term | None:
    """`term` of an identifier that is registered; None of one that is not in use, too."""
    if row.state not in LISTED:
        return None
    return term(row, view.get_expired(seen, name), view.get_validity(seen), today)


def due(seen: View, name: str, row: Assignment, today: date) -> type[Expire | Lapse] | None:
    """What is to be done about an identifier today, if anything."""
    if row.state is State.ACTIVE:
        until = decode(row.record).valid_until
        return Expire if until is not None and until < today else None
    if row.state is not State.SUSPENDED or view.get_expired(seen, name) is None:
        return None
    found = term_of(seen, name, row, today)
    return Lapse if found is not None and found.renewable < today else None


def expire(case: Case, body: Expire) -> Decision:
    """The last day is over: it is suspended."""
    name = str(body.identifier)
    before = held(case, name, Verb.EXPIRE)
    if isinstance(before, Refusal):
        return before.about(name)
    if due(case.view, name, before, case.day) is not Expire:
        return Decision(Status.UNCHANGED, name, "its last day is not over")
    record = decode(before.record).changed(state=WORDS[State.SUSPENDED].record)
    row = expired_row(name, Expired(case.leaf, case.now))
    return turned(case, name, before, Verb.EXPIRE, record, beside=(row,))


def lapse(case: Case, body: Lapse) -> Decision:
    """It was not renewed in time: it ends."""
    name = str(body.identifier)
    before = held(case, name, Verb.LAPSE)
    if isinstance(before, Refusal):
        return before.about(name)
    if due(case.view, name, before, case.day) is not Lapse:
        return Decision(Status.UNCHANGED, name, "it may still be renewed")
    record = tombstone(case, decode(before.record), "")
    return turned(case, name, before, Verb.LAPSE, record)


def renew(case: Case, body: Renew) -> Decision:
    """It is valid for longer; what had expired is in use again."""
    name = str(body.identifier)
    has_expired = view.get_expired(case.view, name) is not None
    verb = Verb.RENEW if has_expired else Verb.UPDATE
    before = held(case, name, verb)
    if isinstance(before, Refusal):
        return before.about(name)
    found = term_of(case.view, name, before, case.day)
    refusal = _may_renew(case, found)
    if refusal is not None:
        return refusal.about(name)
    state = WORDS[TRANSITIONS[before.state, verb]].record
    record = _until(decode(before.record), body.until, state)
    if isinstance(record, Refusal):
        return record.about(name)
    until = record.valid_until
    assert until is not None
    if found is not None and until == found.until and not has_expired:
        return Decision(Status.UNCHANGED, name)
    last = max(found.until, case.day) if found is not None else case.day
    if until < last:
        detail = f"{until} is no later day: it is valid until {found.until if found else 'ever'}, "
        return Decision(Status.BAD_RANGE, name, f"{detail}today is {case.day}")
    packed = packed_record(record)
    if isinstance(packed, Refusal):
        return packed.about(name)
    return turned(case, name, before, verb, record, asked=Verb.RENEW)


def _may_renew(case: Case, found: Term | None) -> Refusal | None:
    is_late = found is not None and found.phase == EXPIRED and found.renewable < case.day
    if found is None or not is_late or case.request.actor.role is Role.ADMINISTRATOR:
        return None
    return Refusal(
        Status.NOT_RENEWABLE,
        f"it could be renewed until {found.renewable}; ask an administrator before it ends",
    )


def _until(record: Record, until: str, state: str) -> Record | Refusal:
    try:
        return record.changed(valid_until=until, state=state)
    except RecordError as error:
        return Refusal(Status.BAD_VALUE, str(error))


def set_days(case: Case, body: SetValidity) -> Decision:
    """How the node keeps validity from now on."""
    for what, days in (("expiring", body.expiring), ("grace", body.grace)):
        if not 0 <= days <= DAYS_MAX:
            detail = f"{what}: {days} days; expected 0 to {DAYS_MAX}"
            return Decision(Status.BAD_RANGE, SUBJECT, detail)
    before = view.get_validity(case.view)
    if (body.expiring, body.grace) == before[:2]:
        return Decision(Status.UNCHANGED, SUBJECT)
    row = codec.encode(Validity(body.expiring, body.grace, case.leaf, case.now))
    rows = [(codec.SETTINGS, codec.VALIDITY_KEY, row)]
    return case.done(SUBJECT, rows, after=row, prev=before.leaf)
