"""Killed at any moment, short of room, short of disk: what was acknowledged is there, once.

Each round ends a process whose threads assign and one that imports, both on one data directory, by
SIGKILL soon after some number of its writes was acknowledged; then all that they acknowledged is
looked for. CSID_KILLS says how many processes are killed (24 unless told otherwise).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from threading import Thread

import pytest

from csid.errors import StoreError
from csid.identifier import make
from registry.rules.requests import Assign
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import log_entry, view
from registry.tables.transaction import AuditStore
from tests.support import trees
from tests.support.books import OWNERS, accredit, ask, create, opened, resolved
from tests.support.importing import READING, run_through, work_on
from tests.support.killed import LONGEST, Say, finished, killed_after, start
from tests.support.registering import OWNER, RECORD, identifier

KILLS = int(os.environ.get("CSID_KILLS", "24"))
ROWS = 2_000
IN_SMALL_UNITS = READING._replace(rows_per_unit=40)
ACKNOWLEDGED_MOST = 20  # writes before a process is killed; an import has 50


# Each says what is acknowledged: "assigned NAME", "imported COUNT".


def assign_many(say: Say, data: Path, round_: int) -> None:
    def client(thread: int) -> None:
        for number in range(1_000):
            code = identifier(f"{round_:04d}{thread}{number:03d}")
            if ask(registry, Assign(code, RECORD)).status.success:
                say(f"assigned {code}")

    with Registry.open(data, writable=True) as registry:
        threads = [Thread(target=client, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def import_all(say: Say, data: Path, table: Path) -> None:
    with Registry.open(data, writable=True) as registry:
        work = work_on(registry)
        for faults in run_through(registry, work, table.read_bytes(), IN_SMALL_UNITS):
            assert not faults, faults
            say(f"imported {work.tally.added + work.tally.unchanged}")


def table_of(path: Path, round_: int) -> list[str]:
    """A table of identifiers nobody has yet, in random order; their names in their own, in which
    they are committed.
    """
    source = random.Random(round_)
    names = [
        str(make(OWNER, "6450", "330106", "GCV", "G09M04R8", f"{round_:04d}{number:05d}"))
        for number in source.sample(range(ROWS * 7), ROWS)
    ]
    rows = [f"{name},active,https://{'x' * 60}.example:8443\n" for name in names]
    path.write_text("identifier,state,endpoints\n" + "".join(rows))
    return sorted(names)


def check(data: Path, promised: set[str]) -> int:
    """All that must hold of a registry at rest; returns how many identifiers it has."""
    with Registry.open(data) as registry:
        assert registry.verify().agrees
        with registry.store.read() as read:
            births = Counter(
                change.on
                for change in map(log_entry.decode, AuditStore(read).leaves())
                if change.kind in ("assign", "import")
            )
        with registry.view() as seen:
            rows = {name for name, _ in view.assignments(seen, OWNER)}
            assert view.count_live(seen, OWNER) == len(rows)
        assert set(births) == rows
        assert set(births.values()) <= {1}, "a code was given twice"
        assert promised <= rows, "an acknowledged code is lost"
        for name in promised:
            assert resolved(registry, name) is not None
        trees.check(registry.store)
        return len(rows)


def test_killed_at_any_moment_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    source = random.Random(2)
    rounds, per_directory = max(1, KILLS // 2), 10
    cut_short = 0
    for round_ in range(rounds):
        if round_ % per_directory == 0:  # so that looking through it all stays quick
            data, promised, sizes = create(tmp_path / f"data{round_}"), set(), set()
            with Registry.open(data, writable=True) as registry:
                accredit(registry, *OWNERS)
        table = tmp_path / "table.csv"
        wanted = table_of(table, round_)
        processes = [start(assign_many, data, round_), start(import_all, data, table)]
        writes = [source.randrange(ACKNOWLEDGED_MOST) for _ in processes]
        further = [source.random() * LONGEST for _ in processes]
        with ThreadPoolExecutor(len(processes)) as threads:
            said = list(threads.map(killed_after, processes, writes, further))
        for kind, value in map(str.split, chain.from_iterable(said)):
            promised |= {value} if kind == "assigned" else set(wanted[: int(value)])
        cut_short += not promised >= set(wanted)
        sizes.add(check(data, promised))
        if round_ % per_directory == per_directory - 1 or round_ == rounds - 1:
            # Run again to its end, an import takes what is missing and nothing twice.
            assert finished(start(import_all, data, table))[-1] == f"imported {ROWS}"
            check(data, promised | set(wanted))
    assert len(sizes) > 1, "no process came to write anything"
    assert cut_short > rounds / 3, "the processes were through before they were killed"


def import_until_full(registry: Registry, table: Path) -> set[str]:
    """Import until there is no room; the names of the rows that were committed."""
    wanted = table_of(table, 1)
    work = work_on(registry)
    with pytest.raises(StoreError, match="is full") as caught:
        for faults in run_through(registry, work, table.read_bytes(), IN_SMALL_UNITS):
            assert not faults
    assert "\n" not in str(caught.value)
    assert 0 < work.tally.added < ROWS
    return set(wanted[: work.tally.added])


def test_a_map_that_is_full_in_the_middle_of_an_import_keeps_whole_parts(tmp_path: Path) -> None:
    with opened(tmp_path / "data", map_octets=1 << 20) as registry:
        taken = import_until_full(registry, tmp_path / "table.csv")
    assert check(tmp_path / "data", taken) == len(taken)


@pytest.mark.parametrize("small_disk", [2], indirect=True)
def test_a_disk_that_is_full_in_the_middle_of_an_import_keeps_whole_parts(
    small_disk: Path, tmp_path: Path
) -> None:
    with opened(small_disk / "data") as registry:
        taken = import_until_full(registry, tmp_path / "table.csv")
        taken |= assign_until_full(registry, taken)
    assert check(small_disk / "data", taken) == len(taken)


def assign_until_full(registry: Registry, taken: set[str]) -> set[str]:
    """After a failure the registry goes on, as far as there is room; gives the codes assigned."""
    with registry.view() as seen:
        assert {name for name, _ in view.assignments(seen, OWNER)} == taken
    made = set()
    with pytest.raises(StoreError, match="is full"):
        for number in range(10_000):
            code = identifier(f"{number:05d}")
            assert ask(registry, Assign(code, RECORD)).status is Status.DONE
            made.add(str(code))
    return made
