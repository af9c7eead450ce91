"""Whatever is asked, in whatever order and by whatever route: a lock holds until it is lifted, a
hold until it ends, nothing changes hands unless both owners agree; and the leaves lead to the same
rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from csid.identifier import Identifier, parse
from csid.record import decode
from registry.replay import Replay
from registry.rules import validity
from registry.rules.case import day_of
from registry.rules.lifecycle import LIVE, Verb
from registry.rules.locks import KEPT_HELD, bits_of
from registry.rules.moves import moved
from registry.rules.offers import digest_of
from registry.rules.plan import AliasAll, RetireLocation, Transfer, steps
from registry.rules.requests import (
    AcceptTransfer,
    Actor,
    AddLocks,
    Advance,
    Alias,
    AliasSubtree,
    Assign,
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
from registry.tables.enums import LockKind, OfferState, State
from registry.tables.overlay import Overlay
from registry.tables.rows import Assignment, Locks
from registry.tables.view import EMPTY
from tests.support.registering import (
    ADMINISTRATOR,
    OTHER,
    OTHERS_REGISTRAR,
    OWNER,
    RECORD,
    REGISTRAR,
    book,
    identifier,
)
from tests.support.rows import rows_of

DAY = 86_400
OWNERS = (OWNER, OTHER)
CODE = "a code that both know"
# Two that are there from the beginning, what they become, and one beside them.
FIRST, SECOND = identifier("0001"), identifier("0002", location="330108")
ALL = [
    FIRST,
    moved(FIRST, owner=OTHER),
    SECOND,
    moved(SECOND, owner=OTHER),
    identifier("0002"),
]
codes = st.sampled_from(ALL)
kinds = st.lists(st.sampled_from(LockKind), min_size=1, max_size=2, unique=True).map(tuple)
REGISTRARS = {OWNER: REGISTRAR, OTHER: OTHERS_REGISTRAR}
# Which lock each change of the rows of an identifier must not have had.
LOCK_OF = {
    "update": LockKind.UPDATE,
    "retire": LockKind.RETIRE,
    "lapse": LockKind.RETIRE,
    "renew": LockKind.RENEW,
}


@dataclass(slots=True)
class Before:
    """One moment of the registry."""

    rows: dict[str, Assignment] = field(default_factory=dict)
    locks: dict[str, Locks] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)


class Locked(RuleBasedStateMachine):
    """Two owners, their registrars, an administrator and the node, over a few codes."""

    def __init__(self) -> None:
        super().__init__()
        self.book = book()
        until = (day_of(self.book.now) + timedelta(5)).isoformat()
        for code in (FIRST, SECOND):
            self.book.must(Assign(code, RECORD.changed(valid_until=until)))
        self.second = Overlay(EMPTY)
        self.replay = Replay(self.second)

    def moment(self) -> Before:
        """What the registry says now."""
        seen = self.book.view
        rows = dict(row for owner in OWNERS for row in view.assignments(seen, owner))
        locks = {name: view.get_locks(seen, name) for name in rows}
        return Before(
            rows,
            {name: row for name, row in locks.items() if row is not None},
            {name for name in rows if view.get_expired(seen, name) is not None},
        )

    def ask(self, body: Body, actor: Actor = ADMINISTRATOR) -> Status:
        """Ask, and hold what came of it to what was before."""
        before = self.moment()
        status = self.book.ask(body, actor, "test").status
        after = self.moment()
        for name, row in before.rows.items():
            self.judge(name, row, after.rows[name], before, after, body, actor)
        return status

    def judge(
        self,
        name: str,
        row: Assignment,
        new: Assignment,
        before: Before,
        after: Before,
        body: Body,
        actor: Actor,
    ) -> None:
        """One identifier before and after a request."""
        locks, now = before.locks.get(name), after.locks.get(name)
        bits = 0 if locks is None else locks.server | locks.owner
        if row.record != new.record and row.state is new.state and body.kind != "renew":
            assert not bits & LockKind.UPDATE or row.state is State.SUPERSEDED
        if row.state in LIVE and new.state is State.SUPERSEDED:
            assert not bits & LockKind.TRANSFER
        if row.state in LIVE and new.state is State.RETIRED:
            assert not bits & LockKind.RETIRE
        if row.state is not State.ACTIVE and body.kind == "renew" and row != new:
            assert not bits & LockKind.RENEW
        if row.state is State.SUSPENDED and new.state is not State.SUSPENDED:
            ends = {"retire", "lapse", "import"} if new.state is State.RETIRED else set()
            if new.state is State.REFUSED:
                ends |= {"receipt"}
                held = after.locks.get(name)
                assert name in before.expired or (held and held.server & KEPT_HELD == KEPT_HELD)
            if name in before.expired:
                ends |= {"renew"}
            elif actor is ADMINISTRATOR:
                ends |= {"advance", "import"}
            if new.state is State.SUPERSEDED:  # its place is taken by one that is on hold
                assert body.kind == "move"
                assert after.rows[new.target].state is State.SUSPENDED
            else:
                assert body.kind in ends, body
        if locks is not None and new.state in LIVE and now is not None:
            if now.server != locks.server and body.kind != "receipt":
                assert actor is ADMINISTRATOR
                assert body.kind in ("lock.add", "lock.remove")
            if now.owner != locks.owner:
                mine = REGISTRARS[name.partition("/")[0]]
                assert actor is ADMINISTRATOR or actor is mine
        if row.state in LIVE and new.state is State.SUPERSEDED and actor is not ADMINISTRATOR:
            owners = {name.partition("/")[0], new.target.partition("/")[0]}
            assert len(owners) == 1 or body.kind == "transfer.accept"

    @rule(
        code=codes,
        state=st.sampled_from(["active", "reserved", "filing"]),
        days=st.integers(-3, 40),
    )
    def assign(self, code: Identifier, state: str, days: int) -> None:
        until = day_of(self.book.now) + timedelta(days)
        self.ask(Assign(code, RECORD.changed(state=state, valid_until=until.isoformat())))

    @rule(code=codes, locks=kinds, by=st.sampled_from(["node", OWNER, OTHER]), add=st.booleans())
    def lock(self, code: Identifier, locks: tuple[LockKind, ...], by: str, add: bool) -> None:
        actor = REGISTRARS.get(by, ADMINISTRATOR)
        make = AddLocks if add else RemoveLocks
        status = self.ask(make(code, locks, by != "node"), actor)
        if by not in ("node", code.owner):
            assert status is Status.OWNER_NOT_YOURS
        elif status is Status.DONE:
            row = view.get_locks(self.book.view, str(code))
            assert row is not None
            held = row.server if by == "node" else row.owner
            assert held & bits_of(locks) == (bits_of(locks) if add else 0)

    @rule(code=codes, locks=kinds)
    def an_owner_lifts_no_lock_of_the_node(
        self, code: Identifier, locks: tuple[LockKind, ...]
    ) -> None:
        status = self.ask(RemoveLocks(code, locks, False), REGISTRARS[code.owner])
        assert status is Status.ROLE_MAY_NOT

    @rule(code=codes, count=st.integers(1, 4), whole=st.booleans(), own=st.booleans())
    def change(self, code: Identifier, count: int, whole: bool, own: bool) -> None:
        actor = REGISTRARS[code.owner] if own else ADMINISTRATOR
        row = view.get_assignment(self.book.view, str(code))
        if row is None or row.state not in LIVE:
            return
        record = decode(row.record).changed(count=count)
        body = Import(code, record) if whole else Update(code, (("count", count),))
        self.ask(body, actor)

    @rule(
        code=codes,
        state=st.sampled_from(["active", "suspended", "filing", "retired"]),
        own=st.booleans(),
        led=st.booleans(),
    )
    def import_state(self, code: Identifier, state: str, own: bool, led: bool) -> None:
        row = view.get_assignment(self.book.view, str(code))
        if row is None or row.state not in LIVE:
            return
        end = {"ended": day_of(self.book.now).isoformat()} if state == "retired" else {}
        if end and led:
            end["successor"] = str(identifier("000Z", code.owner))
        record = decode(row.record).changed(state=state, **end)
        self.ask(Import(code, record), REGISTRARS[code.owner] if own else ADMINISTRATOR)

    @rule(
        code=codes, verb=st.sampled_from([Verb.SUSPEND, Verb.REINSTATE, Verb.FILE, Verb.ACTIVATE])
    )
    def advance(self, code: Identifier, verb: Verb) -> None:
        self.ask(Advance(code, verb))

    @rule(code=codes, own=st.booleans())
    def refuse_and_file_again(self, code: Identifier, own: bool) -> None:
        self.ask(TakeReceipt(code, 3, Status.OUT_OF_SCOPE.number), NODE)
        row = view.get_assignment(self.book.view, str(code))
        locks = view.get_locks(self.book.view, str(code))
        if row is None or row.state is not State.REFUSED:
            return
        actor = REGISTRARS[code.owner] if own else ADMINISTRATOR
        is_locked = locks is not None and (locks.server | locks.owner) & LockKind.UPDATE
        status = self.ask(Advance(code, Verb.FILE), actor)
        assert status is (Status.LOCKED if is_locked else Status.DONE)

    @rule(code=codes, own=st.booleans())
    def retire(self, code: Identifier, own: bool) -> None:
        self.ask(Retire(code), REGISTRARS[code.owner] if own else ADMINISTRATOR)

    @rule(old=codes, new=codes, own=st.booleans())
    def alias(self, old: Identifier, new: Identifier, own: bool) -> None:
        self.ask(Alias(old, new), REGISTRARS[old.owner] if own else ADMINISTRATOR)

    @rule(old=codes, to=st.sampled_from(OWNERS))
    def move(self, old: Identifier, to: str) -> None:
        self.ask(Move(old, moved(old, owner=to)))

    @rule(
        work=st.sampled_from(
            [
                Transfer(OWNER, OTHER),
                AliasAll(f"{OWNER}/6450/330108", f"{OTHER}/6450/330106"),
                RetireLocation("330108", "330106"),
            ]
        )
    )
    def plan(self, work: Transfer | AliasAll | RetireLocation) -> None:
        for body in steps(self.book.view, work).bodies:
            if not isinstance(body, RetireLocation | AliasSubtree):
                self.ask(body)

    @rule(code=codes, to=st.sampled_from([*OWNERS, ""]), days=st.integers(1, 20))
    def offer(self, code: Identifier, to: str, days: int) -> None:
        digest = b"" if to else digest_of(code, CODE)
        self.ask(OfferTransfer(code, to, digest, days * DAY), REGISTRARS[code.owner])

    @rule(code=codes, to=st.sampled_from(OWNERS), said=st.sampled_from(["", CODE, "guessed"]))
    def accept(self, code: Identifier, to: str, said: str) -> None:
        offer = view.get_offer(self.book.view, str(code))
        row = view.get_assignment(self.book.view, str(code))
        status = self.ask(AcceptTransfer(code, to, said), REGISTRARS[to])
        if status is Status.DONE:
            assert offer is not None
            assert row is not None
            assert offer.state is OfferState.OPEN
            assert self.book.now < offer.until
            assert offer.to in ("", to)
            assert offer.digest == b"" or said == CODE
            assert row.state is not State.SUSPENDED

    @rule(code=codes, by_code=st.booleans(), first=st.sampled_from(["", "lock", "suspend"]))
    def go_and_come_back(self, code: Identifier, by_code: bool, first: str) -> None:
        """Both agree, and again on the way back, unless something keeps it here."""
        there = moved(code, owner=OTHER if code.owner == OWNER else OWNER)
        if first == "lock":
            self.ask(AddLocks(code, (LockKind.TRANSFER,), True), REGISTRARS[code.owner])
        elif first == "suspend":
            self.ask(Advance(code, Verb.SUSPEND))
        for old, new in ((code, there), (there, code)):
            digest = digest_of(old, CODE) if by_code else b""
            self.ask(OfferTransfer(old, new.owner, digest, DAY), REGISTRARS[old.owner])
            self.accept(old, new.owner, CODE if by_code else "")

    @rule(code=codes, reject=st.booleans())
    def answer(self, code: Identifier, reject: bool) -> None:
        other = OTHER if code.owner == OWNER else OWNER
        if reject:
            self.ask(RejectTransfer(code, other), REGISTRARS[other])
        else:
            self.ask(CancelTransfer(code), REGISTRARS[code.owner])

    @rule(code=codes, days=st.integers(-2, 30), own=st.booleans())
    def renew(self, code: Identifier, days: int, own: bool) -> None:
        until = (day_of(self.book.now) + timedelta(days)).isoformat()
        self.ask(Renew(code, until), REGISTRARS[code.owner] if own else ADMINISTRATOR)

    @rule(days=st.integers(1, 9))
    def time_goes_by(self, days: int) -> None:
        self.book.now += days * DAY
        today = day_of(self.book.now)
        for name, row in self.moment().rows.items():
            due = validity.due(self.book.view, name, row, today)
            if due is not None:
                status = self.ask(due(parse(name)), NODE)
                assert status in (Status.DONE, Status.LOCKED)

    @rule(code=codes)
    def what_is_not_due_is_left_alone(self, code: Identifier) -> None:
        row = view.get_assignment(self.book.view, str(code))
        today = day_of(self.book.now)
        due = row and validity.due(self.book.view, str(code), row, today)
        for kind in (Expire, Lapse):
            assert kind is due or self.ask(kind(code), NODE) is not Status.DONE

    @rule(expiring=st.integers(0, 20), grace=st.integers(0, 20))
    def set_validity(self, expiring: int, grace: int) -> None:
        self.ask(SetValidity(expiring, grace))

    @invariant()
    def leads_to_the_same_rows(self) -> None:
        for leaf in self.book.leaves[self.second.leaves() :]:
            self.second.apply(self.replay.apply(self.second.leaves(), leaf))
        assert rows_of(self.second) == rows_of(self.book.view)

    @invariant()
    def marks_stand_beside_what_they_are_about(self) -> None:
        seen = self.book.view
        for key, _ in seen.scan(codec.EXPIRED, b""):
            row = view.get_assignment(seen, key.decode())
            assert row is not None
            assert row.state is State.SUSPENDED
        for word, table in ((codec.LOCKED, codec.LOCKS), (codec.OFFERED, codec.OFFERS)):
            head = codec.state_key(word, "")
            marked = {key[len(head) :].decode() for key, _ in seen.scan(codec.BY_STATE, head)}
            for name in marked:
                row = view.get_assignment(seen, name)
                assert row is not None
                assert row.state in LIVE
            if table == codec.LOCKS:
                rows = ((key, codec.decode_locks(value)) for key, value in seen.scan(table, b""))
                assert marked == {key.decode() for key, row in rows if row.server | row.owner}

    @invariant()
    def no_alias_runs_in_a_circle_and_counts_agree(self) -> None:
        rows = self.moment().rows
        depths = dict.fromkeys(rows, 0)
        for start in rows:
            name, walked = start, 0
            while rows[name].state is State.SUPERSEDED:
                name, walked = rows[name].target, walked + 1
                assert walked <= 16
            depths[name] = max(depths[name], walked)
        for name, row in rows.items():
            if row.state in LIVE:
                assert row.depth >= depths[name]
        for owner in OWNERS:
            living = sum(row.state in LIVE for name, row in rows.items() if name.startswith(owner))
            assert view.count_live(self.book.view, owner) == living


NODE = Actor("csid", Role.NODE)
TestLocked = Locked.TestCase
TestLocked.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
