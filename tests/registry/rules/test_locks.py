"""Locks, holds, transfers that both agree to, and the end of validity, case by case."""

from __future__ import annotations

from datetime import timedelta

import pytest

from csid.identifier import Identifier
from csid.record import decode
from registry.rules.case import day_of
from registry.rules.lifecycle import Verb
from registry.rules.moves import moved
from registry.rules.offers import digest_of
from registry.rules.requests import (
    AcceptTransfer,
    Actor,
    AddLocks,
    Advance,
    Alias,
    Body,
    CancelTransfer,
    Expire,
    Import,
    Lapse,
    Move,
    OfferTransfer,
    RejectTransfer,
    RemoveLocks,
    Renew,
    Retire,
    Role,
    SetValidity,
    TakeReceipt,
    Update,
)
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.changes import TreeKind
from registry.tables.enums import LockKind, State, locked_words
from registry.tables.rows import Assignment, Root
from tests.support.registering import (
    ADMINISTRATOR,
    NOW,
    OTHER,
    OTHERS_REGISTRAR,
    OWNER,
    RECORD,
    REGISTRAR,
    Book,
    book,
    identifier,
)

ONE, TWO = identifier("0001"), identifier("0002")
THERE = moved(ONE, owner=OTHER)
DAY = 86_400
CSID = Actor("csid", Role.NODE)
UPDATE, TRANSFER, RETIRE, RENEW = LockKind
AGAINST: list[tuple[LockKind, Body]] = [
    (UPDATE, Update(ONE, (("count", 9),))),
    (UPDATE, Import(ONE, RECORD.changed(count=9))),
    (TRANSFER, Alias(ONE, TWO)),
    (TRANSFER, Move(ONE, THERE)),
    (TRANSFER, Move(ONE, moved(ONE, location="330108"), renumber=True)),
    (TRANSFER, OfferTransfer(ONE, OTHER, b"", DAY)),
    (RETIRE, Retire(ONE)),
    (RETIRE, Import(ONE, RECORD.changed(state="retired", ended=day_of(NOW).isoformat()))),
    (RENEW, Renew(ONE, "2030-01-01")),
]


def filled(until: str | None = None) -> Book:
    """Two identifiers in use."""
    of = book()
    for code in (ONE, TWO):
        of.must(Import(code, RECORD.changed(valid_until=until)))
    return of


def row(of: Book, code: Identifier = ONE) -> Assignment:
    """What is registered of an identifier."""
    found = view.get_assignment(of.view, str(code))
    assert found is not None
    return found


@pytest.mark.parametrize("by_owner", [False, True])
@pytest.mark.parametrize(("lock", "body"), AGAINST, ids=lambda one: getattr(one, "kind", ""))
def test_a_lock_keeps_everybody_from_it_until_it_is_lifted(
    lock: LockKind, body: Body, by_owner: bool
) -> None:
    of = filled()
    of.must(AddLocks(ONE, tuple(kind for kind in LockKind if kind is not lock), by_owner))
    other = filled()
    for one in (of, other):
        one.must(AddLocks(ONE, (lock,), by_owner))
    refused = of.ask(body)
    assert refused.status is Status.LOCKED
    assert f"csid lock remove {ONE} --lock {lock.name.lower()}" in refused.detail
    other.must(RemoveLocks(ONE, (lock,), by_owner))
    assert other.status(body) is Status.DONE


def test_each_lifts_what_is_his_and_an_administrator_both() -> None:
    of = filled()
    assert of.status(AddLocks(ONE, (UPDATE,), True), OTHERS_REGISTRAR) is Status.OWNER_NOT_YOURS
    assert of.status(AddLocks(ONE, (UPDATE,), False), REGISTRAR) is Status.ROLE_MAY_NOT
    assert of.status(AddLocks(ONE, (UPDATE,), True), REGISTRAR) is Status.DONE
    of.must(AddLocks(ONE, (UPDATE, RETIRE), False))
    assert of.status(RemoveLocks(ONE, (UPDATE,), False), REGISTRAR) is Status.ROLE_MAY_NOT
    assert of.status(RemoveLocks(ONE, (UPDATE,), True), REGISTRAR) is Status.DONE
    locks = view.get_locks(of.view, str(ONE))
    assert locks is not None
    assert (locks.server, locks.owner) == (UPDATE | RETIRE, 0)
    assert of.status(RemoveLocks(ONE, (UPDATE,), True)) is Status.UNCHANGED
    assert of.status(AddLocks(ONE, (), False)) is Status.BAD_VALUE
    assert of.status(AddLocks(identifier("0009"), (UPDATE,), False)) is Status.NOT_FOUND


