"""How a cut goes from one node to another at the national node: who may say what, and when."""

from __future__ import annotations

from registry.rules.decision import Decision
from registry.rules.requests import (
    Body,
    DeclineCut,
    FileCut,
    FreezeCut,
    KeepCut,
    MoveCut,
    SuspendNode,
    WithdrawCut,
)
from registry.rules.status import Status
from registry.tables import codec, network
from registry.tables.rows import Cut, Moving
from registry.tables.view import get_cut, get_node_use
from tests.support.networking import (
    AGGREGATE,
    ANYWHERE,
    BEIJING,
    BEIJING_CUT,
    CUT,
    GRID,
    NAMED,
    ZHEJIANG,
    acting,
    filing,
    national,
)
from tests.support.registering import Book


def country() -> Book:
    of = national(ZHEJIANG, BEIJING, GRID, ANYWHERE, AGGREGATE)
    of.must(filing(CUT))
    return of


def row(of: Book) -> Cut:
    found = get_cut(of.view, CUT)
    assert found is not None
    return found


def moving(of: Book) -> Moving:
    found = row(of).moving
    assert found is not None
    return found


def said(of: Book, node: str, body: Body, reason: str = "") -> Decision:
    return of.ask(body, acting(node), reason=reason)


def frozen(of: Book) -> int:
    """A move to the node anywhere whose source changes nothing any more; its number."""
    of.must(MoveCut(CUT, "anywhere"))
    number = moving(of).number
    assert said(of, "zhejiang", FreezeCut(CUT, "zhejiang", number, 41)).status is Status.DONE
    return number


def test_a_move_that_is_noted_changes_nothing_of_the_delegation() -> None:
    of = country()
    changes = of.must(MoveCut(CUT, "anywhere")).changes
    assert [change.name for change in changes.tree] == [f"moves/{CUT}"]
    assert row(of).node == "zhejiang"
    assert get_node_use(of.view, "anywhere") == (0, 0)
    assert of.status(MoveCut(CUT, "anywhere")) is Status.UNCHANGED
    decision = of.ask(MoveCut(CUT, "grid"))
    assert decision.status is Status.CUT_MOVES
    assert "--cancel" in decision.detail


def test_what_cannot_move_is_refused_in_words() -> None:
    of = country()
    assert of.status(MoveCut(CUT, "beijing")) is Status.NODE_SCOPE
    assert of.status(MoveCut(CUT, "hebei")) is Status.NODE_UNKNOWN
    assert of.status(MoveCut(BEIJING_CUT, "beijing")) is Status.NOT_FOUND
    assert of.status(MoveCut(CUT, "zhejiang")) is Status.UNCHANGED
    alone = national(ZHEJIANG, ANYWHERE)
    alone.must(filing(CUT))
    decision = alone.ask(MoveCut(CUT, "anywhere"))
    assert not decision.status.success
    assert "no aggregate" in decision.detail


def test_the_cut_is_the_new_nodes_in_one_decision_and_only_once_it_is_frozen() -> None:
    of = country()
    of.must(MoveCut(CUT, "anywhere"))
    assert said(of, "anywhere", FileCut(CUT, "anywhere")).status is Status.CUT_OVERLAPS
    number = moving(of).number
    assert said(of, "zhejiang", FreezeCut(CUT, "zhejiang", number, 41)).status is Status.DONE
    assert said(of, "zhejiang", FreezeCut(CUT, "zhejiang", number, 41)).status is Status.UNCHANGED
    assert said(of, "grid", FileCut(CUT, "grid")).status is Status.CUT_OVERLAPS
    changes = said(of, "anywhere", FileCut(CUT, "anywhere")).changes
    assert [change.name for change in changes.tree] == [
        CUT,
        f"_catalog/zones/{network.member_label(NAMED, CUT, row(of))}/group",
        f"moved/{CUT}",
        f"moves/{CUT}",
    ]
    assert get_node_use(of.view, "zhejiang") == (0, 0)
    assert get_node_use(of.view, "anywhere") == (0, 1)
    assert said(of, "anywhere", FileCut(CUT, "anywhere")).status is Status.UNCHANGED
    assert said(of, "zhejiang", FileCut(CUT, "zhejiang")).status is Status.CUT_OVERLAPS
    assert of.status(KeepCut(CUT)) is Status.UNCHANGED  # it is too late
    assert row(of).node == "anywhere"


def test_what_is_late_or_said_by_others_does_nothing() -> None:
    of = country()
    number = frozen(of)
    of.must(KeepCut(CUT))
    assert said(of, "anywhere", FileCut(CUT, "anywhere")).status is Status.CUT_OVERLAPS
    of.must(MoveCut(CUT, "anywhere"))
    for body in (FreezeCut(CUT, "zhejiang", number, 41), DeclineCut(CUT, "anywhere", number)):
        assert said(of, body.node, body).status is Status.NOT_FOUND
    assert moving(of).serial is None  # so that it cannot switch with what was before
    number = moving(of).number
    assert said(of, "anywhere", FreezeCut(CUT, "anywhere", number, 41)).status is (
        Status.CUT_OVERLAPS
    )
    assert said(of, "grid", DeclineCut(CUT, "grid", number)).status is Status.CUT_OVERLAPS
    assert of.status(FreezeCut(CUT, "zhejiang", number, 41)) is Status.ROLE_MAY_NOT
    assert said(of, "zhejiang", FreezeCut(CUT, "zhejiang", number, 2**32)).status is (
        Status.BAD_RANGE
    )


def test_the_new_nodes_reason_is_kept_until_it_takes_the_cut() -> None:
    of = country()
    number = frozen(of)
    body = DeclineCut(CUT, "anywhere", number)
    assert said(of, "anywhere", body, "400 OWNER_UNKNOWN").status is Status.DONE
    assert said(of, "anywhere", body, "400 OWNER_UNKNOWN").status is Status.UNCHANGED
    assert moving(of).why == "400 OWNER_UNKNOWN"
    assert said(of, "anywhere", FileCut(CUT, "anywhere")).status is Status.DONE
    assert moving(of).why == ""


def test_a_cut_that_moves_is_not_withdrawn_and_goes_on_taking_other_servers() -> None:
    of = country()
    number = frozen(of)
    assert said(of, "zhejiang", WithdrawCut(CUT, "zhejiang")).status is Status.CUT_MOVES
    of.must(filing(CUT, "zhejiang", ("ns.example.cn.", ())))
    assert moving(of) == Moving(number, "zhejiang", "anywhere", 41)
    of.must(KeepCut(CUT))
    of.must(WithdrawCut(CUT, "zhejiang"))


def test_a_suspended_node_may_give_a_cut_away_but_not_take_one() -> None:
    of = country()
    of.must(SuspendNode("zhejiang"))
    frozen(of)
    of.must(SuspendNode("anywhere"))
    assert said(of, "anywhere", FileCut(CUT, "anywhere")).status is Status.NODE_SUSPENDED


def test_rows_of_cuts_of_all_versions_are_read_and_written_as_they_are() -> None:
    of = country()
    found = row(of)
    frozen(of)
    first = found._replace(tenure=0)
    assert len(codec.fields(codec.encode_cut(first))) == 8
    for one in (first, found, row(of)):
        assert codec.decode_cut(codec.encode_cut(one)) == one
    value = of.view.get(codec.CUTS, CUT.encode())
    assert value is not None and codec.encode_cut(row(of)) == value
