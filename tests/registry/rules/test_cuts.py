"""Which subtree may be delegated to which node, and what a refusal says."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from csid import names
from csid.protocol import NS
from registry.replay import Replay
from registry.rules.cut_moves import may_switch
from registry.rules.cuts import WAITING_MAX
from registry.rules.participants import Judgement
from registry.rules.requests import (
    Actor,
    AliasSubtree,
    ApproveCut,
    Assign,
    Body,
    ChangeNode,
    FileCut,
    FreezeCut,
    JudgeOwner,
    KeepCut,
    MoveCut,
    ReinstateNode,
    RejectCut,
    RekeyNode,
    RemoveNode,
    SetFiling,
    SuspendNode,
    WithdrawCut,
)
from registry.rules.status import Status
from registry.tables import codec, network
from registry.tables.changes import RRsets
from registry.tables.enums import CutState
from registry.tables.overlay import Overlay
from registry.tables.view import EMPTY, get_cut, get_node_use, get_past_cut
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
from tests.support.registering import (
    ADMINISTRATOR,
    FOREIGN,
    OTHER,
    OWNER,
    RECORD,
    Book,
    book,
    identifier,
)

HERE = f"ns1.330106.6450.{OWNER}.csid.internal."
MANUAL = SetFiling("manual")


def country() -> Book:
    return national(ZHEJIANG, BEIJING, GRID, ANYWHERE, AGGREGATE)


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        (filing(CUT), Status.DONE, ""),
        (filing(CUT.lower()), Status.DONE, ""),
        (filing(f"{OWNER}/6450/110105"), Status.NODE_SCOPE, "may file for location 33 only"),
        (filing(f"{OWNER}/6450"), Status.NODE_SCOPE, "file OWNER/INDUSTRY/LOCATION"),
        (filing(OWNER, "grid"), Status.NODE_SCOPE, "file OWNER/INDUSTRY"),
        (filing(f"{OWNER}/6450", "grid"), Status.DONE, ""),
        (filing(f"{OWNER}/6450/110105", "grid"), Status.DONE, ""),
        (filing(f"{OWNER}/7210", "grid"), Status.NODE_SCOPE, "industry 7210"),
        (filing(OWNER, "anywhere"), Status.DONE, ""),
        (filing(CUT, "sum"), Status.NODE_SCOPE, "aggregate, which has no cuts"),
        (filing(CUT, "hebei"), Status.NODE_UNKNOWN, "csid node add"),
        (filing(CUT, ""), Status.NODE_UNKNOWN, "not in the register"),
        (filing(CUT, "浙江"), Status.NODE_UNKNOWN, "not in the register"),
        (filing(f"{CUT}/ACV"), Status.CUT_TOO_DEEP, "lies below a location"),
        (filing(f"{CUT}/ACV/H60M07A1-0001-FY"), Status.CUT_TOO_DEEP, "OWNER/INDUSTRY/LOCATION"),
        (filing(f"{FOREIGN}/6450/330106"), Status.OWNER_UNKNOWN, "not registered"),
        (filing("91330106673959654Q/6450/330106"), Status.BAD_VALUE, ""),
        (filing(f"{OWNER}/6450/33"), Status.BAD_VALUE, ""),
        (filing("*"), Status.BAD_VALUE, ""),
        (filing("X" * 300), Status.BAD_VALUE, ""),
        (
            filing(CUT, "zhejiang", *((f"ns{i}.example.cn.", ()) for i in range(14))),
            Status.SERVERS_TOO_MANY,
            "at most 13",
        ),
        (
            filing(CUT, "zhejiang", ("ns.example.cn.", tuple(f"192.0.2.{i}" for i in range(9)))),
            Status.SERVERS_TOO_MANY,
            "at most 8",
        ),
        (filing(CUT, "zhejiang", (HERE, ())), Status.DELEGATION_LOOPS, "give one"),
        (filing(CUT, "zhejiang", (HERE, ("192.0.2.1", "2001:db8::1"))), Status.DONE, ""),
        (filing(CUT, "zhejiang", ("ns.example.cn.", ())), Status.DONE, ""),
        (filing(CUT, "zhejiang", ("ns.example.cn.", ("192.0.2.1",))), Status.BAD_VALUE, "outside"),
        (filing(CUT, "zhejiang", ("ns.example.cn.", ("300.0.2.1",))), Status.BAD_VALUE, "300"),
        (filing(CUT, "zhejiang", ("-.example.cn.", ())), Status.BAD_VALUE, "no name of a host"),
        (filing(CUT, "zhejiang", (".", ())), Status.BAD_VALUE, "no name of a host"),
        (filing(CUT, "zhejiang", ("a" * 64, ())), Status.BAD_VALUE, ""),
        (filing(CUT, "zhejiang", ("csid.internal.", ())), Status.SERVER_UNKNOWN, "no host"),
        (filing(CUT, "zhejiang", ("ns.csid.internal.", ())), Status.SERVER_UNKNOWN, "in no cut"),
        (filing(CUT, "zhejiang", ("beijing.nodes.csid.internal.", ())), Status.DONE, ""),
        (
            filing(CUT, "zhejiang", ("hebei.nodes.csid.internal.", ())),
            Status.SERVER_UNKNOWN,
            "no node of the register",
        ),
    ],
)
def test_a_first_filing_is_taken_or_refused_in_words(
    asked: FileCut, status: Status, said: str
) -> None:
    of = country()
    decision = of.ask(asked)
    assert decision.status is status, decision
    assert said in decision.detail
    assert bool(decision.detail) == (not status.success)


def test_only_the_national_node_files() -> None:
    of = book()
    for body in (ZHEJIANG, filing(CUT), ApproveCut(CUT), MANUAL, SuspendNode("zhejiang")):
        assert of.status(body) is Status.NOT_NATIONAL


def test_a_node_acts_for_itself_alone() -> None:
    of = country()
    assert of.status(filing(CUT), acting("beijing")) is Status.OWNER_NOT_YOURS
    assert of.status(SuspendNode("beijing"), acting("zhejiang")) is Status.ROLE_MAY_NOT
    assert of.status(filing(CUT), acting("zhejiang")) is Status.DONE
    assert of.status(WithdrawCut(CUT, "zhejiang"), acting("beijing")) is Status.OWNER_NOT_YOURS


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (CUT, "is filed for node zhejiang"),
        (f"{OWNER}/6450", f"lies above {CUT}"),
        (OWNER, f"lies above {CUT}"),
    ],
)
def test_what_is_above_or_at_anothers_cut_is_refused(cut: str, said: str) -> None:
    of = country()
    of.must(filing(CUT))
    decision = of.ask(filing(cut, "anywhere"))
    assert decision.status is Status.CUT_OVERLAPS
    assert said in decision.detail


def test_what_is_under_a_cut_is_refused_whether_it_is_filed_or_waits() -> None:
    for mode, verb in (("automatic", "is filed for"), ("manual", "awaits approval for")):
        of = country()
        of.ask(SetFiling(mode))
        of.must(filing(OWNER, "anywhere"))
        decision = of.ask(filing(CUT))
        assert decision.status is Status.CUT_OVERLAPS
        assert f"under {OWNER}, which {verb} node anywhere" in decision.detail


def test_the_same_again_is_unchanged_and_other_servers_take_effect() -> None:
    of = country()
    number = of.view.leaves()
    of.must(filing(CUT))
    assert of.status(filing(CUT)) is Status.UNCHANGED
    of.must(filing(CUT, "zhejiang", ("ns.example.cn.", ())))
    row = get_cut(of.view, CUT)
    assert row is not None and row.number == number and row.leaf == number + 1
    assert row.servers == ((names.from_text("ns.example.cn."), ()),)


def test_an_owner_that_is_suspended_gets_no_cut() -> None:
    of = country()
    of.must(JudgeOwner(OWNER, Judgement.SUSPEND))
    assert of.status(filing(CUT)) is Status.NOT_ACCREDITED


def test_names_that_the_national_node_has_keep_a_cut_from_hiding_them() -> None:
    of = country()
    of.must(Assign(identifier(), RECORD))
    decision = of.ask(filing(CUT))
    assert decision.status is Status.CUT_HAS_NAMES
    assert str(identifier()) in decision.detail
    of.must(filing(f"{OWNER}/6450/330108"))


def test_the_national_node_assigns_nothing_that_is_delegated() -> None:
    of = country()
    of.must(filing(CUT))
    decision = of.ask(Assign(identifier(), RECORD))
    assert decision.status is Status.DELEGATED
    assert "node zhejiang: assign there" in decision.detail


@pytest.mark.parametrize("closed", [f"{OWNER}/6450", f"{OWNER}/6450/330106/ACV"])
def test_prefixes_that_were_closed_and_cuts_keep_each_other_out(closed: str) -> None:
    to = closed.replace(OWNER, OTHER)
    of = country()
    of.must(Assign(identifier(owner=OTHER), RECORD))
    of.must(AliasSubtree(closed, to))
    assert of.status(filing(CUT)) is Status.SUBTREE_ALIASED
    of = country()
    of.must(Assign(identifier(owner=OTHER), RECORD))
    of.must(filing(CUT))
    decision = of.ask(AliasSubtree(closed, to))
    assert decision.status is Status.DELEGATED, decision


def test_name_servers_that_lead_back_to_the_cut_are_refused() -> None:
    of = country()
    far = f"ns.110105.6450.{OTHER}.csid.internal."
    assert of.status(filing(CUT, "zhejiang", (far, ()))) is Status.SERVER_UNKNOWN
    of.must(filing(BEIJING_CUT, "beijing"))
    of.must(filing(CUT, "zhejiang", (far, ())))
    decision = of.ask(filing(BEIJING_CUT, "beijing", (HERE, ())))
    assert decision.status is Status.DELEGATION_LOOPS
    assert "by way of the other" in decision.detail
    of.must(MANUAL)  # what waits is not delegated yet, and nobody finds a server there
    of.must(filing(f"{OTHER}/6440", "anywhere"))
    at = f"ns.6440.{OTHER}.csid.internal."
    assert of.status(filing(CUT, "zhejiang", (at, ()))) is Status.SERVER_UNKNOWN
    # What others depend on stays.
    assert of.status(WithdrawCut(BEIJING_CUT, "beijing")) is Status.ASSOCIATED
    of.must(filing(CUT))
    of.must(WithdrawCut(BEIJING_CUT, "beijing"))


def test_by_hand_a_cut_waits_and_is_approved_or_rejected() -> None:
    of = country()
    of.must(MANUAL)
    of.must(filing(CUT))
    assert of.log[-1].serial == ()  # nothing is delegated yet
    assert of.status(filing(CUT)) is Status.UNCHANGED
    assert of.status(RejectCut(CUT)) is Status.BAD_VALUE  # without a reason
    assert of.ask(RejectCut(CUT), reason="资料不全").status is Status.DONE
    decision = of.ask(filing(CUT))
    assert decision.status is Status.CUT_REJECTED
    assert "资料不全" in decision.detail
    of.must(ApproveCut(CUT))
    assert len(of.log[-1].serial) == 3
    assert of.status(ApproveCut(CUT)) is Status.UNCHANGED
    assert of.status(RejectCut(CUT)) is Status.STATE_PROHIBITS
    of.must(SetFiling("automatic"))
    of.must(filing(f"{OWNER}/6450/330108"))


def test_what_was_rejected_can_be_withdrawn_and_filed_anew() -> None:
    of = country()
    of.must(MANUAL)
    of.must(filing(CUT))
    assert of.ask(RejectCut(CUT), reason="no").status is Status.DONE
    of.must(WithdrawCut(CUT, "zhejiang"))
    assert of.status(WithdrawCut(CUT, "zhejiang")) is Status.UNCHANGED
    of.must(filing(CUT))
    row = get_cut(of.view, CUT)
    assert row is not None and row.number == row.leaf  # another filing
    assert get_past_cut(of.view, CUT) is None


def test_a_cut_is_listed_as_another_where_another_node_files_it_after_a_withdrawal() -> None:
    of = country()
    of.must(filing(CUT))
    first = label_of(of)
    of.must(WithdrawCut(CUT, "zhejiang"))
    of.must(filing(CUT))
    assert label_of(of) == first
    of.must(WithdrawCut(CUT, "zhejiang"))
    of.must(filing(CUT, "anywhere"))
    second = label_of(of)
    of.must(WithdrawCut(CUT, "anywhere"))
    of.must(filing(CUT))
    assert len({first, second, label_of(of)}) == 3  # though all of it was in the same second


def label_of(of: Book) -> str:
    row = get_cut(of.view, CUT)
    assert row is not None
    return network.member_label(NAMED, CUT, row)


def test_a_suspended_node_keeps_its_cuts_and_gets_no_others() -> None:
    of = country()
    of.must(filing(CUT))
    tree = of.must(SuspendNode("zhejiang")).changes.tree
    assert [change.name for change in tree] == ["nodes/zhejiang"]  # what it says of itself
    assert get_cut(of.view, CUT) is not None
    for body in (filing(CUT), filing(f"{OWNER}/6450/330108"), MoveCut(CUT, "zhejiang")):
        decision = of.ask(body)
        assert decision.status is Status.NODE_SUSPENDED
        assert "goes on resolving" in decision.detail
    assert of.status(WithdrawCut(CUT, "zhejiang"), acting("zhejiang")) is Status.NODE_SUSPENDED
    of.must(ReinstateNode("zhejiang"))
    of.must(filing(f"{OWNER}/6450/330108"))


def test_how_many_filings_of_a_node_may_wait_is_bounded() -> None:
    of = country()
    of.must(MANUAL)
    row = codec.encode((WAITING_MAX, 0))
    of.view.put(codec.COUNTS, codec.node_use_key("zhejiang"), row)
    assert of.status(filing(CUT)) is Status.WAITING_QUOTA


# -- any order of requests

OWNERS = (OWNER, OTHER)
CUTS = [
    *OWNERS,
    *(f"{owner}/{industry}" for owner in OWNERS for industry in ("6450", "6440")),
    *(f"{owner}/6450/{place}" for owner in OWNERS for place in ("330106", "110105")),
]
NODES = ("zhejiang", "anywhere", "grid")
SERVERS: list[tuple[tuple[str, tuple[str, ...]], ...]] = [
    (),
    (("ns.example.cn.", ()),),
    ((HERE, ("192.0.2.1",)),),
    ((f"ns.6450.{OTHER}.csid.internal.", ()),),
    ((f"ns.110105.6450.{OWNER}.csid.internal.", ()), ("grid.nodes.csid.internal.", ())),
]
cuts = st.sampled_from(CUTS)
nodes = st.sampled_from(NODES)


class Country(RuleBasedStateMachine):
    """The national node beside a model: which cut is whose; and a replay of its leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.book = national(ZHEJIANG, ANYWHERE, GRID, AGGREGATE)
        self.second = Overlay(EMPTY)
        self.replay = Replay(self.second)
        self.cuts: dict[str, str] = {}
        self.tree: dict[str, RRsets] = {}
        for log in ("zhejiang", "anywhere", "grid", "sum"):
            self.tree |= dict(self._of_node(log))

    def _of_node(self, name: str) -> list[network.Named]:
        row = self.book.view.get(codec.NODES, name.encode())
        assert row is not None
        return network.node_names(NAMED, name, codec.decode_node(row))

    def ask(self, body: Body, reason: str = "because", actor: Actor = ADMINISTRATOR) -> Status:
        decision = self.book.ask(body, actor, reason=reason)
        for change in decision.changes.tree:
            if change.rrsets:
                self.tree[change.name] = change.rrsets
            else:
                del self.tree[change.name]  # nothing is taken away that was not there
        return decision.status

    def overlaps(self, cut: str, node: str) -> bool:
        return any(
            f"{cut}/".startswith(f"{other}/") or f"{other}/".startswith(f"{cut}/")
            for other, whose in self.cuts.items()
            if other != cut or whose != node
        )

    @rule(cut=cuts, node=nodes, servers=st.sampled_from(SERVERS))
    def file(self, cut: str, node: str, servers: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        before = get_cut(self.book.view, cut)
        is_switch = before is not None and may_switch(before, node)
        status = self.ask(FileCut(cut, node, servers))
        if status.success and is_switch:
            self.cuts[cut] = node
        elif status.success:
            assert not self.overlaps(cut, node)
            self.cuts[cut] = node
        elif status is Status.CUT_OVERLAPS:
            assert self.overlaps(cut, node)

    @rule(cut=cuts, node=nodes)
    def withdraw(self, cut: str, node: str) -> None:
        if self.ask(WithdrawCut(cut, node)) is Status.DONE:
            assert self.cuts.pop(cut, node) == node

    @rule(cut=cuts, node=nodes)
    def move(self, cut: str, node: str) -> None:
        if self.ask(MoveCut(cut, node)).success:
            assert cut in self.cuts  # whose it stays

    @rule(cut=cuts)
    def keep(self, cut: str) -> None:
        if self.ask(KeepCut(cut)).success:
            assert cut in self.cuts

    @rule(cut=cuts, node=nodes)
    def switch(self, cut: str, node: str) -> None:
        """The two nodes do their part of a move."""
        row = get_cut(self.book.view, cut)
        moving = row.moving if row is not None else None
        number = moving.number if moving is not None else 0
        if self.ask(FreezeCut(cut, node, number, 7), actor=acting(node)).success:
            assert moving is not None
            assert moving.source == self.cuts[cut] == node
            self.file(cut, moving.to, ())

    @rule(cut=cuts)
    def approve(self, cut: str) -> None:
        if self.ask(ApproveCut(cut)) is Status.DONE and cut not in self.cuts:
            row = get_cut(self.book.view, cut)
            assert row is not None
            assert not self.overlaps(cut, row.node)
            self.cuts[cut] = row.node

    @rule(cut=cuts)
    def reject(self, cut: str) -> None:
        if self.ask(RejectCut(cut)) is Status.DONE:
            del self.cuts[cut]

    @rule(mode=st.sampled_from(["automatic", "manual"]))
    def set_mode(self, mode: str) -> None:
        self.ask(SetFiling(mode))

    @rule(node=nodes, verb=st.sampled_from([SuspendNode, ReinstateNode, RemoveNode]))
    def change_state(self, node: str, verb: type[SuspendNode]) -> None:
        if self.ask(verb(node)) is Status.DONE and issubclass(verb, RemoveNode):
            assert node not in self.cuts.values()

    @rule(node=st.sampled_from([ZHEJIANG, ANYWHERE, GRID]))
    def add_node(self, node: object) -> None:
        self.ask(node)  # type: ignore[arg-type]

    @rule(node=nodes, overlap=st.sampled_from([0, 3600]))
    def rekey(self, node: str, overlap: int) -> None:
        self.ask(RekeyNode(node, overlap))

    @rule(node=nodes, address=st.sampled_from(["127.0.0.9:53", "[::1]:53"]))
    def change(self, node: str, address: str) -> None:
        self.ask(ChangeNode(node, (("addresses", (address,)),)))

    @invariant()
    def leads_to_the_same_rows(self) -> None:
        for leaf in self.book.leaves[self.second.leaves() :]:
            self.second.apply(self.replay.apply(self.second.leaves(), leaf))
        for table in codec.TABLES:
            assert dict(self.second.scan(table, b"")) == dict(self.book.view.scan(table, b""))

    @invariant()
    def knows_whose_each_cut_is(self) -> None:
        view = self.book.view
        held = {key.decode(): codec.decode_cut(row) for key, row in view.scan(codec.CUTS, b"")}
        assert {cut: row.node for cut, row in held.items()} == self.cuts
        for name in NODES:
            begin = codec.of_node(name)
            listed = {key[len(begin) :].decode() for key, _ in view.scan(codec.CUT_INDEX, begin)}
            assert listed == {cut for cut, node in self.cuts.items() if node == name}
            assert sum(get_node_use(view, name)) == len(listed)

    @invariant()
    def delegates_what_is_filed_and_no_more(self) -> None:
        view = self.book.view
        for path, rrsets in self.tree.items():
            assert network.wanted_at(view, NAMED, path) == rrsets
        delegated = {path for path, found in self.tree.items() if NS in dict(found)}
        filed = {
            key.decode()
            for key, row in view.scan(codec.CUTS, b"")
            if codec.decode_cut(row).state is CutState.FILED
        }
        assert delegated == filed
        members = [path for path in self.tree if path.endswith("/group")]
        assert len(members) == len(filed)


TestCountry = Country.TestCase
TestCountry.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
