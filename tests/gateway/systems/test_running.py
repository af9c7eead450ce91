"""Tasks that are kept going."""

from __future__ import annotations

import asyncio
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
