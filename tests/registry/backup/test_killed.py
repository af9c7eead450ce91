"""Backups beside a writer, and backups and restores that are killed at any moment."""

from __future__ import annotations

import random
import time
from itertools import count
from pathlib import Path
from threading import Thread

import pytest

from registry.backup import Kind
from registry.backup.shelf import backups_in
from registry.rules.requests import Assign
from registry.service import Registry
from registry.tables import view
from resolver.files import UNFINISHED
from tests.support.books import ask, opened
from tests.support.killed import PATIENCE, Say, finished, killed_after, start
from tests.support.registering import RECORD, identifier
from tests.support.shelves import back_up, held, made_of

KILLS = 6
ROWS = 400


@pytest.fixture
def node(tmp_path: Path) -> Path:
    with opened(tmp_path / "node") as registry:
        for number in range(ROWS):
            ask(registry, Assign(identifier(f"{number:04}"), RECORD))
    return tmp_path / "node"


def write_for_ever(say: Say, data: Path) -> None:
    """Says the number of each identifier once it is durable."""
    with Registry.open(data, writable=True) as registry:
        for number in count(ROWS):
            assert ask(registry, Assign(identifier(f"{number:04}"), RECORD)).status.success
            say(f"{number}")


def test_a_backup_is_one_moment_of_a_node_that_is_written_to(node: Path, tmp_path: Path) -> None:
    writer = start(write_for_ever, node)
    given = [int(writer.said.readline())]
    listening = Thread(target=lambda: given.extend(map(int, writer.said)))
    listening.start()
    try:
        known, taken = [], []
        for _ in range(4):
            known.append(len(given))
            taken.append(back_up(node, tmp_path / "shelf"))
        until = time.monotonic() + PATIENCE  # on a busy machine few are written meanwhile
        while len(given) <= known[-1] and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        writer.process.kill()
        listening.join()
        writer.process.join()
    assert len(given) > known[-1] > 0
    for number, (backup, before) in enumerate(zip(taken, known, strict=True)):
        new = tmp_path / f"new{number}"
        restored = made_of(tmp_path / "shelf" / backup.manifest.name, new)
        assert not restored.report.faults
        with Registry.open(new) as registry, registry.view() as seen:
            for one in given[:before]:  # told to be durable before the backup began
                code = str(identifier(f"{one:04}"))
                assert view.get_assignment(seen, code) is not None


def back_up_for_ever(say: Say, data: Path, shelf: Path) -> None:
    for _ in range(100):
        say("begins")
        back_up(data, shelf, every=3)


def test_a_backup_that_was_killed_is_none(node: Path, tmp_path: Path) -> None:
    shelf, source = tmp_path / "shelf", random.Random(1)
    for _ in range(KILLS):
        killed_after(start(back_up_for_ever, node, shelf), 2, source.random() * 0.05)
    before = held(node)
    found = backups_in(shelf)
    whole = {path.name for path, _ in found}
    others = {path.name for path in shelf.iterdir()} - whole
    assert all(name.startswith(UNFINISHED) or name.endswith(".pages") for name in others)
    for number, (path, _) in enumerate(found):
        made_of(path, tmp_path / f"new{number}")
        assert held(tmp_path / f"new{number}") == before
    assert back_up(node, shelf, every=100).manifest.kind is Kind.DIFFERENCE
    assert {path.name for path in node.iterdir() if path.name.startswith(UNFINISHED)} == set()


def restore_for_ever(say: Say, shelf: Path, folder: Path) -> None:
    for number in count():
        say("begins")
        made_of(shelf, folder / f"{number}")
        say(f"{number}")


def test_a_restore_that_was_killed_has_made_nothing(node: Path, tmp_path: Path) -> None:
    back_up(node, tmp_path / "shelf")
    before, source = held(node), random.Random(2)
    for kill in range(KILLS):
        folder = tmp_path / f"{kill}"
        folder.mkdir()
        killed_after(start(restore_for_ever, tmp_path / "shelf", folder), 1, source.random() * 0.3)
        for path in folder.iterdir():
            assert path.name.startswith(UNFINISHED) or held(path) == before


def two_backups(say: Say, data: Path, shelf: Path) -> None:
    for _ in range(2):
        back_up(data, shelf)
    say("done")


def test_two_at_a_time_come_one_after_the_other(node: Path, tmp_path: Path) -> None:
    started = [start(two_backups, node, tmp_path / "shelf") for _ in range(2)]
    for one in started:
        finished(one)
    kinds = [manifest.kind for _, manifest in backups_in(tmp_path / "shelf")]
    assert kinds == [Kind.FULL, *[Kind.DIFFERENCE] * 3]
    made_of(tmp_path / "shelf", tmp_path / "new")
    assert held(tmp_path / "new") == held(node)
