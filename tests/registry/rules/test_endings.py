"""One set of rules for each transition, whichever request asks for it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from csid.errors import RecordError
from csid.record import Record, decode, encode
from registry.rules.lifecycle import Verb
from registry.rules.requests import Actor, Advance, Alias, Assign, Body, Import, Retire
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.changes import TreeKind
from registry.tables.enums import State
from tests.support.registering import (
    ADMINISTRATOR,
    DAY,
    OTHER,
    RECORD,
    REGISTRAR,
    Book,
    book,
    identifier,
)

ONE, TWO = identifier("0001"), identifier("0002")
YESTERDAY = f"{date.fromisoformat(DAY) - timedelta(days=1)}"
TOMORROW = f"{date.fromisoformat(DAY) + timedelta(days=1)}"
WRONG_CHECK = str(TWO)[:-2] + "00"


def row(of: Book, name: object = ONE) -> view.Assignment:
    found = view.get_assignment(of.view, str(name))
    assert found is not None
    return found


def ended(on: str = DAY, **facts: object) -> Record:
    return RECORD.changed(state="retired", ended=on, **facts)


ENDINGS = [
    (ADMINISTRATOR, ended(), Status.DONE),
    (ADMINISTRATOR, ended(YESTERDAY), Status.DONE),
    (ADMINISTRATOR, ended("2019-02-28", reason="到期"), Status.DONE),
    (ADMINISTRATOR, ended(TOMORROW), Status.BAD_RANGE),
    (ADMINISTRATOR, ended("2099-01-01"), Status.BAD_RANGE),
    (ADMINISTRATOR, ended(successor=str(TWO)), Status.DONE),
    (ADMINISTRATOR, ended(successor=str(identifier("0009", OTHER))), Status.DONE),
    (ADMINISTRATOR, ended(successor=str(ONE)), Status.TARGET_UNUSABLE),
    (ADMINISTRATOR, ended(successor=WRONG_CHECK), Status.BAD_VALUE),
    (ADMINISTRATOR, ended(successor=str(TWO).replace("6450", "ZZZZ")), Status.BAD_VALUE),
    (REGISTRAR, ended(), Status.DONE),
    (REGISTRAR, ended(YESTERDAY), Status.ROLE_MAY_NOT),
    (REGISTRAR, ended(TOMORROW), Status.BAD_RANGE),
    (REGISTRAR, ended(successor=str(ONE)), Status.TARGET_UNUSABLE),
]


@pytest.mark.parametrize(("actor", "record", "status"), ENDINGS)
@pytest.mark.parametrize("state", ["active", "reserved"])
def test_what_is_there_ends_by_an_import_as_by_a_retirement(
    actor: Actor, record: Record, status: Status, state: str
) -> None:
    of = book()
    before = RECORD.changed(state=state)
    of.must(Assign(ONE, before))
    decision = of.ask(Import(ONE, record), actor)
    assert decision.status is status, decision
    kept = record if status is Status.DONE else before
    assert decode(row(of).record) == kept
    assert row(of).target == (kept.successor or "")


@pytest.mark.parametrize(("actor", "record", "status"), ENDINGS)
def test_what_is_new_begins_as_ended_under_the_same_rules(
    actor: Actor, record: Record, status: Status
) -> None:
    of = book()
    decision = of.ask(Import(ONE, record), actor)
    # Only an administrator restores what is past at all.
    assert decision.status is (status if actor is ADMINISTRATOR else Status.ROLE_MAY_NOT)
    assert (view.get_assignment(of.view, str(ONE)) is None) == (not decision.status.success)


@pytest.mark.parametrize("successor", [str(TWO), "", str(TWO).lower()])
def test_both_ways_of_ending_leave_the_same(successor: str) -> None:
    one, two = book(), book()
    for of in (one, two):
        of.must(Assign(ONE, RECORD, ttl=60))
    one.ask(Retire(ONE, successor), reason="报废")
    two.ask(Import(ONE, ended(successor=successor.upper() or None, reason="报废")))
    assert one.view.rows()[codec.ASSIGNMENTS] == two.view.rows()[codec.ASSIGNMENTS]
    assert one.log[-1]._replace(kind="", why="") == two.log[-1]._replace(kind="", why="")


@pytest.mark.parametrize("fact", [{"ended": DAY}, {"reason": "x"}, {"successor": str(TWO)}])
def test_nothing_that_lives_has_an_ending(fact: dict[str, object]) -> None:
    with pytest.raises(RecordError):
        RECORD.changed(**fact)


VERBS: list[tuple[str, str, Verb, Status]] = [
    ("reserved", "filing", Verb.FILE, Status.DONE),
    ("filing", "active", Verb.ACTIVATE, Status.ROLE_MAY_NOT),
    ("filing", "reserved", Verb.WITHDRAW, Status.ROLE_MAY_NOT),
    ("active", "suspended", Verb.SUSPEND, Status.ROLE_MAY_NOT),
]


@pytest.mark.parametrize(("before", "after", "verb", "of_registrar"), VERBS)
def test_an_import_leads_on_as_the_verb_does(
    before: str, after: str, verb: Verb, of_registrar: Status
) -> None:
    bodies: list[Body] = [Advance(ONE, verb), Import(ONE, RECORD.changed(state=after))]
    for actor, status in ((REGISTRAR, of_registrar), (ADMINISTRATOR, Status.DONE)):
        left = []
        for body in bodies:
            of = book()
            of.must(Assign(ONE, RECORD.changed(state=before)))
            assert of.ask(body, actor).status is status
            left.append(of.view.rows()[codec.ASSIGNMENTS])
        assert left[0] == left[1]


def test_an_import_over_an_alias_is_refused_unless_it_says_that_alias() -> None:
    of = book()
    for code in (ONE, TWO):
        of.must(Assign(code, RECORD))
    of.must(Alias(ONE, TWO))
    for body in (
        Import(ONE, RECORD),
        Import(ONE, RECORD.changed(count=9)),
        Import(ONE, ended()),
        Import(ONE, RECORD, alias=str(identifier("0003"))),
        Import(ONE, RECORD.changed(count=9), alias=str(TWO)),
        Import(ONE, RECORD, alias=str(TWO), ttl=7),
        Import(ONE, RECORD, final=encode(RECORD)),
    ):
        decision = of.ask(body)
        assert decision.status is Status.NEVER_AGAIN
        assert str(TWO) in decision.detail
    assert of.status(Import(ONE, RECORD, alias=str(TWO))) is Status.UNCHANGED
    assert of.status(Import(ONE, RECORD, alias=str(TWO), ttl=300)) is Status.UNCHANGED
    assert row(of).state is State.SUPERSEDED


def test_a_restore_finds_what_has_ended_by_what_it_will_come_to() -> None:
    of, last = book(), ended(YESTERDAY)
    alive = Import(ONE, RECORD, final=encode(last))
    of.must(alive)
    assert of.status(alive) is Status.UNCHANGED
    of.must(Import(ONE, last))
    assert of.status(alive) is Status.UNCHANGED
    assert of.status(Import(ONE, RECORD)) is Status.NEVER_AGAIN
    assert of.status(Import(ONE, RECORD, final=encode(ended()))) is Status.NEVER_AGAIN


def test_a_filing_that_is_withdrawn_needs_no_room_it_has_not() -> None:
    of = book()
    uris = [f"https://a{n}.example/{'x' * 215}" for n in range(3)]
    record = Record({"state": "filing", "endpoints": uris})
    room = 897 - len(encode(record)) - 2  # two octets before a text
    record = record.changed(endpoints=[*uris, f"https://b.example/{'y' * (room - 18)}"])
    assert len(encode(record)) == 897
    of.must(Assign(ONE, record))
    (change,) = of.must(Advance(ONE, Verb.WITHDRAW)).changes.tree
    assert (change.kind, len(change.record)) == (TreeKind.RECORD, 899)
    of.must(Advance(ONE, Verb.FILE))
    assert decode(row(of).record) == record
