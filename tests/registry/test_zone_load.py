"""Zones from master files into the store: together, large, refused, replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from csid import names
from csid.errors import StoreError
from registry import units
from registry.core import Core
from registry.tables.changes import ZoneChange
from registry.tables.transaction import open_tables
from registry.tables.view import View
from registry.zones.asked import Asked
from resolver.answer.source import NO_STAGES, Stages
from resolver.store.environment import Store
from resolver.zonefile import load as loading
from resolver.zonefile.load import Loaded, Refused, Step, load
from tests.support import trees
from tests.support.registering import ADMINISTRATOR

ASKED = Asked(ADMINISTRATOR, "test").told()
HEAD = "$TTL 300\n@ SOA ns1 host {serial} 3600 900 604800 60\n@ NS ns1\nns1 A 192.0.2.1\n"


@pytest.fixture(autouse=True)
def _few_nodes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "NODES_AT_ONCE", 100)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "data", "csid.internal.", "0.EXAMPLE") as made:
        yield made


def zone_file(folder: Path, origin: str, body: str = "", serial: int = 1, name: str = "") -> Path:
    path = folder / (name or f"{origin}zone")
    path.write_text(f"$ORIGIN {origin}\n" + HEAD.format(serial=serial) + body)
    return path


def many_names(count: int) -> str:
    return "".join(f"n{number:05}.sub A 192.0.2.7\n" for number in range(count)) + "*.w TXT x\n"


def performer(store: Store, stages: Stages = NO_STAGES) -> Callable[[str, Any], Any]:
    """A writer of a store."""
    open_tables(store)
    core = Core(store, stages)
    return lambda name, args: units.perform(core, name, args)


def run(store: Store, *paths: Path, mode: str = "keep") -> tuple[list[Loaded], list[Refused]]:
    outcomes = list(load(performer(store), ASKED, paths, mode))
    trees.check(store)
    assert trees.leftovers(store) == 0
    return (
        [one for one in outcomes if isinstance(one, Loaded)],
        [one for one in outcomes if isinstance(one, Refused)],
    )


def origins(store: Store) -> list[str]:
    with store.read() as read:
        return [names.to_text(held.origin) for held in read.zones()]


def test_a_zone_is_loaded_with_all_its_names(store: Store, tmp_path: Path) -> None:
    path = zone_file(tmp_path, "one.example.", "a.b A 192.0.2.2\n*.w TXT x\n", serial=42)
    loaded, refused = run(store, path)
    assert (loaded, refused) == ([Loaded(path, names.from_text("one.example."), 42, 6, [])], [])
    assert trees.owners(store, "one.example.") == {
        "one.example.",
        "ns1.one.example.",
        "a.b.one.example.",
        "*.w.one.example.",
    }


def test_small_zones_share_transactions(store: Store, tmp_path: Path) -> None:
    paths = [zone_file(tmp_path, f"z{number}.example.") for number in range(95)]
    performer(store)
    first = last_transaction(store)
    loaded, _ = run(store, *paths)
    assert [one.path for one in loaded] == paths
    # 2 nodes a zone and 100 a transaction; the sweeps find nothing to do.
    assert last_transaction(store) - first == 2


def last_transaction(store: Store) -> int:
    with store.moment() as txn:
        return int(txn.id())


@pytest.mark.parametrize("count", [96, 97, 98, 350])
def test_a_large_zone_takes_the_place_of_the_old_at_once(
    store: Store, tmp_path: Path, count: int
) -> None:
    path = zone_file(tmp_path, "big.example.", "old A 192.0.2.9\n")
    run(store, path)
    before = trees.owners(store, "big.example.")
    seen = []

    def told(step: Step) -> None:
        if step.action == "writing":
            seen.append(trees.owners(store, "big.example."))

    zone_file(tmp_path, "big.example.", many_names(count), serial=2)
    (outcome,) = load(performer(store), ASKED, [path], told=told)
    assert isinstance(outcome, Loaded)
    assert outcome.nodes == count + 5
    assert all(owners == before for owners in seen)
    assert len(seen) == (0 if count + 5 <= 100 else -(-(count + 5) // 100))
    assert len(trees.owners(store, "big.example.")) == count + 3
    assert trees.leftovers(store) == 0
    trees.check(store)


def test_octets_bound_a_transaction_too(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "OCTETS_AT_ONCE", 500)
    paths = [zone_file(tmp_path, f"z{number}.example.", many_names(20)) for number in range(3)]
    loaded, _ = run(store, *paths)
    assert [one.nodes for one in loaded] == [25, 25, 25]


WRONG: Sequence[tuple[str, int, str]] = (
    ("a A 192.0.2.300\n", 6, "192.0.2.300"),
    ("x.other. A 192.0.2.1\n", 6, "outside"),
    ("c CNAME ns1\nc A 192.0.2.1\n", 7, "CNAME and other data"),
    ("c A 192.0.2.1\n\nc CNAME ns1\n", 8, "CNAME and other data"),
    ("x SOA ns1 host 1 1 1 1 1\n", 6, "SOA"),
    ('t TXT "open\n', 6, "quote"),
)


@pytest.mark.parametrize(("body", "line", "word"), WRONG)
def test_a_wrong_file_is_refused_whole_and_the_others_are_loaded(
    store: Store, tmp_path: Path, body: str, line: int, word: str
) -> None:
    bad = zone_file(tmp_path, "bad.example.", body)
    good = [zone_file(tmp_path, f"good{number}.example.") for number in range(2)]
    loaded, refused = run(store, good[0], bad, good[1])
    assert [one.path for one in loaded] == good
    (refusal,) = refused
    assert refusal.reason.startswith(f"{bad}:{line}: ") and word.lower() in refusal.reason.lower()
    assert origins(store) == ["good0.example.", "good1.example."]


def test_a_wrong_file_leaves_the_zone_that_is_served(store: Store, tmp_path: Path) -> None:
    path = zone_file(tmp_path, "one.example.", "a A 192.0.2.2\n")
    run(store, path)
    before = trees.owners(store, "one.example.")
    zone_file(tmp_path, "one.example.", many_names(300) + "b A oops\n", serial=2)
    run(store, path)
    assert trees.owners(store, "one.example.") == before
    assert trees.serial(store, "one.example.") == 1


@pytest.mark.parametrize(
    "text",
    ["", "; nothing\n", "@ A 192.0.2.1\n", "a.example. 60 SOA ns1 host 1 1 1 1 1\n", "\0" * 100],
)
def test_a_file_that_holds_no_zone_is_refused(store: Store, tmp_path: Path, text: str) -> None:
    path = tmp_path / "none.zone"
    path.write_text(text)
    loaded, refused = run(store, path, tmp_path / "missing.zone", tmp_path)
    assert not loaded
    assert [one.path for one in refused] == [path, tmp_path / "missing.zone", tmp_path]


def test_the_second_file_of_an_origin_is_refused(store: Store, tmp_path: Path) -> None:
    first = zone_file(tmp_path, "one.example.", name="first")
    second = zone_file(tmp_path, "ONE.example.", "late A 192.0.2.1\n", name="second")
    loaded, refused = run(store, first, second)
    assert [one.path for one in loaded] == [first]
    assert str(first) in refused[0].reason and refused[0].reason.startswith(str(second))
    assert "late.one.example." not in trees.owners(store, "one.example.")


def test_a_serial_that_goes_back_is_told(store: Store, tmp_path: Path) -> None:
    warnings = []
    for serial in (10, 10, 9, 2**31 + 9, 8):
        (loaded,), _ = run(store, zone_file(tmp_path, "one.example.", serial=serial))
        warnings.append(bool(loaded.warnings))
        assert trees.serial(store, "one.example.") == serial
    # RFC 1982: 2**31 + 9 is not above 9, and 8 is above that.
    assert warnings == [False, False, True, True, False]


@pytest.mark.parametrize("names_more", ["", many_names(200)])
def test_a_serial_that_was_in_use_before_the_zone_went_back_is_told(
    store: Store, tmp_path: Path, names_more: str
) -> None:
    for serial in (5, 4):
        run(store, zone_file(tmp_path, "x.example.", names_more, serial=serial))
    other = names_more + "other A 192.0.2.9\n"
    ((loaded,), _) = run(store, zone_file(tmp_path, "x.example.", other, serial=5))
    assert loaded.serial == 5 and "in use before" in loaded.warnings[-1]
    run(store, zone_file(tmp_path, "x.example.", names_more, serial=4))
    ((loaded,), _) = run(store, zone_file(tmp_path, "x.example.", other), mode="increment")
    assert (loaded.serial, loaded.warnings) == (6, [])
    ((loaded,), _) = run(store, zone_file(tmp_path, "x.example.", names_more, serial=7))
    assert (loaded.serial, loaded.warnings) == (7, [])


def test_parent_and_child_zone_stand_side_by_side(store: Store, tmp_path: Path) -> None:
    parent = zone_file(tmp_path, "example.", "child NS ns.child\nns.child A 192.0.2.9\n")
    child = zone_file(tmp_path, "child.example.")
    run(store, child, parent)
    assert origins(store) == ["example.", "child.example."]
    run(store, zone_file(tmp_path, "example.", serial=2))
    assert "ns1.child.example." in trees.owners(store, "child.example.")


def test_a_full_store_ends_the_load_and_keeps_what_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "NODES_AT_ONCE", 2_000)
    with Store.create(tmp_path / "data", "csid.internal.", "0.EXAMPLE", 3 << 20) as small:
        first = zone_file(tmp_path, "first.example.")
        big = zone_file(tmp_path, "big.example.", many_names(80_000))
        loads = load(performer(small), ASKED, [first, big])
        outcome = next(loads)
        assert isinstance(outcome, Loaded) and outcome.path == first
        with pytest.raises(StoreError, match="map is full"):
            list(loads)
        assert origins(small) == ["first.example."]
        small.sweep()
        assert trees.leftovers(small) == 0
        run(small, zone_file(tmp_path, "big.example.", many_names(200)))


def test_a_running_reader_sees_the_new_zone_at_its_next_look(store: Store, tmp_path: Path) -> None:
    run(store, zone_file(tmp_path, "one.example."))
    key = names.key_of(names.from_text("new.one.example."))
    with store.snapshot() as snapshot:
        before = snapshot.zone_of(key)
    run(store, zone_file(tmp_path, "one.example.", "new A 192.0.2.1\n", serial=2))
    with store.snapshot() as snapshot:
        after = snapshot.zone_of(key)
    assert before is not None and after is not None and before.soa != after.soa


def test_plugins_have_a_say_in_zones_and_are_told(store: Store, tmp_path: Path) -> None:
    """One that is refused as late as that does not keep the others out."""
    told: list[str] = []

    def check(view: View, change: ZoneChange) -> str:
        return "not today" if "bad" in change.origin else ""

    stages = Stages(check=(check,), observe=(lambda decision: told.append(decision.subject),))
    paths = [
        zone_file(tmp_path, f"{name}.example.") for name in ("one", "two", "bad1", "x", "bad2", "y")
    ]
    paths.append(zone_file(tmp_path, "bad3.example.", many_names(300)))
    paths.append(zone_file(tmp_path, "big.example.", many_names(300)))
    outcomes = list(load(performer(store, stages), ASKED, paths))
    refused = [one.path for one in outcomes if isinstance(one, Refused)]
    assert refused == [paths[2], paths[4], paths[6]]
    good = ["one.example.", "two.example.", "x.example.", "y.example.", "big.example."]
    assert told == good and sorted(origins(store)) == sorted(good)
    trees.check(store)
    assert trees.leftovers(store) == 0
