"""Tables of identifiers into the registry: rows, faults, parts, effects."""

from __future__ import annotations

import errno
import io
import os
import random
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from itertools import chain, repeat
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.errors import RecordError, StoreError
from csid.identifier import Identifier, make
from csid.protocol import CSID, SVCB, TXT
from csid.record import Record, encode
from csid.record_rdata import svcb_rdatas, txt_rdata
from registry.bulk import csv_stream, entries, sorting
from registry.bulk import readers as reading_processes
from registry.bulk.csv_stream import LINE_CHARACTERS_MAX, Fault, Table, TableError
from registry.bulk.entries import Reading, Unit, parts
from registry.bulk.importer import Tally
from registry.bulk.readers import FeederError, Run, read
from registry.bulk.sorting import SortedTable
from registry.service import Registry
from registry.tables.naming import Names
from registry.tables.record_node import blob_of
from resolver.runs import merged, read_run, write_run
from resolver.store import node
from resolver.store.environment import Store
from resolver.store.node import RRset
from tests.support import trees
from tests.support.books import accredit
from tests.support.identifiers import identifiers
from tests.support.importing import run_through, work_on
from tests.support.pieces import Pieces
from tests.support.records import facts
from tests.support.servers import SUFFIX, make_data, put_zone

OWNER = "X0000000000000101T"
ON = date(2026, 1, 1)
READING = Reading(ON)
IDS = [str(make(OWNER, "6450", "330106", "GCV", "G09M04R8", str(n))) for n in range(40)]
BAD_ID = IDS[0][:-2] + "00"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with opened(make_data(tmp_path / "data")) as made:
        yield made


@pytest.fixture
def store(registry: Registry) -> Store:
    return registry.store


def opened(path: Path) -> Registry:
    """A registry with the one owner, over a directory with a zone."""
    made = Registry.open(path, writable=True, sync=False)
    accredit(made, OWNER)
    return made


def run(
    registry: Registry,
    table: str | bytes,
    reading: Reading = READING,
    keep: bool = True,
    ttl: int | None = None,
) -> tuple[Tally, list[Fault]]:
    octets = table if isinstance(table, bytes) else table.encode()
    work = work_on(registry, keep=keep, ttl=ttl)
    faults = [fault for some in run_through(registry, work, octets, reading) for fault in some]
    assert work.tally.bad == len(faults)
    assert work.tally.octets == len(octets)
    trees.check(registry.store)
    return work.tally, faults


def counts(tally: Tally) -> tuple[int, int, int, int]:
    return tally.added, tally.changed, tally.unchanged, tally.bad


def table_of(*rows: str, head: str = "identifier,state,name") -> str:
    return "\n".join([head, *rows]) + "\n"


def rrsets(store: Store, identifier: str) -> dict[int, RRset]:
    key = Names(".").key(str(parsed(identifier)))
    with store.read() as read:
        held = read.zone(names.from_text(SUFFIX))
        return dict(node.rrsets_of(dict(read.nodes(held.generation))[key]))


def parsed(text: str) -> Identifier:
    from csid.identifier import parse

    return parse(text)


# -- from a row to a node


@given(identifiers(), st.sampled_from([".", "csid.internal.", "A.b.example."]))
def test_the_key_of_an_identifier_is_that_of_its_name(identifier: Identifier, suffix: str) -> None:
    wire = identifier.to_wire(names.from_text(suffix.lower()))
    assert Names(suffix).key(str(identifier)) == names.key_of(wire)
    assert Names(suffix).target(str(identifier)) == wire


@given(facts, st.integers(0, 2**31 - 1))
def test_the_node_of_a_record_is_that_of_its_rrsets(values: dict[str, object], ttl: int) -> None:
    record = Record(values)
    try:
        packed = encode(record)
    except RecordError:
        with pytest.raises(RecordError):
            blob_of(record, ttl)
        return
    made = {TXT: RRset(ttl, [txt_rdata(record)]), CSID: RRset(ttl, [packed])}
    if endpoints := svcb_rdatas(record):
        made[SVCB] = RRset(ttl, endpoints)
    assert blob_of(record, ttl) == node.encode(made)


# -- effects


