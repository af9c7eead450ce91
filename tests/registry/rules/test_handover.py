"""Decisions of the two nodes between which a cut moves: where it is on its way, and what becomes of
the rows of its identifiers.
"""

from __future__ import annotations

import itertools

import pytest

from csid.record import Record, encode
from registry.rules.handover import STEPS, UNKNOWN
from registry.rules.participants import Judgement
from registry.rules.requests import (
    Actor,
    AddPool,
    Alias,
    Assign,
    Body,
    JudgeOwner,
    Leave,
    MoveFiling,
    Retire,
    Role,
    SetScope,
    Take,
    TakeSubtree,
)
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.enums import FilingState, State
from registry.tables.rows import Assignment, CutFiling, Root
from registry.tables.view import (
    count_live,
    get_assignment,
    get_cut_filing,
    get_gone,
    get_subtree,
    get_use,
    pools_of,
)
from tests.support.registering import CLASS, OWNER, PLACE, RECORD, Book, book, identifier

CUT = f"{OWNER}/6450/330106"
KEY = Actor("hangzhou-1.", Role.NODE, OWNER)
FIRST, SECOND = identifier("0001"), identifier("0002")
ACTIVE = encode(Record({"state": "active", "name": "x"}))


def node() -> Book:
    """The registry of a node that files with a national one."""
    of = book()
    of.view.put(codec.SETTINGS, codec.ROOT_KEY, codec.encode(Root("::1", 53, "k.", True, 0, 0)))
    return of


def said(of: Book, body: Body) -> Status:
    return of.ask(body, KEY, "why").status


def at(of: Book, state: FilingState, other: str = "zhejiang") -> None:
    """Let the cut be at a point of its way, however it came there."""
    row = codec.encode_cut_filing(CutFiling(state, "", 5, 5, 0, other))
    of.view.put(codec.FILINGS, CUT.encode(), row)


def assigned(of: Book, name: object) -> Assignment:
    row = get_assignment(of.view, str(name))
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product([None, *FilingState], FilingState)), ids=str
)
def test_a_cut_comes_only_from_one_point_of_its_way_to_the_next(
    before: FilingState | None, after: FilingState
) -> None:
    of = node()
    if before is not None:
        at(of, before)
    status = said(of, MoveFiling(CUT, after, "ningbo"))
    leads = before is after or before in STEPS.get(after, ())
    assert status is (Status.DONE if leads else Status.STATE_PROHIBITS)
    row = get_cut_filing(of.view, CUT)
    if leads:
        assert row is not None
        since = of.now if before is None else 5
        assert (row.state, row.node, row.since, row.changed) == (after, "ningbo", since, of.now)
        assert said(of, MoveFiling(CUT, after, "ningbo")) is Status.UNCHANGED
    else:
        assert (None if row is None else row.state) is before


def test_what_is_no_cut_is_refused() -> None:
    of = node()
    assert said(of, MoveFiling(f"{CUT}/ACV", FilingState.MOVING, "x")) is Status.BAD_VALUE
    decision = of.ask(MoveFiling(CUT, FilingState.LEAVING, "x"), KEY)
    assert decision.detail == f"{CUT} is unknown here; it cannot become leaving"
    at(of, FilingState.REFUSED)
    decision = of.ask(MoveFiling(CUT, FilingState.LEAVING, "x"), KEY)
    assert decision.detail == f"{CUT} is refused here; it cannot become leaving"


def test_a_node_takes_only_what_it_could_file_and_has_nothing_of() -> None:
    taking = MoveFiling(CUT, FilingState.TAKING, "zhejiang")
    assert said(book(), taking) is Status.OUT_OF_SCOPE  # of no network
    copies = node()
    root = Root("::1", 53, "k.", False, 0, 0)
    copies.view.put(codec.SETTINGS, codec.ROOT_KEY, codec.encode(root))
    assert said(copies, taking) is Status.OUT_OF_SCOPE  # it assigns nothing
    scoped = node()
    scoped.must(SetScope(("11",)))
    assert said(scoped, taking) is Status.OUT_OF_SCOPE
    unknown = node()
    unknown.must(JudgeOwner(OWNER, Judgement.SUSPEND))
    assert said(unknown, taking) is Status.NOT_ACCREDITED
    for state in (FilingState.FILED, FilingState.REFUSED):
        filed = node()
        row = codec.encode_cut_filing(CutFiling(state, "", 5, 5, 0))
        filed.view.put(codec.FILINGS, f"{CUT}/ACV".encode(), row)
        assert said(filed, taking) is Status.ASSOCIATED
    holding = node()
    holding.must(Assign(FIRST, RECORD))
    decision = holding.ask(taking, KEY)
    assert decision.status is Status.ASSOCIATED
    assert f"{FIRST} is assigned here" in decision.detail
    # What is assigned elsewhere keeps nothing from it.
    beside = node()
    beside.must(Assign(identifier("0001", location="330108"), RECORD))
    assert said(beside, taking) is Status.DONE


