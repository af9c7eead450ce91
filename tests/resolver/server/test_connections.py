"""The accounts of a TCP server's connections: their sums hold, and who goes is fair."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from csid.limits import MAX_TCP_CONNECTIONS
from resolver.server.connections import Connection, Connections

MOST, MOST_PER_PEER, MOST_HELD = 6, 4, 1_000
ADDRESSES = [bytes((192, 0, 2, number)) for number in range(4)]


class Accounts(RuleBasedStateMachine):
    """Whatever happens in whatever order, to connections that count and those that do not."""

    made = Bundle("made")

    def __init__(self) -> None:
        super().__init__()
        self.connections = Connections(MOST, MOST_PER_PEER, MOST_HELD)
        self.all: list[Connection] = []
        self.counted: set[Connection] = set()
        self.left: set[Connection] = set()
        self.told = 0
        self.now = 0.0

    def _settle(self, may_end: bool) -> set[Connection]:
        """Those that stopped counting just now; they are told to end, once and for good."""
        gone = {one for one in self.counted if not one.counted}
        assert may_end or not gone
        told = gone - self.left
        assert all(one.scope.cancel_called for one in told)
        self.told += len(told)
        self.counted -= gone
        return gone

    @rule(target=made, address=st.sampled_from(ADDRESSES))
    def comes(self, address: bytes) -> object:
        connection = Connection(address, self.now + 10)
        before = Counter(one.peer for one in self.counted)
        admitted = self.connections.admit(connection)
        assert admitted == connection.counted == (before[address] < MOST_PER_PEER)
        gone = self._settle(may_end=admitted and len(self.counted) == MOST)
        assert len(gone) == (admitted and before.total() == MOST)
        for one in gone:
            assert before[one.peer] == max(before.values())
        self.all.append(connection)
        if admitted:
            self.counted.add(connection)
            return connection
        return multiple()

    @rule(connection=made, seconds=st.integers(0, 4), kept=st.floats(0, 1))
    def is_answered(self, connection: Connection, seconds: int, kept: float) -> None:
        self.now += seconds
        self.connections.answered(connection, int(kept * connection.held), self.now + 10)
        self._settle(may_end=False)

    @rule(connection=made, octets=st.integers(0, 600))
    def holds(self, connection: Connection, octets: int) -> None:
        counted = connection in self.counted
        over = counted and self.connections.held - connection.held + octets > MOST_HELD
        self.connections.hold(connection, octets)
        assert bool(self._settle(may_end=over)) == over
        if connection.counted:
            assert connection.held == octets

    @rule()
    def makes_room(self) -> None:
        before = len(self.counted)
        assert self.connections.make_room() == bool(before)
        assert len(self._settle(may_end=True)) == min(before, 1)

    @rule(seconds=st.integers(0, 12))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        late = {one for one in self.counted if one.deadline <= self.now}
        self.connections.expire(self.now)
        assert self._settle(may_end=True) == late

    @rule(connection=made)
    def ends(self, connection: Connection) -> None:
        """Once or again, told to or by itself."""
        counted = connection in self.counted
        self.left.add(connection)
        self.connections.leave(connection)
        assert self._settle(may_end=True) == ({connection} if counted else set())

    @invariant()
    def sums_hold(self) -> None:
        assert set(self.connections) == self.counted == {one for one in self.all if one.counted}
        assert self.connections.open == len(self.counted) <= MOST
        assert self.connections.held == sum(one.held for one in self.counted) <= MOST_HELD
        assert all(one.held == 0 for one in self.all if not one.counted)
        waiting = [one for one in self.all if one not in self.left]
        assert self.connections.unreleased == sum(one.unreleased for one in waiting)
        assert self.connections.crowded() == (self.connections.unreleased > MOST_HELD)
        peers = Counter(one.peer for one in self.counted)
        for address in ADDRESSES:
            assert self.connections.of_peer(address) == peers[address] <= MOST_PER_PEER

    @invariant()
    def everything_is_told(self) -> None:
        told = self.connections
        assert told.accepted + told.refused == len(self.all)
        assert told.shed + told.expired == self.told

    def teardown(self) -> None:
        for connection in self.all:
            self.connections.leave(connection)
        assert not list(self.connections)
        told = self.connections
        assert (told.open, told.held, told.unreleased) == (0, 0, 0)
        assert not any(map(self.connections.of_peer, ADDRESSES))
        assert not self.connections.make_room()


TestAccounts = Accounts.TestCase


def admitted(connections: Connections, address: bytes, deadline: float = 10.0) -> Connection:
    connection = Connection(address, deadline)
    assert connections.admit(connection)
    return connection


def test_who_opens_the_most_gives_one_up_and_nobody_else() -> None:
    connections = Connections(100, 100, 1_000)
    others = [admitted(connections, address) for address in ADDRESSES[1:] for _ in range(10)]
    greedy = [admitted(connections, ADDRESSES[0]) for _ in range(1_000) if connections.open]
    assert all(one.counted for one in others)
    assert [one.counted for one in greedy] == [False] * 930 + [True] * 70
    assert admitted(connections, b"\1\1\1\1").counted
    assert connections.of_peer(ADDRESSES[0]) == 69


def test_among_equals_the_one_longest_without_an_answer_goes() -> None:
    connections = Connections(4, 4, 1_000)
    first, second, third, fourth = (admitted(connections, address) for address in ADDRESSES)
    connections.answered(first, 0, 20.0)
    admitted(connections, b"\1\1\1\1")
    assert [one.counted for one in (first, second, third, fourth)] == [True, False, True, True]


def test_of_one_peer_the_one_longest_without_an_answer_goes() -> None:
    connections = Connections(3, 3, 1_000)
    first, second, third = (admitted(connections, ADDRESSES[0]) for _ in range(3))
    connections.answered(first, 0, 20.0)
    admitted(connections, ADDRESSES[1])
    assert [one.counted for one in (first, second, third)] == [True, False, True]


def test_a_peer_that_is_refused_ends_nobody() -> None:
    connections = Connections(4, 2, 1_000)
    there = [admitted(connections, ADDRESSES[at]) for at in (0, 0, 1, 2)]
    assert not connections.admit(Connection(ADDRESSES[0], 10.0))
    assert all(one.counted for one in there)
    assert (connections.refused, connections.shed, connections.open) == (1, 0, 4)


def test_who_holds_the_most_octets_gives_them_up_and_nobody_else() -> None:
    connections = Connections(100, 100, 1_000)
    modest = admitted(connections, ADDRESSES[0], deadline=1.0)
    connections.hold(modest, 300)
    greedy = [admitted(connections, ADDRESSES[1], deadline=2.0 + at) for at in range(8)]
    for one in greedy:
        connections.hold(one, 100)
    assert modest.counted
    # Those nearest their deadline, down to seven eighths of the cap.
    assert [one.counted for one in greedy] == [False] * 3 + [True] * 5
    assert connections.held == 800


def test_the_one_that_holds_too_much_may_be_the_one_to_go() -> None:
    connections = Connections(100, 100, 1_000)
    one = admitted(connections, ADDRESSES[0])
    connections.hold(one, 1_001)
    assert not one.counted
    assert one.scope.cancel_called
    connections.hold(one, 500)  # what its task still does is of no account
    assert (connections.open, connections.held, connections.shed) == (0, 0, 1)
    assert connections.unreleased == 1_001
    connections.leave(one)
    assert connections.unreleased == 0


@pytest.mark.parametrize(("first", "second", "same"), [(b"\0", b"\1", True), (b"a", b"b", False)])
def test_an_ipv6_site_is_one_peer(first: bytes, second: bytes, same: bool) -> None:
    """The last octet tells two hosts of one /64 apart, or the eighth two sites."""
    at = 15 if same else 7
    addresses = [bytes(at) + octet + bytes(15 - at) for octet in (first, second)]
    one, other = (Connection(address, 10.0) for address in addresses)
    assert (one.peer == other.peer) == same
    assert one.address == addresses[0]


def test_making_room_looks_at_no_more_than_it_ends() -> None:
    """At the real cap, from as many peers: 10,000 newcomers take well below a millisecond each."""
    connections = Connections(MAX_TCP_CONNECTIONS, MAX_TCP_CONNECTIONS, 1_000)
    for number in range(MAX_TCP_CONNECTIONS + 10_000):
        admitted(connections, number.to_bytes(4, "big"))
    assert connections.open == MAX_TCP_CONNECTIONS
    assert connections.shed == 10_000
    assert connections.of_peer((9_999).to_bytes(4, "big")) == 0
    assert connections.of_peer((10_000).to_bytes(4, "big")) == 1
