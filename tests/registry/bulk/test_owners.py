"""A table that comes owner by owner is decided while it is read, with the same outcome."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.identifier import make
from registry.bulk import sorting
from registry.bulk.csv_stream import Fault, Table, TableError
from registry.bulk.entries import Unit, parts
from registry.bulk.owners import parts_by_owner
from registry.bulk.readers import Run
from registry.bulk.sorting import SortedTable
from registry.service import Registry
from registry.tables import view
from tests.support.books import opened
from tests.support.importing import READING, work_on
from tests.support.registering import FOREIGN, OTHER, OWNER

HEAD = "identifier,state,name"
OWNERS = sorted((OWNER, OTHER, FOREIGN))
MANY = 10**6


def row(owner: str, serial: int, name: str = "x") -> str:
    return f"{make(owner, '6450', '330106', 'GCV', 'G09M04R8', str(serial))},active,{name}"


def table_of(rows: Sequence[str], head: str = HEAD, end: str = "\n") -> bytes:
    return "".join(f"{line}{end}" for line in [head, *rows]).encode()


def cut(octets: bytes, least: int = 1, most: int = MANY, lines: int = MANY) -> list[int] | None:
    with TemporaryFile() as file:
        file.write(octets)
        file.flush()
        return parts_by_owner(file.fileno(), least, most, lines)


@given(st.lists(st.sampled_from("ABC"), max_size=30), st.integers(1, 8), st.sampled_from("\n\r"))
def test_parts_end_where_an_owner_does(owners: list[str], least: int, end: str) -> None:
    ends = "\r\n" if end == "\r" else end
    found = cut(table_of([f"{owner}/1,x" for owner in owners], end=ends), least)
    if owners != sorted(owners):
        assert found is None
        return
    assert found is not None and sum(found) == len(owners)
    assert all(size >= least for size in found[:-1])
    at = 0
    for size in found:
        at += size
        assert at == len(owners) or owners[at - 1] != owners[at]
    if least == 1:
        assert found == [len(list(same)) for _, same in groupby(owners)]


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"name,identifier\nx,A/1\n",
        b"identifier\nA/1\n\nB/1\n",
        b"identifier\na/1\n",
        b'identifier\n"A/1"\n',
        b"identifier\n A/1\n",
        b"identifier\n0.EXAMPLE.A/1\n",
        b"identifier\nA/1\rA/0\n",
        b"identifier\n\xef\xbc\xa1/1\n",
        "identifier\nA/1\n".encode("utf-16"),
        b"identifier\nA/1," + b"x" * (1 << 20),
    ],
)
def test_what_is_not_plainly_in_order_is_sorted(octets: bytes) -> None:
    assert not cut(octets)


def test_parts_and_tables_are_bounded() -> None:
    rows = [f"{owner}/{serial},x" for owner in "ABC" for serial in range(10)]
    assert cut(table_of(rows), 5) == [10, 10, 10]
    assert cut(table_of(rows), 25) == [30]
    assert cut(table_of(rows), 25, most=29) is None
    assert cut(table_of(rows), 5, most=9) is None
    assert cut(table_of(rows), lines=30) == [10, 10, 10]
    assert cut(table_of(rows), lines=29) is None
    assert cut(table_of(rows)[:-1]) == [10, 10, 10]  # a last line without its end
    assert cut(b"\xef\xbb\xbf" + table_of(rows, "标识,name")) == [10, 10, 10]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with opened(tmp_path / "data") as made:
        yield made


@pytest.fixture(autouse=True)
def by_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "ALONE_OCTETS", 10)
    monkeypatch.setattr(sorting, "OCTETS_PER_READER", 100)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(3))


READ = READING._replace(rows_per_part=40, rows_per_unit=7)


def read(path: Path) -> tuple[list[Run | Unit], list[Unit]]:
    """What comes while a table is read, and what afterwards."""
    size = path.stat().st_size
    with path.open("rb") as file, SortedTable(file, READ, size, path.parent) as table:
        return list(table.read(77)), list(table.units(77))


def rows_of(found: Sequence[Run | Unit]) -> list[tuple[Any, ...]]:
    return [
        (at, *one)
        for unit in found
        if isinstance(unit, Unit)
        for at, *columns in msgpack.unpackb(unit.octets)
        for one in zip(*columns, strict=True)
    ]


def faults_of(found: Sequence[Run | Unit]) -> list[Fault]:
    return sorted(fault for run in found if isinstance(run, Run) for fault in run.faults)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_and_faults_are_those_of_the_sorted_table(
    tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    rows = [row(owner, (serial * 7) % 31, "上海") for owner in OWNERS for serial in range(31)]
    rows[5] = rows[5].replace("active", "bogus")
    rows[40] += ",more"
    rows[50] = rows[49]
    path.write_bytes(table_of(rows, end=end).replace(b"active", b"active\xff", 1))
    at_once, later = read(path)
    assert not later
    monkeypatch.setattr(sorting, "parts_by_owner", lambda *_: None)
    sorted_first, in_order = read(path)
    assert not rows_of(sorted_first)
    assert rows_of(at_once) == rows_of(in_order)
    assert faults_of(at_once) == faults_of(sorted_first)
    assert len(rows_of(at_once)) == 90 and len(faults_of(at_once)) == 3
    ends = [run.octets for run in at_once if isinstance(run, Run)]
    assert ends == sorted(ends) and ends[-1] == path.stat().st_size


@pytest.mark.parametrize("lines", [30, 32])
def test_a_table_that_was_changed_meanwhile_is_told(lines: int) -> None:
    with TemporaryFile() as file:
        file.write(table_of([row(OWNER, serial) for serial in range(31)]))
        file.seek(0)
        with pytest.raises(TableError, match="was changed while it was read; what was committed"):
            list(parts(Table(file), READ, sizes=[10, lines - 10]))


def test_what_cannot_be_read_is_told_by_whoever_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(table_of([row(OWNER, serial) for serial in range(31)]))

    def failing(*_: object) -> bytes:
        raise OSError("Input/output error")

    monkeypatch.setattr(os, "pread", failing)
    with (
        path.open("rb") as file,
        SortedTable(file, READ, path.stat().st_size, tmp_path) as table,
    ):
        runs = list(table.read(77))
    assert sum(isinstance(one, Run) and bool(one.blocks) for one in runs) == 1


def test_rows_are_committed_before_all_is_read(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [row(owner, serial) for owner in sorted((OWNER, OTHER)) for serial in range(31)]
    path.write_bytes(table_of([*rows, rows[-3], rows[-2].replace(",x", ",y")]))
    work = work_on(registry)
    seen = []
    found: list[Fault] = []
    with (
        path.open("rb") as file,
        SortedTable(file, READ, path.stat().st_size, registry.store.path) as table,
    ):
        for some in work.run(table):
            found += some
            seen.append((work.tally.octets, work.tally.added))
    assert (0, 7) in seen  # the first unit, before the first part was through
    assert (work.tally.added, work.tally.unchanged, work.tally.bad) == (62, 1, 1)
    assert [fault.line for fault in found] == [65]
    assert "stands on line 62 already, with another record" in found[0].reason
    with registry.view() as seen_now:
        assert view.count_live(seen_now, OWNER) == view.count_live(seen_now, OTHER) == 31
    assert not registry.verify().faults
