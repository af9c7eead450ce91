"""What is due is found among much that is not, in pieces, and carried out by the writer at rest."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from csid.identifier import Identifier
from registry import expiring
from registry.core import Core
from registry.rules.case import day_of
from registry.rules.lifecycle import Verb
from registry.rules.requests import AddLocks, Advance, Assign, Import, Request, SetValidity
from registry.service import Registry
from registry.tables import view
from registry.tables.enums import LockKind, State
from registry.tables.transaction import TransactionView
from registry.writer.keeper import Keeper
from registry.writer.values import ValuesError
from resolver.server.counters import open_inherited
from tests.support.books import ask, opened, resolved
from tests.support.registering import ADMINISTRATOR, RECORD, identifier

DAY = 86_400
COUNT = 40
CODES = [identifier(f"{number:04d}") for number in range(1, COUNT + 1)]


def days(number: int) -> str:
    """A day so many from today."""
    return (day_of(int(time.time())) + timedelta(number)).isoformat()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Every second identifier has expired; one is locked, one on hold, one not in use."""
    made = opened(tmp_path / "node")
    records = [
        RECORD.changed(valid_until=days(-2 if number % 2 else 2), name="有效期")
        for number in range(COUNT)
    ]
    bodies = [Assign(code, record) for code, record in zip(CODES, records, strict=True)]
    for decision in made.submit_all([Request(ADMINISTRATOR, body) for body in bodies]):
        assert decision.status.success
    ask(made, Advance(CODES[1], Verb.SUSPEND))
    ask(made, Import(identifier("0100"), RECORD.changed(state="reserved", valid_until=days(-9))))
    return made


def state(registry: Registry, code: Identifier) -> State:
    """The state of an identifier."""
    with registry.view() as seen:
        row = view.get_assignment(seen, str(code))
    assert row is not None
    return row.state


def swept(core: Core, later: int) -> tuple[int, int]:
    """A whole walk so many days later: what ended, and what was refused."""
    cursor, ended, refused = "", 0, 0
    while True:
        piece = expiring.swept(core, cursor, int(time.time()) + later * DAY)
        cursor, ended, refused = piece.cursor, ended + piece.lapsed, refused + piece.refused
        if not cursor:
            return ended, refused


def test_each_that_is_due_expires_in_pieces_and_no_other(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "ROWS", 7)
    monkeypatch.setattr(expiring, "AT_ONCE", 2)
    monkeypatch.setattr(expiring, "COMMIT_SECONDS", 0)  # one at a time
    cursor, expired, pieces = "", 0, 0
    while True:
        piece = expiring.Swept(*registry.perform(expiring.UNIT, cursor))
        cursor, expired, pieces = piece.cursor, expired + piece.expired, pieces + 1
        if not cursor:
            break
    assert expired == COUNT // 2 - 1
    assert pieces == expired
    for number, code in enumerate(CODES):
        assert state(registry, code) is (State.SUSPENDED if number % 2 else State.ACTIVE)
    assert state(registry, identifier("0100")) is State.RESERVED
    record = resolved(registry, str(CODES[3]))
    assert record is not None
    assert record.state == "suspended"
    assert registry.verify().agrees
    registry.close()


def test_what_was_not_renewed_ends_unless_it_is_locked(registry: Registry) -> None:
    ask(registry, SetValidity(0, 5))
    core = Core(registry.store)
    swept(core, 0)
    ask(registry, AddLocks(CODES[3], (LockKind.RETIRE,), False))
    assert swept(core, 5) == (0, 0)
    assert swept(core, 6) == (COUNT // 2 - 2, 1)
    assert state(registry, CODES[5]) is State.RETIRED
    assert state(registry, CODES[3]) is State.SUSPENDED
    assert state(registry, CODES[1]) is State.SUSPENDED
    registry.close()


@pytest.mark.parametrize("cursor", [None, 5, "标识", "X" * 600])
def test_a_cursor_of_a_stranger_is_refused(registry: Registry, cursor: object) -> None:
    with pytest.raises(ValuesError):
        registry.perform(expiring.UNIT, cursor)
    registry.close()


def test_the_writer_sees_to_it_when_nobody_waits(registry: Registry) -> None:
    data = registry.store.path
    registry.close()
    keeper = Keeper(data, open_inherited(None), 10)
    keeper.look()
    for _ in CODES:  # a piece at a time
        keeper.rest()
    keeper.close()
    with Registry.open(data) as held, held.view() as seen:
        assert isinstance(seen, TransactionView)
        rows = [row for _, row in view.assignments(seen, CODES[0].owner)]
    assert sum(row.state is State.SUSPENDED for row in rows) == COUNT // 2
