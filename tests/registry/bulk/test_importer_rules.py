"""An import keeps to the rules of the registry, also while others write."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from csid import names
from csid.protocol import CNAME
from registry.bulk.csv_stream import Fault, Table
from registry.bulk.entries import Part, Reading, parts
from registry.bulk.importer import Import, Tally
from registry.rules.requests import AddPool, Assign, Retire, UpdateOwner
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import view
from resolver.store.node import RRset
from tests.support import trees
from tests.support.books import ORIGIN, SUFFIX, ask, opened, resolved, serial
from tests.support.registering import (
    ADMINISTRATOR,
    AUDITOR,
    CLASS,
    FOREIGN,
    OTHER,
    OWNER,
    RECORD,
    identifier,
)

CODES = [str(identifier(f"{number:04d}")) for number in range(12)]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with opened(tmp_path / "data") as made:
        yield made


def parts_of(rows: list[str], rows_per_part: int = 4) -> Iterator[Part]:
    table = "\n".join(["identifier,state,name", *rows, ""])
    reading = Reading(SUFFIX, date(2026, 1, 1), 300, rows_per_part)
    return parts(Table(io.BytesIO(table.encode())), reading)


def run(registry: Registry, rows: list[str], keep: bool = True) -> tuple[Tally, list[Fault]]:
    work = Import(registry.store, ADMINISTRATOR, "first stock", keep)
    faults = [fault for some in work.run(parts_of(rows)) for fault in some]
    trees.check(registry.store)
    assert registry.verify().sound
    return work.tally, faults


def leaves(registry: Registry) -> int:
    with registry.log() as log:
        return log.size


def test_each_row_is_logged_and_a_row_again_is_not(registry: Registry) -> None:
    rows = [f"{code},active,x" for code in CODES]
    before = leaves(registry)
    assert run(registry, rows)[0].added == len(CODES)
    assert leaves(registry) == before + len(CODES)
    (change,) = registry.history(CODES[3])
    assert (change.leaf.kind, change.leaf.why, change.leaf.by) == ("import", "first stock", "li")
    now = serial(registry)
    assert run(registry, rows)[0].unchanged == len(CODES)
    assert (leaves(registry), serial(registry)) == (before + len(CODES), now)
    tally, _ = run(registry, [f"{CODES[0]},active,y", *rows[1:]])
    assert (tally.changed, tally.unchanged) == (1, len(CODES) - 1)
    assert len(registry.history(CODES[0])) == 2


@pytest.mark.parametrize("keep", [True, False])
def test_rows_that_the_rules_refuse_are_told_and_the_others_go_in(
    registry: Registry, keep: bool
) -> None:
    ask(registry, Assign(identifier("0000"), RECORD))
    ask(registry, Retire(identifier("0000")))
    rows = [
        f"{CODES[0]},active,x",
        f"{identifier(owner=FOREIGN)},active,x",
        f"{CODES[1]},active,x",
    ]
    tally, faults = run(registry, rows, keep)
    assert (tally.added, tally.bad) == (1, 2)
    assert [fault.line for fault in faults] == [2, 3]
    assert "never given again" in faults[0].reason or "retired" in faults[0].reason
    assert "is not registered; add and accredit it first" in faults[1].reason
    assert (resolved(registry, CODES[1]) is not None) == keep


@pytest.mark.parametrize("keep", [True, False])
def test_quotas_hold_across_the_parts_of_a_table(registry: Registry, keep: bool) -> None:
    assert ask(registry, UpdateOwner(OWNER, (("quota", 6),))).status is Status.DONE
    tally, faults = run(registry, [f"{code},active,x" for code in CODES], keep)
    assert (tally.added, tally.bad) == (6, 6)
    assert all("its quota is 6" in fault.reason for fault in faults)


@pytest.mark.parametrize("keep", [True, False])
def test_the_quota_of_a_pool_holds_across_the_parts_of_a_table(
    registry: Registry, keep: bool
) -> None:
    place = CODES[0].rpartition("/")[0]
    pool = AddPool(place, CLASS, 36**4, 7, "0000", "ZZZZ")
    assert ask(registry, pool).status is Status.DONE
    tally, _ = run(registry, [f"{code},active,x" for code in CODES], keep)
    assert (tally.added, tally.bad) == (7, 5)


def test_what_others_write_between_two_parts_is_seen(registry: Registry) -> None:
    work = Import(registry.store, ADMINISTRATOR)
    rows = [f"{code},active,x" for code in CODES]
    faults: list[Fault] = []
    for number, some in enumerate(work.run(parts_of(rows))):
        faults += some
        if number == 0:
            assert ask(registry, Assign(identifier("0005"), RECORD)).status is Status.DONE
            ask(registry, Retire(identifier("0005")))
    assert work.tally.added == len(CODES) - 1
    (fault,) = faults
    assert CODES[5] in fault.reason
    with registry.view() as seen:
        assert view.count_live(seen, OWNER) == len(CODES) - 1
    assert registry.verify().sound


def test_a_name_that_a_zone_file_has_made_an_alias_is_told(registry: Registry) -> None:
    key = names.key_of(names.from_text(identifier("0006").to_dns_name(SUFFIX)))
    with registry.store.write() as txn:
        update = txn.update(ORIGIN)
        update.set(key[len(update.apex) :], {CNAME: RRset(60, [b"\1a\0"])})
        update.finish()
    tally, faults = run(registry, [f"{code},active,x" for code in [*CODES, CODES[1]]])
    assert (tally.added, tally.unchanged, tally.bad) == (len(CODES) - 1, 1, 1)
    assert faults[0].line == 8 and "alias" in faults[0].reason


def test_who_may_not_import_gets_every_row_back(registry: Registry) -> None:
    work = Import(registry.store, AUDITOR)
    faults = [fault for some in work.run(parts_of([f"{CODES[0]},active,x"])) for fault in some]
    assert len(faults) == 1 and "auditor" in faults[0].reason
    assert work.tally.added == 0
    assert OTHER not in faults[0].reason
