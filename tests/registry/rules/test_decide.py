"""What the registry decides, case by case."""

from __future__ import annotations

from itertools import pairwise

import pytest

from csid.errors import IdentifierError
from csid.fields import ENDPOINTS_MAX
from csid.identifier import make
from csid.record import Record, decode, encode
from registry.rules.lifecycle import Verb
from registry.rules.participants import Judgement, rights_of
from registry.rules.plan import AliasAll, MintAll, Plan, Transfer, steps
from registry.rules.records import RECORD_ROOM
from registry.rules.requests import (
    Actor,
    AddOwner,
    AddPool,
    Advance,
    Alias,
    AliasSubtree,
    Assign,
    Body,
    Import,
    IntroduceOwner,
    JudgeOwner,
    Mint,
    Move,
    QualifyOwner,
    Retire,
    RetireLocation,
    SetScope,
    Update,
    UpdateOwner,
    facts_of,
)
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.changes import TreeKind
from registry.tables.enums import Kind, Standing, State
from registry.tables.rows import NO_LEAF
from tests.support.registering import (
    ADMINISTRATOR,
    AUDITOR,
    CLASS,
    DAY,
    FOREIGN,
    NOW,
    OTHER,
    OTHERS_REGISTRAR,
    OWNER,
    PLACE,
    POOL,
    READER,
    RECORD,
    REGISTRAR,
    Book,
    book,
    identifier,
)

ONE, TWO = identifier("0001"), identifier("0002")
RESERVED = RECORD.changed(state="reserved")


def row(of: Book, name: object) -> view.Assignment:
    found = view.get_assignment(of.view, str(name))
    assert found is not None
    return found


def carry_out(of: Book, plan: Plan, most: int = 2) -> list[Status]:
    """All steps of a plan, a few at a time, as a writer would."""
    statuses, cursor = [], ""
    while True:
        part = steps(of.view, plan, cursor, most)
        statuses += [of.status(body) for body in part.bodies]
        cursor = part.cursor
        if not cursor:
            return statuses


# -- roles

PERMITTED = [
    (ADMINISTRATOR, Assign(ONE, RECORD), Status.DONE),
    (REGISTRAR, Assign(ONE, RECORD), Status.DONE),
    (REGISTRAR, Import(ONE, RECORD), Status.DONE),
    (OTHERS_REGISTRAR, Assign(ONE, RECORD), Status.OWNER_NOT_YOURS),
    (OTHERS_REGISTRAR, Import(ONE, RECORD), Status.OWNER_NOT_YOURS),
    (OTHERS_REGISTRAR, Mint(f"  {POOL.lower()}", RECORD), Status.OWNER_NOT_YOURS),
    (AUDITOR, Assign(ONE, RECORD), Status.ROLE_MAY_NOT),
    (READER, Import(ONE, RECORD), Status.ROLE_MAY_NOT),
    (REGISTRAR, AddPool(PLACE, CLASS, 10), Status.ROLE_MAY_NOT),
    (REGISTRAR, JudgeOwner(OWNER, Judgement.END), Status.ROLE_MAY_NOT),
    (REGISTRAR, Move(ONE, identifier(owner=OTHER)), Status.ROLE_MAY_NOT),
    (REGISTRAR, Advance(ONE, Verb.SUSPEND), Status.ROLE_MAY_NOT),
    (REGISTRAR, Alias(ONE, identifier(owner=OTHER)), Status.OWNER_NOT_YOURS),
]


@pytest.mark.parametrize(("actor", "body", "status"), PERMITTED)
def test_roles(actor: Actor, body: Body, status: Status) -> None:
    assert book().status(body, actor) is status


def test_a_registrar_neither_answers_filings_nor_lifts_a_hold_by_way_of_an_import() -> None:
    of = book()
    of.must(Assign(ONE, RECORD))
    of.must(Advance(ONE, Verb.SUSPEND))
    assert of.status(Import(ONE, RECORD), REGISTRAR) is Status.ROLE_MAY_NOT
    assert row(of, ONE).state is State.SUSPENDED


def test_only_an_administrator_restores_what_is_past() -> None:
    past = Record({"state": "retired", "ended": "2025-01-01"})
    of = book()
    assert of.status(Import(ONE, past), REGISTRAR) is Status.ROLE_MAY_NOT
    assert of.status(Import(ONE, past)) is Status.DONE
    assert view.count_live(of.view, OWNER) == 0
    assert of.status(Import(ONE, past)) is Status.UNCHANGED
    assert of.status(Import(ONE, RECORD)) is Status.NEVER_AGAIN


