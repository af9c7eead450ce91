"""What is kept of the backups in a folder, and what goes."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from registry.backup import Kind, to_folder
from registry.backup.shelf import backups_in
from registry.rules.requests import Assign
from registry.service import Registry
from resolver.store.environment import Store
from tests.support.books import ask, opened
from tests.support.registering import RECORD, identifier
from tests.support.shelves import OPEN, back_up, held, made_of


@pytest.fixture
def node(tmp_path: Path) -> Path:
    with opened(tmp_path / "node") as registry:
        for number in range(100):
            ask(registry, Assign(identifier(f"{number:04}"), RECORD))
    return tmp_path / "node"


def kept_of(node: Path, shelf: Path, keep: int, every: int) -> list[str]:
    """What is left after one more backup."""
    with Store.open(node) as store:
        to_folder(store, shelf, OPEN, every, keep)
    return [manifest.kind.value for _, manifest in backups_in(shelf)]


def test_the_newest_are_kept_and_what_they_stand_on(node: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    full, part = Kind.FULL.value, Kind.DIFFERENCE.value
    left = [kept_of(node, shelf, 2, 3) for _ in range(7)]
    assert left == [
        [full],
        [full, part],
        [full, part, part],
        [full, part, part, full],
        [full, part],
        [full, part, part],
        [full, part, part, full],
    ]
    for number, (path, _) in enumerate(backups_in(shelf)):
        made_of(path, tmp_path / f"new{number}")
    names = {path.name for path in shelf.iterdir()}
    assert names == {f"{path.name}{end}" for path, _ in backups_in(shelf) for end in ("", ".pages")}


def test_backups_of_other_nodes_are_left_alone(node: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    opened(tmp_path / "other").close()
    other = back_up(tmp_path / "other", shelf)
    for _ in range(3):
        kept_of(node, shelf, 1, 1)
    assert other.manifest.name in {path.name for path, _ in backups_in(shelf)}
    assert len(backups_in(shelf)) == 2


def test_what_an_older_copy_does_not_know_of_is_never_removed(node: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    copy = Path(shutil.copytree(node, tmp_path / "copy"))
    with Registry.open(node, writable=True, sync=False) as registry:
        ask(registry, Assign(identifier("0900"), RECORD))
    lost = back_up(node, shelf)
    with Store.open(copy) as store:
        for _ in range(3):
            taken = to_folder(store, shelf, OPEN, 1, keep=1)
    assert lost.manifest.name in {path.name for path, _ in backups_in(shelf)}
    assert len(backups_in(shelf)) == 2
    assert taken.gone
    with Store.open(copy) as store:
        (shelf / taken.manifest.name).unlink()
        again = to_folder(store, shelf, OPEN, 7)
    assert again.manifest.kind is Kind.FULL
    assert "does not go on from that of" in again.why_full


def test_what_killed_backups_have_left_goes_after_a_day(node: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    old, new, own = (shelf / name for name in (".csid-old", ".csid-new", "notes"))
    orphan = shelf / "20260101T000000.000000Z-00000000-1-00000000.full.pages"
    for path in (old, new, own, orphan):
        path.write_bytes(b"half")
    yesterday = time.time() - 90_000
    for path in (old, own):
        os.utime(path, (yesterday, yesterday))
    back_up(node, shelf)
    assert [path.exists() for path in (old, new, own, orphan)] == [False, True, True, False]
    made_of(shelf, tmp_path / "new")
    assert held(tmp_path / "new") == held(node)