def test_locks_of_the_node_go_with_what_is_moved_and_those_of_its_owner_stay() -> None:
    of = filled()
    of.must(AddLocks(ONE, (UPDATE,), False))
    of.must(AddLocks(ONE, (RETIRE,), True))
    nearby = moved(ONE, location="330108")
    of.must(Move(ONE, nearby))
    same = view.get_locks(of.view, str(nearby))
    assert same is not None
    assert (same.server, same.owner) == (UPDATE, RETIRE)
    of.must(Move(nearby, moved(nearby, owner=OTHER)))
    theirs = view.get_locks(of.view, str(moved(nearby, owner=OTHER)))
    assert theirs is not None
    assert (theirs.server, theirs.owner) == (UPDATE, 0)
    gone = view.get_locks(of.view, str(ONE))
    assert gone is not None
    assert (gone.server, gone.owner) == (0, 0)


def test_the_words_of_locks_are_those_of_epp_and_rdap() -> None:
    assert locked_words(UPDATE | RETIRE, TRANSFER | RENEW) == (
        (
            "clientTransferProhibited",
            "clientRenewProhibited",
            "serverUpdateProhibited",
            "serverDeleteProhibited",
        ),
        (
            "client transfer prohibited",
            "client renew prohibited",
            "server update prohibited",
            "server delete prohibited",
        ),
    )


# -- holds


@pytest.mark.parametrize("actor", [ADMINISTRATOR, REGISTRAR])
def test_what_is_on_hold_leads_to_nothing_that_is_not(actor: Actor) -> None:
    of = filled()
    of.must(Advance(ONE, Verb.SUSPEND))
    assert of.status(Alias(ONE, TWO), actor) is Status.STATE_PROHIBITS
    assert of.status(Alias(ONE, TWO, restored=True), REGISTRAR) is Status.STATE_PROHIBITS
    assert of.status(OfferTransfer(ONE, OTHER, b"", DAY), actor) is Status.STATE_PROHIBITS
    of.must(Move(ONE, moved(ONE, location="330108")))
    assert row(of, moved(ONE, location="330108")).state is State.SUSPENDED


def test_what_was_offered_before_it_was_held_is_not_accepted() -> None:
    of = filled()
    of.must(OfferTransfer(ONE, OTHER, b"", DAY))
    of.must(Advance(ONE, Verb.SUSPEND))
    refused = of.status(AcceptTransfer(ONE, OTHER), OTHERS_REGISTRAR)
    assert refused is Status.STATE_PROHIBITS


def test_an_owner_ends_what_is_on_hold_but_names_nothing_instead() -> None:
    of = filled()
    of.must(Advance(ONE, Verb.SUSPEND))
    assert of.status(Retire(ONE, str(TWO)), REGISTRAR) is Status.STATE_PROHIBITS
    led = RECORD.changed(state="retired", ended=day_of(NOW).isoformat(), successor=str(TWO))
    assert of.status(Import(ONE, led), REGISTRAR) is Status.STATE_PROHIBITS
    assert of.status(Retire(ONE), REGISTRAR) is Status.DONE


def test_a_hold_lives_on_in_locks_where_a_filing_is_refused() -> None:
    of = filled()
    of.must(Advance(ONE, Verb.SUSPEND))
    root = Root("192.0.2.1", 53, "n1", True, 0, NOW)
    of.view.put(codec.SETTINGS, codec.ROOT_KEY, codec.encode(root))
    refusal = TakeReceipt(ONE, 4, Status.OUT_OF_SCOPE.number)
    assert of.status(refusal, CSID) is Status.DONE
    assert of.log[-1].to == f"4/{Status.OUT_OF_SCOPE.number}/held"
    assert row(of).state is State.REFUSED
    for body in (Advance(ONE, Verb.FILE), Update(ONE, (("count", 2),)), Alias(ONE, TWO)):
        assert of.status(body, REGISTRAR) is Status.LOCKED
    of.must(RemoveLocks(ONE, (UPDATE, TRANSFER), False))
    assert of.status(Advance(ONE, Verb.FILE), REGISTRAR) is Status.DONE


# -- transfers


