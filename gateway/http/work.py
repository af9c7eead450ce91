"""The registry as the interface has it: read from the store, written by the writer of the node."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from csid.errors import CsidError, StoreError
from csid.limits import REQUESTS_PER_FRAME
from gateway.http.intake import Intake
from gateway.http.problems import Fault, Problem
from registry.rules.decision import Decision
from registry.rules.requests import Request
from registry.service import Registry
from registry.writer.client import Client, Greeted, Pending, connected, greeted
from resolver.server.notices import Repeated

START_SECONDS: Final = 2.0  # for a writer to be there
_PAUSE_SECONDS: Final = 0.05  # between two attempts to reach it
_RETRY: Final = {"Retry-After": "1"}
_UNASKED: Final = Problem(Fault.UNAVAILABLE, "not asked; ask again", _RETRY)


class Work:
    """What routes read from and write to. Any thread may use it.

    Args:
        data: the directory of the node.
        complaints: of what is no caller's fault.

    Attributes:
        intake: of what gateways report.
    """

    def __init__(self, data: Path, complaints: Repeated) -> None:
        self.registry = Registry.open(data)
        self._data = data
        self._complaints = complaints
        self._lock = Lock()
        self._writer: Client | None = None
        self.intake = Intake(data, self.registry)

    def close(self) -> None:
        """End the use."""
        if self._writer is not None:
            self._writer.close()
        self.intake.close()
        self.registry.close()

    def greet(self) -> Greeted | None:
        """A connection to the writer, None if there is none; it may wait, as `greeted` does."""
        return greeted(self._data)

    def submit(self, request: Request) -> Decision:
        """Decide on a request and carry it out; returns once it is durable.

        Raises:
            Problem: nothing was done, or it is not known whether it was.
        """
        writer = self._connected()
        try:
            return writer.submit((request,))[0]
        except CsidError as error:
            raise self.unknown(error) from None

    def submit_all(self, count: int, make: Callable[[int], Request]) -> list[Decision | Problem]:
        """The same of many, of which those before are decided while the next are made; for each
        what came of it.

        Args:
            make: the request of a number, from 0; a Problem that it raises is what comes of that.

        Raises:
            Problem: nothing was done.
        """
        writer = self._connected()
        outcomes: list[Decision | Problem] = []
        asked: list[tuple[list[int], Pending]] = []
        try:
            for begin in range(0, count, REQUESTS_PER_FRAME):
                places, requests = [], []
                for number in range(begin, min(begin + REQUESTS_PER_FRAME, count)):
                    try:
                        requests.append(make(number))
                        places.append(number)
                        outcomes.append(_UNASKED)
                    except Problem as problem:
                        outcomes.append(problem)
                if requests:
                    asked.append((places, writer.ask(requests)))
        except CsidError as error:  # of those that are asked already, the answers are still read
            outcomes += [self.unknown(error)] * (count - len(outcomes))
        for places, pending in asked:
            try:
                decisions: Sequence[Decision | Problem] = writer.decisions(pending)
            except CsidError as error:
                decisions = [self.unknown(error)] * len(places)
            for place, decision in zip(places, decisions, strict=True):
                outcomes[place] = decision
        return outcomes

    def unknown(self, error: CsidError) -> Problem:
        """What is said where the writer could not be asked, or has not answered. Its own words name
        paths of this machine.
        """
        self._complaints.tell(f"http: {error}")
        return Problem(
            Fault.UNAVAILABLE,
            "the writer did not answer, so it is not known whether this was done; asked again "
            "under the same Idempotency-Key it is not done twice",
            _RETRY,
        )

    def not_taken(self, error: CsidError) -> Problem:
        """What is said where reports could not be kept, or read."""
        self._complaints.tell(f"http: {error}")
        return Problem(
            Fault.UNAVAILABLE,
            "the node cannot keep what is reported, or not read it; send it again, nothing is "
            "taken twice",
            _RETRY,
        )

    def _connected(self) -> Client:
        """The writer, waited for a moment where the node has just begun.

        Raises:
            Problem: there is none.
        """
        until = time.monotonic() + START_SECONDS
        while True:
            with self._lock:
                if self._writer is None:
                    self._connect()
                if self._writer is not None:
                    return self._writer
            if time.monotonic() >= until:
                raise Problem(
                    Fault.UNAVAILABLE,
                    "nothing is written at the moment, and nothing was done; ask again",
                    _RETRY,
                )
            time.sleep(_PAUSE_SECONDS)

    def _connect(self) -> None:
        try:
            self._writer = connected(self._data)
        except StoreError as error:
            self._complaints.tell(f"http: {error}")
