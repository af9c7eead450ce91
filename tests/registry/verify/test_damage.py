"""Whatever another tool changes in a data directory, verification finds it, or names it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csid import names
from csid.errors import CsidError
from csid.protocol import CNAME, CSID, DNAME, NS, SOA, TXT, A
from registry.service import Registry
from registry.verify import Report, Verdict
from resolver.store import node
from resolver.store.node import RRset
from tests.support import damaged
from tests.support.books import ORIGIN, create
from tests.support.damaged import Rows
from tests.support.registering import OTHER, OWNER, identifier

TABLES: Final = (
    "registry.owners",
    "registry.pools",
    "registry.assignments",
    "registry.counts",
    "registry.places",
    "registry.by_state",
    "registry.locations",
    "registry.subtrees",
    "registry.replays",
    "registry.settings",
    "registry.zones",
    "registry.leaves",
    "registry.audit",
    "registry.checkpoints",
    "meta",
    "apexes",
    "tree",
    "pointers",
    "journal",
)
FIRST: Final = str(identifier("0100"))
OUTSIDE: Final = (3).to_bytes(8, "big")  # the generation of the zone that is not the registry's


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as the registry left it."""
    return damaged.make(tmp_path_factory.mktemp("sound") / "data")


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    copy = tmp_path / "data"
    shutil.copytree(sound, copy)
    return copy


def verified(path: Path) -> Report | CsidError:
    """What verification says; a directory that cannot even be opened says why."""
    try:
        with Registry.open(path) as registry:
            return registry.verify([damaged.KEY.verifier])
    except CsidError as error:
        return error


def test_nothing_is_found_where_nothing_was_changed(data: Path) -> None:
    report = verified(data)
    assert isinstance(report, Report)
    assert report.faults == []
    assert report.verdict is Verdict.SOUND
    assert sorted(one.split(" ")[0] for one in report.exceptions) == ["1", "what", "zone"]
    with damaged.table(data, b"registry.assignments") as rows:
        assert report.looked_at["rows"] >= len(rows.all())


# -- any row of any table

Row = tuple[bytes, bytes]
Generic = Callable[[Rows, list[Row]], object]