def test_nothing_is_registered_as_of_a_year_that_lies_ahead() -> None:
    of = book()
    decision = of.ask(Import(ONE, RECORD, 2027))
    assert decision.status is Status.BAD_RANGE and "2026 at most" in decision.detail
    assert of.status(Import(ONE, RECORD, 2027), REGISTRAR) is Status.DONE  # as of now


# -- participants


def owner(code: str = FOREIGN, **others: object) -> AddOwner:
    values = {"kinds": (Kind.RESALE_PROVIDER,), "name": "一方", "contact": "a@example"} | others
    return AddOwner(code, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (owner(), Status.DONE),
        (owner(OWNER), Status.EXISTS),
        (owner("91330106673959654Q"), Status.BAD_VALUE),
        (owner("é" * 18), Status.BAD_VALUE),
        (owner(kinds=()), Status.BAD_VALUE),
        (owner(name=""), Status.BAD_VALUE),
        (owner(name="a\x1b[31m"), Status.BAD_VALUE),
        (owner(contact="x" * 201), Status.BAD_VALUE),
        (owner(quota=-1), Status.BAD_RANGE),
        (JudgeOwner(FOREIGN, Judgement.ACCREDIT), Status.NOT_FOUND),
        (JudgeOwner("主体", Judgement.ACCREDIT), Status.NOT_FOUND),
        (QualifyOwner(FOREIGN, True), Status.NOT_FOUND),
        (UpdateOwner(FOREIGN, (("name", "一"),)), Status.NOT_FOUND),
    ],
)
def test_participants(body: Body, status: Status) -> None:
    assert book().status(body) is status


def test_a_first_inventory_introduces_owners_until_one_is_registered_by_hand() -> None:
    of = Book()
    assert of.status(IntroduceOwner(OWNER), REGISTRAR) is Status.ROLE_MAY_NOT
    assert of.status(IntroduceOwner("91330106673959654Q")) is Status.BAD_VALUE
    of.must(IntroduceOwner(OWNER.lower()))
    assert of.status(IntroduceOwner(OWNER)) is Status.UNCHANGED
    found = view.get_owner(of.view, OWNER)
    assert found is not None
    assert found.standing is Standing.ACCREDITED
    leaf = of.log[found.leaf]
    assert (leaf.kind, leaf.on, leaf.prev) == ("owner.introduce", OWNER, NO_LEAF)
    assert leaf.after == of.view.get(codec.OWNERS, OWNER.encode())
    of.must(owner())
    assert of.status(IntroduceOwner(OTHER)) is Status.OWNER_UNKNOWN
    assert of.status(IntroduceOwner(OWNER)) is Status.UNCHANGED


def test_an_accreditation_goes_its_way() -> None:
    of = Book()
    of.must(owner())
    assert of.status(owner()) is Status.UNCHANGED
    assert of.status(JudgeOwner(FOREIGN, Judgement.REINSTATE)) is Status.STATE_PROHIBITS
    assert of.status(QualifyOwner(FOREIGN, True)) is Status.NOT_ACCREDITED
    of.must(JudgeOwner(FOREIGN, Judgement.ACCREDIT))
    assert of.status(JudgeOwner(FOREIGN, Judgement.ACCREDIT)) is Status.UNCHANGED
    of.must(QualifyOwner(FOREIGN, True))
    of.must(JudgeOwner(FOREIGN, Judgement.SUSPEND))
    held = view.get_owner(of.view, FOREIGN)
    assert held is not None
    assert held.qualified
    assert not rights_of(held)
    of.must(JudgeOwner(FOREIGN, Judgement.REINSTATE))
    of.must(QualifyOwner(FOREIGN, False))
    of.must(JudgeOwner(FOREIGN, Judgement.END))
    assert of.status(JudgeOwner(FOREIGN, Judgement.ACCREDIT)) is Status.STATE_PROHIBITS
    ended = view.get_owner(of.view, FOREIGN)
    assert ended is not None
    assert ended.standing is Standing.ENDED
    assert of.status(UpdateOwner(FOREIGN, (("name", "一"),))) is (Status.STATE_PROHIBITS)


