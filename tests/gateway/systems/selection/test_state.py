"""Selection as it begins and ends beside another process, and what it remembers of places."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csid.errors import CsidError
from csid.identifier import make
from csid.record import Record, encode
from gateway.systems.running import opened
from gateway.systems.selection.paths.latency import rtt_from
from gateway.systems.selection.paths.places import places
from gateway.systems.selection.rows import Change
from gateway.systems.selection.settings import Selection
from gateway.systems.selection.state import FILLED_AT_ONCE, SNAPSHOT, Selecting
from gateway.systems.selection.supply import Supply
from gateway.systems.selection.system import SYSTEM
from tests.support.registering import OWNER

RECORD = Record({"state": "active", "count": 8})


def named(number: int, location: str = "330106") -> str:
    return str(make(OWNER, "6450", location, "ACV", "H60M07N6", f"{number:04}"))


@contextmanager
def begun(folder: Path) -> Iterator[Selecting]:
    """Selection that has begun, and does nothing yet."""
    with opened(SYSTEM, Selection(), folder) as place:
        yield Selecting(place)


def test_a_token_is_not_sent_so_that_it_would_be_read_on_the_way(tmp_path: Path) -> None:
    token = tmp_path / "token"
    for url, said in (
        ("http://192.0.2.1/demands", "in the clear"),
        ("ftp://192.0.2.1/demands", "expected https"),
    ):
        settings = Selection(dispatcher=url, dispatcher_token=token)
        with opened(SYSTEM, settings, tmp_path) as place, pytest.raises(CsidError, match=said):
            Selecting(place)


def learnt(state: Selecting, numbers: range) -> None:
    changes = [Change(named(number), encode(RECORD)) for number in numbers]
    state.changed(state.rows.apply("registry", changes, numbers.stop))


def test_one_that_waits_for_another_writes_nothing_at_its_end(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as state:
            await state.catch_up()
            learnt(state, range(3))
            await state.close()
        file = tmp_path / SYSTEM.name / SNAPSHOT
        before = file.read_bytes()
        with begun(tmp_path) as waiting:
            # What another process, which has the system, writes meanwhile is not known here.
            waiting.rows.apply("registry", [Change(named(9), encode(RECORD))], 10)
            await waiting.close()
        assert file.read_bytes() == before
        with begun(tmp_path) as state:
            await state.catch_up()
            assert len(state.supply) == 4

    asyncio.run(main())


def test_without_a_file_it_is_filled_from_the_rows_page_by_page(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as state:
            state.rows.apply(
                "registry",
                [Change(named(one), encode(RECORD)) for one in range(2 * FILLED_AT_ONCE + 1)],
            )
            assert not state.complete
            await state.catch_up()
            assert state.complete and len(state.supply) == 2 * FILLED_AT_ONCE + 1

    asyncio.run(main())


def test_what_was_let_go_meanwhile_is_not_kept_on(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as state:
            await state.catch_up()
            learnt(state, range(3))
            await state.close()
        with begun(tmp_path) as state:
            assert len(state.supply) == 3
            state.rows.apply("registry", [Change(named(0), None)], 9)
            state.rows.let_go(state.rows.number())
            await state.catch_up()
            assert len(state.supply) == 2

    asyncio.run(main())


@pytest.mark.parametrize("order", [("330106", "110101"), ("110101", "330106")])
def test_round_trips_are_those_of_the_supply_that_there_is(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    async def main() -> None:
        with begun(tmp_path) as state:
            for number, location in enumerate(("330106", "110101")):
                state.supply.put(named(number, location), RECORD)
            state.reaching.rtt("310000", state.supply)
            other = Supply()  # as a file brings one
            for number, location in enumerate(order):
                other.put(named(number, location), RECORD)
            state.supply = other
            expected = rtt_from(places(order), "310000")
            assert (
                state.reaching.rtt("310000", state.supply).middle.tolist()
                == expected.middle.tolist()
            )

    asyncio.run(main())
