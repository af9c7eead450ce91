"""Probes 拨测 that are made all the time, as `[selection]` says: what they measure is kept."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Sequence
from typing import Final

from csid.errors import CsidError
from gateway.systems.selection.measuring import measure
from gateway.systems.selection.paths.latency import LOSS_MAX
from gateway.systems.selection.paths.measured import believed
from gateway.systems.selection.paths.probing import Made
from gateway.systems.selection.state import Selecting

AT_ONCE: Final = 8  # that are measured at one time
JITTER: Final = 0.1  # of the time between two, so that not all who measure do so at once


async def go_on(state: Selecting) -> None:
    """Make all probes again and again until cancelled; return where there are none."""
    by = f"selection@{socket.gethostname()}"[:64].encode("ascii", "replace").decode()
    while state.probes:
        await once(state, by, state.probes)
        await asyncio.sleep(state.said.probe_every * random.uniform(1 - JITTER, 1 + JITTER))


async def once(state: Selecting, by: str, probes: Sequence[Made]) -> None:
    """Make probes, a few at a time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def take(one: Made) -> None:
        async with turns:
            await _make(state, by, one)

    async with asyncio.TaskGroup() as group:
        for one in probes:
            group.create_task(take(one))


async def _make(state: Selecting, by: str, one: Made) -> None:
    """Make one; that it fails, and that it does so no longer, is told once."""
    try:
        told = await measure(one.probe)
        found = believed(told, by, state.now())
        state.reaching.latencies.put([found], state.now())
    except (CsidError, OSError) as error:  # its fault must not end the others
        _fail(state, one, str(error))
        return
    one.taken = found.taken
    if found.loss >= LOSS_MAX:
        _fail(state, one, f"{one.probe.server}: {found.loss:.0%} of what was sent was lost")
        return
    if one.why:
        state.place.tell(f"selection: {one.probe.server} answers again", "info", "probe")
    one.why = ""


def _fail(state: Selecting, one: Made, why: str) -> None:
    if not one.why:
        state.place.tell(f"selection: {why}", "warning", "probe")
    one.why = why
