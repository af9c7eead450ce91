"""Demands handed to a dispatcher as soon as something fits: again where it is not known whether one
has come, always under the same key.

    POST DISPATCHER   Idempotency-Key: NAME
    {"demand": NAME, "by": …, "asked": {…}, "selection": {…}}
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import msgspec

from gateway.systems.selection import said
from gateway.systems.selection.demand import DemandError
from gateway.systems.selection.kept import Kept, State
from gateway.systems.selection.state import Selecting

GAP_SECONDS: Final = 1.0  # between two looks at what is kept
SHARE: Final = 20  # at most one part in so many of the time goes into what does not fit
LOOK_SECONDS: Final = 30.0  # after which it is looked at though nothing has changed
SECONDS: Final = 10.0  # for an answer
FIRST_WAIT: Final = 1_000  # ms before it is handed over again where nobody answered; ever longer
MOST_WAIT: Final = 300_000
_OF_THE_DEMAND: Final = frozenset({400, 409, 422})  # all else is about ourselves, or about it
WHY_MAX: Final = 500  # characters
SELECTED_MAX: Final = 50  # results of what was handed over that are kept


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
        """Look at all that is open, once."""
        demands = self._state.demands
        found = demands.open()
        names = {one.name for one in found}
        self._due = {name: due for name, due in self._due.items() if name in names}
        for name, until, dispatch in found:
            now = self._state.now()
            if until > now and not (dispatch and self._due.get(name, (0, 0))[0] <= now):
                continue
            one = demands.get(name)  # as it is now: it may have been withdrawn since
            if one is None or one.state != "open":
                continue
            if until <= now:
                self._change(one, "ended")
            else:
                await self._hand_over(client, one)
            await asyncio.sleep(0)  # others have their turn

    async def _hand_over(self, client: httpx.AsyncClient, one: Kept) -> None:
        """Hand a demand over, if something fits; nothing is awaited before it goes."""
        begun = time.perf_counter()
        try:
            selection = said.of_kept(self._state, one.demand)
        except DemandError as error:  # a version of this program took it, and may do so again
            self._wait(one, str(error))
            return
        if not said.holds(selection):  # and many that wait must not take the time of who asks
            self._due.pop(one.name, None)
            self._note(one, selection.get("unanswered", ""))
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
            self._handed(one, selection)
        elif answer.status_code in _OF_THE_DEMAND:
            self._change(one, "refused", f"HTTP {answer.status_code}: {answer.text[:200]}")
        else:
            self._wait(one, f"HTTP {answer.status_code}")

    def _handed(self, one: Kept, selection: dict[str, Any]) -> None:
        """The dispatcher has it: keep what it was given, in short."""
        best = [
            {"identifier": result["identifier"], "points": result["points"]}
            for result in selection["results"][:SELECTED_MAX]
        ]
        if not self._change(one, "handed", "", best, selection.get("allocation", [])):
            self._state.place.tell(
                f"selection: demand {one.name} was withdrawn while it was handed over; the "
                "dispatcher has it",
                "warning",
                "withdrawn",
            )

    def _token(self) -> Mapping[str, str]:
        file = self._state.said.dispatcher_token
        if file is None:
            return {}
        return {"Authorization": f"Bearer {file.read_text('ascii').strip()}"}

    def _wait(self, one: Kept, why: str) -> None:
        _, before = self._due.get(one.name, (0, 0))
        wait = min(MOST_WAIT, before * 2 or FIRST_WAIT)
        self._due[one.name] = self._state.now() + wait, wait
        self._note(one, why)

    def _note(self, one: Kept, why: str) -> None:
        """Say why an open demand is not handed over."""
        if one.why != why[:WHY_MAX]:
            self._state.demands.change(msgspec.structs.replace(one, why=why[:WHY_MAX]))

    def _change(
        self,
        one: Kept,
        state: State,
        why: str = "",
        selected: Sequence[dict[str, Any]] = (),
        allocation: Sequence[dict[str, Any]] = (),
    ) -> bool:
        """Say what has become of a demand; False if it is not kept any more."""
        changed = msgspec.structs.replace(
            one,
            state=state,
            why=why[:WHY_MAX],
            changed=self._state.now(),
            selected=list(selected),
            allocation=list(allocation),
        )
        return self._state.demands.change(changed)


async def dispatch(state: Selecting) -> None:
    """Hand over what fits, until cancelled."""
    await Dispatcher(state).run()