def test_only_a_resale_provider_gets_the_resale_qualification() -> None:
    assert book().status(QualifyOwner(OWNER, True)) is Status.KIND_MAY_NOT


def test_an_owner_with_identifiers_cannot_end() -> None:
    of = book()
    of.must(Assign(ONE, RECORD))
    assert of.status(JudgeOwner(OWNER, Judgement.END)) is Status.ASSOCIATED
    of.must(Retire(ONE))
    of.must(JudgeOwner(OWNER, Judgement.END))


@pytest.mark.parametrize(
    ("kinds", "judgement", "status"),
    [
        ((Kind.RESOURCE_PROVIDER,), None, Status.NOT_ACCREDITED),
        ((Kind.RESOURCE_PROVIDER,), Judgement.ACCREDIT, Status.DONE),
        ((Kind.LINE_PROVIDER, Kind.RESOURCE_PROVIDER), Judgement.ACCREDIT, Status.DONE),
        ((Kind.RESALE_PROVIDER,), Judgement.ACCREDIT, Status.KIND_MAY_NOT),
        ((Kind.NODE_OPERATOR,), Judgement.ACCREDIT, Status.KIND_MAY_NOT),
        ((Kind.RESOURCE_PROVIDER,), Judgement.END, Status.NOT_ACCREDITED),
    ],
)
def test_only_an_accredited_resource_provider_gets_identifiers(
    kinds: tuple[Kind, ...], judgement: Judgement | None, status: Status
) -> None:
    of = Book()
    assert of.status(Assign(ONE, RECORD)) is Status.OWNER_UNKNOWN
    of.must(AddOwner(OWNER, kinds, "name", "contact"))
    if judgement is not None:
        of.must(JudgeOwner(OWNER, judgement))
    assert of.status(Assign(ONE, RECORD)) is status


# -- scope, dates, quotas


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (SetScope(("33",)), Status.DONE),
        (SetScope(("32", "3301"), ("64",)), Status.DONE),
        (SetScope(("32",)), Status.OUT_OF_SCOPE),
        (SetScope((), ("65", "0")), Status.OUT_OF_SCOPE),
    ],
)
def test_a_node_assigns_within_its_scope(scope: SetScope, status: Status) -> None:
    of = book()
    of.must(scope)
    assert of.status(Assign(ONE, RECORD)) is status


def test_a_scope_is_made_of_beginnings_of_codes() -> None:
    of = book()
    assert of.status(SetScope(("3301061",))) is Status.BAD_VALUE
    assert of.status(SetScope((), ("é",))) is Status.BAD_VALUE
    assert of.status(SetScope(tuple(str(n) for n in range(100)))) is Status.BAD_RANGE
    of.must(SetScope(("33", "11")))
    assert of.status(SetScope(("11", "33", "11"))) is Status.UNCHANGED


def test_each_scope_follows_the_one_before_it() -> None:
    of = Book()
    of.must(SetScope(("33",)))
    of.must(owner())
    of.must(SetScope())
    assert [leaf.prev for leaf in of.log] == [NO_LEAF, NO_LEAF, 0]
    assert view.last_leaves(of.view, "SCOPE") == [2]
    assert of.log[2].after == of.view.get(codec.SETTINGS, codec.SCOPE_KEY)


def test_a_retired_division_code_gets_no_identifiers() -> None:
    of = book()
    chongwen = identifier(location="110103")  # 崇文区, until 2010
    assert of.status(Assign(chongwen, RECORD)) is Status.LOCATION_NOT_IN_FORCE
    of.now = 1_230_000_000  # 2008-12-23
    assert of.status(Assign(chongwen, RECORD)) is Status.DONE


def test_quotas_of_owners_count_what_lives() -> None:
    of = Book()
    of.accredit(OWNER, Kind.RESOURCE_PROVIDER, quota=1)
    of.must(Assign(ONE, RECORD))
    assert of.status(Assign(TWO, RECORD)) is Status.OWNER_QUOTA
    of.must(Retire(ONE))
    of.must(Assign(TWO, RECORD))
    of.must(UpdateOwner(OWNER, (("quota", None),)))
    of.must(Assign(identifier("0003"), RECORD))


