"""A free serial is found in bounded work, however many are taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.rules import free, moves, plan, serials
from registry.rules.free import NEAR, Serials
from registry.rules.plan import AliasAll, RetireLocation, Transfer, is_ended, steps
from registry.rules.requests import AddPool, Alias, AliasSubtree, Assign, Mint, Move, Retire
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.overlay import Overlay
from registry.tables.rows import NO_LEAF
from registry.tables.view import EMPTY
from tests.support.registering import (
    CLASS,
    OTHER,
    OWNER,
    PLACE,
    POOL,
    RECORD,
    Book,
    book,
    identifier,
)


class Counted(Overlay):
    """A view that counts the rows it gives."""

    looked = 0

    def get(self, table: str, key: bytes, /) -> bytes | None:
        self.looked += 1
        return super().get(table, key)

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for row in super().scan(table, prefix, start):
            self.looked += 1
            yield row


def taken(*texts: str) -> Counted:
    """A view with these serials taken."""
    seen = Counted(EMPTY)
    for text in texts:
        seen.put(codec.ASSIGNMENTS, str(identifier(text)).encode(), b"x")
    return seen


def run(first: int, last: int, width: int = 4) -> list[str]:
    return [serials.text(number, width) for number in range(first, last + 1)]


@given(st.sets(st.integers(0, 35)), st.sets(st.integers(0, 35**2)), st.integers(0, 35))
def test_the_next_free_is_the_first_that_is_not_taken(
    narrow: set[int], wide: set[int], first: int
) -> None:
    seen = taken(*(serials.text(n, 1) for n in narrow), *(serials.text(n, 2) for n in wide))
    expected = next((n for n in range(first, 36) if n not in narrow), None)
    assert Serials(seen, PLACE, CLASS, 1).next_free(first, 35) == expected
    expected = next((n for n in range(first, 200) if n not in wide), None)
    assert Serials(seen, PLACE, CLASS, 2).next_free(first, 199) == expected


@given(st.sets(st.integers(0, 36**2 - 1)), st.integers(0, 36**2 - 1))
def test_what_is_near_is_free_and_of_the_next_ones_the_first(used: set[int], start: int) -> None:
    seen = taken(*(serials.text(n, 2) for n in {*used, start}))
    found = Serials(seen, PLACE, CLASS, 2).near(start)
    after = [n for n in range(start + 1, 36**2) if n not in used]
    if not after:
        assert found is None
        return
    assert found in after
    if after[0] - start <= NEAR:
        assert found == after[0]


@pytest.mark.parametrize("length", [1, 16, 17, 100, 700, 2_000, 10_000])
def test_behind_a_long_run_stands_its_end(length: int) -> None:
    seen = taken(*run(1, length), *run(1, 50, 5))
    of = Serials(seen, PLACE, CLASS, 4)
    for start in (1, length // 2 + 1, length):
        seen.looked = 0
        assert of.near(start) == length + 1
        assert seen.looked < 60


def test_what_is_full_but_for_a_gap_is_walked_so_far_and_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = 36**2 - 1
    serials_but_one = [serials.text(n, 2) for n in range(last + 1) if n != 600]
    of = Serials(taken(*serials_but_one), PLACE, CLASS, 2)
    assert of.near(0) == 600
    assert of.near(601) is None
    monkeypatch.setattr(free, "ROWS", 100)
    assert of.near(0) is None
    assert of.next_free(0, 599) is None
    assert of.next_free(550, last) == 600


def test_a_pool_over_codes_that_are_there_mints_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(free, "ROWS", 20)
    of = book()
    for serial in run(1, 50):
        of.must(Assign(identifier(serial), RECORD))
    of.must(AddPool(PLACE, CLASS, 60))
    assert of.must(Mint(POOL, RECORD)).subject == str(identifier(serials.text(51, 4)))


def test_codes_chosen_in_the_order_of_a_pool_are_not_looked_at_again() -> None:
    of = book()
    of.must(AddPool(PLACE, CLASS, 9))
    for serial in ("0001", "0002", "0004"):
        of.must(Assign(identifier(serial), RECORD))
    (pool,) = view.pools_of(of.view, PLACE, CLASS)
    assert view.get_use(of.view, pool) == (3, 3)
    minted = [of.must(Mint(POOL, RECORD)).subject for _ in range(2)]
    assert minted == [str(identifier("0003")), str(identifier("0005"))]


def test_a_class_has_so_many_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.rules.pools.POOLS_MAX", 2)
    of = book()
    for _ in range(2):
        of.must(AddPool(PLACE, CLASS, 9))
    assert of.status(AddPool(PLACE, CLASS, 9)) is Status.BAD_RANGE
    assert of.status(AddPool(PLACE, CLASS, 9, first="0001", last="0009")) is Status.UNCHANGED
    of.must(AddPool(PLACE, "H60M08A1", 9))


# -- whole locations and prefixes


def carry_out(of: Book, work: plan.Plan, most: int = 100) -> tuple[list[Status], int]:
    """All parts of a plan, as a writer would; the statuses, and how many parts it were."""
    statuses: list[Status] = []
    cursor, parts = "", 0
    while True:
        part = steps(of.view, work, cursor, most)
        decisions = [of.ask(body) for body in part.bodies]
        statuses += [decision.status for decision in decisions]
        parts += 1
        assert parts < 1_000
        if not part.cursor or is_ended(work, part.bodies, decisions):
            return statuses, parts
        cursor = part.cursor


def test_of_two_divisions_with_the_same_serials_all_get_others() -> None:
    of = book()
    for serial in run(1, 300):
        of.must(Assign(identifier(serial), RECORD))
    for serial in run(1, 120):
        of.must(Assign(identifier(serial, location="330108"), RECORD))
    statuses, _ = carry_out(of, RetireLocation("330106", "330108"))
    assert statuses == [Status.DONE] * 301
    there = [name for name, _ in view.assignments(of.view, f"{OWNER}/6450/330108")]
    assert len(there) == 420
    assert view.count_live(of.view, OWNER) == 420


def test_a_renumbering_that_finds_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    of = book()
    for number in range(36):
        of.must(Assign(identifier(serials.text(number, 1), location="330108"), RECORD))
    of.must(Assign(identifier("7"), RECORD))
    body = Move(identifier("7"), identifier("7", location="330108"), renumber=True)
    decision = of.ask(body)
    assert decision.status is Status.EXISTS
    assert "no serial of 1 characters" in decision.detail


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are looked at in one decision, and in one part of a plan."""
    monkeypatch.setattr(moves, "CLOSE_ROWS", 10)
    monkeypatch.setattr(plan, "ROWS", 10)


