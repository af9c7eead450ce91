"""Demands handed to a dispatcher as soon as something fits: again where it is not known whether one
has come, always under the same key.

    POST DISPATCHER   Idempotency-Key: NAME
    {"demand": NAME, "by": …, "asked": {…}, "selection": {…}}
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec

from gateway.systems.selection import said
from gateway.systems.selection.demand import DemandError
from gateway.systems.selection.kept import Kept
from gateway.systems.selection.state import Selecting

GAP_SECONDS: Final = 1.0  # between two looks at what is kept
SHARE: Final = 20  # at most one part in so many of the time goes into what does not fit
LOOK_SECONDS: Final = 30.0  # after which it is looked at though nothing has changed
SECONDS: Final = 10.0  # for an answer
FIRST_WAIT: Final = 1_000  # ms before it is handed over again where nobody answered; ever longer
MOST_WAIT: Final = 300_000
_AGAIN: Final = frozenset({408, 425, 429})


class Dispatcher:
    """Hands demands over.

    Args:
        state: what is selected from, and what is kept.
    """

    def __init__(self, state: Selecting) -> None:
        self._state = state
        self._due: dict[str, tuple[int, int]] = {}  # name → when (Unix ms), wait (ms)

    async def run(self) -> None:
        """Hand over what fits, and end what nobody needs any more, until cancelled."""
        verify = ssl.create_default_context(cafile=self._state.said.ca)
        async with httpx.AsyncClient(verify=verify, timeout=SECONDS, trust_env=False) as client:
            while True:
                version = self._state.version
                if self._state.complete:
                    await self.look(client)
                await asyncio.sleep(GAP_SECONDS)
                await self._state.after(version, self._until_due())

    def _until_due(self) -> float:
        """Seconds until something is to be looked at, though nothing has changed."""
        dues = [due for due, _ in self._due.values()]
        left = (min(dues) - self._state.now()) / 1_000 if dues else LOOK_SECONDS
        return max(0.0, min(LOOK_SECONDS, left))

    async def look(self, client: httpx.AsyncClient) -> None:
        """Look at all that is kept, once."""
        kept = self._state.demands.all()
        open_ = {one.name for one in kept if one.state == "open"}
        self._due = {name: due for name, due in self._due.items() if name in open_}
        for one in kept:
            now = self._state.now()
            if one.state != "open":
                continue
            if one.until <= now:
                self._change(one, "ended")
            elif one.dispatch and self._due.get(one.name, (0, 0))[0] <= now:
                await self._hand_over(client, one)
            await asyncio.sleep(0)  # others have their turn

    async def _hand_over(self, client: httpx.AsyncClient, one: Kept) -> None:
        begun = time.perf_counter()
        try:
            selection = said.answer(self._state, one.demand)
        except DemandError as error:  # of a version of this program that took it
            self._change(one, "refused", str(error))
            return
        if not said.holds(selection):  # and many that wait must not take the time of who asks
            await asyncio.sleep(SHARE * (time.perf_counter() - begun))
            return
        body = {
            "demand": one.name,
            "by": one.by,
            "asked": msgspec.to_builtins(one.demand),
            "selection": selection,
        }
        headers = {"Idempotency-Key": one.name, **self._token()}
        try:
            answer = await client.post(self._state.said.dispatcher, json=body, headers=headers)
        except httpx.HTTPError as error:
            self._wait(one, f"{type(error).__name__}: {error}")
            return
        if answer.is_success:
            self._change(one, "handed", selected=selection["results"])
        elif answer.status_code in _AGAIN or answer.is_server_error or answer.is_redirect:
            self._wait(one, f"HTTP {answer.status_code}")
        else:
            self._change(one, "refused", f"HTTP {answer.status_code}: {answer.text[:200]}")

    def _token(self) -> Mapping[str, str]:
        file = self._state.said.dispatcher_token
        if file is None:
            return {}
        return {"Authorization": f"Bearer {file.read_text('ascii').strip()}"}

    def _wait(self, one: Kept, why: str) -> None:
        _, before = self._due.get(one.name, (0, 0))
        wait = min(MOST_WAIT, before * 2 or FIRST_WAIT)
        self._due[one.name] = self._state.now() + wait, wait
        if one.why != why:
            self._state.demands.change(msgspec.structs.replace(one, why=why[:500]))

    def _change(
        self, one: Kept, state: Any, why: str = "", selected: list[dict[str, Any]] | None = None
    ) -> None:
        changed = self._state.now()
        self._state.demands.change(
            msgspec.structs.replace(
                one, state=state, why=why, changed=changed, selected=selected or []
            )
        )


async def dispatch(state: Selecting) -> None:
    """Hand over what fits, until cancelled."""
    await Dispatcher(state).run()
