"""What this system has registered, as the registry has it: records with what others have put there,
such as endpoints; states, as others may have suspended or ended it, or the national node taken it.

    records    identifier -> record, JSON members by msgpack
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec

from csid.errors import CsidError, IdentifierError, RecordError
from csid.http.results import RefusedError
from csid.identifier import parse
from csid.record import Record
from gateway.async_registry_client import AsyncRegistry
from gateway.systems.aggregation import http_sd, pace
from gateway.systems.aggregation.known import ACTIVE, ENDED, Facts, Pool
from gateway.systems.aggregation.registries import registry_with, token_of
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import Book
from resolver.server.notices import Repeated
from resolver.tables import Tables

RECORDS: Final = "records"
READ_SECONDS: Final = 300.0  # between two readings
AT_ONCE: Final = 4  # requests to the registry
_ABSENT: Final = frozenset({403, 404})
_pack: Final = msgspec.msgpack.Encoder().encode


class Registered:
    """What is kept of it.

    Args:
        tables: with RECORDS.
        book: what is known.
        in_tables: runs a function where the tables may be used.
        settings: where the registry is.
    """

    def __init__(
        self,
        tables: Tables,
        book: Book,
        in_tables: Callable[..., Awaitable[Any]],
        settings: Aggregation,
    ) -> None:
        self._tables = tables
        self._book = book
        self._in_tables = in_tables
        self._settings = settings
        self._complaints = Repeated()
        self._registry: AsyncRegistry | None = None

    async def follow(self) -> None:
        """Read again and again until cancelled; never where there is no registry."""
        wait = pace.first(READ_SECONDS, random.random())
        while self._settings.registry:
            await asyncio.sleep(wait)
            try:
                await self.read()
            except (CsidError, OSError) as error:
                self._complaints.tell(f"aggregation: records: {error}", "records")
            wait = pace.following(READ_SECONDS, random.random())

    async def read(self) -> None:
        """Read each identifier that is ours: keep its record, and let the book follow its state.

        Raises:
            CsidError: the registry does not say them; what was kept stays.
        """
        ours: list[tuple[str, str, Pool]] = await self._in_tables(self._ours)
        gate = asyncio.Semaphore(AT_ONCE)
        await self.close()  # the token is read anew each time
        registry = registry_with(self._settings, await token_of(self._settings))
        self._registry = registry

        async def one(identifier: str) -> tuple[str, Facts | None]:
            async with gate:
                try:
                    entry = await registry.identifier(identifier)
                except RefusedError as error:
                    if error.problem.status not in _ABSENT:
                        raise
                    return identifier, None
                return identifier, {**entry.record, "state": entry.state}

        tasks = [asyncio.create_task(one(pool.identifier)) for _, _, pool in ours]
        try:
            found = dict(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._in_tables(self._put, found)
        said = [(*each, facts["state"]) for each in ours if (facts := found[each[2].identifier])]
        await self._in_tables(self._book.follow, said)

    async def close(self) -> None:
        """End the connections."""
        if self._registry is not None:
            await self._registry.aclose()
            self._registry = None

    def targets(self) -> bytes:
        """All that have endpoints and are in use, as Prometheus takes it (`http_sd`)."""
        ours = {pool.identifier for _, _, pool in self._ours() if pool.state == ACTIVE}
        with self._tables.reading() as txn:
            rows = [
                (bytes(key).decode(), bytes(row)) for key, row in txn.cursor(self._tables[RECORDS])
            ]
        return http_sd.http_sd(_registered((name, row) for name, row in rows if name in ours))

    def _ours(self) -> list[tuple[str, str, Pool]]:
        """Source, key and pool of what is registered, and is not over for good."""
        return [
            (source.name, key, pool)
            for source in self._book.sources()
            for key, pool in self._book.pools(source.name).items()
            # Of what was adopted just now the state is looked at when its record is changed.
            if pool.done is not None and pool.done_state and pool.done_state not in ENDED
        ]

    def _put(self, found: dict[str, Facts | None]) -> None:
        with self._tables.writing() as txn:
            txn.drop(self._tables[RECORDS], delete=False)
            for identifier, facts in found.items():
                if facts is not None:
                    txn.put(identifier.encode(), _pack(facts), db=self._tables[RECORDS])


def _registered(rows: Iterable[tuple[str, bytes]]) -> Iterable[http_sd.Registered]:
    for name, row in rows:
        try:
            yield http_sd.Registered(parse(name), Record(msgspec.msgpack.decode(row)))
        except (IdentifierError, RecordError):  # nobody is sent to what nobody can read
            continue
