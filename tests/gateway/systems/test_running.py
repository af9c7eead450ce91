"""Tasks that are kept going."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from gateway.systems import running
from gateway.systems.contract import Task
from gateway.systems.running import Kept


def test_one_that_failed_once_and_runs_on_is_well_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(running.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(running, "FIRST_WAIT", 0.0)
    tried = 0

    async def task(_: Any) -> None:
        nonlocal tried
        tried += 1
        if tried < 3:
            raise RuntimeError("on purpose")
        await asyncio.sleep(3_600)

    async def main() -> None:
        kept = Kept("x", Task("t", task), None)
        running_task = asyncio.ensure_future(kept.run())
        while tried < 3:
            await asyncio.sleep(0)
        assert (kept.failures, kept.fails) == (2, True)
        assert "on purpose" in kept.why
        clock[0] += running.CALM_SECONDS + 1
        assert not kept.fails
        running_task.cancel()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("lasts", "ever_well"), [(301.0, False), (1_500.0, False), (3_700.0, True)]
)
def test_one_that_fails_again_and_again_is_told_of_all_the_time(
    monkeypatch: pytest.MonkeyPatch, lasts: float, ever_well: bool
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(running.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(running, "FIRST_WAIT", 0.0)
    well: list[bool] = []
    counted: list[int] = []

    async def task(_: Any) -> None:
        for _step in range(10):
            clock[0] += lasts / 10
            well.append(not kept.fails)
            counted.append(kept.failures)
        if len(well) >= 120:
            await asyncio.sleep(3_600)
        sys.exit(1)  # ends no process either

    kept = Kept("x", Task("t", task), None)

    async def main() -> None:
        running_task = asyncio.ensure_future(kept.run())
        while len(well) < 120:
            await asyncio.sleep(0)
        running_task.cancel()

    asyncio.run(main())
    assert any(well[30:]) == ever_well  # once it has failed twice
    assert max(counted) > 2 or ever_well


def test_one_that_never_runs_long_is_never_well(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    pause = asyncio.sleep
    well: list[bool] = []

    async def wait(seconds: float) -> None:
        clock[0] += seconds
        await pause(0)

    async def task(_: Any) -> None:
        clock[0] += running.CALM_SECONDS - 10
        well.append(not kept.fails)
        raise RuntimeError("on purpose")

    monkeypatch.setattr(running.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(running.asyncio, "sleep", wait)
    kept = Kept("x", Task("t", task), None)

    async def main() -> None:
        running_task = asyncio.ensure_future(kept.run())
        while len(well) < 12:  # by then it waits a minute before each time
            await pause(0)
        running_task.cancel()

    asyncio.run(main())
    assert not any(well[1:])