def ended(count: int) -> Book:
    of = book()
    for serial in run(1, count):
        of.must(Assign(identifier(serial), RECORD))
        of.must(Retire(identifier(serial)))
    of.must(Assign(identifier("0001", OTHER), RECORD))
    return of


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("count", "closings"), [(9, 1), (10, 1), (11, 2), (35, 4)])
def test_a_prefix_with_much_below_it_is_closed_bit_by_bit(count: int, closings: int) -> None:
    of = ended(count)
    statuses, parts = carry_out(of, AliasAll(OWNER, OTHER))
    assert statuses == [Status.DONE] * closings
    assert parts >= closings
    assert of.status(AliasSubtree(OWNER, OTHER)) is Status.UNCHANGED
    first = len(of.log) - closings
    prevs = [leaf.prev for leaf in of.log[first:]]
    assert prevs == [NO_LEAF, *range(first, len(of.log) - 1)]
    redirect = view.get_subtree(of.view, OWNER)
    assert redirect is not None
    assert redirect.rest == ""


@pytest.mark.usefixtures("few")
def test_nothing_is_given_below_a_prefix_that_is_being_closed() -> None:
    of = ended(15)
    of.must(AliasSubtree(OWNER, OTHER))
    assert of.status(Assign(identifier("0100"), RECORD)) is Status.SUBTREE_ALIASED
    assert of.status(AliasSubtree(OWNER, OTHER)) is Status.DONE
    assert of.status(AliasSubtree(OWNER, OTHER)) is Status.UNCHANGED


@pytest.mark.usefixtures("few")
def test_what_lives_far_below_is_aliased_first_or_keeps_the_prefix_open() -> None:
    of = ended(15)
    last = identifier("00ZZ")
    of.must(Assign(last, RECORD))
    statuses, _ = carry_out(of, AliasAll(OWNER, OTHER))
    assert statuses == [Status.TARGET_UNUSABLE, Status.DONE, Status.ASSOCIATED]
    of.must(Assign(identifier("00ZZ", OTHER), RECORD))
    statuses, _ = carry_out(of, AliasAll(OWNER, OTHER))
    assert statuses == [Status.DONE, Status.DONE]
    assert of.status(Alias(last, identifier("00ZZ", OTHER))) is Status.UNCHANGED


@pytest.mark.usefixtures("few")
def test_a_part_of_a_plan_looks_at_so_many_rows_and_the_plan_goes_on() -> None:
    of = ended(35)
    of.must(Assign(identifier("00ZZ"), RECORD))
    statuses, parts = carry_out(of, Transfer(OWNER, OTHER))
    assert (statuses, parts) == ([Status.DONE], 4)
    of = ended(35)
    of.must(Assign(identifier("00ZZ"), RECORD))
    statuses, parts = carry_out(of, RetireLocation("330106", "330108"))
    assert (statuses[:2], len(statuses)) == ([Status.DONE] * 2, 3)
    assert parts == 4