# -- pools


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (AddPool(PLACE, CLASS, 36, first="0000", last="000Z"), Status.DONE),
        (AddPool(PLACE, CLASS, 16, first="0200", last="020F"), Status.DONE),
        (AddPool(PLACE, CLASS, 16, first="200", last="20F"), Status.DONE),
        (AddPool(PLACE, CLASS, 17, first="0100", last="010G"), Status.OVERLAP),
        (AddPool(PLACE, CLASS, 2, first="00ZZ", last="0100"), Status.OVERLAP),
        (AddPool(PLACE, CLASS, 2, first="010F", last="010G"), Status.OVERLAP),
        (AddPool(PLACE, CLASS, 1, first="0105", last="0105"), Status.OVERLAP),
        (AddPool(PLACE, CLASS, 16, first="0100", last="010F"), Status.UNCHANGED),
        (AddPool(PLACE, CLASS, 16, 9, first="0100", last="010F"), Status.OVERLAP),
        (AddPool(PLACE, CLASS, 15, first="0200", last="020F"), Status.BAD_RANGE),
        (AddPool(PLACE, CLASS, 16, first="020F", last="0200"), Status.BAD_RANGE),
        (AddPool(PLACE, CLASS, 16, first="0200"), Status.BAD_RANGE),
        (AddPool(PLACE, CLASS, 0), Status.BAD_RANGE),
        (AddPool(PLACE, CLASS, 36**12), Status.BAD_RANGE),
        (AddPool(PLACE, CLASS, 10, 11), Status.BAD_RANGE),
        (AddPool(PLACE, CLASS, 10, -1), Status.BAD_RANGE),
        (AddPool(PLACE, "H60M07??", 10), Status.BAD_VALUE),
        (AddPool(OWNER, CLASS, 10), Status.BAD_VALUE),
        (AddPool(PLACE, CLASS, 1, first="0-1", last="0-1"), Status.BAD_VALUE),
        (AddPool(f"{FOREIGN}/6450/330106/ACV", CLASS, 10), Status.OWNER_UNKNOWN),
    ],
)
def test_pools(body: AddPool, status: Status) -> None:
    of = book()
    of.must(AddPool(PLACE, CLASS, 16, first="0100", last="010F"))
    assert of.status(body) is status


def test_a_pool_without_serials_begins_behind_the_others() -> None:
    of = book()
    assert of.must(AddPool(PLACE, CLASS, 10)).subject == f"{POOL}/0001-000A"
    assert of.must(AddPool(PLACE, CLASS, 36**4 - 20)).subject == f"{POOL}/000B-ZZZQ"
    assert of.must(AddPool(PLACE, CLASS, 10)).subject == f"{POOL}/00001-0000A"


def test_a_pool_mints_the_next_free_serial_until_it_is_used_up() -> None:
    of = book()
    of.must(Assign(TWO, RECORD))
    pool = of.must(AddPool(PLACE, CLASS, 3)).subject
    minted = [of.must(Mint(pool, RECORD)).subject for _ in range(2)]
    assert minted == [str(identifier("0001")), str(identifier("0003"))]
    of.must(Retire(identifier("0001")))
    assert of.status(Mint(pool, RECORD)) is Status.POOL_EXHAUSTED


def test_a_chosen_code_counts_against_the_quota_of_its_pool() -> None:
    of = book()
    of.must(AddPool(PLACE, CLASS, 9, 2))
    of.must(Assign(identifier("0005"), RECORD))
    of.must(Mint(POOL, RECORD))
    assert of.status(Mint(POOL, RECORD)) is Status.POOL_QUOTA
    assert of.status(Assign(identifier("0006"), RECORD)) is Status.POOL_QUOTA
    assert of.status(Assign(identifier("006"), RECORD)) is Status.DONE


def test_minting_goes_on_in_the_next_pool_of_the_class() -> None:
    of = book()
    of.must(AddPool(PLACE, CLASS, 1))
    of.must(AddPool(PLACE, CLASS, 1))
    minted = [of.must(Mint(POOL, RECORD)).subject for _ in range(2)]
    assert minted == [str(ONE), str(TWO)]
    assert of.status(Mint(POOL, RECORD)) is Status.POOL_EXHAUSTED