def test_rows_become_names_with_their_records(registry: Registry, store: Store) -> None:
    tally, faults = run(
        registry,
        table_of(
            f"{IDS[0]},active,one,https://a.example https://b.example:8443",
            f"{IDS[1]},reserved,,",
            head="identifier,state,name,endpoints",
        ),
        ttl=77,
    )
    assert (counts(tally), faults) == ((2, 0, 0, 0), [])
    assert {
        rrtype: (ttl, len(rdatas)) for rrtype, (ttl, rdatas) in rrsets(store, IDS[0]).items()
    } == {
        TXT: (77, 1),
        SVCB: (77, 2),
        CSID: (77, 1),
    }
    assert set(rrsets(store, IDS[1])) == {TXT, CSID}
    assert trees.serial(store, SUFFIX) == 2


def test_the_same_table_again_changes_nothing(registry: Registry, store: Store) -> None:
    table = table_of(*(f"{one},active,x" for one in IDS))
    run(registry, table)
    before = (store.path / "data.mdb").read_bytes()
    assert counts(run(registry, table)[0]) == (0, 0, len(IDS), 0)
    assert (store.path / "data.mdb").read_bytes() == before


def test_another_record_takes_the_place_of_the_old(registry: Registry, store: Store) -> None:
    head = "identifier,state,endpoints"
    run(registry, table_of(f"{IDS[0]},active,https://a.example", f"{IDS[1]},active,", head=head))
    tally, _ = run(registry, table_of(f"{IDS[0]},active,", f"{IDS[1]},active,", head=head))
    assert counts(tally) == (0, 1, 1, 0)
    assert SVCB not in rrsets(store, IDS[0])
    assert trees.serial(store, SUFFIX) == 3


def test_a_trial_says_the_same_and_keeps_nothing(registry: Registry, store: Store) -> None:
    table = table_of(*(f"{one},active,x" for one in [*IDS, BAD_ID, IDS[3]]))
    reading = READING._replace(rows_per_part=7, rows_per_unit=5)
    before = (store.path / "data.mdb").read_bytes()
    trial = run(registry, table, reading, keep=False)
    assert (store.path / "data.mdb").read_bytes() == before
    assert run(registry, table, reading) == trial
    assert counts(trial[0]) == (len(IDS), 0, 1, 1)


# -- an identifier that comes twice


@pytest.mark.parametrize("rows_per_part", [1, 2, 100])
@pytest.mark.parametrize("keep", [True, False])
def test_a_second_row_with_another_record_names_the_first(
    registry: Registry, store: Store, rows_per_part: int, keep: bool
) -> None:
    rows = [
        f"{IDS[0]},active,one",
        f"{IDS[1]},active,x",
        f"{IDS[0]},active,two",
        f"{IDS[0]},active,one",
    ]
    reading = READING._replace(rows_per_part=rows_per_part, rows_per_unit=rows_per_part)
    tally, faults = run(registry, table_of(*rows), reading, keep)
    assert counts(tally) == (2, 0, 1, 1)
    (fault,) = faults
    assert fault.line == 4
    assert IDS[0] in fault.reason and "line 2" in fault.reason
    if keep:
        assert b"name=one" in rrsets(store, IDS[0])[TXT].rdatas[0]


# -- where a name may lie


def test_a_name_goes_into_the_deepest_zone(registry: Registry, store: Store) -> None:
    child = f"6450.{OWNER.lower()}.{SUFFIX}"
    put_zone(store, "$TTL 60\n@ SOA ns host 1 1 1 1 1\n@ NS ns\n", child)
    elsewhere = str(make(OWNER, "0000", "330106", "GCV", "G09M04R8", "1"))
    tally, _ = run(registry, table_of(f"{IDS[0]},active,x", f"{elsewhere},active,x"))
    assert tally.added == 2
    assert parsed(IDS[0]).to_dns_name(SUFFIX) in trees.owners(store, child)
    assert parsed(elsewhere).to_dns_name(SUFFIX) in trees.owners(store, SUFFIX)
    assert (trees.serial(store, SUFFIX), trees.serial(store, child)) == (2, 2)


def test_names_that_no_zone_can_hold_are_faults_and_the_others_go_in(tmp_path: Path) -> None:
    cut = f"330106.6450.{OWNER.lower()}"
    moved = str(make(OWNER, "6450", "330108", "GCV", "G09M04R8", "2"))
    text = (
        f"$TTL 60\n@ SOA ns host 1 1 1 1 1\n@ NS ns\n{cut} NS ns.elsewhere.\n"
        f"{parsed(moved).to_dns_name(SUFFIX)} CNAME ns\n"
    )
    path = make_data(tmp_path / "other", text)
    free = str(make(OWNER, "6450", "330108", "GCV", "G09M04R8", "3"))
    with opened(path) as registry:
        tally, faults = run(
            registry, table_of(f"{IDS[0]},active,x", f"{moved},active,x", f"{free},active,x")
        )
        assert counts(tally) == (1, 0, 0, 2)
        assert [fault.line for fault in faults] == [2, 3]
        assert IDS[0] in faults[0].reason and "delegation" in faults[0].reason
        assert moved in faults[1].reason and "alias" in faults[1].reason


