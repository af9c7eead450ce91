"""`csid.AsyncRegistry`: the registry of a node over HTTPS, for programs of an event loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio
import httpx

from csid.http.calls import Calls, Lost, Reply, Send, Steps
from csid.http.results import Change, Changes, Entry, Filing, Outcome, Owner, Page, Pool, Problem
from gateway.registry_client import (
    FOLLOW_SECONDS,
    TIMEOUT,
    access,
    lost,
    patience,
    reply_of,
    request_of,
)

T = TypeVar("T")


class AsyncRegistry:
    """`csid.Registry` under trio or asyncio: its arguments are the same, its methods are awaited,
    what it gives one after the other comes by `async for`.
    """

    def __init__(
        self,
        url: str = "",
        *,
        token: str = "",
        certificate: Path | tuple[Path, Path] | None = None,
        authorities: Path | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        url, headers, verify = access(url, token, certificate, authorities)
        self._calls = Calls(patience(timeout))
        self._http = httpx.AsyncClient(base_url=url, headers=headers, verify=verify)

    async def aclose(self) -> None:
        """End the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def register(
        self,
        what: str,
        record: Mapping[str, Any] | None = None,
        *,
        pool: bool = False,
        ttl: int | None = None,
        reason: str = "",
        key: str = "",
    ) -> Outcome:
        """As that of `csid.Registry`."""
        return await self._run(self._calls.register(what, record, ttl, reason, key, pool))

    async def update(
        self,
        identifier: str,
        record: Mapping[str, Any],
        *,
        unless_changed_since: int | None = None,
        reason: str = "",
        key: str = "",
        **members: Any,
    ) -> Outcome:
        """As that of `csid.Registry`."""
        call = self._calls.update(identifier, record, unless_changed_since, members, reason, key)
        return await self._run(call)

    async def perform(
        self, operation: str, identifier: str, *, reason: str = "", key: str = "", **members: Any
    ) -> Outcome:
        """As that of `csid.Registry`."""
        return await self._run(self._calls.perform(operation, identifier, members, reason, key))

    async def batch(
        self, items: Sequence[Mapping[str, Any]], *, reason: str = "", key: str = ""
    ) -> list[Outcome | Problem]:
        """As that of `csid.Registry`."""
        return await self._run(self._calls.batch(items, reason, key))

    async def identifier(self, identifier: str) -> Entry:
        """As that of `csid.Registry`."""
        return await self._run(self._calls.identifier(identifier))

    def identifiers(self, prefix: str = "", **query: Any) -> AsyncIterator[Entry]:
        """As that of `csid.Registry`."""
        query = {"prefix": prefix, **query}
        return self._pages(lambda after: self._calls.identifiers(query, after))

    async def owner(self, code: str) -> Owner:
        """As that of `csid.Registry`."""
        return await self._run(self._calls.owner(code))

    def owners(self, **query: Any) -> AsyncIterator[Owner]:
        """As that of `csid.Registry`."""
        return self._pages(lambda after: self._calls.owners(query, after))

    def pools(self, prefix: str = "", **query: Any) -> AsyncIterator[Pool]:
        """As that of `csid.Registry`."""
        query = {"prefix": prefix, **query}
        return self._pages(lambda after: self._calls.pools(query, after))

    async def changes(
        self, since: int = 0, *, follow: bool = False, limit: int | None = None
    ) -> AsyncIterator[Change]:
        """As that of `csid.Registry`."""
        while True:
            wait = FOLLOW_SECONDS if follow else 0
            page = await self._run(self._calls.changes(since, wait, limit))
            for one in page.items:
                yield one
            since = page.next
            if not follow and since >= page.size:
                return

    async def changes_page(self, since: int, wait: int = 0, limit: int | None = None) -> Changes:
        """As that of `csid.Registry`."""
        return await self._run(self._calls.changes(since, wait, limit))

    async def history(self, identifier: str) -> tuple[Change, ...]:
        """As that of `csid.Registry`."""
        return (await self._run(self._calls.history(identifier))).items

    async def filing(self, identifier: str) -> Filing:
        """As that of `csid.Registry`."""
        return await self._run(self._calls.filing(identifier))

    async def proof(self, identifier: str, leaf: int | None = None) -> str:
        """As that of `csid.Registry`."""
        return await self._run(self._calls.proof(identifier, leaf))

    async def checkpoint(self) -> str:
        """As that of `csid.Registry`."""
        return await self._run(self._calls.checkpoint())

    async def _pages(self, call: Callable[[str], Steps[Page[T]]]) -> AsyncIterator[T]:
        after = ""
        while True:
            page = await self._run(call(after))
            for one in page.items:
                yield one
            if not page.next:
                return
            after = page.next

    async def _run(self, steps: Steps[T]) -> T:
        got: Reply | Lost | None = None
        with contextlib.closing(steps):
            while True:
                try:
                    step = steps.send(got)
                except StopIteration as ended:
                    value: T = ended.value
                    return value
                if isinstance(step, Send):
                    got = await self._sent(step)
                else:
                    await anyio.sleep(step.seconds)
                    got = None

    async def _sent(self, step: Send) -> Reply | Lost:
        try:
            return reply_of(await self._http.request(**request_of(step)))
        except httpx.TransportError as error:
            return lost(error)
