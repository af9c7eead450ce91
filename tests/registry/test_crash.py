"""Killed at any moment, an import and a load leave what was committed and nothing half."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from csid import names
from csid.identifier import make
from registry.bulk.sorting import SortedTable
from registry.service import Registry
from resolver.store.environment import Store
from resolver.zonefile.load import Loaded, Step, load
from tests.support import trees
from tests.support.books import accredit
from tests.support.importing import READING, work_on
from tests.support.killed import Say, finished, killed_after, moments, start
from tests.support.servers import SUFFIX, put_zone

OWNER = "X0000000000000101T"
ROWS = 3_000
ROWS_PER_PART = 100
KILLS = 12  # of each kind
ZONE = "$TTL 300\n@ SOA ns1 host {serial} 3600 900 604800 60\n@ NS ns1\nns1 A 192.0.2.1\n"


def import_all(say: Say, data: Path, table: Path, size: int | None) -> None:
    """Says after each unit that was committed how many rows are in."""
    reading = READING._replace(rows_per_unit=ROWS_PER_PART)
    with (
        Registry.open(data, writable=True) as registry,
        table.open("rb") as file,
        SortedTable(file, reading, size, data) as rows,
    ):
        work = work_on(registry)
        for faults in work.run(rows):
            assert not faults
            if work.tally.rows:
                say(f"{work.tally.rows}")


def load_all(say: Say, data: Path, paths: list[Path]) -> None:
    """Says so after each zone that is served, and each piece of a large one that was committed."""

    def told(step: Step) -> None:
        if step.action == "writing":
            say("written")

    with Store.open(data, writable=True) as store:
        for outcome in load(store, paths, told, nodes_per_commit=100):
            assert isinstance(outcome, Loaded), outcome
            say("loaded")


def make_data(path: Path) -> Path:
    with Store.create(path, SUFFIX, "0.EXAMPLE") as store:
        put_zone(store, ZONE.format(serial=1), SUFFIX)
    with Registry.open(path, writable=True) as registry:
        accredit(registry, OWNER)
    return path


@pytest.mark.parametrize("from_pipe", [False, True])
def test_an_import_that_was_killed_has_whole_parts_only(tmp_path: Path, from_pipe: bool) -> None:
    source = random.Random(1)
    numbers = source.sample(range(ROWS * 7), ROWS)
    made = [make(OWNER, "6450", "330106", "GCV", "G09M04R8", f"{n}") for n in numbers]
    table = tmp_path / "table.csv"
    table.write_text("identifier,state\n" + "".join(f"{one},active\n" for one in made))
    size = None if from_pipe else table.stat().st_size
    everything = {one.to_dns_name(SUFFIX) for one in made}

    reached = set()
    for number, (behind, seconds) in enumerate(moments(KILLS, ROWS // ROWS_PER_PART)):
        data = make_data(tmp_path / f"data{number}")
        said = killed_after(start(import_all, data, table, size), behind, seconds)
        with Store.open(data, writable=True) as store:
            trees.check(store)
            assert trees.leftovers(store) == 0
            held = trees.owners(store, SUFFIX) & everything
            # Units that took long are shorter, so only their order is known.
            assert len(held) >= int(said[-1] if said else 0)
            assert held == {one.to_dns_name(SUFFIX) for one in sorted(made)[: len(held)]}
        reached.add(len(held))
        # What is missing comes with the next run, and nothing is counted twice.
        if number % 4 == 0:
            finished(start(import_all, data, table, size))
            with Store.open(data, writable=True) as store:
                assert trees.owners(store, SUFFIX) & everything == everything
            with Registry.open(data) as registry:
                assert registry.verify().agrees
                with registry.log() as log:
                    assert log.size == 2 + ROWS
    assert len(reached) > 2, "all kills fell on the same part"


def test_a_load_that_was_killed_has_whole_zones_only(tmp_path: Path) -> None:
    paths = []
    for number in range(60):
        path = tmp_path / f"z{number}.zone"
        body = "".join(f"n{name} A 192.0.2.1\n" for name in range(2_000 if number % 20 == 9 else 8))
        path.write_text(f"$ORIGIN z{number}.example.\n{ZONE.format(serial=2)}{body}")
        paths.append(path)
    old = tmp_path / "old.zone"
    old.write_text(f"$ORIGIN z9.example.\n{ZONE.format(serial=1)}old A 192.0.2.1\n")

    lines = len(finished(start(load_all, make_data(tmp_path / "whole"), paths)))
    swept = 0
    for number, (behind, seconds) in enumerate(moments(KILLS, lines)):
        data = make_data(tmp_path / f"data{number}")
        with Store.open(data, writable=True) as store:
            assert all(isinstance(outcome, Loaded) for outcome in load(store, [old]))
        killed_after(start(load_all, data, paths), behind, seconds)
        with Store.open(data, writable=True) as store:
            trees.check(store)
            for origin in origins(store):
                expected = 1 if origin == SUFFIX else 2
                if trees.serial(store, origin) == 1 and origin == "z9.example.":
                    assert "old.z9.example." in trees.owners(store, origin)
                    continue
                assert trees.serial(store, origin) == expected
                large = origin in ("z9.example.", "z29.example.", "z49.example.")
                if origin != SUFFIX:
                    assert len(trees.owners(store, origin)) == 2 + (2_000 if large else 8)
            swept += trees.leftovers(store) > 0
            store.sweep()
            assert trees.leftovers(store) == 0
            trees.check(store)
    assert swept, "no kill fell on a half-built zone"


def origins(store: Store) -> list[str]:
    with store.read() as read:
        return [names.to_text(held.origin) for held in read.zones()]