def test_all_of_a_pool_is_minted_at_once() -> None:
    of = book()
    pool = of.must(AddPool(PLACE, CLASS, 5)).subject
    assert carry_out(of, MintAll(pool, RECORD, 5)) == [Status.DONE] * 5
    assert [name for name, _ in view.assignments(of.view, PLACE)] == [
        str(identifier(f"000{n}")) for n in range(1, 6)
    ]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (POOL, Status.NOT_FOUND),
        (f"{POOL}/0001-0002", Status.NOT_FOUND),
        (PLACE, Status.BAD_VALUE),
        ("主体/6450/330106/ACV/H60M07A1", Status.BAD_VALUE),
    ],
)
def test_a_pool_that_is_not_there(text: str, status: Status) -> None:
    assert book().status(Mint(text, RECORD)) is status


# -- one identifier


def test_an_assignment_changes_everything_at_once() -> None:
    of = book()
    decision = of.ask(Assign(ONE, RECORD), REGISTRAR, "rack 7 delivered")
    assert decision.subject == str(ONE)
    assert [change[:3] for change in decision.changes.tree] == [
        (TreeKind.RECORD, str(ONE), encode(RECORD))
    ]
    found = row(of, ONE)
    assert found == (State.ACTIVE, 4, NOW, NOW, 0, encode(RECORD), "", 300)
    leaf = of.log[found.leaf]
    assert (leaf.by, leaf.role, leaf.for_) == ("wang", "registrar", OWNER)
    assert (leaf.kind, leaf.on, leaf.prev) == ("assign", str(ONE), NO_LEAF)
    assert (leaf.time, leaf.why, leaf.after) == (NOW, "rack 7 delivered", encode(RECORD))


def test_a_code_is_given_once() -> None:
    of = book()
    of.must(Assign(ONE, RECORD))
    assert of.status(Assign(ONE, RECORD)) is Status.EXISTS
    of.must(Retire(ONE))
    for body in (Assign(ONE, RECORD), Import(ONE, RECORD)):
        assert of.status(body) is Status.NEVER_AGAIN


WAYS = [
    ("reserved", Verb.FILE, Status.DONE, "filing"),
    ("reserved", Verb.ACTIVATE, Status.STATE_PROHIBITS, "reserved"),
    ("reserved", Verb.SUSPEND, Status.STATE_PROHIBITS, "reserved"),
    ("filing", Verb.ACTIVATE, Status.DONE, "active"),
    ("filing", Verb.WITHDRAW, Status.DONE, "reserved"),
    ("filing", Verb.FILE, Status.UNCHANGED, "filing"),
    ("active", Verb.SUSPEND, Status.DONE, "suspended"),
    ("active", Verb.FILE, Status.STATE_PROHIBITS, "active"),
    ("active", Verb.REINSTATE, Status.UNCHANGED, "active"),
    ("active", Verb.RETIRE, Status.BAD_VALUE, "active"),
    ("active", Verb.SUPERSEDE, Status.BAD_VALUE, "active"),
]


@pytest.mark.parametrize(("state", "verb", "status", "after"), WAYS)
def test_the_life_cycle(state: str, verb: Verb, status: Status, after: str) -> None:
    of = book()
    of.must(Assign(ONE, RECORD.changed(state=state)))
    decision = of.ask(Advance(ONE, verb))
    assert decision.status is status
    assert decode(row(of, ONE).record) == RECORD.changed(state=after)
    in_index = [key for key, _ in of.view.scan("by_state", b"")]
    assert in_index == ([] if after == "active" else [f"{after}/{ONE}".encode()])


def test_suspended_comes_back_with_its_record() -> None:
    of = book()
    of.must(Assign(ONE, RECORD))
    of.must(Advance(ONE, Verb.SUSPEND))
    of.must(Advance(ONE, Verb.REINSTATE))
    assert row(of, ONE).record == encode(RECORD)


@pytest.mark.parametrize(
    ("record", "status"),
    [
        (RECORD.changed(count=16), Status.DONE),
        (RECORD, Status.UNCHANGED),
        (RECORD.changed(state="suspended"), Status.STATE_PROHIBITS),
    ],
)
def test_updates(record: Record, status: Status) -> None:
    of, body = book(), Update(ONE, facts_of(record.json()), whole=True)
    assert of.status(body) is Status.NOT_FOUND
    of.must(Assign(ONE, RECORD))
    assert of.status(body) is status


