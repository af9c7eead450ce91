"""What waits for the node: each once, events in order and never lost, statuses the newest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from csid.errors import StoreError
from csid.status import Told
from gateway.reporting import upward
from gateway.reporting.spool import Happened, Outcome, Post, Spool, Waiting
from gateway.reporting.verdict import verdict
from tests.support.servers import CHECKOUT

NOW = 1_800_000_000_000
LARGE = 1 << 20


def post(name: str, number: int | None = None, load: float = 0.5, taken: int = NOW) -> Post:
    return Post(name, taken, taken + 30_000, Told(load=load), number, taken)


def happened(ident: str, octets: bytes = b"{}") -> Happened:
    return Happened(("/here", ident), octets)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path, LARGE)
    yield made
    made.close()


def names(waiting: Waiting) -> list[str]:
    return [upward.read_status(row).identifier for _, row in waiting.statuses]


def test_the_newest_status_of_each_waits_in_the_order_they_came(spool: Spool) -> None:
    assert spool.post([post("a"), post("b"), post("c"), post("a", load=0.9)]) == [Outcome.TAKEN] * 4
    waiting = spool.waiting(10, LARGE)
    assert names(waiting) == ["b", "c", "a"]
    assert upward.read_status(waiting.statuses[-1][1]).told.load == 0.9
    spool.settle([waiting.statuses[0][0]], [])
    assert names(spool.waiting(10, LARGE)) == ["c", "a"]


def test_what_came_while_a_batch_was_sent_waits_on(spool: Spool) -> None:
    spool.post([post("a", load=0.1)])
    sent = spool.waiting(10, LARGE)
    spool.post([post("a", load=0.2)])
    spool.settle([number for number, _ in sent.statuses], [])
    (left,) = spool.waiting(10, LARGE).statuses
    assert upward.read_status(left[1]).told.load == 0.2


def test_events_go_first_and_a_batch_is_bounded(spool: Spool) -> None:
    spool.post([post(f"n{one}") for one in range(5)])
    spool.happen([happened(f"e{one}", b"x" * 100) for one in range(5)])
    assert [len(part) for part in spool.waiting(7, LARGE)] == [2, 5]
    assert [len(part) for part in spool.waiting(100, 250)] == [0, 2]
    assert [len(part) for part in spool.waiting(100, 1)] == [0, 1]  # one alone goes, however large


def test_a_full_spool_lets_the_oldest_statuses_go_and_never_an_event(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10_000)
    spool.post([post(f"n{one:03}") for one in range(200)])
    assert spool.octets <= 10_000
    left = names(spool.waiting(1_000, LARGE))
    assert left == [f"n{one:03}" for one in range(200 - len(left), 200)]
    outcomes = [spool.happen([happened(f"e{one}", b"x" * 900)])[0] for one in range(20)]
    taken = outcomes.count(Outcome.TAKEN)
    assert outcomes == [Outcome.TAKEN] * taken + [Outcome.FULL] * (20 - taken)
    assert taken == 10_000 // (900 + 64) and spool.octets <= 10_000
    assert spool.post([post("late", load=0.1)])[0] in (Outcome.FULL, Outcome.TAKEN)
    waiting = spool.waiting(1_000, LARGE)
    assert len(waiting.events) == taken
    spool.settle([], [waiting.events[0][0]])
    assert spool.happen([happened("e19", b"x" * 900)]) == [Outcome.TAKEN]  # it was not taken before
    spool.close()


def test_one_process_has_it(tmp_path: Path, spool: Spool) -> None:
    script = f"""
from pathlib import Path
from gateway.reporting.spool import Spool
from csid.errors import StoreError
try:
    Spool(Path({str(tmp_path)!r}))
except StoreError as error:
    print(error)