def test_without_a_zone_around_it_a_name_is_a_fault(registry: Registry, store: Store) -> None:
    with store.write() as txn:
        txn.drop_zone(names.from_text(SUFFIX))
    _, (fault,) = run(registry, table_of(f"{IDS[0]},active,x"))
    assert "no zone" in fault.reason and IDS[0] in fault.reason


# -- tables as people have them


GOOD = table_of(f"{IDS[0]},active,上海", f'{IDS[1]},active,"a, ""b"""')


@pytest.mark.parametrize(
    "octets",
    [
        GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.rstrip("\n").encode(),
        GOOD.replace("\n", "\n\n,,\n \n".replace(" \n", "")).encode(),
        GOOD.replace("identifier", "标识").replace("name", "名称").encode(),
    ],
)
def test_marks_line_ends_and_empty_lines_make_no_difference(
    registry: Registry, store: Store, octets: bytes
) -> None:
    assert run(registry, octets) == (Tally(added=2, octets=len(octets)), [])
    assert "name=上海".encode() in rrsets(store, IDS[0])[TXT].rdatas[0]
    assert b'name=a, "b"' in rrsets(store, IDS[1])[TXT].rdatas[0]


BAD_ROWS: Sequence[tuple[str, str]] = (
    (f"{BAD_ID},active,x", "check characters"),
    (f"{IDS[0]},sleeping,x", "state"),
    (f"{IDS[0]},active", "2 cells, the header has 3"),
    (f"{IDS[0]},active,x,y", "4 cells, the header has 3"),
    (f'{IDS[0]},active,"open', 'a quote " inside'),
    (f'{IDS[0]},active,"a"b', 'a quote " inside'),
    (f'{IDS[0]},active,a"b,"c', 'a quote " inside'),
    (f"{IDS[0]},active,{'x' * 61}", "60 characters"),
    (f"{IDS[0]},active,{'x' * LINE_CHARACTERS_MAX}", "longer than"),
    (f"{IDS[0]},active,{'x' * 1_000_000}", "longer than"),
    (f"{IDS[0]},active,a\0b", "control characters"),
    ("nonsense", "1 cells, the header has 3"),
)

SHORT_BAD_ROWS = [(row, word) for row, word in BAD_ROWS if len(row) < 1_000]


@pytest.mark.parametrize(("row", "word"), BAD_ROWS)
def test_a_wrong_row_is_told_with_its_line_and_spoils_no_other(
    registry: Registry, row: str, word: str
) -> None:
    tally, faults = run(registry, table_of(f"{IDS[1]},active,x", "", row, f"{IDS[2]},active,x"))
    assert counts(tally) == (2, 0, 0, 1)
    (fault,) = faults
    assert fault.line == 4
    assert word in fault.reason
    assert "\n" not in fault.reason and len(fault.reason) < 400


def test_all_wrong_rows_are_told_in_order(registry: Registry) -> None:
    rows = [row for row, _ in BAD_ROWS]
    _, faults = run(registry, table_of(*rows), READING._replace(rows_per_part=5))
    assert [fault.line for fault in faults] == list(range(2, len(rows) + 2))


def test_a_table_in_another_encoding_is_told_and_can_be_read(registry: Registry) -> None:
    octets = table_of(f"{IDS[0]},active,x", f"{IDS[1]},active,上海").encode("gb18030")
    tally, (fault,) = run(registry, octets)
    assert counts(tally) == (1, 0, 0, 1)
    assert fault.line == 3 and "not UTF-8" in fault.reason and "gb18030" in fault.reason
    found = parts(Table(io.BytesIO(octets), "gb18030"), READING)
    assert [part.faults for part in found] == [[]]


