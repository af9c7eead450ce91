"""The supply changes one by one, is seen at once, comes back from its file, compiled or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import supplies
from benchmarks.bench_selection import Duck, Numpy
from csid.record import Record
from csid.status import Status, Told
from gateway.systems.selection import compiled, scan, snapshot
from gateway.systems.selection.columns import BLOCK
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import in_order, prepare, select
from gateway.systems.selection.index import Index
from gateway.systems.selection.supply import Supply

NOW = supplies.NOW
ROWS = 3_000
PLACES = sorted({row.identifier.split("/")[2] for row in supplies.rows(ROWS, 5)})
NAME = "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY"


def filled(rows: int = ROWS, seed: int = 5) -> Supply:
    supply = Supply()
    for row in supplies.rows(rows, seed):
        supply.put(row.identifier, row.record)
        if row.status is not None:
            supply.status(row.identifier, row.status)
    supply.tidy()
    return supply


@pytest.fixture(scope="module")
def whole() -> Supply:
    return filled()


def answers(supply: Supply, count: int = 60) -> list[list[tuple[str, int]]]:
    found = []
    for demand in supplies.demands(count, PLACES, 9):
        near = demand.near or "330106"
        rtt = supplies.latencies(supply.locations, near)
        if demand.near:  # by the place itself, for locations have other numbers after a change
            rtt = np.array([int(one[:2] == near[:2]) * 3.0 + 1 for one in supply.locations])
        results = select(supply, demand, NOW, rtt).results
        found.append([(one.identifier, one.points) for one in results])
    return found


def status(taken: int, until: int, **told: object) -> Status:
    return Status(taken, until, "gw", 1, Told(**told))  # type: ignore[arg-type]


def test_a_change_is_seen_by_the_next_selection() -> None:
    supply, free = Supply(), Demand(free=True, cards=8)
    assert select(supply, free, NOW).results == ()
    supply.put(NAME, Record({"state": "active", "count": 8}))
    assert len(supply) == 1 and select(supply, Demand(cards=8), NOW).results
    assert not select(supply, free, NOW).results
    assert supply.status(NAME, status(NOW - 5_000, NOW + 1_000, free={"chips": 8}))
    assert [one.identifier for one in select(supply, free, NOW).results] == [NAME]
    assert not supply.status(NAME, status(NOW - 6_000, NOW + 9_000, free={"chips": 9}))
    assert not select(supply, free, NOW + 1_000).results  # past its validity
    assert supply.status(NAME, None) and not select(supply, free, NOW).results
    assert not supply.put(NAME, Record({"state": "suspended"}))
    assert len(supply) == 0 and not select(supply, Demand(), NOW).results
    assert not supply.remove(NAME) and not supply.status(NAME, None)


@pytest.mark.parametrize("health", ["failed", "maintenance"])
def test_nobody_is_sent_to_what_does_not_work(health: str) -> None:
    supply = Supply()
    supply.put(NAME, Record({"state": "active", "count": 8}))
    supply.status(NAME, status(NOW, NOW + 9_000, free={"chips": 8}, health=health))
    assert not select(supply, Demand(cards=1, free=True), NOW).results


def test_after_many_changes_the_answers_are_those_of_a_supply_made_anew(whole: Supply) -> None:
    random, rows = Random(3), list(supplies.rows(ROWS, 5))
    supply = filled(seed=6)
    for row in supplies.rows(ROWS, 6):
        supply.remove(row.identifier)
    assert len(supply) == 0
    random.shuffle(rows)
    for row in rows:
        supply.put(row.identifier, row.record.changed(trust=1, green_share=0.01))
    for row in rows:
        supply.put(row.identifier, row.record)
        if row.status is not None:
            supply.status(row.identifier, row.status)
    assert answers(supply) == answers(whole)
    capacity = supply.columns.capacity
    for _ in range(3):  # slots are used again
        for row in rows[:500]:
            supply.remove(row.identifier)
        for row in rows[:500]:
            supply.put(row.identifier, row.record)
            if row.status is not None:
                supply.status(row.identifier, row.status)
    assert supply.columns.capacity == capacity
    supply.tidy()
    assert supply.columns.capacity == -(-ROWS // BLOCK) * BLOCK
    assert answers(supply) == answers(whole)
    # What no row has any more is forgotten.
    sizes = {name: len(one) for name, one in supply.columns.dictionaries.items()}
    wanted = {name: len(one) for name, one in whole.columns.dictionaries.items()}
    assert all(sizes[name] <= wanted[name] * 2 for name in sizes if name != "location")


def test_what_a_block_has_is_never_told_too_narrow() -> None:
    supply, random = filled(), Random(8)
    rows = list(supplies.rows(ROWS, 5))
    for _ in range(4_000):
        row = random.choice(rows)
        if random.random() < 0.2:
            supply.remove(row.identifier)
        elif random.random() < 0.5:
            supply.put(row.identifier, row.record)
        elif row.status is not None:
            supply.status(row.identifier, row.status)
    columns = supply.columns
    present, largest = dict(columns.present), dict(columns.largest)
    columns.narrow_all()
    for name, bits in columns.present.items():
        assert not np.any(bits & ~present[name]), name
    for name, most in columns.largest.items():
        assert np.all(most <= largest[name]), name
    blocks = columns.capacity // BLOCK
    at_once = {name: bits.copy() for name, bits in columns.present.items()}
    for block in range(blocks):
        columns.narrow(block)
    assert all(np.array_equal(bits, at_once[name]) for name, bits in columns.present.items())


def test_compiled_and_interpreted_find_the_same(whole: Supply) -> None:
    if compiled._best is None:
        pytest.skip("nothing is compiled: python setup.py build_ext --inplace")
    for demand in supplies.demands(150, whole.locations, 11):
        rtt = supplies.latencies(whole.locations, demand.near) if demand.near else None
        ready = prepare(whole, demand, NOW, rtt)
        ordered = in_order(ready.checks, whole.columns, NOW)
        arguments = (whole.columns, ordered, ready.parts, NOW, demand.top)
        assert compiled.best(*arguments) == scan.best(*arguments), demand


def test_duckdb_and_a_plain_scan_find_as_good(whole: Supply) -> None:
    duck, plain = Duck(whole), Numpy(whole)
    for demand in supplies.demands(60, whole.locations, 12):
        rtt = supplies.latencies(whole.locations, demand.near) if demand.near else None
        ready = prepare(whole, demand, NOW, rtt)
        wanted = [one.points for one in select(whole, demand, NOW, rtt).results]
        assert duck.best(ready, demand.top) == plain.best(ready, demand.top) == wanted, demand


def test_a_supply_comes_back_from_its_file(whole: Supply, tmp_path: Path) -> None:
    path = tmp_path / "supply"
    snapshot.write(whole, path, "leaf 7")
    supply, mark = snapshot.read(path)
    assert mark == "leaf 7" and len(supply) == ROWS
    assert answers(supply) == answers(whole)
    for row in supplies.rows(400, 21):  # and goes on as it was
        supply.put(row.identifier, row.record)
    for row in supplies.rows(ROWS, 5):
        assert supply.remove(row.identifier)
    assert len(supply) == 400
    empty = tmp_path / "empty"
    snapshot.write(Supply(), empty)
    assert len(snapshot.read(empty)[0]) == 0


@dataclass
class Damage:
    name: str
    done: Callable[[bytes], bytes]


@pytest.mark.parametrize(
    "damage",
    [
        Damage("torn", lambda octets: octets[: len(octets) // 2]),
        Damage("torn in the head", lambda octets: octets[:40]),
        Damage("its end missing", lambda octets: octets[:-1]),
        Damage("longer", lambda octets: octets + b"\0"),
        Damage("a bit turned", lambda octets: octets[:-9_000] + b"\xff\x01" + octets[-8_998:]),
        Damage("a head that is none", lambda octets: octets[:24] + b"\xc1" * 40 + octets[64:]),
        Damage("another version", lambda octets: b"csid-supply\0\0\0\x09" + octets[15:]),
        Damage("another column", lambda octets: octets.replace(b"green_share", b"greener_one", 1)),
        Damage("empty", lambda octets: b""),
        Damage("a length beyond all", lambda octets: octets[:15] + b"\xff" * 8 + octets[23:]),
    ],
    ids=lambda one: one.name,
)
def test_a_wrong_file_is_refused(damage: Damage, whole: Supply, tmp_path: Path) -> None:
    path = tmp_path / "supply"
    snapshot.write(whole, path)
    path.write_bytes(damage.done(path.read_bytes()))
    with pytest.raises(snapshot.SnapshotError, match="filled anew"):
        snapshot.read(path)


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(snapshot.SnapshotError, match="No such file"):
        snapshot.read(tmp_path / "none")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=200))
@settings(max_examples=60)
def test_the_index_finds_what_is_in_it_and_nothing_else(changes: list[tuple[bool, int]]) -> None:
    names: dict[int, str] = {}
    index = Index(lambda slot: names[slot], b"k" * 16)
    index.digests = np.zeros(64, np.uint32)
    slots: dict[str, int] = {}
    for comes, number in changes:
        name = f"n{number}"
        # Few digests, so that many names meet.
        digest = index.digest(name) % 3 + 1_021
        slot = index.find(name, digest)
        assert slot == slots.get(name, -1)
        if comes and slot < 0:
            slot = min(set(range(64)) - set(names))
            names[slot], slots[name] = name, slot
            index.add(slot, digest)
        elif not comes and slot >= 0:
            index.remove(slot)
            del names[slot], slots[name]
    assert index.count == len(slots)