def test_a_record_must_leave_room_to_suspend_it() -> None:
    def sized(octets: int) -> Record:
        names = [f"https://h{n}.example/{'x' * 200}" for n in range(ENDPOINTS_MAX)][:4]
        spare = octets - len(encode(Record({"state": "active", "endpoints": names})))
        names[0] = names[0][:-1] + "y" * (spare + 1) if spare >= 0 else names[0][: spare or None]
        return Record({"state": "active", "endpoints": names})

    of = book()
    largest = sized(RECORD_ROOM)
    assert len(encode(largest)) == RECORD_ROOM
    of.must(Assign(ONE, largest))
    of.must(Advance(ONE, Verb.SUSPEND))
    assert of.status(Assign(TWO, sized(RECORD_ROOM + 1))) is Status.RECORD_TOO_LARGE
    ended = of.ask(Retire(ONE, str(TWO)), reason="为" * 60)
    assert ended.status is Status.DONE
    tombstone = decode(row(of, ONE).record)
    assert (tombstone.state, tombstone.successor) == ("retired", str(TWO))
    assert of.log[row(of, ONE).leaf].why == "为" * 60


def test_a_retired_identifier_resolves_to_its_tombstone() -> None:
    of = book()
    of.must(Assign(ONE, RECORD))
    decision = of.ask(Retire(ONE, str(TWO)), reason="scrapped")
    (change,) = decision.changes.tree
    assert change.kind is TreeKind.TOMBSTONE
    tombstone = RECORD.changed(state="retired", ended=DAY, reason="scrapped", successor=str(TWO))
    assert decode(change.record) == tombstone
    assert of.status(Retire(ONE, str(TWO))) is Status.UNCHANGED
    assert of.status(Retire(ONE)) is Status.STATE_PROHIBITS
    facts = facts_of(tombstone.json())
    assert of.status(Update(ONE, facts)) is Status.STATE_PROHIBITS


@pytest.mark.parametrize(
    ("successor", "status"),
    [(str(ONE), Status.TARGET_UNUSABLE), ("nonsense", Status.BAD_VALUE)],
)
def test_a_successor_is_another_identifier(successor: str, status: Status) -> None:
    of = book()
    of.must(Assign(ONE, RECORD))
    assert of.status(Retire(ONE, successor)) is status


@pytest.mark.parametrize(
    ("before", "record", "status"),
    [
        (RECORD, RECORD, Status.UNCHANGED),
        (RECORD, RECORD.changed(count=16), Status.DONE),
        (RECORD, RECORD.changed(state="suspended"), Status.DONE),
        (RECORD, RECORD.changed(state="retired", ended="2026-01-01"), Status.DONE),
        (RECORD, RESERVED, Status.STATE_PROHIBITS),
        (RESERVED, RECORD, Status.STATE_PROHIBITS),
    ],
)
def test_an_import_of_what_is_there(before: Record, record: Record, status: Status) -> None:
    of = book()
    of.must(Import(ONE, before))
    assert of.status(Import(ONE, record)) is status
    assert decode(row(of, ONE).record) == (record if status.success else before)


# -- aliases, transfers, re-homing


def test_an_alias_leads_to_an_identifier_that_lives() -> None:
    of = book()
    of.must(Assign(ONE, RECORD))
    assert of.status(Alias(ONE, TWO)) is Status.TARGET_UNUSABLE
    assert of.status(Alias(ONE, ONE)) is Status.TARGET_UNUSABLE
    of.must(Assign(TWO, RECORD))
    decision = of.must(Alias(ONE, TWO))
    assert [(c.kind, c.name, c.target) for c in decision.changes.tree] == [
        (TreeKind.ALIAS, str(ONE), str(TWO))
    ]
    assert of.status(Alias(ONE, TWO)) is Status.UNCHANGED
    assert of.status(Alias(TWO, ONE)) is Status.TARGET_UNUSABLE
    assert of.status(Retire(ONE)) is Status.STATE_PROHIBITS
    assert of.status(Assign(ONE, RECORD)) is Status.NEVER_AGAIN
    assert view.count_live(of.view, OWNER) == 1


def test_a_chain_of_aliases_ends_where_resolvers_stop_following() -> None:
    of = book()
    chain = [identifier(f"{number:04d}") for number in range(18)]
    of.must(Assign(chain[0], RECORD))
    statuses = []
    for old, new in pairwise(chain):
        of.must(Assign(new, RECORD))
        statuses.append(of.status(Alias(old, new)))
    assert statuses == [Status.DONE] * 16 + [Status.CHAIN_TOO_LONG]


