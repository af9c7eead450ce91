"""An import keeps to the rules of the registry, also while others write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid import names
from csid.protocol import CNAME
from registry.bulk import intake
from registry.bulk.csv_stream import Fault
from registry.bulk.importer import Import, Tally
from registry.rules.requests import AddPool, Assign, Retire, UpdateOwner
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec, log_entry, view
from registry.tables.transaction import TransactionView
from resolver.store.node import RRset
from tests.support import trees
from tests.support.books import ORIGIN, SUFFIX, ask, create, opened, resolved, serial
from tests.support.importing import READING, desk_of, run_through, work_on
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


def parts_of(registry: Registry, work: Import, rows: list[str]) -> Iterator[list[Fault]]:
    table = "\n".join(["identifier,state,name", *rows, ""]).encode()
    return run_through(registry, work, table, READING._replace(rows_per_unit=4))


def run(
    registry: Registry,
    rows: list[str],
    keep: bool = True,
    ttl: int | None = None,
    agrees: bool = True,
) -> tuple[Tally, list[Fault]]:
    work = work_on(registry, keep=keep, ttl=ttl)
    faults = [fault for some in parts_of(registry, work, rows) for fault in some]
    trees.check(registry.store)
    assert registry.verify().agrees is agrees
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
    work = work_on(registry)
    rows = [f"{code},active,x" for code in CODES]
    faults: list[Fault] = []
    for some in parts_of(registry, work, rows):
        faults += some
        if work.tally.added == 4:
            assert ask(registry, Assign(identifier("0005"), RECORD)).status is Status.DONE
            ask(registry, Retire(identifier("0005")))
    assert work.tally.added == len(CODES) - 1
    (fault,) = faults
    assert CODES[5] in fault.reason
    with registry.view() as seen:
        assert view.count_live(seen, OWNER) == len(CODES) - 1
    assert registry.verify().agrees


def test_a_name_that_a_zone_file_has_made_an_alias_is_told(registry: Registry) -> None:
    key = names.key_of(names.from_text(identifier("0006").to_dns_name(SUFFIX)))
    with registry.store.write() as txn:
        update = txn.update(ORIGIN)
        update.set(key[len(update.apex) :], {CNAME: RRset(60, [b"\1a\0"])})
        update.finish()
    rows = [f"{code},active,x" for code in [*CODES, CODES[1]]]
    tally, faults = run(registry, rows, agrees=False)
    assert (tally.added, tally.unchanged, tally.bad) == (len(CODES) - 1, 1, 1)
    assert faults[0].line == 8 and "alias" in faults[0].reason
    found = {fault.what: fault.reason for fault in registry.verify().faults}
    assert "is not assigned" in found[str(identifier("0006"))]


def test_who_may_not_import_gets_every_row_back(registry: Registry) -> None:
    work = work_on(registry, AUDITOR)
    found = parts_of(registry, work, [f"{CODES[0]},active,x"])
    faults = [fault for some in found for fault in some]
    assert len(faults) == 1 and "auditor" in faults[0].reason
    assert work.tally.added == 0
    assert OTHER not in faults[0].reason


@pytest.mark.parametrize("keep", [True, False])
def test_work_that_takes_long_is_cut_into_units_by_time(
    registry: Registry, keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "UNIT_SECONDS", -1.0)  # over after each row
    before = serial(registry)
    rows = [f"{code},active,x" for code in [*CODES, CODES[3], CODES[5]]]
    tally, faults = run(registry, [*rows, f"{CODES[4]},active,y"], keep)
    assert (tally.added, tally.unchanged, tally.bad) == (len(CODES), 2, 1)
    assert "stands on line 6 already" in faults[0].reason
    assert serial(registry) - before == (len(CODES) if keep else 0)


def test_a_unit_that_was_undone_is_undone_in_memory_too(registry: Registry) -> None:
    """A first inventory that brings its owners, and fails in the middle."""
    with registry.store.write() as txn:
        for table in (codec.OWNERS, codec.SETTINGS):
            rows = TransactionView(txn).table(table)
            for key, _ in list(rows.scan(b"")):
                rows.delete(key)
    work = work_on(registry)
    done: list[str] = []

    def failing(name: str, args: Any) -> Any:
        done.append(name)
        if len(done) == 1:
            with (
                pytest.raises(KeyError),
                desk_of(registry).batch(registry.store, 1_780_000_000) as batch,
            ):
                intake.take(batch, intake.Task(*args), ADMINISTRATOR, time.monotonic, [])
                raise KeyError
        return registry.perform(name, args)

    work._perform = failing
    faults = [
        one for some in parts_of(registry, work, [f"{c},active,x" for c in CODES]) for one in some
    ]
    assert (work.tally.added, faults) == (len(CODES), [])


def test_one_name_that_cannot_be_held_keeps_no_other_row_of_a_first_inventory_out(
    tmp_path: Path,
) -> None:
    with Registry.open(create(tmp_path / "data"), writable=True, sync=False) as registry:
        key = names.key_of(names.from_text(identifier("0006").to_dns_name(SUFFIX)))
        with registry.store.write() as txn:
            editor = txn.update(ORIGIN)
            editor.set(key[len(editor.apex) :], {CNAME: RRset(60, [b"\1a\0"])})
            editor.finish()
        rows = [f"{code},active,x" for code in CODES]
        for added in (len(CODES) - 1, 0):
            tally, faults = run(registry, rows, agrees=False)
            assert (tally.added, tally.bad) == (added, 1)
            assert faults[0].line == 8 and "alias" in faults[0].reason


@given(
    st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from("xy")), max_size=30),
    st.integers(1, 9),
)
@settings(max_examples=20, deadline=None)
def test_the_order_of_a_table_and_its_cuts_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]], size: int
) -> None:
    """The first row of an identifier stands; others say the same, or are wrong."""
    with opened(tmp_path_factory.mktemp("order") / "data") as registry:
        work = work_on(registry)
        with registry.log() as log:
            before = log.size
        octets = "".join(f"{code},active,{name}\n" for code, name in table)
        reading = READING._replace(rows_per_part=size, rows_per_unit=10 - size)
        found = run_through(registry, work, b"identifier,state,name\n" + octets.encode(), reading)
        wrong = {fault.line for some in found for fault in some}
        first: dict[str, str] = {}
        for code, name in table:
            first.setdefault(code, name)
        assert wrong == {n for n, (code, name) in enumerate(table, 2) if first[code] != name}
        for code, name in first.items():
            record = resolved(registry, code)
            assert record is not None and record.name == name
        with registry.log() as log:
            born = [log_entry.decode(leaf).on for leaf in log.leaves(before, log.size)]
        assert born == sorted(first)
