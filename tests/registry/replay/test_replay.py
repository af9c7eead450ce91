"""Leaves replayed lead to the rows they were written with; what does not follow is refused."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from csid.record import encode
from registry.replay import Replay, ReplayFault
from registry.replay.leaves import EFFECTS
from registry.rules.decide import DECISIONS
from registry.rules.lifecycle import Verb
from registry.rules.participants import Judgement
from registry.rules.requests import (
    AddPool,
    AddToken,
    Advance,
    Alias,
    AliasSubtree,
    Assign,
    Import,
    IntroduceOwner,
    JudgeOwner,
    Mint,
    Move,
    QualifyOwner,
    Retire,
    RetireLocation,
    RevokeToken,
    SetScope,
    UpdateOwner,
)
from registry.tables.enums import Kind
from registry.tables.overlay import Overlay
from registry.tables.view import EMPTY
from tests.registry.rules.test_machine import Registry
from tests.support.registering import (
    CLASS,
    FOREIGN,
    OTHER,
    OWNER,
    PLACE,
    POOL,
    RECORD,
    Book,
    identifier,
)
from tests.support.rows import rows_of


def replayed(leaves: list[bytes]) -> Overlay:
    """The registry that leaves lead to."""
    over = Overlay(EMPTY)
    replay = Replay(over)
    for index, leaf in enumerate(leaves):
        changes = replay.apply(index, leaf)
        assert changes.leaf == leaf
        over.apply(changes)
    return over


class Replayed(Registry):
    """The machine of the rules, with a second registry that sees nothing but the leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.second = Overlay(EMPTY)
        self.replay = Replay(self.second)

    @rule(code=st.sampled_from([OWNER, OTHER]), name=st.sampled_from(["甲", "乙"]))
    def update_owner(self, code: str, name: str) -> None:
        self.ask(UpdateOwner(code, (("name", name),)))

    @rule(key=st.sampled_from(["c", "d"]), locations=st.sampled_from([(), ("33",)]))
    def set_scope(self, key: str, locations: tuple[str, ...]) -> None:
        self.ask(SetScope(locations), key)

    @rule(old=st.sampled_from([f"{OWNER}/6450/330108", f"{OTHER}/6440"]))
    def alias_subtree(self, old: str) -> None:
        if old == f"{OTHER}/6440":  # where nothing ever was; the model knows nothing of others
            self.book.ask(AliasSubtree(old, f"{OWNER}/6450"))

    @invariant()
    def leads_to_the_same_rows(self) -> None:
        for leaf in self.book.leaves[self.second.leaves() :]:
            self.second.apply(self.replay.apply(self.second.leaves(), leaf))
        assert rows_of(self.second) == rows_of(self.book.view)


TestReplayed = Replayed.TestCase
TestReplayed.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


def everything() -> Book:
    """A registry in which each kind of request was carried out."""
    of = Book()
    of.must(IntroduceOwner(FOREIGN))
    of.accredit(OWNER, Kind.RESOURCE_PROVIDER, Kind.RESALE_PROVIDER)
    of.accredit(OTHER, Kind.RESOURCE_PROVIDER)
    of.must(UpdateOwner(OTHER, (("name", "另一名"), ("quota", 9))))
    of.must(QualifyOwner(OWNER, True))
    of.must(SetScope(("33", "11")))
    of.must(SetScope())
    of.must(AddToken("desk", bytes(32), "registrar", OWNER, (PLACE,), 0))
    of.must(RevokeToken("desk"))
    of.must(AddPool(PLACE, CLASS, 10))
    of.ask(Mint(POOL, RECORD), key="order")
    of.must(Assign(identifier("0004"), RECORD.changed(state="reserved")))
    of.must(Advance(identifier("0004"), Verb.FILE))
    of.must(Import(identifier("0100"), RECORD, 2019))
    of.must(Import(identifier("0100"), RECORD.changed(count=2)))
    of.must(Move(identifier("0100"), identifier("0100", OTHER)))
    of.must(Alias(identifier("0100", OTHER), identifier("0004")))
    of.must(Retire(identifier("0001")))
    of.ask(Retire(identifier("0001")), key="again")  # unchanged
    of.must(RetireLocation("330108", "330109"))
    of.must(AliasSubtree(f"{OTHER}/6440", f"{OWNER}/6450"))
    of.must(JudgeOwner(OTHER, Judgement.SUSPEND))
    return of