def test_a_transfer_makes_a_new_identifier_and_an_alias() -> None:
    of = book()
    of.must(Assign(ONE, RECORD))
    new = identifier(owner=OTHER)
    decision = of.must(Move(ONE, new))
    assert decision.subject == str(new)
    assert [(c.kind, c.name) for c in decision.changes.tree] == [
        (TreeKind.ALIAS, str(ONE)),
        (TreeKind.RECORD, str(new)),
    ]
    assert row(of, new).record == encode(RECORD)
    assert (view.count_live(of.view, OWNER), view.count_live(of.view, OTHER)) == (0, 1)
    assert of.status(Move(ONE, new)) is Status.UNCHANGED
    history, at = [], row(of, new).leaf
    while at != NO_LEAF:
        history.append(of.log[at].kind)
        at = of.log[at].prev
    assert history == ["move", "assign"]


@pytest.mark.parametrize(
    ("quota", "taken", "status"),
    [(None, False, Status.DONE), (0, False, Status.OWNER_QUOTA), (None, True, Status.EXISTS)],
)
def test_a_transfer_is_held_to_the_rules_of_the_new_owner(
    quota: int | None, taken: bool, status: Status
) -> None:
    of = Book()
    of.accredit(OWNER, Kind.RESOURCE_PROVIDER)
    of.accredit(OTHER, Kind.RESOURCE_PROVIDER, quota=quota)
    of.must(Assign(ONE, RECORD))
    if taken:
        of.must(Assign(identifier(owner=OTHER), RECORD))
    assert of.status(Move(ONE, identifier(owner=OTHER))) is status


def test_a_whole_prefix_is_transferred_and_again_is_nothing() -> None:
    of = book()
    for number in range(5):
        of.must(Assign(identifier(f"{number}"), RECORD))
    of.must(Retire(identifier("3")))
    plan = Transfer(f"{OWNER}/6450", OTHER)
    assert carry_out(of, plan) == [Status.DONE] * 4
    assert carry_out(of, plan) == []
    assert view.count_live(of.view, OTHER) == 4


def test_a_retired_location_is_re_homed_and_what_is_taken_is_renumbered() -> None:
    of = book()
    for body in (
        Assign(identifier("01"), RECORD),
        Assign(identifier("02"), RECORD),
        Assign(identifier("01", location="330108"), RECORD),
        Assign(identifier("07", owner=OTHER), RESERVED),
    ):
        of.must(body)
    plan = RetireLocation("330106", "330108")
    assert carry_out(of, plan, 1) == [Status.DONE] * 4
    assert row(of, identifier("01")).target == str(identifier("02", location="330108"))
    assert row(of, identifier("02")).target == str(identifier("03", location="330108"))
    assert row(of, identifier("07", owner=OTHER)).state is State.SUPERSEDED
    assert row(of, identifier("07", owner=OTHER, location="330108")).state is State.RESERVED
    assert carry_out(of, plan) == [Status.UNCHANGED]
    assert of.status(Assign(identifier("09"), RECORD)) is Status.LOCATION_RETIRED


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("330106", "330106", Status.BAD_VALUE),
        ("330106", "110103", Status.BAD_VALUE),  # not in force
        ("999999", "330106", Status.BAD_VALUE),
        ("330109", "330106", Status.EXISTS),
        ("330106", "330109", Status.LOCATION_RETIRED),
        ("110103", "110101", Status.DONE),
        ("USNYC", "USLAX", Status.DONE),
    ],
)
def test_retiring_locations(old: str, new: str, status: Status) -> None:
    of = book()
    of.must(RetireLocation("330109", "330108"))
    assert of.status(RetireLocation(old, new)) is status


def test_a_subtree_becomes_an_alias_identifier_by_identifier() -> None:
    of = book()
    old, new = f"{OWNER}/6450/330106", f"{OTHER}/6450/330106"
    for number in range(3):
        of.must(Assign(identifier(f"{number}"), RECORD))
        of.must(Assign(identifier(f"{number}", owner=OTHER), RECORD))
    of.must(Assign(identifier("9"), RECORD))
    assert carry_out(of, AliasAll(old, new)) == [
        *[Status.DONE] * 3,
        Status.TARGET_UNUSABLE,
        Status.ASSOCIATED,
    ]
    of.must(Retire(identifier("9")))
    assert carry_out(of, AliasAll(old, new)) == [Status.DONE]
    assert carry_out(of, AliasAll(old, new)) == [Status.UNCHANGED]
    assert of.status(Assign(identifier("8"), RECORD)) is Status.SUBTREE_ALIASED
    assert row(of, identifier("9")).state is State.RETIRED