@pytest.mark.parametrize(
    ("octets", "word"),
    [
        (b"", "empty"),
        (b"\n", "missing column"),
        (f"{IDS[0]},active,x\n".encode(), "unknown column"),
        (b"identifier,state,state\n", "twice"),
        (b"identifier,name\n", "state"),
        ("标识,状态,名称\n".encode("gb18030"), "not UTF-8"),
        ("identifier,state\n".encode("utf-16"), "UTF-16.*--encoding utf-16"),
        (b'identifier,"state\n', "quote"),
        (b"\x00\xff" * 50_000, "longer"),
    ],
)
def test_without_a_header_there_is_no_table(octets: bytes, word: str) -> None:
    with pytest.raises(TableError, match=word) as caught:
        list(parts(Table(io.BytesIO(octets)), READING))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(("line 1: ", "the table is "))


@pytest.mark.parametrize(
    "encoding",
    ["martian", "base64", "hex", "zip", "rot13", "undefined", "idna", "", "x" * 999, "a\0b"],
)
def test_what_is_no_encoding_of_text_is_refused(encoding: str) -> None:
    with pytest.raises(TableError, match="no encoding"):
        Table(io.BytesIO(b"identifier,state\n"), encoding)


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "big5", "shift_jis", "latin-1"])
@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ascii_rows", [0, 20_000])
def test_utf_8_is_not_read_as_another_encoding(encoding: str, head: bytes, ascii_rows: int) -> None:
    rows = [*[f"{IDS[1]},active,x"] * ascii_rows, f"{IDS[0]},active,上海"]
    with pytest.raises(TableError, match=f"is UTF-8, not {encoding}; leave --encoding out"):
        list(parts(Table(io.BytesIO(head + table_of(*rows).encode()), encoding), READING))


@pytest.mark.parametrize("name", ["茅台", "联通", "上海", "x", "𪛖"])
def test_what_is_in_another_encoding_is_read_as_such(name: str) -> None:
    octets = table_of(f"{IDS[0]},active,{name}").encode("gb18030")
    (part,) = parts(Table(io.BytesIO(octets), "gb18030"), READING)
    assert part.faults == []
    assert name.encode() in part.rows[0][2]


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8", "UTF-8-SIG", "utf-7"]
)
def test_other_forms_of_unicode_are_read(encoding: str) -> None:
    octets = table_of(f"{IDS[0]},active,上海").encode(encoding)
    (part,) = parts(Table(io.BytesIO(octets), encoding), READING)
    assert part.faults == []
    assert "上海".encode() in part.rows[0][2]


def test_octets_that_are_not_in_the_encoding_given_are_told() -> None:
    octets = table_of(f"{IDS[0]},active,x").encode("utf-16-le") + b"\x00\xd8\x00\x00x"
    with pytest.raises(TableError, match="the table is not utf-16-le: "):
        list(parts(Table(io.BytesIO(octets), "utf-16-le"), READING))


def test_a_line_of_100_mb_and_rows_of_the_longest_take_little_memory() -> None:
    row = f"{IDS[0]},active,{'x' * (LINE_CHARACTERS_MAX - 100)}\n".encode()
    head, good = b"identifier,state,name\n", f"{IDS[1]},active,x\n".encode()
    long = [b"y" * 1_000_000] * 100
    file = io.BufferedReader(Pieces([head, *long, b"\n", good, *[row] * 5_000, good]))
    tracemalloc.start()
    found = list(parts(Table(file), READING))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150 << 20
    faults = [fault for part in found for fault in part.faults]
    assert [fault.line for fault in faults] == [2, *range(4, 5_004)]
    assert "longer than 32,768 characters" in faults[0].reason
    assert [line for part in found for _, line, _ in part.rows] == [3, 5_004]


@given(st.binary(max_size=300), st.integers(1, 5))
def test_any_octets_give_rows_or_faults(octets: bytes, most: int) -> None:
    table = io.BytesIO(b"identifier,state,name\n" + octets)
    found = list(parts(Table(table), READING._replace(rows_per_part=most)))
    lines = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 2
    told = [fault.line for part in found for fault in part.faults]
    assert told == sorted(set(told))
    assert all(2 <= line <= lines for line in told)


