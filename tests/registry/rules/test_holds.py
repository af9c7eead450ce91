"""Who may hold what in the cuts of other nodes, and what follows from it for each registry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.replay.leaves import Replay
from registry.rules.requests import (
    AnswerHold,
    AskHold,
    Body,
    ChangeNode,
    EndHold,
    LiftHold,
    MoveCut,
    ReinstateNode,
    RemoveNode,
    SetHold,
    SuspendNode,
    WithdrawCut,
)
from registry.rules.status import Status
from registry.tables import codec, network
from registry.tables.enums import HoldState, NodeRole
from registry.tables.overlay import Overlay
from registry.tables.rows import NO_LEAF, Place, Root
from registry.tables.view import EMPTY, get_asked_hold, get_hold
from registry.verify.rules import judge
from tests.support.networking import (
    AGGREGATE,
    ANYWHERE,
    BEIJING,
    GRID,
    NAMED,
    ZHEJIANG,
    acting,
    filing,
    national,
)
from tests.support.registering import OTHER, OWNER, Book, book, identifier

CUT = f"{OWNER}/6450/330106"
WIDE = f"{OTHER}/6450"  # of an industry node, for every location
OWN = f"{OWNER}/6450/330108"  # of zhejiang itself
ONE = str(identifier())


@pytest.fixture
def root() -> Book:
    """A national node; an industry node has cuts in the divisions of zhejiang."""
    made = national(ZHEJIANG, BEIJING, GRID, ANYWHERE, AGGREGATE)
    for cut, node in ((CUT, "grid"), (WIDE, "grid"), (OWN, "zhejiang")):
        made.must(filing(cut, node))
    return made


def hold(root: Book, target: str, node: str = "zhejiang", why: str = "why") -> Status:
    return root.ask(SetHold(target, node), acting(node), why).status


def lift(root: Book, target: str, node: str = "zhejiang") -> Status:
    return root.ask(LiftHold(target, node), acting(node)).status


def held(root: Book, target: str) -> list[tuple[str, str]]:
    row = get_hold(root.view, target)
    return [(one.node, one.reason) for one in row.by] if row is not None else []


def said(root: Book, target: str) -> network.RRsets:
    """What the root zone has of it."""
    return network.wanted_at(root.view, NAMED, f"holds/{target}") or ()


@pytest.mark.parametrize(
    ("target", "node", "why", "status"),
    [
        (CUT, "zhejiang", "why", Status.DONE),
        (CUT.lower(), "zhejiang", "why", Status.DONE),
        (f"{CUT}/ACV", "zhejiang", "why", Status.DONE),
        (ONE, "zhejiang", "why", Status.DONE),
        (ONE, "anywhere", "why", Status.DONE),
        (f"{WIDE}/330106", "zhejiang", "why", Status.DONE),
        (WIDE, "anywhere", "why", Status.DONE),
        (WIDE, "zhejiang", "why", Status.NODE_SCOPE),
        (CUT, "beijing", "why", Status.NODE_SCOPE),
        (CUT, "grid", "why", Status.NODE_SCOPE),
        (CUT, "sum", "why", Status.NODE_SCOPE),
        (CUT, "nobody", "why", Status.NODE_UNKNOWN),
        (OWN, "zhejiang", "why", Status.STATE_PROHIBITS),
        (OWN, "anywhere", "why", Status.DONE),
        (OWNER, "anywhere", "why", Status.NOT_FOUND),
        (f"{OWNER}/6440/330106", "zhejiang", "why", Status.NOT_FOUND),
        ("nothing", "zhejiang", "why", Status.BAD_VALUE),
        (CUT, "zhejiang", "", Status.BAD_VALUE),
        (CUT, "zhejiang", "事" * 80, Status.DONE),
        (CUT, "zhejiang", "事" * 81, Status.BAD_RANGE),
    ],
)
def test_a_region_holds_what_lies_in_its_divisions_in_a_cut_of_another(
    root: Book, target: str, node: str, why: str, status: Status
) -> None:
    assert hold(root, target, node, why) is status
    target = target.upper()
    assert held(root, target) == ([(node, why)] if status is Status.DONE else [])
    assert bool(said(root, target)) is (status is Status.DONE)


def test_nobody_sets_or_lifts_a_hold_for_another_node(root: Book) -> None:
    assert root.ask(SetHold(CUT, "zhejiang"), acting("anywhere"), "x").status is (
        Status.OWNER_NOT_YOURS
    )
    assert hold(root, CUT) is Status.DONE
    assert root.ask(LiftHold(CUT, "zhejiang"), acting("grid")).status is Status.OWNER_NOT_YOURS
    assert root.ask(LiftHold(CUT, ""), acting("grid")).status is Status.OWNER_NOT_YOURS
    assert lift(root, CUT, "grid") is Status.UNCHANGED
    assert held(root, CUT) == [("zhejiang", "why")]


def test_several_hold_one_thing_until_each_has_released_it(root: Book) -> None:
    assert hold(root, ONE) is hold(root, ONE, "anywhere", "other") is Status.DONE
    root.ask(SetHold(ONE, ""), reason="national")
    assert len(held(root, ONE)) == 3
    assert lift(root, ONE) is Status.DONE
    assert held(root, ONE) == [("", "national"), ("anywhere", "other")]
    root.must(LiftHold(ONE, "anywhere"))
    root.must(LiftHold(ONE, ""))
    assert held(root, ONE) == [] and not said(root, ONE)


def test_the_national_node_lifts_all_of_it(root: Book) -> None:
    assert hold(root, ONE) is hold(root, ONE, "anywhere") is Status.DONE
    root.must(LiftHold(ONE, ""))
    assert held(root, ONE) == []
    assert root.status(LiftHold(ONE, "")) is Status.UNCHANGED


def test_another_reason_takes_the_place_of_the_one_there_was(root: Book) -> None:
    assert hold(root, CUT) is Status.DONE
    since = root.now
    root.now += 60
    assert hold(root, CUT) is Status.UNCHANGED
    assert hold(root, CUT, why="later") is Status.DONE
    row = get_hold(root.view, CUT)
    assert row is not None and [one.since for one in row.by] == [since]


def test_what_a_region_holds_outlasts_its_suspension_narrower_scope_and_end(root: Book) -> None:
    assert hold(root, CUT) is Status.DONE
    root.must(SuspendNode("zhejiang"))
    assert hold(root, ONE) is lift(root, CUT) is Status.NODE_SUSPENDED
    assert held(root, CUT) == [("zhejiang", "why")]
    root.must(ReinstateNode("zhejiang"))
    root.must(ChangeNode("zhejiang", (("scope", ("3302",)),)))
    assert hold(root, CUT, why="more") is Status.NODE_SCOPE
    assert lift(root, CUT) is Status.DONE  # its own it may always release
    assert hold(root, CUT, "anywhere") is Status.DONE
    root.must(RemoveNode("anywhere"))
    assert held(root, CUT) == [("anywhere", "why")]
    root.must(LiftHold(CUT, ""))


def test_a_cut_that_moves_keeps_its_holds_and_one_that_is_withdrawn_drops_them(
    root: Book,
) -> None:
    for target in (CUT, f"{CUT}/ACV", ONE, f"{WIDE}/330106"):
        assert hold(root, target) is Status.DONE
    root.must(MoveCut(CUT, "anywhere"))
    assert held(root, CUT) and held(root, ONE)
    assert root.ask(WithdrawCut(CUT, "grid"), acting("grid")).status is Status.CUT_MOVES
    assert root.ask(WithdrawCut(WIDE, "grid"), acting("grid")).status is Status.DONE
    assert not held(root, f"{WIDE}/330106") and not said(root, f"{WIDE}/330106")
    assert held(root, CUT) and held(root, ONE)


# -- the node that asks


def region(role: NodeRole = NodeRole.REGION) -> Book:
    made = book()
    place = Place(role, "zhejiang", NO_LEAF, made.now)
    key = Root("192.0.2.1", 53, "zhejiang-1.", True, NO_LEAF, made.now)
    made.view.put(codec.SETTINGS, codec.PLACE_KEY, codec.encode(place))
    made.view.put(codec.SETTINGS, codec.ROOT_KEY, codec.encode(key))
    return made


def asked(made: Book) -> tuple[HoldState, str, int]:
    row = get_asked_hold(made.view, CUT)
    assert row is not None
    return row.state, row.reason, row.leaf


def answer(made: Book, state: HoldState, leaf: int) -> Status:
    return made.ask(AnswerHold(CUT, state, leaf, 7), acting("zhejiang"), "said").status


def test_an_answer_is_taken_to_what_was_asked_and_to_nothing_newer() -> None:
    made = region()
    assert made.ask(AskHold(CUT), reason="a").status is Status.DONE
    _, _, first = asked(made)
    assert made.ask(AskHold(CUT), reason="a").status is Status.UNCHANGED
    assert made.ask(AskHold(CUT), reason="b").status is Status.DONE
    assert answer(made, HoldState.SENT, first) is Status.UNCHANGED
    state, reason, leaf = asked(made)
    assert (state, reason) == (HoldState.WANTED, "b")
    assert answer(made, HoldState.SENT, leaf) is Status.DONE
    assert answer(made, HoldState.HELD, asked(made)[2]) is Status.DONE
    made.must(EndHold(CUT))
    assert made.ask(AskHold(CUT), reason="c").status is Status.STATE_PROHIBITS
    assert answer(made, HoldState.RELEASED, asked(made)[2]) is Status.DONE
    assert made.status(EndHold(CUT)) is Status.UNCHANGED
    assert made.ask(AskHold(CUT), reason="c").status is Status.DONE


@pytest.mark.parametrize("role", [NodeRole.INDUSTRY, NodeRole.AGGREGATE])
def test_a_node_that_supervises_nothing_asks_for_no_hold(role: NodeRole) -> None:
    assert region(role).ask(AskHold(CUT), reason="a").status is Status.NODE_SCOPE
    assert book().ask(AskHold(CUT), reason="a").status is Status.NODE_SCOPE


# -- the log

TARGETS = (CUT, f"{CUT}/ACV", ONE, WIDE, f"{WIDE}/330106", OWN)
steps = st.one_of(
    st.builds(SetHold, st.sampled_from(TARGETS), st.sampled_from(("", "zhejiang", "anywhere"))),
    st.builds(LiftHold, st.sampled_from(TARGETS), st.sampled_from(("", "zhejiang", "anywhere"))),
    st.builds(WithdrawCut, st.sampled_from((CUT, WIDE)), st.just("grid")),
    st.sampled_from((filing(CUT, "grid"), filing(WIDE, "grid"))),
)


@given(st.lists(steps, max_size=12))
def test_every_leaf_replays_to_the_same_rows_and_names(bodies: list[Body]) -> None:
    made = national(ZHEJIANG, BEIJING, GRID, ANYWHERE, AGGREGATE)
    for cut, node in ((CUT, "grid"), (WIDE, "grid"), (OWN, "zhejiang")):
        made.must(filing(cut, node))
    again = Overlay(EMPTY)
    replay = Replay(again)
    for number, body in enumerate(bodies):
        actor = acting(body.node) if getattr(body, "node", "") else None
        given_reason = f"why {number % 2}"
        made.ask(body, *([actor] if actor else []), reason=given_reason)
    for index, leaf in enumerate(made.leaves):
        told = judge(again, leaf)  # by the rules of today, before it
        again.apply(replay.apply(index, leaf))
        assert not told, (told, leaf)
    for table in (codec.HOLDS, codec.CUTS, codec.PAST_CUTS, codec.CUT_INDEX):
        assert list(again.scan(table, b"")) == list(made.view.scan(table, b""))
    cuts = [key.decode() for key, _ in made.view.scan(codec.CUTS, b"")]
    for key, _ in made.view.scan(codec.HOLDS, b""):
        assert any(f"{key.decode()}/".startswith(f"{cut}/") for cut in cuts)
