"""What is said of sources: units page by page, what is held back as far as it is said."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from gateway.systems.aggregation import live, saying
from gateway.systems.aggregation.asked import Page
from gateway.systems.aggregation.live import Live
from gateway.systems.aggregation.quarantine import Held
from gateway.systems.aggregation.tables import NAMES, Book
from resolver.tables import Tables
from tests.support.supply import NOW, SOURCE, node, reading


def test_units_are_paged_by_their_whole_keys(tmp_path: Path) -> None:
    keys = ["机" * 511 + letter for letter in "abcde"]  # as long as a key may be
    units = [node("a")._replace(key=key) for key in (*keys, "", "x" * 513)]
    again = node("named twice")._replace(key=keys[1])
    tables = Tables(tmp_path / "t.mdb", (*NAMES, *live.NAMES), 64 << 20, lasting=True)
    with closing(tables):
        book = Book(tables)
        book.add(SOURCE)
        kept = Live(tables, book, "zhejiang")
        kept.keep(SOURCE, reading([*units, again]), {}, NOW)
        said = kept.said(SOURCE.name)
    assert said is not None
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = saying.units(said, {}, Page(after, 2), NOW)
        found += [one.unit for one in page.items]
        assert {one.name for one in page.items} == {"a"}
        after = page.after
    assert found == keys


def test_many_that_are_new_hide_none_that_go() -> None:
    rows = {"registrations": 200, "vanished": 30, "suspensions": 3}
    changes = {kind: [{"key": str(one)} for one in range(many)] for kind, many in rows.items()}
    held = Held("0" * 32, NOW, NOW, (), changes, rows | {"registrations": 700})
    found = saying.held_back(held)
    assert {kind: len(each) for kind, each in found.changes.items()} == {
        "registrations": 67,
        "vanished": 30,
        "suspensions": 3,
    }
    assert found.more == 733 - 100
    assert sum(map(len, saying.held_back(held, 20).changes.values())) == 20
    assert saying.held_back(Held("0" * 32, NOW, NOW, (), {}, {})).more == 0
