"""Killed at any moment, an import and a load leave what was committed and nothing half."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from csid import names
from csid.identifier import make
from registry.service import Registry
from resolver.store.environment import Store
from tests.support import trees
from tests.support.books import accredit
from tests.support.servers import CHECKOUT, PATIENCE, SUFFIX, put_zone

OWNER = "X0000000000000101T"
ROWS = 3_000
ROWS_PER_PART = 100
KILLS = 8  # of each kind
ZONE = "$TTL 300\n@ SOA ns1 host {serial} 3600 900 604800 60\n@ NS ns1\nns1 A 192.0.2.1\n"

IMPORTER = """
import sys
from datetime import date
from pathlib import Path
from tests.support.registering import ADMINISTRATOR
from registry.bulk.importer import Import, read_parts
from registry.bulk.entries import Reading
from registry.service import Registry
data, table, size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
reading = Reading("csid.internal.", date(2026, 1, 1), 300, 100)
with Registry.open(data, writable=True) as registry, table.open("rb") as file:
    print("begun", flush=True)
    work = Import(registry.store, ADMINISTRATOR)
    for number, faults in enumerate(work.run(read_parts(file, reading, size or None))):
        assert not faults
        if not number:
            print("first", flush=True)
print("done", flush=True)
"""
LOADER = """
import sys
from pathlib import Path
from resolver.zonefile.load import Loaded, load
from resolver.store.environment import Store
with Store.open(Path(sys.argv[1]), writable=True) as store:
    print("begun", flush=True)
    for outcome in load(store, [Path(path) for path in sys.argv[2:]], nodes_per_commit=100):
        assert isinstance(outcome, Loaded), outcome
print("done", flush=True)
"""


def killed_after(
    program: str, words: Sequence[object], seconds: float | None, since: str = "begun"
) -> float:
    """Run a program and kill it so long after it said `since` (None: let it end); returns how long
    it ran from then.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *sys.path])},
    )
    with process:
        assert process.stdout is not None
        assert f"{since}\n" in iter(process.stdout.readline, "")
        begun = time.monotonic()
        if seconds is None:
            assert process.stdout.read().endswith("done\n")
        else:
            time.sleep(seconds)
            process.kill()
        process.wait(PATIENCE)
        return time.monotonic() - begun


def moments(whole: float) -> list[float]:
    """When to kill: one moment in each of KILLS equal parts of the time a whole run takes."""
    source = random.Random(1)
    return [whole * (part + source.random()) / KILLS for part in range(KILLS)]


def make_data(path: Path) -> Path:
    with Store.create(path, SUFFIX, "0.EXAMPLE") as store:
        put_zone(store, ZONE.format(serial=1), SUFFIX)
    with Registry.open(path, writable=True) as registry:
        accredit(registry, OWNER)
    return path


@pytest.mark.parametrize("feeder", [False, True])
def test_an_import_that_was_killed_has_whole_parts_only(tmp_path: Path, feeder: bool) -> None:
    source = random.Random(1)
    numbers = source.sample(range(ROWS * 7), ROWS)
    made = [make(OWNER, "6450", "330106", "GCV", "G09M04R8", f"{n}") for n in numbers]
    table = tmp_path / "table.csv"
    table.write_text("identifier,state\n" + "".join(f"{one},active\n" for one in made))
    size = 0 if feeder else table.stat().st_size
    everything = {one.to_dns_name(SUFFIX) for one in made}

    # Most of the time goes before the first commit: half of the kills are kept for what follows.
    wholes = [
        killed_after(IMPORTER, (make_data(tmp_path / since), table, size), None, since)
        for since in ("begun", "first")
    ]
    cases = [("begun", moment) for moment in moments(wholes[0])[::2]]
    cases += [("first", moment) for moment in moments(wholes[1])[1::2]]
    reached = set()
    for number, (since, moment) in enumerate(cases):
        data = make_data(tmp_path / f"data{number}")
        killed_after(IMPORTER, (data, table, size), moment, since)
        with Store.open(data, writable=True) as store:
            trees.check(store)
            assert trees.leftovers(store) == 0
            held = trees.owners(store, SUFFIX) & everything
            parts = trees.serial(store, SUFFIX) - 1
            first = made[: parts * ROWS_PER_PART]
            assert held == {one.to_dns_name(SUFFIX) for one in first}
        reached.add(parts)
        # What is missing comes with the next run, and nothing is counted twice.
        if number % 4 == 0:
            killed_after(IMPORTER, (data, table, size), None)
            with Store.open(data, writable=True) as store:
                assert trees.owners(store, SUFFIX) & everything == everything
                assert trees.serial(store, SUFFIX) - 1 == ROWS // ROWS_PER_PART
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

    whole = killed_after(LOADER, (make_data(tmp_path / "whole"), *paths), None)
    swept = 0
    for number, moment in enumerate(moments(whole)):
        data = make_data(tmp_path / f"data{number}")
        killed_after(LOADER, (data, old), None)
        killed_after(LOADER, (data, *paths), moment)
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
