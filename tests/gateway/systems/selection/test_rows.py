"""What is selected from, as it is kept: equal to a model, whatever happens to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.selection.rows import TABLES, Change, Rows
from resolver.tables import Tables

NAMES = st.sampled_from([f"N{number}" for number in range(6)])
RECORDS = st.none() | st.sampled_from([b"a", b"b", b"c"])
CHANGES = st.lists(st.builds(Change, NAMES, RECORDS), max_size=6)
BATCHES = st.lists(st.tuples(st.sampled_from(["one", "other"]), CHANGES), max_size=8)


@contextmanager
def opened() -> Iterator[Rows]:
    with (
        TemporaryDirectory() as folder,
        closing(Tables(Path(folder) / "t.mdb", TABLES, 1 << 24, lasting=False)) as tables,
    ):
        yield Rows(tables)


def modelled(
    model: dict[str, tuple[str, bytes]], source: str, changes: list[Change]
) -> list[Change]:
    """What is to be told of."""
    told = []
    for one in changes:
        name, record = one
        before = model.get(name)
        if record is None:
            if before is not None and before[0] == source:
                del model[name]
                told.append(one)
        else:
            model[name] = source, record
            if before is None or before[1] != record:
                told.append(one)
    return told


@given(BATCHES, st.integers(0, 60), st.integers(0, 60))
def test_rows_are_as_the_model_and_what_has_changed_since_is_known(
    batches: list[tuple[str, list[Change]]], snapshot: int, let_go: int
) -> None:
    model: dict[str, tuple[str, bytes]] = {}
    with opened() as rows:
        seen: dict[int, dict[str, bytes]] = {0: {}}
        for source, changes in batches:
            assert rows.apply(source, changes) == modelled(model, source, changes)
            assert dict(rows.page("", 1_000)) == {
                name: record for name, (_, record) in model.items()
            }
            seen[rows.number()] = dict(rows.page("", 1_000))
        rows.let_go(min(let_go, rows.number()))
        numbers = sorted(seen)
        at = numbers[snapshot % len(numbers)]
        since = rows.since(at)
        if since is None:
            assert at < let_go
        else:
            replayed = dict(seen[at])
            for name, record in since:
                if record is None:
                    replayed.pop(name, None)
                else:
                    replayed[name] = record
            assert replayed == seen[numbers[-1]]


@given(CHANGES, CHANGES, CHANGES)
def test_reading_a_source_anew_leaves_what_it_names_and_what_is_of_others(
    first: list[Change], others: list[Change], again: list[Change]
) -> None:
    model: dict[str, tuple[str, bytes]] = {}
    again = [one for one in again if one.record is not None]
    with opened() as rows:
        for source, changes in (("one", first), ("other", others)):
            rows.apply(source, changes)
            modelled(model, source, changes)
        begun = rows.begin("one")
        assert rows.position("one") is None
        rows.apply("one", again)
        gone = [one for piece in rows.finish("one", begun, 7) for one in piece]
        named = {one.identifier for one in again}
        assert {one.identifier for one in gone} == {
            name for name, (source, _) in model.items() if source == "one" and name not in named
        }
        assert rows.position("one") == 7
        kept = {name for name, (source, _) in model.items() if source == "other"}
        assert set(dict(rows.page("", 1_000))) == kept | named


def test_a_position_and_what_was_read_until_then_are_there_together() -> None:
    with opened() as rows:
        assert rows.position("one") is None
        rows.apply("one", [Change("N1", b"a")], 12)
        assert rows.position("one") == 12
        rows.apply("one", [Change("N2", b"a")])
        assert rows.position("one") == 12
        assert rows.records(["N1", "N3"]) == [b"a", None]


def test_pages_go_on_where_the_one_before_has_ended() -> None:
    names = [f"N{number}" for number in range(7)]
    with opened() as rows:
        rows.apply("one", [Change(name, b"a") for name in names])
        found, after = [], ""
        while page := rows.page(after, 3):
            assert len(page) <= 3
            found += [one.identifier for one in page]
            after = page[-1].identifier
        assert found == names
