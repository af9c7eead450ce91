"""Facts are merged where it is decided, and a request under its key is the same for ever."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.fields import BY_NAME
from csid.limits import MAX_TTL
from csid.record import Record, decode
from registry.rules.lifecycle import Verb
from registry.rules.plan import AliasAll, MintAll, Plan, Transfer, finish, replayed_plan, steps
from registry.rules.requests import (
    AddOwner,
    AddPool,
    Advance,
    Alias,
    Assign,
    Body,
    Facts,
    Import,
    Mint,
    Move,
    Request,
    Retire,
    RetireLocation,
    SetScope,
    Update,
    UpdateOwner,
    facts_of,
    fingerprint,
)
from registry.rules.status import Status
from registry.tables import view
from registry.tables.enums import Kind
from tests.support.registering import (
    ADMINISTRATOR,
    CLASS,
    OTHER,
    OWNER,
    PLACE,
    POOL,
    READER,
    RECORD,
    Book,
    book,
    identifier,
)

ONE, TWO = identifier("0001"), identifier("0002")


def row(of: Book, name: object = ONE) -> view.Assignment:
    found = view.get_assignment(of.view, str(name))
    assert found is not None
    return found


def given_one(**facts: object) -> Book:
    """A registry with one identifier."""
    of = book()
    of.must(Assign(ONE, RECORD.changed(**facts)))
    return of


# -- facts


@pytest.mark.parametrize(
    ("before", "facts", "after"),
    [
        ({}, {"count": 9}, {"count": 9}),
        ({}, {"count": None}, {"count": None}),
        ({}, {"trust": 3, "name": "甲"}, {"trust": 3, "name": "甲"}),
        ({"gflops": {"B": 1, "H": 2}}, {"gflops": {"B": 5}}, {"gflops": {"B": 5, "H": 2}}),
        ({"gflops": {"B": 1, "H": 2}}, {"gflops": {"B": None}}, {"gflops": {"H": 2}}),
        ({"gflops": {"B": 1}}, {"gflops": {"B": None}}, {"gflops": None}),
        ({"gflops": {"B": 1}}, {"gflops": None}, {"gflops": None}),
        ({}, {"gflops": {"B": 1, "H": None}}, {"gflops": {"B": 1}}),
        ({"extra": {"zz": 1}}, {"name": "甲"}, {"extra": {"zz": 1}, "name": "甲"}),
    ],
)
def test_what_is_not_given_stays(
    before: dict[str, Any], facts: dict[str, Any], after: dict[str, Any]
) -> None:
    of = given_one(**before)
    of.must(Update(ONE, facts_of(facts)))
    assert decode(row(of).record) == RECORD.changed(**{**before, **after})


def test_a_whole_record_takes_the_place_of_all_and_keeps_the_state() -> None:
    of = given_one(gflops={"B": 1}, extra={"zz": 1})
    of.must(Advance(ONE, Verb.SUSPEND))
    of.must(Update(ONE, (("gflops", {"H": 2, "B": None}), ("name", "甲")), whole=True))
    assert decode(row(of).record) == Record(
        {"state": "suspended", "name": "甲", "gflops": {"H": 2}}
    )
    of.must(Update(ONE, (), whole=True))
    assert decode(row(of).record) == Record({"state": "suspended"})


@pytest.mark.parametrize(
    ("facts", "status", "said"),
    [
        ({"colour": "red"}, Status.BAD_VALUE, "colour"),
        ({"colour": None}, Status.BAD_VALUE, "colour"),
        ({"count": "eight"}, Status.BAD_VALUE, "count"),
        ({"gflops": {"Z": 1}}, Status.BAD_VALUE, "Z"),
        ({"ended": "2026-01-01"}, Status.BAD_VALUE, "ended"),
        ({"successor": str(TWO)}, Status.BAD_VALUE, "successor"),
        ({"reason": "x"}, Status.BAD_VALUE, "reason"),
        ({"state": "suspended"}, Status.STATE_PROHIBITS, "suspended"),
        (
            {"endpoints": [f"https://a{n}.example/{'x' * 215}" for n in range(4)]},
            Status.RECORD_TOO_LARGE,
            "fewer",
        ),
    ],
)
def test_facts_that_cannot_be_change_nothing(
    facts: dict[str, Any], status: Status, said: str
) -> None:
    of = given_one()
    decision = of.ask(Update(ONE, facts_of(facts)))
    assert decision.status is status
    assert said in decision.detail
    assert row(of).record == row(given_one()).record


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)
NAMES = st.sampled_from([*BY_NAME, "extra", "", "é"])


@given(st.lists(st.tuples(NAMES, JSON), max_size=3).map(tuple), st.booleans())
def test_whatever_is_given_the_record_is_one_and_what_was_not_given_stays(
    facts: Facts, whole: bool
) -> None:
    of = given_one(gflops={"B": 1}, extra={"zz": 1})
    before = decode(row(of).record).json()
    body = Update(ONE, facts, whole)
    decision = of.ask(body, key="k")
    after = decode(row(of).record).json()
    if not decision.status.success:
        assert after == before
        return
    assert of.ask(body, key="k").status is Status.REPLAYED
    named = {name for name, _ in facts}
    kept = {name: value for name, value in before.items() if name not in named}
    expected = {"state": "active"} if whole and "state" not in named else {} if whole else kept
    assert {name: value for name, value in after.items() if name not in named} == expected


def test_an_update_is_done_only_if_nothing_came_since_the_leaf_it_names() -> None:
    of = given_one()
    seen = row(of).leaf
    of.must(Assign(TWO, RECORD))  # the log goes on, the identifier does not
    of.must(Update(ONE, (("count", 9),), unless_changed_since=seen))
    changed = row(of).leaf
    decision = of.ask(Update(ONE, (("count", 10),), unless_changed_since=seen))
    assert decision.status is Status.CHANGED_SINCE
    assert f"leaf {changed} " in decision.detail
    of.must(Update(ONE, (("count", 10),), unless_changed_since=changed))
    of.must(Retire(ONE))
    late = Update(ONE, (("count", 11),), unless_changed_since=changed)
    assert of.status(late) is Status.CHANGED_SINCE
    for none in (-1, len(of.log)):
        ahead = Update(TWO, (("count", 9),), unless_changed_since=none)
        assert of.status(ahead) is Status.BAD_RANGE


def test_facts_of_a_participant_are_merged_too() -> None:
    of = book()
    before = view.get_owner(of.view, OWNER)
    assert before is not None
    of.must(UpdateOwner(OWNER, (("contact", "b@example"), ("quota", 3))))
    of.must(UpdateOwner(OWNER, (("kinds", [2, 3]),)))
    of.must(UpdateOwner(OWNER, (("name", "乙"), ("quota", None))))
    after = view.get_owner(of.view, OWNER)
    assert after is not None
    assert (after.name, after.contact, after.quota) == ("乙", "b@example", None)
    assert after.kinds == (Kind.RESOURCE_PROVIDER, Kind.RESALE_PROVIDER)
    assert (after.standing, after.since) == (before.standing, before.since)
    assert of.status(UpdateOwner(OWNER, (("name", "乙"),))) is Status.UNCHANGED


@pytest.mark.parametrize(
    "facts",
    [
        {"name": None},
        {"name": 7},
        {"standing": 2},
        {"kinds": []},
        {"kinds": [9]},
        {"kinds": [[1]]},
        {"kinds": "12"},
        {"quota": "3"},
    ],
)
def test_facts_that_no_participant_has(facts: dict[str, Any]) -> None:
    assert book().status(UpdateOwner(OWNER, facts_of(facts))) is Status.BAD_VALUE


# -- TTL


def test_a_ttl_is_kept_through_every_change() -> None:
    of = book()
    of.must(Assign(ONE, RECORD, ttl=60))
    for body in (
        Update(ONE, (("count", 9),)),
        Advance(ONE, Verb.SUSPEND),
        Import(ONE, RECORD.changed(state="suspended", count=10)),
        Advance(ONE, Verb.REINSTATE),
    ):
        decision = of.must(body)
        assert [change.ttl for change in decision.changes.tree] == [60]
        assert of.log[-1].ttl == row(of).ttl == 60
    moved = identifier(owner=OTHER)
    for body in (Move(ONE, moved), Assign(TWO, RECORD, ttl=0), Alias(TWO, moved), Retire(moved)):
        of.must(body)
    assert [row(of, name).ttl for name in (ONE, moved, TWO)] == [60, 60, 0]
    assert [leaf.ttl for leaf in of.log[-4:]] == [60, 0, 0, 60]


def test_a_ttl_alone_can_be_changed() -> None:
    of = given_one()
    assert row(of).ttl == 300
    of.must(Update(ONE, (), ttl=0))
    assert row(of).ttl == 0
    assert of.status(Update(ONE, (), ttl=0)) is Status.UNCHANGED
    assert of.status(Import(ONE, RECORD)) is Status.UNCHANGED
    of.must(Import(ONE, RECORD, ttl=7))
    assert row(of).ttl == 7
    assert of.status(Import(ONE, RECORD, ttl=7)) is Status.UNCHANGED
    of.must(Retire(ONE))
    assert of.status(Update(ONE, (), ttl=9)) is Status.STATE_PROHIBITS


@pytest.mark.parametrize(("ttl", "status"), [(-1, 501), (MAX_TTL + 1, 501), (MAX_TTL, 100)])
def test_a_ttl_has_31_bits_by_every_route(ttl: int, status: int) -> None:
    of = book()
    of.must(AddPool(PLACE, CLASS, 9))
    of.must(Assign(TWO, RECORD))
    bodies: list[Body] = [
        Assign(ONE, RECORD, ttl),
        Import(identifier("0007"), RECORD, ttl=ttl),
        Mint(POOL, RECORD, ttl),
        Update(TWO, (), ttl=ttl),
        Import(TWO, RECORD.changed(count=9), ttl=ttl),
    ]
    for body in bodies:
        assert of.status(body).number == status


# -- keys


KEYED: list[tuple[Body, list[Body]]] = [
    (Assign(ONE, RECORD), [Retire(ONE)]),
    (Assign(ONE, RECORD), [Alias(ONE, TWO)]),
    (Assign(ONE, RECORD, 60), [RetireLocation("330106", "330108")]),
    (Update(TWO, (("count", 9),)), [Update(TWO, (("count", 10),))]),
    (Update(TWO, (("count", 9),)), [Retire(TWO)]),
    (Update(TWO, (("count", 9),)), [Assign(ONE, RECORD), Alias(TWO, ONE)]),
    (Update(TWO, (), ttl=9, unless_changed_since=5), [Update(TWO, (), ttl=10)]),
    (Mint(POOL, RECORD), [Retire(identifier("0101")), SetScope(("11",))]),
    (Import(ONE, RECORD), [Retire(ONE)]),
    (Retire(TWO), [SetScope(("11",))]),
    (UpdateOwner(OWNER, (("quota", 9),)), [UpdateOwner(OWNER, (("quota", 1),))]),
]


@pytest.mark.parametrize(("body", "between"), KEYED)
def test_a_request_under_its_key_is_answered_again_whatever_came_between(
    body: Body, between: list[Body]
) -> None:
    of = book()
    of.must(AddPool(PLACE, CLASS, 9, first="0101", last="0109"))
    of.must(Assign(TWO, RECORD))
    assert of.log[-1].on == str(TWO)
    done = of.ask(body, key="k")
    assert done.status is Status.DONE, done
    for other in between:
        of.must(other)
    leaves = len(of.log)
    again = of.ask(body, key="k")
    assert (again.status, again.subject) == (Status.REPLAYED, done.subject)
    assert len(of.log) == leaves


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        (AddOwner(OWNER, (Kind.RESOURCE_PROVIDER,), "n", "c"), "74ba91cefb48be9a"),
        (SetScope(), "65a607ba3a9de30d"),
        (AddPool("p", "c", 3), "27fa58c72317cdb6"),
        (Assign(ONE, RECORD), "833a8823f793cddd"),
        (Mint("p", RECORD), "170ae02a95a39fb0"),
        (Import(ONE, RECORD), "706775e98db8071d"),
        (Retire(ONE), "494643167a3c7bd5"),
        (Move(ONE, TWO), "0a3657f287896e8e"),
        (Advance(ONE, Verb.FILE), "26cc87adfd78da97"),
        (RetireLocation("330106", "330108"), "04a25b8e00c54f8b"),
    ],
)
def test_keys_of_version_1_still_hold(body: Body, digest: str) -> None:
    assert sha256(fingerprint(body)).hexdigest()[:16] == digest


def test_requests_that_differ_have_other_fingerprints() -> None:
    bodies: list[Body] = [
        Assign(ONE, RECORD),
        Assign(ONE, RECORD, 60),
        Import(ONE, RECORD),
        Import(ONE, RECORD, ttl=60),
        Import(ONE, RECORD, final=b"60"),
        Import(ONE, RECORD, alias="60"),
        Import(ONE, RECORD, 60),
        *(Update(ONE, facts, whole) for facts in ((), (("count", 1),)) for whole in (True, False)),
        Update(ONE, (("gflops", {"B": 1}),)),
        Update(ONE, (("gflops", {"B": None}),)),
        Update(ONE, (), ttl=1),
        Update(ONE, (), unless_changed_since=1),
    ]
    assert len({fingerprint(body) for body in bodies}) == len(bodies)
    one, two = {"B": 1, "H": 2}, {"H": 2, "B": 1}
    assert fingerprint(Update(ONE, (("gflops", one),))) == fingerprint(
        Update(ONE, (("gflops", two),))
    )


# -- keys of plans


def ran(of: Book, work: Plan, key: str) -> list[Status]:
    """A plan under a key, as `Registry.run` carries it out."""
    before = replayed_plan(of.view, work, ADMINISTRATOR, key)
    if before is not None:
        return [before.status]
    statuses = [of.status(body) for body in steps(of.view, work).bodies]
    if all(status.success for status in statuses):
        of.ask(finish(work), key=key)
    return statuses


def test_a_plan_under_its_key_is_not_done_to_what_came_later() -> None:
    of = given_one()
    work = Transfer(f"{OWNER}/6450", OTHER)
    assert ran(of, work, "k") == [Status.DONE]
    of.must(Assign(TWO, RECORD))
    assert ran(of, work, "k") == [Status.REPLAYED]
    assert row(of, TWO).target == ""
    assert ran(of, Transfer(OWNER, OTHER), "k") == [Status.KEY_REUSED]
    leaf = of.log[-2]
    assert (leaf.kind, leaf.on, leaf.status, leaf.after) == (
        "plan.finish",
        f"{OWNER}/6450",
        101,
        b"",
    )
    assert ran(of, work, "other") == [Status.DONE]


def test_a_plan_that_was_not_through_leaves_its_key_free() -> None:
    of = given_one()
    work = AliasAll(OWNER, OTHER)
    assert ran(of, work, "k")[-1] is Status.TARGET_UNUSABLE
    of.must(Assign(identifier(owner=OTHER), RECORD))
    assert ran(of, work, "k") == [Status.DONE, Status.DONE]
    assert ran(of, work, "k") == [Status.REPLAYED]


def test_who_may_not_carry_a_plan_out_does_not_finish_it() -> None:
    of = book()
    body = finish(Transfer(OWNER, OTHER))
    assert of.ask(body, READER, key="k").status is Status.ROLE_MAY_NOT
    assert replayed_plan(of.view, MintAll(POOL, RECORD, 3), ADMINISTRATOR, "k") is None
    assert Request(ADMINISTRATOR, body).body == body