def test_a_subtree_without_identifiers_becomes_a_dname() -> None:
    of = book()
    of.must(Assign(ONE, RECORD))
    decision = of.must(AliasSubtree(OTHER, OWNER))
    (change,) = decision.changes.tree
    assert (change.kind, change.name, change.target) == (TreeKind.SUBTREE, OTHER, OWNER)


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (OWNER, OWNER, Status.BAD_VALUE),
        (OWNER, f"{OTHER}/6450", Status.BAD_VALUE),
        ("nobody", OWNER, Status.BAD_VALUE),
        (OWNER, OTHER, Status.TARGET_UNUSABLE),
        (f"{OTHER}/6450", f"{OWNER}/6450", Status.DONE),
        (f"{OTHER}/0000", f"{OWNER}/6450", Status.EXISTS),
        (f"{OWNER}/0000", f"{OTHER}/0000", Status.TARGET_UNUSABLE),
    ],
)
def test_aliases_of_subtrees(old: str, new: str, status: Status) -> None:
    of = book()
    of.must(Assign(ONE, RECORD))
    of.must(Assign(make(OWNER, "6420", "330106", "ACV", CLASS, "1"), RECORD))
    of.must(AliasSubtree(f"{OTHER}/0000", f"{OWNER}/6420"))
    assert of.status(AliasSubtree(old, new)) is status


def test_a_plan_with_a_wrong_prefix_says_what_is_wrong() -> None:
    with pytest.raises(IdentifierError, match="owner"):
        steps(book().view, Transfer(OWNER, "91350100M000100Y44"))


# -- idempotency keys


def test_the_same_request_again_gives_the_same_code() -> None:
    of = book()
    of.must(AddPool(PLACE, CLASS, 9))
    first = of.ask(Mint(POOL, RECORD), key="order 7")
    again = of.ask(Mint(POOL, RECORD), key="order 7")
    assert (again.status, again.subject) == (Status.REPLAYED, first.subject)
    other = of.ask(Mint(POOL, RECORD.changed(count=1)), key="order 7")
    assert other.status is Status.KEY_REUSED
    assert of.ask(Mint(POOL, RECORD), REGISTRAR, key="order 7").subject != first.subject


def test_a_refused_request_leaves_its_key_free() -> None:
    of = book()
    assert of.ask(Mint(POOL, RECORD), key="k").status is Status.NOT_FOUND
    of.must(AddPool(PLACE, CLASS, 9))
    assert of.ask(Mint(POOL, RECORD), key="k").status is Status.DONE


def test_every_key_fits_the_store() -> None:
    of, longest = book(), "键" * 128
    of.must(AddPool(PLACE, CLASS, 9))
    decision = of.ask(Mint(POOL, RECORD), Actor("名" * 64, ADMINISTRATOR.role), key=longest)
    assert decision.status is Status.DONE
    assert max(len(key) for _, key, _ in decision.changes.rows) < 128


@pytest.mark.parametrize(
    "texts",
    [
        {"key": "k" * 129},
        {"key": "k\u200b"},
        {"reason": "\x07"},
        {"reason": "到期\u202e"},
        {"reason": "r" * 201},
    ],
)
def test_texts_around_a_request_are_bounded_and_clean(texts: dict[str, str]) -> None:
    assert book().ask(Assign(ONE, RECORD), **texts).status is Status.BAD_VALUE


def test_a_hidden_character_in_a_reason_is_told_with_its_place() -> None:
    decision = book().ask(Assign(ONE, RECORD), reason="到期\u202e")
    assert decision.detail.endswith("character 3 is U+202E RIGHT-TO-LEFT OVERRIDE")


@pytest.mark.parametrize("text", ["", " ", "\u3000", "a\u2066", "\U000e0041", "\ue000"])
def test_the_name_and_contact_of_an_owner_can_be_seen(text: str) -> None:
    kinds = (Kind.RESOURCE_PROVIDER,)
    for name, contact in ((text, "noc@a.cn"), ("杭州", text)):
        for body in (
            AddOwner(FOREIGN, kinds, name, contact),
            UpdateOwner(OWNER, (("contact", contact), ("name", name))),
        ):
            assert book().status(body) is Status.BAD_VALUE
