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
SOURCES = ("one", "other", "third")
BATCHES = st.lists(st.tuples(st.sampled_from(SOURCES), CHANGES), max_size=8)
# Of each identifier what each source says, who has said it last at the end.
Model = dict[str, dict[str, bytes]]


@contextmanager
def opened() -> Iterator[Rows]:
    with (
        TemporaryDirectory() as folder,
        closing(Tables(Path(folder) / "t.mdb", TABLES, 1 << 24, lasting=False)) as tables,
    ):
        yield Rows(tables)


def modelled(model: Model, source: str, changes: list[Change]) -> list[Change]:
    """What is to be told of."""
    told = []
    for name, record in changes:
        said = model.setdefault(name, {})
        before = in_force(said)
        said.pop(source, None)
        if record is not None:
            said[source] = record
        if in_force(said) != before:
            told.append(Change(name, in_force(said)))
    return told


def in_force(said: dict[str, bytes]) -> bytes | None:
    return list(said.values())[-1] if said else None


def listed(model: Model) -> dict[str, bytes]:
    """The records that are selected from."""
    found = {name: in_force(said) for name, said in model.items()}
    return {name: record for name, record in found.items() if record is not None}


@given(BATCHES, st.integers(0, 60), st.integers(0, 60))
def test_rows_are_as_the_model_and_what_has_changed_since_is_known(
    batches: list[tuple[str, list[Change]]], snapshot: int, let_go: int
) -> None:
    model: Model = {}
    with opened() as rows:
        seen: dict[int, dict[str, bytes]] = {0: {}}
        for source, changes in batches:
            assert rows.apply(source, changes) == modelled(model, source, changes)
            assert dict(rows.page("", 1_000)) == listed(model)
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


@given(CHANGES, CHANGES, CHANGES, CHANGES)
def test_reading_a_source_anew_leaves_what_it_names_and_what_is_of_others(
    first: list[Change], others: list[Change], again: list[Change], later: list[Change]
) -> None:
    model: Model = {}
    again = [one for one in again if one.record is not None]
    with opened() as rows:
        steps = (("one", first), ("other", others), ("one", again), ("other", later))
        for at, (source, changes) in enumerate(steps):
            if at == 2:
                begun = rows.begin("one")
                assert rows.position("one") is None
            rows.apply(source, changes)
            modelled(model, source, changes)
        gone = [one for piece in rows.finish("one", begun, 7) for one in piece]
        named = {one.identifier for one in again}
        old = [Change(name, None) for name in model if name not in named]
        assert sorted(gone) == sorted(modelled(model, "one", old))
        assert rows.position("one") == 7
        assert dict(rows.page("", 1_000)) == listed(model)


@given(BATCHES, st.sets(st.sampled_from(SOURCES)))
def test_what_sources_have_said_that_are_not_followed_any_more_goes(
    batches: list[tuple[str, list[Change]]], followed: set[str]
) -> None:
    model: Model = {}
    with opened() as rows:
        for source, changes in batches:
            rows.apply(source, changes, 3)
            modelled(model, source, changes)
        for _ in rows.only(followed):
            pass
        for name, said in model.items():
            model[name] = {source: record for source, record in said.items() if source in followed}
        assert dict(rows.page("", 1_000)) == listed(model)
        for source in SOURCES:
            is_known = source in followed and source in dict(batches)
            assert rows.position(source) == (3 if is_known else None)
        rows.apply("new", [Change("N9", b"n")], 4)  # which does not get the number of another
        rows.apply("new", [Change("N9", None)])
        assert dict(rows.page("", 1_000)) == listed(model)


def test_what_another_source_still_has_stays_when_one_lets_it_go() -> None:
    with opened() as rows:
        rows.apply("one", [Change("N1", b"a")])
        assert rows.apply("other", [Change("N1", b"a")]) == []
        assert rows.apply("other", [Change("N1", None)]) == []
        assert dict(rows.page("", 9)) == {"N1": b"a"}
        assert rows.apply("other", [Change("N1", b"b")]) == [("N1", b"b")]
        assert rows.apply("other", [Change("N1", None)]) == [("N1", b"a")]
        rows.apply("other", [Change("N1", b"b")])
        assert rows.apply("one", [Change("N1", None)]) == []
        assert rows.apply("other", [Change("N1", None)]) == [("N1", None)]


def test_a_source_is_read_anew_for_other_prefixes() -> None:
    with opened() as rows:
        begun = rows.begin("one", ("A", "B"))
        assert list(rows.finish("one", begun, 5)) == []
        assert rows.position("one", ("B", "A")) == 5
        for prefixes in ((), ("A",), ("A", "B", "C")):
            assert rows.position("one", prefixes) is None


def test_one_source_alone_has_nothing_beside() -> None:
    with opened() as rows:
        for record in (b"a", b"b", None, b"c"):
            rows.apply("one", [Change(f"N{number}", record) for number in range(9)])
        tables = rows._tables
        with tables.reading() as txn:
            assert txn.stat(tables["others"])["entries"] == 0


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