"""
    words = [sys.executable, "-c", script]
    ran = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert "another process has this spool" in ran.stdout


def test_numbers_grow_where_a_spool_was_lost(tmp_path: Path) -> None:
    first = Spool(tmp_path / "first", LARGE, lambda: 1_000)
    first.post([post("a")])
    first.happen([happened("e")])
    later = Spool(tmp_path / "second", LARGE, lambda: 2_000)
    later.post([post("a")])
    later.happen([happened("e")])
    for part in (0, 1):
        before, after = (one.waiting(9, LARGE)[part][0][0] for one in (first, later))
        assert before == 1_000 and after == 2_000
    first.close()
    again = Spool(tmp_path / "first", LARGE, lambda: 5)  # a clock that was set back
    again.post([post("b")])
    assert again.waiting(9, LARGE).statuses[-1][0] == 1_001
    for one in (later, again):
        one.close()


def test_damage_costs_what_it_lies_at(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LARGE)
    spool.post([post("a"), post("b")])
    number = spool.waiting(1, LARGE).statuses[0][0]
    with spool._statuses.writing() as txn:
        txn.put(number.to_bytes(8, "big"), b"\xc1", db=spool._statuses["statuses"])
    spool.close()
    again = Spool(tmp_path, LARGE)
    assert names(again.waiting(9, LARGE)) == ["b"]
    again.close()


class Kept(RuleBasedStateMachine):
    """A spool beside what it should be, reopened now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.spool = Spool(Path(self.folder.name), LARGE)
        self.newest: dict[str, float] = {}
        self.numbers: dict[str, tuple[int, float]] = {}
        self.events: list[bytes] = []
        self.known: dict[str, bytes] = {}

    def teardown(self) -> None:
        self.spool.close()
        self.folder.cleanup()

    @rule(
        name=st.sampled_from("abc"),
        load=st.sampled_from([0.1, 0.2]),
        number=st.none() | st.integers(0, 4),
    )
    def posts(self, name: str, load: float, number: int | None) -> None:
        (outcome,) = self.spool.post([post(name, number, load)])
        before = self.numbers.get(name) if number is not None else None
        if before is not None and number is not None and number <= before[0]:
            wanted = Outcome.KNOWN if before == (number, load) else Outcome.DIFFERENT
            assert outcome is (Outcome.SUPERSEDED if number < before[0] else wanted)
            return
        assert outcome is Outcome.TAKEN
        if number is not None:
            self.numbers[name] = number, load
        self.newest.pop(name, None)
        self.newest[name] = load

    @rule(ident=st.sampled_from("xyz"), octets=st.sampled_from([b"1", b"2"]))
    def happens(self, ident: str, octets: bytes) -> None:
        (outcome,) = self.spool.happen([happened(ident, octets)])
        if ident in self.known:
            same = self.known[ident] == octets
            assert outcome is (Outcome.KNOWN if same else Outcome.DIFFERENT)
            return
        assert outcome is Outcome.TAKEN
        self.known[ident] = octets
        self.events.append(octets)

    @rule(most=st.integers(1, 3))
    def settles(self, most: int) -> None:
        waiting = self.spool.waiting(most, LARGE)
        self.spool.settle([n for n, _ in waiting.statuses], [n for n, _ in waiting.events])
        del self.events[: len(waiting.events)]
        for name in names(waiting):
            del self.newest[name]

    @rule()
    def reopens(self) -> None:
        self.spool.close()
        self.spool = Spool(Path(self.folder.name), LARGE)

    @invariant()
    def is_what_it_should_be(self) -> None:
        waiting = self.spool.waiting(1_000, LARGE)
        found = [upward.read_status(row) for _, row in waiting.statuses]
        assert [(one.identifier, one.told.load) for one in found] == list(self.newest.items())
        assert [octets for _, octets in waiting.events] == self.events
        assert len(self.spool) == len(self.newest) + len(self.events)
        rows = [row for part in waiting for _, row in part]
        assert self.spool.octets == sum(64 + len(row) for row in rows)


TestKept = Kept.TestCase

WRITER = """
import sys
from pathlib import Path
from gateway.reporting.spool import Happened, Spool
spool = Spool(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    five = range(number, number + 5)
    spool.happen([Happened(("/here", str(one)), b"%d" % one) for one in five])
    number += 5
    print(number, flush=True)
"""


def test_what_was_taken_is_there_after_a_kill(tmp_path: Path) -> None:
    told = 0
    for _ in range(3):
        words = [sys.executable, "-c", WRITER, str(tmp_path), str(told)]
        writer = subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(10):
            told = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        spool = Spool(tmp_path)
        events = [int(octets) for _, octets in spool.waiting(10_000, LARGE).events]
        assert events == list(range(len(events)))
        assert len(events) >= told and len(events) % 5 == 0
        told = len(events)
        spool.close()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((StoreError, OSError)):
        Spool(tmp_path / "file" / "spool")


@given(st.data())
def test_a_verdict_settles_each_as_the_node_says(data: Any) -> None:
    sent = Waiting([(n, b"") for n in range(3)], [(n, b"") for n in range(10, 12)])
    codes = data.draw(st.lists(st.sampled_from([200, 403, 409, 503]), min_size=5, max_size=5))
    results = [upward.Result(code, "taken" if code == 200 else "full") for code in codes]
    body = msgspec.json.encode(upward.Results(results[:3], results[3:]))
    found = verdict(sent, 200, body)
    done = [n for n, code in zip([0, 1, 2, 10, 11], codes, strict=True) if code < 500]
    assert [*found.statuses, *found.events] == done
    assert len(found.refused) == sum(400 <= code < 500 for code in codes)
    assert bool(found.fault) == (503 in codes) and not found.part


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 502, 503, 200])
def test_an_answer_that_is_none_leaves_all_of_it(code: int) -> None:
    found = verdict(Waiting([(1, b"")], [(2, b"")]), code, b"<html>")
    assert not found.statuses and not found.events and found.fault and not found.part


def test_a_batch_that_cannot_be_read_is_parted_until_what_is_wrong_is_alone() -> None:
    found = verdict(Waiting([(1, b""), (2, b"")], []), 400, b"{}")
    assert found.part and not found.statuses
    found = verdict(Waiting([(1, b"")], []), 413, b"{}")
    assert found.statuses == [1] and len(found.refused) == 1 and not found.fault
