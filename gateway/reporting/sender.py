"""Sends what waits to the node: batch by batch, in order, one at a time; again, ever more seldom,
while the node does not answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx
import msgspec

from csid.errors import StoreError
from gateway.http.media import MSGPACK
from gateway.reporting import upward
from gateway.reporting.spool import Spool, Waiting
from gateway.reporting.verdict import Verdict, verdict
from resolver.server.notices import Repeated

ITEMS: Final = 2_000  # of one batch
OCTETS: Final = 1 << 20  # of one, not compressed
PACE_SECONDS: Final = 0.01  # from one batch to the next, so that what comes together goes together
FIRST_SECONDS: Final = 0.1  # after a failure; then twice as long each time ...
MOST_SECONDS: Final = 30.0  # ... up to this
ANSWER_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 60.0  # between two looks at what the node takes of this gateway
_HEADERS: Final = {"Content-Type": MSGPACK, "Content-Encoding": "gzip"}

InSpool = Callable[..., Awaitable[Any]]  # runs a function where the spool may be used


class Sender:
    """The sender.

    Args:
        spool: what waits.
        in_spool: runs a function in the thread of the spool.
        client: to the node: its address, and the key of this gateway.
        complaints: of what is refused, and of the node.
        allowed: told the prefixes that the node takes reports of.

    Attributes:
        sent, refused, failures: since the start: reports that the node has, that it does not want;
            batches that got no answer.
    """

    def __init__(
        self,
        spool: Spool,
        in_spool: InSpool,
        client: httpx.AsyncClient,
        complaints: Repeated,
        allowed: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._spool = spool
        self._in_spool = in_spool
        self._client = client
        self._complaints = complaints
        self._allowed = allowed
        self._most = ITEMS
        self._bell = asyncio.Event()
        self.sent = self.refused = self.failures = 0

    def ring(self) -> None:
        """Something waits."""
        self._bell.set()

    async def run(self) -> None:
        """Send until cancelled."""
        looked = -IDLE_SECONDS
        pause = FIRST_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() >= looked + IDLE_SECONDS:
                looked = loop.time()
                await self._look()
            begun = loop.time()
            self._bell.clear()
            verdict = await self._step()
            if verdict is None:  # nothing waits
                await self._until_rung()
                continue
            if verdict.fault and not verdict.part:
                self.failures += 1
                self._complaints.tell(f"reporting: {verdict.fault}", "reporting")
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, MOST_SECONDS)
                continue
            pause = FIRST_SECONDS
            await asyncio.sleep(max(0.0, PACE_SECONDS - (loop.time() - begun)))

    async def _until_rung(self) -> None:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._bell.wait()
        except TimeoutError:
            pass

    async def _step(self) -> Verdict | None:
        """Send one batch, and settle what became of it; None if nothing waits."""
        try:
            waiting: Waiting = await self._in_spool(self._spool.waiting, self._most, OCTETS)
            if not waiting.statuses and not waiting.events:
                return None
            found = await self._send(waiting)
            if found.statuses or found.events:
                await self._in_spool(self._spool.settle, found.statuses, found.events)
        except StoreError as error:
            return Verdict([], [], [], fault=str(error))
        self.sent += len(found.statuses) + len(found.events) - len(found.refused)
        self.refused += len(found.refused)
        for one in found.refused[:1]:
            said = f"reporting: the node refuses {len(found.refused)} of a batch, such as: "
            self._complaints.tell(f"{said}{one.status} {one.outcome}: {one.detail}", "refused")
        if found.part:
            self._most = max(1, (len(waiting.statuses) + len(waiting.events)) // 2)
        elif not found.fault:
            self._most = min(2 * self._most, ITEMS)
        return found

    async def _send(self, waiting: Waiting) -> Verdict:
        body = upward.packed([row for _, row in waiting.statuses], waiting.events)
        try:
            answer = await self._client.post(upward.PATH, content=body, headers=_HEADERS)
        except httpx.HTTPError as error:
            return Verdict([], [], [], fault=f"the node cannot be asked: {error!r:.300}")
        return verdict(waiting, answer.status_code, answer.content)

    async def _look(self) -> None:
        """Ask what the node takes of this gateway, so that nobody waits to be refused."""
        try:
            answer = await self._client.get("/v1/gateway")
            if answer.status_code == 200:
                found = msgspec.json.decode(answer.content, type=_Allowed)
                self._allowed(found.prefixes)
        except (httpx.HTTPError, msgspec.MsgspecError):
            return  # the node says so when it gets something


class _Allowed(msgspec.Struct):
    prefixes: tuple[str, ...]