def test_a_transfer_needs_both_and_its_leaf_says_who_took_it() -> None:
    of = filled()
    assert of.status(AcceptTransfer(ONE, OTHER), OTHERS_REGISTRAR) is Status.NO_TRANSFER
    assert (
        of.status(OfferTransfer(ONE, OTHER, b"", DAY), OTHERS_REGISTRAR) is Status.OWNER_NOT_YOURS
    )
    assert of.status(OfferTransfer(ONE, OTHER, b"", DAY), REGISTRAR) is Status.DONE
    assert of.status(OfferTransfer(ONE, OTHER, b"", DAY), REGISTRAR) is Status.UNCHANGED
    assert of.status(AcceptTransfer(ONE, OTHER), REGISTRAR) is Status.OWNER_NOT_YOURS
    done = of.ask(AcceptTransfer(ONE, OTHER), OTHERS_REGISTRAR)
    assert (done.status, done.subject) == (Status.DONE, str(THERE))
    assert [change.kind for change in done.changes.tree] == [TreeKind.ALIAS, TreeKind.RECORD]
    leaf = of.log[-1]
    assert (leaf.kind, leaf.by, leaf.for_) == ("transfer.accept", OTHERS_REGISTRAR.name, OTHER)
    offer = view.get_offer(of.view, str(ONE))
    assert offer is not None
    assert (offer.by, offer.answered) == (REGISTRAR.name, OTHERS_REGISTRAR.name)
    assert of.status(AcceptTransfer(ONE, OTHER), OTHERS_REGISTRAR) is Status.UNCHANGED


@pytest.mark.parametrize("agreed", [True, False])
def test_it_goes_back_the_same_way_as_often_as_they_like(agreed: bool) -> None:
    of = filled()
    way = [(ONE, THERE), (THERE, ONE)]
    for _ in range(20):
        for old, new in way:
            if agreed:
                of.must(OfferTransfer(old, new.owner, b"", DAY))
                of.must(AcceptTransfer(old, new.owner))
            else:
                of.must(Move(old, new))
            assert (row(of, old).state, row(of, old).target) == (State.SUPERSEDED, str(new))
            assert row(of, new).state is State.ACTIVE
    assert row(of).since == NOW
    assert view.count_live(of.view, OTHER) == 0


def test_aliases_made_on_the_way_are_counted_when_it_goes_back() -> None:
    of = filled()
    of.must(OfferTransfer(ONE, OTHER, b"", DAY))
    of.must(AcceptTransfer(ONE, OTHER))
    of.must(Alias(TWO, THERE))
    of.must(OfferTransfer(THERE, OWNER, b"", DAY))
    of.must(AcceptTransfer(THERE, OWNER))
    assert row(of).depth == 2  # TWO → THERE → ONE


def test_where_codes_are_filed_it_goes_back_under_the_next_that_is_free() -> None:
    of = filled()
    root = Root("192.0.2.1", 53, "n1", True, 0, NOW)
    of.view.put(codec.SETTINGS, codec.ROOT_KEY, codec.encode(root))
    of.must(OfferTransfer(ONE, OTHER, b"", DAY))
    of.must(AcceptTransfer(ONE, OTHER))
    assert row(of, THERE).state is State.FILING
    of.must(OfferTransfer(THERE, OWNER, b"", DAY))
    back = of.must(AcceptTransfer(THERE, OWNER))
    assert back.subject == str(identifier("0003"))  # 0001 has ended at the national node
    assert of.ask(AcceptTransfer(THERE, OWNER)).status is Status.UNCHANGED


def test_a_code_is_asked_for_and_only_its_digest_is_kept() -> None:
    of = filled()
    of.must(OfferTransfer(ONE, "", digest_of(ONE, "open sesame"), DAY))
    for said in ("", "open barley"):
        assert of.status(AcceptTransfer(ONE, OTHER, said), OTHERS_REGISTRAR) is Status.CODE_WRONG
    accept = AcceptTransfer(ONE, OTHER, "open sesame")
    assert of.status(accept, OTHERS_REGISTRAR) is Status.DONE
    rows = [value for table in codec.TABLES for _, value in of.view.scan(table, b"")]
    assert not any(b"sesame" in octets for octets in [*rows, *of.leaves])


def test_offers_end_are_taken_back_and_turned_down() -> None:
    of = filled()
    offer = OfferTransfer(ONE, OTHER, b"", DAY)
    assert of.status(CancelTransfer(ONE), REGISTRAR) is Status.NO_TRANSFER
    of.must(offer)
    of.now += DAY
    late = of.ask(AcceptTransfer(ONE, OTHER), OTHERS_REGISTRAR)
    assert late.status is Status.NO_TRANSFER
    assert "not accepted in time" in late.detail
    of.must(offer)
    assert of.status(RejectTransfer(ONE, OTHER), REGISTRAR) is Status.OWNER_NOT_YOURS
    assert of.status(RejectTransfer(ONE, OTHER), OTHERS_REGISTRAR) is Status.DONE
    assert of.status(AcceptTransfer(ONE, OTHER), OTHERS_REGISTRAR) is Status.NO_TRANSFER
    of.must(offer)
    assert of.status(CancelTransfer(ONE), REGISTRAR) is Status.DONE
    assert of.status(AcceptTransfer(ONE, OTHER), OTHERS_REGISTRAR) is Status.NO_TRANSFER


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (OfferTransfer(ONE, "", b"", DAY), Status.BAD_VALUE),
        (OfferTransfer(ONE, OTHER, b"short", DAY), Status.BAD_VALUE),
        (OfferTransfer(ONE, OTHER, b"", 0), Status.BAD_RANGE),
        (OfferTransfer(ONE, "甲", b"", DAY), Status.BAD_VALUE),
        (OfferTransfer(ONE, OWNER, b"", DAY), Status.TARGET_UNUSABLE),
        (OfferTransfer(ONE, "X00000000000000015", b"", DAY), Status.OWNER_UNKNOWN),
        (AcceptTransfer(ONE, "甲", "x" * 9_000), Status.BAD_VALUE),
        (AcceptTransfer(ONE, OTHER, "\ud800"), Status.NO_TRANSFER),
    ],
)
def test_what_cannot_be_offered_is_said(body: Body, status: Status) -> None:
    assert filled().status(body) is status


