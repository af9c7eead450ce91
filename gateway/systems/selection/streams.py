"""What fits a demand, followed: said again whenever it is something else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from gateway.systems.contract import Event
from gateway.systems.selection import said
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.state import Selecting

GAP_SECONDS: Final = 0.1  # between two answers of a stream, at least
SHARE: Final = 20  # of the time at most one part in so many goes into all streams together
QUIET_SECONDS: Final = 15.0  # without anything said, after which a stream says that it lives


async def stream(
    state: Selecting, demand: Demand, explain: bool | None = None
) -> AsyncIterator[Event]:
    """What fits, whenever that is something else than before: `selection`; else now and then that
    it was worked out again and is the same: `unchanged`.

    Raises:
        DemandError: at the first answer, if it cannot be understood.
    """
    before: Any = None
    number, spoke = 0, time.monotonic()
    state.streams += 1
    try:
        while True:
            # Before the look: what comes while a slow client takes an event is seen by the next.
            version, begun = state.version, time.perf_counter()
            whole = said.of_kept(state, demand)
            await said.explained(state, demand, whole, explain)
            spent = time.perf_counter() - begun
            now = _told(whole)
            if now != before:
                before, number = now, number + 1
                yield Event("selection", whole, number)
                spoke = time.monotonic()
            elif time.monotonic() - spoke >= QUIET_SECONDS:
                yield Event("unchanged", {"at": whole["at"], "supply": whole["supply"]})
                spoke = time.monotonic()
            await asyncio.sleep(max(GAP_SECONDS, SHARE * spent * state.streams))
            # A status may end, and points go down with its age, though nothing comes.
            await state.after(version, spoke + QUIET_SECONDS - time.monotonic())
    finally:
        state.streams -= 1


def _told(whole: dict[str, Any]) -> Any:
    """By what an answer is another one."""
    best = [(one["identifier"], one["points"], one.get("way")) for one in whole["results"]]
    return best, whole.get("allocation"), whole.get("unanswered")