def test_each_kind_of_request_is_replayed() -> None:
    of = everything()
    assert rows_of(replayed(of.leaves)) == rows_of(of.view)
    kinds = {leaf.kind for leaf in of.log}
    # The machine has updates; the end of a plan changes nothing, it is remembered alone; what is
    # between this node and the national one is in test_filing.py, test_cuts.py,
    # test_handover.py and test_holds.py.
    others = {"update", "plan.finish", "receipt", "filing.request", "filing.answer"} | {
        "filing.move",
        "leave",
        "take",
        "take.subtree",
    }
    # These are in test_locks_machine.py, which replays them.
    others |= {"lock.add", "lock.remove", "renew", "expire", "lapse", "validity.set"}
    others |= {f"transfer.{word}" for word in ("offer", "accept", "cancel", "reject")}
    national = {
        kind for kind in EFFECTS if kind.startswith(("network.", "cut.", "hold.", "filing.mode"))
    }
    assert {body.kind for body in DECISIONS} - kinds - national == others
    assert {body.kind for body in DECISIONS} - {"plan.finish"} <= set(EFFECTS)


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("advance", {"prev": 3}, "prev 3, not"),
        ("assign", {"prev": 0}, "prev 0, not -1"),
        ("assign", {"on": str(identifier("0001"))}, "is assigned already"),
        ("assign", {"on": "X"}, "is no identifier"),
        ("assign", {"after": b""}, "no leaf of the registry"),
        ("assign", {"ttl": -1}, "ttl -1"),
        ("assign", {"serial": ()}, "0 serials, not 1"),
        ("assign", {"kind": "mint", "on": str(identifier("00005"))}, "lies in no pool"),
        ("assign", {"kind": "steal"}, "of no kind that is known: 'steal'"),
        ("assign", {"status": 200}, "nothing that was done"),
        ("advance", {"on": str(identifier("0777"))}, "is not assigned"),
        (
            "advance",
            {"after": encode(RECORD.changed(state="suspended"))},
            "no step leads from reserved",
        ),
        ("retire", {"after": encode(RECORD)}, "its record is active"),
        ("move", {"to": str(identifier("0004"))}, "is assigned already"),
        ("move", {"after": b"other"}, "after 6f74686572, not"),
        ("alias", {"to": str(identifier("0999"))}, "does not live"),
        ("owner.add", {"on": FOREIGN}, "is there already"),
        ("owner.judge", {"on": "X"}, "is not there"),
        ("token.add", {"on": "desk"}, "is about no token"),
        ("token.revoke", {"on": "token/other"}, "is not there"),
        ("pool.add", {"on": f"{POOL}/0001-0009"}, "its row is that of pool"),
        ("location.retire", {"to": "330110"}, "after"),
        ("mint", {"key": bytes(40)}, "a key of 40 octets"),
        ("mint", {"v": 3}, "of version 1 or 2"),
        ("mint", {"t": "today"}, "no leaf of the registry"),
        ("mint", {"serial": ("1",)}, "no leaf of the registry"),
    ],
)
def test_a_leaf_that_does_not_follow_is_refused(
    kind: str, change: dict[str, object], reason: str
) -> None:
    of = everything()
    at = [leaf.kind for leaf in of.log].index(kind)
    over = Overlay(EMPTY)
    replay = Replay(over)
    for index, leaf in enumerate(of.leaves[:at]):
        over.apply(replay.apply(index, leaf))
    values = msgpack.unpackb(of.leaves[at])
    changed = msgpack.packb(values | change)
    before = rows_of(over)
    with pytest.raises(ReplayFault, match=reason):
        replay.apply(at, changed)
    assert rows_of(over) == before


def test_no_octets_are_taken_for_a_leaf() -> None:
    replay = Replay(Overlay(EMPTY))
    for octets in (b"", b"\xc0", b"\x80", b"\xff" * 9, msgpack.packb({"v": 2})):
        with pytest.raises(ReplayFault, match="no leaf of the registry"):
            replay.apply(0, octets)