# -- validity

UNTIL = "2026-06-10"  # twelve days behind NOW


def after(of: Book, days: int) -> None:
    """So many days later than the last day of the two."""
    of.now = NOW + (12 + days) * DAY


def test_it_expires_behind_its_last_day_and_is_renewed() -> None:
    of = filled(UNTIL)
    after(of, 0)
    assert of.status(Expire(ONE), CSID) is Status.UNCHANGED
    after(of, 1)
    assert of.status(Expire(ONE)) is Status.ROLE_MAY_NOT
    assert of.status(Expire(ONE), CSID) is Status.DONE
    assert decode(row(of).record).state == "suspended"
    for body in (Advance(ONE, Verb.REINSTATE), Update(ONE, (("valid_until", "2027-01-01"),))):
        refused = of.ask(body)
        assert refused.status is Status.STATE_PROHIBITS
        assert "csid renew" in refused.detail
    assert of.status(Update(ONE, (("count", 3),)), REGISTRAR) is Status.DONE
    assert of.status(Renew(ONE, "2026-06-01"), REGISTRAR) is Status.BAD_RANGE
    assert of.status(Renew(ONE, "2027-06-31"), REGISTRAR) is Status.BAD_VALUE
    assert of.status(Renew(ONE, "2027-06-30"), REGISTRAR) is Status.DONE
    record = decode(row(of).record)
    assert (record.state, record.count, str(record.valid_until)) == ("active", 3, "2027-06-30")
    assert of.status(Expire(ONE), CSID) is Status.UNCHANGED


def test_it_ends_when_the_days_of_grace_are_over() -> None:
    of = filled(UNTIL)
    of.must(SetValidity(5, 7))
    after(of, 1)
    of.ask(Expire(ONE), CSID)
    after(of, 8)
    assert of.status(Lapse(ONE), CSID) is Status.UNCHANGED  # it was suspended a day late
    after(of, 9)
    assert of.status(Renew(ONE, "2027-06-30"), REGISTRAR) is Status.NOT_RENEWABLE
    of.must(AddLocks(ONE, (RETIRE,), False))
    assert of.status(Lapse(ONE), CSID) is Status.LOCKED
    of.must(RemoveLocks(ONE, (RETIRE,), False))
    assert of.ask(Lapse(ONE), CSID, "over").status is Status.DONE
    record = decode(row(of).record)
    assert (record.state, record.reason) == ("retired", "over")


def test_a_node_that_slept_for_years_takes_no_days_of_grace_away() -> None:
    of = filled(UNTIL)
    after(of, 2_000)
    assert of.status(Expire(ONE), CSID) is Status.DONE
    of.now += 30 * DAY
    assert of.status(Lapse(ONE), CSID) is Status.UNCHANGED
    assert (
        of.status(Renew(ONE, (day_of(of.now) + timedelta(9)).isoformat()), REGISTRAR) is Status.DONE
    )


def test_what_the_node_holds_neither_expires_nor_is_released_by_a_renewal() -> None:
    of = filled(UNTIL)
    of.must(Advance(ONE, Verb.SUSPEND))
    after(of, 400)
    assert of.status(Expire(ONE), CSID) is Status.STATE_PROHIBITS
    assert of.status(Lapse(ONE), CSID) is Status.UNCHANGED
    assert of.status(Renew(ONE, "2030-01-01")) is Status.DONE
    assert row(of).state is State.SUSPENDED


@pytest.mark.parametrize("days", [-1, 3_661, 10**30])
def test_days_are_held_to_their_range(days: int) -> None:
    of = filled()
    assert of.status(SetValidity(days, 5)) is Status.BAD_RANGE
    assert of.status(SetValidity(5, days)) is Status.BAD_RANGE
    of.must(SetValidity(3_660, 3_660))
    assert of.status(SetValidity(3_660, 3_660)) is Status.UNCHANGED