@given(
    st.lists(st.sampled_from([*SHORT_BAD_ROWS, ("", ""), (f"{IDS[0]},active,x", "")]), max_size=30)
)
def test_the_line_of_a_fault_does_not_depend_on_how_the_table_is_cut(
    rows: list[tuple[str, str]],
) -> None:
    octets = table_of(*(row for row, _ in rows)).encode()

    class Dribble(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(97)

    for file in (io.BytesIO(octets), Dribble(octets)):
        found = [f.line for part in parts(Table(file), READING) for f in part.faults]
        assert found == [n for n, (_, word) in enumerate(rows, 2) if word]


def test_a_part_has_no_more_rows_than_asked_for() -> None:
    octets = table_of(*(f"{one},active,x" for one in IDS)).encode()
    found = list(parts(Table(io.BytesIO(octets)), READING._replace(rows_per_part=8)))
    assert [len(part.rows) for part in found] == [8, 8, 8, 8, 8]
    assert sorted(row[1] for part in found for row in part.rows) == list(range(2, 42))


# -- the process that reads


def sorted_alone(path: Path, reading: Reading) -> tuple[list[tuple[list[Fault], int]], list[Unit]]:
    """What this process makes of a table."""
    size = path.stat().st_size
    with path.open("rb") as file, SortedTable(file, reading, size, path.parent) as table:
        return [(run.faults, run.octets) for run in table.read(77)], list(table.units(77))


@pytest.mark.parametrize("readers", [1, 2, 3])
def test_processes_of_their_own_read_and_sort_the_same(
    tmp_path: Path, readers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    rows = [f"{one},active,上海" for one in reversed(IDS)] + [row for row, _ in BAD_ROWS]
    path.write_bytes(table_of(*rows).encode() + b"\xff,active,x\n")
    reading = READING._replace(rows_per_part=9, rows_per_unit=7)
    alone = sorted_alone(path, reading)
    assert [unit.rows for unit in alone[1]] == [7] * 5 + [5]
    names = [
        f"{at}/{spec}"
        for unit in alone[1]
        for at, specs, *_ in msgpack.unpackb(unit.octets)
        for spec in specs
    ]
    assert names == sorted(IDS)
    monkeypatch.setattr(sorting, "ALONE_OCTETS", 10)
    monkeypatch.setattr(sorting, "OCTETS_PER_READER", path.stat().st_size // readers + 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(readers))
    assert sorted_alone(path, reading) == alone


def test_units_of_large_rows_are_cut_by_octets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(name, line, encode(Record({"state": "active"}))) for line, name in enumerate(IDS, 2)]
    (whole,) = entries.units([rows], 300, 100)
    monkeypatch.setattr(entries, "UNIT_OCTETS_MAX", len(whole.octets) // 3)
    cut = list(entries.units([rows], 300, 100))
    assert [unit.rows for unit in cut] == [10] * 4
    lines = [group[2] for unit in cut for group in msgpack.unpackb(unit.octets)]
    assert list(chain.from_iterable(lines)) == list(range(2, 42))


@pytest.mark.parametrize("rows", [0, 1, 255, 256, 257, 5_000])
def test_runs_of_any_sizes_are_merged_in_order(rows: int) -> None:
    source = random.Random(rows)
    numbers = [(source.randrange(1_000), number, b"x") for number in range(rows)]
    held = list(numbers)
    with TemporaryFile() as file:
        runs, at = [], 0
        while held:
            some = sorted(held[-source.randrange(1, 900) :])
            del held[-len(some) :]
            blocks = write_run(file.fileno(), some, at)
            at = sum(blocks[-1])
            runs.append(read_run(file.fileno(), blocks))
        found = list(merged(runs))
    assert [row for some in found for row in some] == sorted(numbers)
    assert all(found)


def test_a_table_without_an_end_comes_to_one_and_nothing_of_it_is_taken(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless:
        def read(self, size: int) -> bytes:
            return next(octets)

    good = f"{IDS[0]},active,x\n".encode() * 1_000
    for endless in (good, b"x" * 60_000, b"\n" * 10_000, b",,\n" * 10_000):
        octets = chain([b"identifier,state,name\n"], repeat(endless))
        monkeypatch.setattr(sorting, "LINES_MAX", 20_000)
        monkeypatch.setattr(csv_stream, "TABLE_OCTETS_MAX", 1 << 20)
        monkeypatch.setattr(csv_stream, "GROUP_OCTETS_MAX", 1 << 18)
        reading = READING._replace(rows_per_part=1_000)
        work = work_on(registry)
        with (
            SortedTable(Endless(), reading, 100, registry.store.path) as table,  # type: ignore[arg-type]
            pytest.raises(TableError, match=r"more than .*0 lines|more than .* octets") as caught,
        ):
            list(work.run(table))
        assert "nothing of it was taken: give it in parts" in str(caught.value)
        assert work.tally.added == 0


def test_where_there_is_no_room_to_sort_it_is_told(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StoreError, match="No space left on device; free some"):
        run(registry, GOOD)


def test_what_is_wrong_with_the_table_comes_through(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n")
    with path.open("rb") as file, pytest.raises(TableError, match="unknown column 'a'"):
        list(fed(file, READING))


def fed(file: IO[bytes], reading: Reading, readers: int = 1) -> Iterator[Run]:
    """The parts of a table as processes read them."""
    with ExitStack() as stack:
        spills = [stack.enter_context(TemporaryFile()).fileno() for _ in range(readers)]
        yield from read(file, reading, spills)  # type: ignore[arg-type]


PART = msgpack.packb(["part", [[0, 9]], [], 9])
WHOLE = len(PART).to_bytes(4, "big") + PART


@pytest.mark.parametrize(
    ("sent", "ending", "told"),
    [
        (b"", "sys.exit(3)", "ended early, with code 3"),
        (b"", "sys.exit(0)", "ended early, with code 0"),
        (WHOLE[:2], "os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        (WHOLE[:-1], "os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        (WHOLE, "os.kill(os.getpid(), 15)", "was ended by SIGTERM"),
        (WHOLE + WHOLE[:9], "os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        (b"\xff\xff\xff\xff", "pass", "4,294,967,295 octets at once"),
        (b"Traceback (most", "pass", "octets at once"),
        (b"\0\0\0\1\xc1", "pass", "sends no part"),
        (b"\0\0\0\1\x07", "pass", "sends no part"),
        (b"\0\0\0\1\x90", "pass", "sends no part"),
        (b"\0\0\0\7\x94\xa4part\x01", "pass", "sends no part"),
        (b"\0\0\0\7\x92\xa4part\x01", "pass", "sends no part"),
    ],
)
def test_a_reader_that_ends_anywhere_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes, ending: str, told: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("identifier,state\n")
    (tmp_path / "broken_reader.py").write_text(
        f"import os, sys\nsys.stdout.buffer.write({sent!r})\nsys.stdout.buffer.flush()\n{ending}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(reading_processes, "MODULE", "broken_reader")
    got = []
    with path.open("rb") as file, pytest.raises(FeederError) as caught:
        got.extend(fed(file, READING))
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert len(got) == sent.startswith(WHOLE)


def test_a_reader_killed_at_work_is_told(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(table_of(*(f"{one},active,x" for one in IDS * 500)))
    with path.open("rb") as file:
        found = fed(file, READING._replace(rows_per_part=10))
        next(found)
        children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()
        for child in children.split():
            os.kill(int(child), signal.SIGKILL)
        with pytest.raises(FeederError, match="was ended by SIGKILL"):
            list(found)


def test_a_table_that_cannot_be_read_is_told() -> None:
    with Path("/proc/self/mem").open("rb") as file:  # where it begins nothing can be read
        for readers in (1, 2):
            with pytest.raises(TableError, match="cannot be read: Input/output error"):
                list(fed(file, READING, readers))


def test_the_reader_ends_when_nobody_listens(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(table_of(*(f"{one},active,x" for one in IDS * 500)))
    with path.open("rb") as file:
        found = fed(file, READING._replace(rows_per_part=10))
        next(found)
        found.close()  # waits for the process


def test_a_large_table_is_read_by_processes_of_their_own(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "ALONE_OCTETS", 10)
    monkeypatch.setattr(sorting, "OCTETS_PER_READER", 100)
    path = tmp_path / "table.csv"
    path.write_text(table_of(*(f"{one},active,x" for one in IDS)))
    work = work_on(registry)
    with (
        path.open("rb") as file,
        SortedTable(file, READING, path.stat().st_size, registry.store.path) as table,
    ):
        assert not any(work.run(table))
    assert work.tally.added == len(IDS)
    assert {entry.name for entry in registry.store.path.iterdir()} <= {
        "data.mdb",
        "lock.mdb",
        "writer.lock",
    }


def test_the_processes_need_no_checkout_around_them(tmp_path: Path) -> None:
    program = (
        "from datetime import date; from pathlib import Path; import sys;"
        "from registry.bulk.entries import Reading; from registry.bulk.sorting import SortedTable;"
        "table = SortedTable(sys.stdin.buffer, Reading(date(2026, 1, 1)), None, Path('.'));"
        "print(len(list(table.read(300))), sum(unit.rows for unit in table.units(300)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=table_of(f"{IDS[0]},active,x"),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert (done.stdout, done.stderr) == ("1 1\n", "")
