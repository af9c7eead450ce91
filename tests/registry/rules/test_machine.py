"""Any order of requests leaves the registry as a simple model says, and its tables agree."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from csid.identifier import Identifier, parse
from csid.record import decode
from registry.rules.lifecycle import LIVE, TRANSITIONS, Verb
from registry.rules.plan import RetireLocation, Transfer, steps
from registry.rules.requests import (
    AddPool,
    Advance,
    Alias,
    Assign,
    Import,
    Mint,
    Move,
    Retire,
    Update,
)
from registry.rules.status import Status
from registry.tables import codec, index, view
from registry.tables.changes import TreeKind
from registry.tables.enums import WORDS, State
from registry.tables.rows import NO_LEAF
from tests.support.registering import (
    ADMINISTRATOR,
    CLASS,
    OTHER,
    OWNER,
    PLACE,
    RECORD,
    Book,
    book,
    identifier,
)

SERIALS = ("0001", "0002", "0003", "000Z", "7")
OWNERS = (OWNER, OTHER)
LOCATIONS = ("330106", "330108", "330109")

codes = st.builds(
    identifier, st.sampled_from(SERIALS), st.sampled_from(OWNERS), st.sampled_from(LOCATIONS)
)
births = st.sampled_from(["reserved", "filing", "active"])
advances = st.sampled_from([Verb.FILE, Verb.ACTIVATE, Verb.WITHDRAW, Verb.SUSPEND, Verb.REINSTATE])


class Registry(RuleBasedStateMachine):
    """The registry beside a model: a dict of states, of targets, and a set of closed locations."""

    def __init__(self) -> None:
        super().__init__()
        self.book: Book = book()
        self.states: dict[Identifier, State] = {}
        self.targets: dict[Identifier, Identifier] = {}
        self.closed: set[str] = set()
        self.tree: dict[str, tuple[TreeKind, str]] = {}

    def ask(self, body: object, key: str = "") -> Status:
        decision = self.book.ask(body, ADMINISTRATOR, "test", key)  # type: ignore[arg-type]
        for change in decision.changes.tree:
            self.tree[change.name] = (change.kind, change.target)
        self.last = decision.subject
        return decision.status

    @rule(code=codes, state=births)
    def assign(self, code: Identifier, state: str) -> None:
        status = self.ask(Assign(code, RECORD.changed(state=state)))
        if code in self.states:
            live = self.states[code] in LIVE
            assert status is (Status.EXISTS if live else Status.NEVER_AGAIN)
        elif code.location in self.closed:
            assert status is Status.LOCATION_RETIRED
        elif status is not Status.POOL_QUOTA:
            assert status is Status.DONE
            self.states[code] = State[state.upper()]

    @rule(owner=st.sampled_from(OWNERS), key=st.sampled_from(["", "a", "b"]))
    def mint(self, owner: str, key: str) -> None:
        place = index.place_of(identifier(owner=owner))
        status = self.ask(Mint(f"{place}/{CLASS}", RECORD), key)
        if status is Status.DONE:
            code = parse(self.last)
            assert code not in self.states
            self.states[code] = State.ACTIVE
        elif status is Status.REPLAYED:
            assert parse(self.last) in self.states

    @rule(first=st.integers(0, 3), count=st.integers(1, 3), quota=st.integers(0, 3))
    def add_pool(self, first: int, count: int, quota: int) -> None:
        serials = f"{first:04d}", f"{first + count - 1:04d}"
        self.ask(AddPool(PLACE, CLASS, count, min(quota, count), *serials))

    @rule(code=codes, verb=advances)
    def advance(self, code: Identifier, verb: Verb) -> None:
        before = self.states.get(code)
        status = self.ask(Advance(code, verb))
        if before is None:
            assert status is Status.NOT_FOUND
        elif (before, verb) in TRANSITIONS:
            assert status is Status.DONE
            self.states[code] = TRANSITIONS[before, verb]
        else:
            assert status in (Status.UNCHANGED, Status.STATE_PROHIBITS)

    @rule(code=codes, count=st.integers(1, 3), state=births)
    def update_or_import(self, code: Identifier, count: int, state: str) -> None:
        before = self.states.get(code)
        if before in LIVE:
            word = WORDS[before].record
            status = self.ask(Update(code, (("count", count), ("state", word))))
            assert status in (Status.DONE, Status.UNCHANGED)
        elif self.ask(Import(code, RECORD.changed(count=count, state=state))) is Status.DONE:
            assert before is None
            self.states[code] = State[state.upper()]

    @rule(code=codes)
    def retire(self, code: Identifier) -> None:
        before = self.states.get(code)
        status = self.ask(Retire(code))
        if before in LIVE:
            assert status is Status.DONE
            self.states[code] = State.RETIRED
        else:
            assert not status.success or before is State.RETIRED

    @rule(old=codes, new=codes)
    def alias(self, old: Identifier, new: Identifier) -> None:
        before = self.states.get(old)
        status = self.ask(Alias(old, new))
        if status is Status.UNCHANGED:
            assert self.targets[old] == new
        elif before in LIVE and self.states.get(new) in LIVE and old != new:
            assert status in (Status.DONE, Status.CHAIN_TOO_LONG)
            if status is Status.DONE:
                self.supersede(old, new)
        else:
            assert not status.success

    @rule(old=codes, new=codes)
    def move(self, old: Identifier, new: Identifier) -> None:
        before, taken = self.states.get(old), new in self.states
        if self.ask(Move(old, new)) is Status.DONE:
            assert before in LIVE
            if taken:  # back to the owner that it came from, who has its code again
                assert self.states[new] is State.SUPERSEDED and self.targets.pop(new) == old
                assert old.owner != new.owner
                assert (old.industry, old.location, old.type) == (
                    new.industry,
                    new.location,
                    new.type,
                )
            self.states[new] = before
            self.supersede(old, new)

    @rule(prefix=st.sampled_from([OWNER, f"{OWNER}/6450/330108"]))
    def transfer(self, prefix: str) -> None:
        for body in steps(self.book.view, Transfer(prefix, OTHER)).bodies:
            assert isinstance(body, Move)
            self.move(body.old, body.new)

    @rule(old=st.sampled_from(LOCATIONS), new=st.sampled_from(LOCATIONS))
    def retire_location(self, old: str, new: str) -> None:
        if len(self.closed) == 2 and old not in self.closed:
            return  # one has to stay open, or nothing is left to do
        first, *moves = steps(self.book.view, RetireLocation(old, new)).bodies
        if self.ask(first) is not Status.DONE:
            return
        self.closed.add(old)
        for body in moves:
            assert isinstance(body, Move)
            before = self.states[body.old]
            if self.ask(body) is Status.DONE:
                moved = parse(self.last)
                assert moved not in self.states
                self.states[moved] = before
                self.supersede(body.old, moved)

    def supersede(self, old: Identifier, new: Identifier) -> None:
        self.states[old] = State.SUPERSEDED
        self.targets[old] = new

    @invariant()
    def says_what_the_model_says(self) -> None:
        held = {
            parse(name): row
            for owner in OWNERS
            for name, row in view.assignments(self.book.view, owner)
        }
        assert {code: row.state for code, row in held.items()} == self.states
        for code, row in held.items():
            if row.state is State.SUPERSEDED:
                assert row.target == str(self.targets[code])
            else:
                assert decode(row.record).state == WORDS[row.state].record

    @invariant()
    def counts_and_indexes_agree(self) -> None:
        for owner in OWNERS:
            living = [c for c, s in self.states.items() if c.owner == owner and s in LIVE]
            assert view.count_live(self.book.view, owner) == len(living)
        indexed = {key.decode() for key, _ in self.book.view.scan(codec.BY_STATE, b"")}
        assert indexed == {
            f"{WORDS[state].record}/{code}"
            for code, state in self.states.items()
            if state is not State.ACTIVE
        }
        rows = [key for key, _ in self.book.view.scan(codec.PLACES, b"l")]
        assert {index.place_in(key) for key in rows} == {
            index.place_of(code) for code in self.states
        }

    @invariant()
    def pools_keep_their_quotas_and_do_not_overlap(self) -> None:
        pools = list(view.pools_of(self.book.view, PLACE, CLASS))
        for pool in pools:
            inside = [c for c in self.states if index.place_of(c) == PLACE and len(c.serial) == 4]
            inside = [c for c in inside if pool.first <= c.serial <= pool.last]
            assert view.get_use(self.book.view, pool).assigned <= pool.quota
            assert view.get_use(self.book.view, pool).assigned <= len(inside)
        ends = [(pool.first, pool.last) for pool in pools]
        assert ends == sorted(ends)
        assert all(a[1] < b[0] for a, b in pairwise(ends))

    @invariant()
    def every_name_resolves_and_no_alias_runs_in_a_circle(self) -> None:
        assert set(self.tree) == {str(code) for code in self.states}
        for code in self.states:
            name, walked = str(code), 0
            while self.tree[name][0] is TreeKind.ALIAS:
                name, walked = self.tree[name][1], walked + 1
                assert walked <= 16

    @invariant()
    def each_history_leads_back_to_where_the_code_was_given(self) -> None:
        for code in self.states:
            row = view.get_assignment(self.book.view, str(code))
            assert row is not None
            at, kinds = row.leaf, []
            while at != NO_LEAF:
                leaf = self.book.log[at]
                assert leaf.prev < at
                kinds.append(leaf.kind)
                at = leaf.prev
            assert kinds[-1] in {"assign", "mint", "import"}


TestRegistry = Registry.TestCase
TestRegistry.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
