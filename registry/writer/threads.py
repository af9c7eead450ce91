"""The writer of a process that has the store open for writing: requests from many threads, decided
one after the other, committed together.

Whoever finds nobody leading leads: it takes all that wait, decides on them in one transaction of
the store, commits once and wakes the others with their decisions. Meanwhile the next requests
gather; the first of these leads next. So the more clients wait for the disk, the more share one
write. Across processes the store's write lock does the same, one batch after the other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, Final

from csid.errors import StoreError
from csid.limits import REQUESTS_PER_COMMIT
from registry.core import Core
from registry.rules.decision import Decision
from registry.rules.requests import Request
from registry.units import perform
from registry.writer.commit import commit

GATHER_SECONDS: Final = 0.002  # at most, that a leader waits for as many as came last time


class _Ticket:
    """What one caller waits for: a decision, or what its request raised, for each request."""

    __slots__ = ("error", "leads", "outcomes", "requests", "wake")

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = requests
        self.outcomes: list[Decision | Exception] = []
        self.error: BaseException | None = None  # the batch failed as a whole
        self.leads = False
        self.wake = Lock()  # held until there is an outcome, or the lead to be taken
        self.wake.acquire()

    def result(self) -> list[Decision]:
        """The decisions, in the order of the requests; raises what went wrong."""
        if self.error is not None:
            raise self.error
        decisions = []
        for outcome in self.outcomes:
            if isinstance(outcome, Exception):
                raise outcome
            decisions.append(outcome)
        return decisions


class Writer:
    """Carries out requests and units in this process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._by = core.by
        self._lock = Lock()  # over the two below
        self._waiting: deque[_Ticket] = deque()
        self._is_led = False
        self._expected = 1  # callers that shared the last commit
        self._pause = 0.0  # seconds to wait for as many

    def submit(self, requests: Sequence[Request]) -> list[Decision]:
        """Decide on requests one after the other and carry them out in one commit; returns once
        that is durable. A refused one does not keep the others from being done.

        Raises:
            ActingError: this process is nobody here, or not who it says.
            StoreError: the store is full or fails, or was opened for reading: nothing was changed.
        """
        ticket = _Ticket([self._acted(request) for request in requests])
        with self._lock:
            self._waiting.append(ticket)
            ticket.leads = not self._is_led
            self._is_led = True
        if not ticket.leads:
            try:
                ticket.wake.acquire()
            except BaseException:  # the thread was interrupted; the others must not wait for it
                self._withdraw(ticket)
                raise
        if ticket.leads:
            self._lead()
        return ticket.result()

    def _acted(self, request: Request) -> Request:
        """A request, by the actor that this process is or acts for."""
        said = request.actor
        actor = self._by.actor(said.name, said.role.value, said.owner)
        return request if actor == said else replace(request, actor=actor)

    def perform(self, name: str, args: Any) -> Any:
        """Carry out one unit (`registry.units`).

        Raises:
            CsidError: as the unit says.
        """
        return perform(self._core, name, args)

    def close(self) -> None:
        """There is nothing to be ended; the store is closed by whoever opened it."""

    def _lead(self) -> None:
        """Commit what waits, this thread's ticket first; then hand the lead on."""
        tickets: list[_Ticket] = []
        try:
            self._gather()
            with self._lock:
                count = 0
                while self._waiting and count < REQUESTS_PER_COMMIT:
                    tickets.append(self._waiting.popleft())
                    count += len(tickets[-1].requests)
            started = time.monotonic()
            self._commit(tickets)
            self._expected = len(tickets)
            self._pause = min((time.monotonic() - started) / 2, GATHER_SECONDS)
        except StoreError as error:
            for ticket in tickets:
                ticket.error = StoreError(str(error))
        except Exception as error:
            for ticket in tickets:
                ticket.error = error
        except BaseException:
            if not tickets:
                with self._lock:
                    self._waiting.popleft()  # its own
            for ticket in tickets[1:]:
                ticket.error = StoreError(
                    "the thread that wrote was interrupted; ask again, with the same idempotency "
                    "key if there was one"
                )
            raise
        finally:
            self._hand_on(tickets)

    def _gather(self) -> None:
        """Let the callers that were just woken ask again: so they share this commit, where else
        half of them would always wait for the next.
        """
        deadline = time.monotonic() + self._pause
        while len(self._waiting) < self._expected and time.monotonic() < deadline:
            time.sleep(0)

    def _withdraw(self, ticket: _Ticket) -> None:
        """Take back what nobody waits for any more, if it is not being committed yet."""
        with self._lock:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
        if ticket.leads:
            self._hand_on(())

    def _hand_on(self, tickets: Sequence[_Ticket]) -> None:
        with self._lock:
            heir = self._waiting[0] if self._waiting else None
            self._is_led = heir is not None
            if heir is not None:
                heir.leads = True
        for ticket in tickets[1:]:
            ticket.wake.release()
        if heir is not None:
            heir.wake.release()

    def _commit(self, tickets: list[_Ticket]) -> None:
        """Carry out what the tickets ask; those that are left for the next commit go back."""
        outcomes = commit(self._core, [ticket.requests for ticket in tickets])
        for ticket, mine in zip(tickets, outcomes, strict=False):
            ticket.outcomes = mine
        with self._lock:
            while len(tickets) > len(outcomes):
                self._waiting.appendleft(tickets.pop())