def _middle(rows: list[Row]) -> Row:
    return rows[len(rows) // 2]


def _flip(at: Callable[[bytes], int]) -> Generic:
    def edit(rows: Rows, held: list[Row]) -> object:
        key, value = _middle(held)
        if not value:  # an index of keys alone
            return rows.put(key, b"\1")
        where = at(value)
        return rows.put(key, value[:where] + bytes((value[where] ^ 1,)) + value[where + 1 :])

    return edit


def _swap(rows: Rows, held: list[Row]) -> None:
    (one, first), (other, second) = held[0], held[-1]
    if first == second:
        rows.delete(one)
    else:
        rows.put(one, second)
        rows.put(other, first)


EDITS: Final[dict[str, Generic]] = {
    "first octet": _flip(lambda value: 0),
    "middle octet": _flip(lambda value: len(value) // 2),
    "last octet": _flip(lambda value: len(value) - 1),
    "one octet more": lambda rows, held: rows.put(_middle(held)[0], _middle(held)[1] + b"\0"),
    "emptied": lambda rows, held: rows.put(held[0][0], b"" if held[0][1] else b"\xc0"),
    "taken away": lambda rows, held: rows.delete(_middle(held)[0]),
    "first taken away": lambda rows, held: rows.delete(held[0][0]),
    "added": lambda rows, held: rows.put(_middle(held)[0] + b"0", _middle(held)[1]),
    "another key": lambda rows, held: (
        rows.delete(held[-1][0]),
        rows.put(held[-1][0][:-1] + bytes((held[-1][0][-1] ^ 1,)), held[-1][1]),
    ),
    "two swapped": _swap,
}


# Where it is told what is wrong with a table whose rows only make sense with others.
SAID_OF: Final = {
    "registry.audit": ("registry.leaves", "registry.checkpoints"),
    "apexes": ("tree", "journal", "meta"),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("table", TABLES)
def test_any_change_of_any_table_is_found(data: Path, table: str, edit: str) -> None:
    with damaged.table(data, table.encode("ascii")) as rows:
        EDITS[edit](rows, rows.all())
    report = verified(data)
    if isinstance(report, Report):
        assert report.verdict is Verdict.NOT_SOUND
        places = {table, *SAID_OF.get(table, ())}
        assert any(fault.place in places for fault in report.faults)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.sampled_from(TABLES), draw=st.data())
def test_any_octet_of_any_row_is_looked_at(
    sound: Path, tmp_path: Path, table: str, draw: st.DataObject
) -> None:
    copy = tmp_path / "data"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(sound, copy)
    with damaged.table(copy, table.encode("ascii")) as rows:
        key, value = draw.draw(st.sampled_from(rows.all()))
        octets = bytearray(value or b"\0")
        octets[draw.draw(st.integers(0, len(octets) - 1))] ^= draw.draw(st.integers(1, 255))
        rows.put(key, bytes(octets))
    report = verified(copy)
    if isinstance(report, Report) and report.agrees:  # then it is named as not compared
        what = {"apexes": "journal", "meta": "given out", "tree": "elsewhere.example."}[table]
        assert key == b"generation" if table == "meta" else key[:8] == OUTSIDE or table == "apexes"
        assert any(what in one and "was not compared" in one for one in report.exceptions)


# -- the tree, as somebody would who means it


def _key(name: str) -> bytes:
    """The key of an identifier or prefix below the apex of the registry's zone."""
    return name.lower().replace("/", "\0").encode("ascii") + b"\0"


class Tree:
    """The nodes of the registry's zone."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.generation = next(
            key[:8]
            for key, value in rows.all()
            if len(key) == 8 and dict(node.rrsets_of(value))[NS].rdatas[0].endswith(ORIGIN)
        )

    def types(self, name: str) -> dict[int, RRset]:
        return dict(node.rrsets_of(self.blob(name)))

    def blob(self, name: str) -> bytes:
        return self.rows.get(self.generation + _key(name))

    def set(self, name: str, types: dict[int, RRset], cover: int = 0) -> None:
        self.rows.put(self.generation + _key(name), node.encode(types, cover))

    def put(self, name: str, blob: bytes) -> None:
        self.rows.put(self.generation + _key(name), blob)

    def drop(self, name: str) -> None:
        self.rows.delete(self.generation + _key(name))


ADDRESS = {A: RRset(60, [b"\x7f\0\0\2"])}
ALIASED, ENDED, FREE = (str(identifier(one)) for one in ("0200", "0202", "0999"))
PLACE_ = f"{OWNER}/6450/330106/ACV"
CLOSED = f"{OTHER}/6440"
TO_ELSEWHERE = RRset(300, [b"\1x" + ORIGIN])

TREE_DAMAGES: Final[dict[str, Callable[[Tree], object]]] = {
    "flags": lambda t: t.put(FIRST, b"\4" + t.blob(FIRST)[1:]),
    "cover of an identifier": lambda t: t.put(FIRST, t.blob(FIRST)[:1] + b"\2" + t.blob(FIRST)[2:]),
    "cover of an empty node": lambda t: t.put(OWNER, b"\0\2"),
    "TTL": lambda t: t.set(
        ENDED, {kind: RRset(ttl + 1, rdatas) for kind, (ttl, rdatas) in t.types(ENDED).items()}
    ),
    "another TXT": lambda t: t.set(ENDED, t.types(ENDED) | {TXT: RRset(300, [b"\1x"])}),
    "another type": lambda t: t.set(ENDED, t.types(ENDED) | ADDRESS),
    "a type less": lambda t: t.set(ENDED, {CSID: t.types(ENDED)[CSID]}),
    "additional records gone": lambda t: t.set(FIRST, t.types(FIRST)),
    "alias to another": lambda t: t.set(ALIASED, {CNAME: TO_ELSEWHERE}),
    "alias made a record": lambda t: t.set(ALIASED, t.types(FIRST)),
    "record made an alias": lambda t: t.set(ENDED, {CNAME: TO_ELSEWHERE}),
    "identifier gone": lambda t: t.drop(FIRST),
    "identifier emptied": lambda t: t.put(FIRST, b"\0\0"),
    "not assigned": lambda t: t.put(FREE, t.blob(ENDED)),
    "not assigned, an address": lambda t: t.set(FREE, ADDRESS),
    "wildcard at a place": lambda t: t.set(f"{PLACE_}/*", ADDRESS),
    "wildcard at an owner": lambda t: t.set(f"{OWNER}/*", ADDRESS),
    "wildcard at the suffix": lambda t: t.set("*", ADDRESS),
    "NS at an owner": lambda t: t.set(OWNER, {NS: TO_ELSEWHERE}, 2),
    "NS at an identifier": lambda t: t.set(ENDED, t.types(ENDED) | {NS: TO_ELSEWHERE}, 6),
    "DNAME at a place": lambda t: t.set(PLACE_, {DNAME: TO_ELSEWHERE}, 5),
    "DNAME of a closed prefix gone": lambda t: t.put(CLOSED, b"\0\0"),
    "DNAME of a closed prefix to another": lambda t: t.set(CLOSED, {DNAME: TO_ELSEWHERE}, 3),
    "empty node planted": lambda t: t.put("A/B", b"\0\0"),
    "empty node gone": lambda t: t.drop(f"{OWNER}/6450"),
    "foreign name planted": lambda t: t.set("www", ADDRESS),
    "foreign name changed": lambda t: t.set("host", ADDRESS),
    "foreign name gone": lambda t: t.drop("mail"),
    "below an identifier": lambda t: t.set(f"{FIRST}/_443", ADDRESS),
    "SOA below the apex": lambda t: t.set("www", {SOA: dict(node.rrsets_of(_apex(t)))[SOA]}),
    "serial": lambda t: _put_apex(t, lambda rdata: rdata[:-20] + b"\0\0\0\1" + rdata[-16:]),
    "SOA minimum": lambda t: _put_apex(t, lambda rdata: rdata[:-1] + b"\7"),
    "nodes of no zone": lambda t: t.rows.put((1 << 20).to_bytes(8, "big"), b"\0\0"),
}


def _apex(tree: Tree) -> bytes:
    return tree.rows.get(tree.generation)


def _put_apex(tree: Tree, change: Callable[[bytes], bytes]) -> None:
    blob = _apex(tree)
    (rdata,) = dict(node.rrsets_of(blob))[SOA].rdatas
    assert change(rdata) != rdata
    tree.rows.put(tree.generation, blob.replace(rdata, change(rdata)))


@pytest.mark.parametrize("damage", TREE_DAMAGES)
def test_the_whole_effective_tree_is_judged(data: Path, damage: str) -> None:
    with damaged.table(data, b"tree") as rows:
        TREE_DAMAGES[damage](Tree(rows))
    report = verified(data)
    assert isinstance(report, Report)
    assert report.verdict is Verdict.NOT_SOUND


def _zone_entries(rows: Rows) -> Iterator[Row]:
    return ((key, value) for key, value in rows.all() if key == b"\0" + names.key_of(ORIGIN))


def _planted_zone(below: str) -> Callable[[Path], None]:
    """A zone that nobody loaded, with the tree of another: what answers is what it says."""

    def edit(path: Path) -> None:
        with damaged.table(path, b"apexes") as rows:
            ((key, value),) = _zone_entries(rows)
            rows.put(key + _key(below), value)

    return edit


def _of_doomed(edit: Callable[[Rows, bytes], object]) -> Callable[[Path], None]:
    def whole(path: Path) -> None:
        with damaged.table(path, b"apexes") as rows:
            ((_, value),) = _zone_entries(rows)
        with damaged.table(path, b"doomed") as rows:
            edit(rows, value)

    return whole


def _dropped(path: Path) -> None:
    with damaged.table(path, b"apexes") as rows:
        ((key, _),) = _zone_entries(rows)
        rows.delete(key)


def _wildcards(path: Path) -> None:
    with damaged.table(path, b"apexes") as rows:
        ((key, value),) = _zone_entries(rows)
        rows.put(key, value[:8] + (1).to_bytes(8, "big") + value[16:])


DIRECTORY_DAMAGES: Final[dict[str, Callable[[Path], None]]] = {
    "a zone at an owner": _planted_zone(OWNER),
    "a zone at an identifier": _planted_zone(FIRST),
    "the registry's zone gone": _dropped,
    "wildcards counted wrong": _wildcards,
    "a tree in use doomed": _of_doomed(lambda rows, value: rows.put(value[:8], b"")),
    "a journal in use doomed": _of_doomed(
        lambda rows, value: rows.put(rows.all()[0][0], value[16:])
    ),
    "a doomed key": _of_doomed(lambda rows, value: rows.put(b"short", b"")),
    "a doomed value": _of_doomed(lambda rows, value: rows.put(rows.all()[0][0], b"x")),
}


@pytest.mark.parametrize("damage", DIRECTORY_DAMAGES)
def test_zones_and_generations_are_judged(data: Path, damage: str) -> None:
    DIRECTORY_DAMAGES[damage](data)
    report = verified(data)
    assert isinstance(report, Report)
    assert report.verdict is Verdict.NOT_SOUND


def test_the_serial_of_a_zone_without_a_journal_is_that_of_its_load(tmp_path: Path) -> None:
    data = create(tmp_path / "data")
    first = verified(data)
    assert isinstance(first, Report) and first.agrees
    with damaged.table(data, b"tree") as rows:
        _put_apex(Tree(rows), lambda rdata: rdata[:-20] + b"\0\0\0\2" + rdata[-16:])
    report = verified(data)
    assert isinstance(report, Report)
    assert [fault.reason.split(",")[0] for fault in report.faults] == ["has serial 2"]


def _leaf_beyond(path: Path, distance: int) -> None:
    with damaged.table(path, b"registry.leaves") as rows:
        key, value = rows.all()[-1]
        rows.put(key[:1] + (int.from_bytes(key[1:], "big") + distance).to_bytes(8, "big"), value)


@pytest.mark.parametrize("distance", [1, 2, 1 << 40])
def test_leaves_beyond_the_end_are_found_however_far_behind_it(data: Path, distance: int) -> None:
    _leaf_beyond(data, distance)
    report = verified(data)
    assert isinstance(report, Report)
    assert any("beyond the end" in fault.reason for fault in report.faults)


def test_an_empty_journal_has_a_number_that_was_given_out(data: Path) -> None:
    with damaged.table(data, b"apexes") as rows:
        key, value = next(row for row in rows.all() if b"elsewhere" in row[0])
        rows.put(key, value[:16] + (1 << 40).to_bytes(8, "big"))
    report = verified(data)
    assert isinstance(report, Report)
    assert ["the last given out is" in fault.reason for fault in report.faults] == [True]


def test_the_last_generation_given_out_is_found_or_named(data: Path) -> None:
    with damaged.table(data, b"meta") as rows:
        last = rows.get(b"generation")
        rows.put(b"generation", last + b"\0")
    longer = verified(data)
    assert isinstance(longer, Report) and not longer.agrees
    with damaged.table(data, b"meta") as rows:
        rows.put(b"generation", (int.from_bytes(last, "big") + 1).to_bytes(8, "big"))
    report = verified(data)
    assert isinstance(report, Report)
    assert any("behind it was not compared" in one for one in report.exceptions)


def test_an_apex_that_only_a_look_up_cannot_read_is_found(data: Path) -> None:
    with damaged.table(data, b"tree") as rows:
        blob = rows.get(OUTSIDE)
        at = blob.index(b"\0\6", 2) - 2  # the offset of the SOA
        for where in range(at, at + 8):
            rows.put(OUTSIDE, blob[:where] + b"\xee" + blob[where + 1 :])
    report = verified(data)
    assert isinstance(report, Report) and not report.agrees


def test_what_nobody_thought_of_is_a_fault_and_ends_no_verification(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.verify.directory.check", lambda *_: 1 // 0)
    report = verified(data)
    assert isinstance(report, Report)
    assert [fault.reason.split(":")[0] for fault in report.faults][:1] == ["cannot be read"]
    assert "leaves" in report.looked_at