def test_what_leaves_is_kept_as_it_was_and_counts_no_more() -> None:
    of = node()
    for one in (FIRST, SECOND):
        of.must(Assign(one, RECORD))
    assert count_live(of.view, OWNER) == 2
    before = assigned(of, FIRST)
    assert said(of, Leave(FIRST)) is Status.STATE_PROHIBITS
    assert said(of, MoveFiling(CUT, FilingState.MOVING, "hangzhou")) is Status.DONE
    assert said(of, Leave(FIRST)) is Status.STATE_PROHIBITS  # it is not the other's yet
    at(of, FilingState.LEAVING)
    assert said(of, Leave(FIRST)) is Status.DONE
    assert said(of, Leave(FIRST)) is Status.UNCHANGED
    gone = get_gone(of.view, str(FIRST))
    assert gone == before._replace(leaf=len(of.log) - 1, changed=of.now)
    assert of.log[-1].prev == before.leaf
    assert count_live(of.view, OWNER) == 1
    assert by_state(of) == [str(SECOND)]


def by_state(of: Book) -> list[str]:
    """The identifiers in the index of states."""
    keys = [key.decode() for key, _ in of.view.scan(codec.BY_STATE, b"")]
    return [key.partition("/")[2] for key in keys if key.count("/") > 3]


def test_what_has_ended_leaves_and_counts_as_before() -> None:
    of = book()
    for one in (FIRST, SECOND):
        of.must(Assign(one, RECORD))
    of.must(Retire(FIRST))
    assert (count_live(of.view, OWNER), by_state(of)) == (1, [str(FIRST)])
    at(of, FilingState.LEAVING)
    assert said(of, Leave(FIRST)) is Status.DONE
    assert (count_live(of.view, OWNER), by_state(of)) == (1, [])
    assert said(of, Leave(SECOND)) is Status.DONE  # active: it is in no index of states
    assert (count_live(of.view, OWNER), by_state(of)) == (0, [])


def test_what_comes_is_as_its_zone_has_it() -> None:
    of = node()
    body = Take(FIRST, ACTIVE, "", 77)
    at(of, FilingState.FILED)
    assert said(of, body) is Status.STATE_PROHIBITS
    at(of, FilingState.TAKING)
    assert said(of, Take(FIRST, b"\xc1", "", 77)) is Status.BAD_VALUE
    assert said(of, body) is Status.DONE
    leaf = len(of.log) - 1
    row = Assignment(State.ACTIVE, leaf, of.now, of.now, 0, ACTIVE, "", 77)
    assert assigned(of, FIRST) == row
    assert said(of, Take(FIRST, ACTIVE, "", 78)) is Status.UNCHANGED
    assert count_live(of.view, OWNER) == 1
    ended = encode(Record({"state": "retired", "ended": "2026-05-29", "successor": str(FIRST)}))
    assert said(of, Take(SECOND, ended, "", 300)) is Status.DONE
    row = assigned(of, SECOND)
    assert (row.state, row.target) == (State.RETIRED, str(FIRST))
    assert count_live(of.view, OWNER) == 1


@pytest.mark.parametrize("is_same", [False, True])
def test_an_alias_comes_back_with_the_record_that_it_had(is_same: bool) -> None:
    of = book()
    of.must(Assign(FIRST, RECORD))
    of.must(Assign(SECOND, RECORD))
    third = identifier("0003")
    of.must(Assign(third, RECORD))
    of.must(Alias(FIRST, SECOND))
    had = assigned(of, FIRST)
    at(of, FilingState.LEAVING)
    assert said(of, Leave(FIRST)) is Status.DONE
    left = len(of.log) - 1
    at(of, FilingState.TAKING)
    target = str(SECOND if is_same else third)
    of.now += 9
    assert said(of, Take(FIRST, b"", target, 60)) is Status.DONE
    row = assigned(of, FIRST)
    record = had.record if is_same else UNKNOWN
    assert row[3:] == (of.now, 0, record, target, 60)
    assert (row.state, row.since, of.log[-1].prev) == (State.SUPERSEDED, had.since, left)
    assert get_gone(of.view, str(FIRST)) is None


def test_a_pool_counts_what_comes_into_it_once() -> None:
    of = book()
    of.must(AddPool(PLACE, CLASS, 100, None, "0001", "002S"))
    [pool] = pools_of(of.view, PLACE, CLASS)
    at(of, FilingState.TAKING)
    assert said(of, Take(FIRST, ACTIVE, "", 300)) is Status.DONE
    used = get_use(of.view, pool)
    assert (used.assigned, used.next) == (1, int("0001", 36) + 1)
    at(of, FilingState.LEAVING)
    assert said(of, Leave(FIRST)) is Status.DONE
    at(of, FilingState.TAKING)
    assert said(of, Take(FIRST, ACTIVE, "", 300)) is Status.DONE
    assert get_use(of.view, pool) == used


def test_a_closed_prefix_comes_with_its_cut_alone() -> None:
    of = node()
    body = TakeSubtree(f"{CUT}/ACV", f"{CUT}/ACB")
    assert said(of, body) is Status.STATE_PROHIBITS
    at(of, FilingState.TAKING)
    assert said(of, body) is Status.DONE
    first = len(of.log) - 1
    row = get_subtree(of.view, body.old)
    assert row is not None and (row.new, row.since) == (body.new, of.now)
    assert said(of, body) is Status.UNCHANGED
    assert said(of, TakeSubtree(body.old, f"{CUT}/GCV")) is Status.DONE
    assert of.log[-1].prev == first
    assert said(of, TakeSubtree(f"{OWNER}/6450/330108", f"{CUT}/ACB")) is Status.STATE_PROHIBITS
