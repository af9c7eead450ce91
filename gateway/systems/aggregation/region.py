"""Aggregation as it runs: sources are polled; each minute of the picture is kept; the nation is
told, and tells; what regions tell is kept.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from gateway.systems.aggregation import exchange, history, live, pace, regions, registered
from gateway.systems.aggregation.columns import Columns, columns_of_rows
from gateway.systems.aggregation.exchange import Answer, Report, StrangerError
from gateway.systems.aggregation.history import MINUTE_MS, History
from gateway.systems.aggregation.live import Live
from gateway.systems.aggregation.regions import Regions
from gateway.systems.aggregation.registered import Registered
from gateway.systems.aggregation.service import Service
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import Book
from gateway.systems.aggregation.upward import Upward
from gateway.systems.contract import Caller, Place
from resolver.server.notices import Repeated

TABLES: Final = (*live.NAMES, history.HISTORY, *regions.NAMES, registered.RECORDS)
MOST_WAIT: Final = 600.0  # seconds until a nation that fails is asked again


class Aggregating:
    """What runs.

    Args:
        place: of the system.

    Attributes:
        said: what its section says.
        poller: what polls the sources.
        book, live, regions, history, registered: what is kept.
    """

    def __init__(self, place: Place) -> None:
        self.said: Aggregation = place.settings
        self.now: Callable[[], int] = place.now
        self.book = Book(place.tables)
        self.live = Live(place.tables, self.book, self.said.region)
        self.history = History(place.tables)
        self.regions = Regions(place.tables)
        self._complaints = Repeated()
        self._thread = ThreadPoolExecutor(1, "picture")
        self.registered = Registered(place.tables, self.book, self.in_tables, self.said)
        self.poller = Service(
            self.book, self.said, self._complaints, now=self.now, seen=self.live.keep
        )
        self._upward = Upward(self.regions, self.in_tables, self.said)

    async def poll(self) -> None:
        """Poll all sources until cancelled."""
        await self.poller.run()

    async def keep(self) -> None:
        """Keep each minute until cancelled."""
        while True:
            await self.in_tables(self._keep)
            # A while into the next one, so that a clock that is set back a bit misses none.
            await asyncio.sleep((MINUTE_MS - self.now() % MINUTE_MS) / 1_000 + 0.5)

    def _keep(self) -> None:
        now = self.now()
        self.live.forget()
        self.regions.forget(now)
        self.history.take(now, history.minute_of(self.counted(now)))

    async def exchange(self) -> None:
        """Tell the nation, and hear, until cancelled; nothing where there is none."""
        failures = 0
        while self.said.upward:
            now = self.now()
            groups = await self.in_tables(lambda at: exchange.told_of(self._own(at)), now)
            why = await self._upward.exchange(groups, now)
            failures = failures + 1 if why else 0
            if why:
                self._complaints.tell(f"aggregation: the nation: {why}", "exchange")
            draw = random.random()
            wait = pace.following(self.said.exchange, draw)
            if failures:
                wait = min(MOST_WAIT, pace.after_failures(wait, failures, 0, draw))
            await asyncio.sleep(max(wait, 0.5))

    async def learn(self) -> None:
        """Read the records of what was registered, again and again until cancelled."""
        await self.registered.follow()

    def counted(self, now: int) -> list[Columns]:
        """All that is counted here at a time (Unix milliseconds): of own sources, of the regions
        that report to this node.
        """
        return [self._own(now), *(one.at(now) for one in self.regions.shown(now))]

    def _own(self, now: int) -> Columns:
        return columns_of_rows(self.live.rows(now))

    def take(self, report: Report, caller: Caller, now: int) -> Answer:
        """Take what a region tells of itself, and tell it of the others.

        Raises:
            ExchangeError: it is not believed.
        """
        prefixes = self._prefixes(report, caller)
        number, whole = self.regions.take(report, caller.name, prefixes, now)
        return self.regions.answer(report, self.said.region, number, whole, now)

    def _prefixes(self, report: Report, caller: Caller) -> tuple[str, ...] | None:
        """Of which places a caller is believed.

        Raises:
            StrangerError: of none.
        """
        if not caller.name or report.region != caller.name:
            who = f"the key {caller.name}" if caller.name else "who has no key"
            raise StrangerError(
                f"{who} may not report for {report.region}; a region's key has the region's name: "
                f"csid system key add {report.region} --role ask"
            )
        if report.region == self.said.region:
            raise StrangerError(f"{report.region} is what this node calls itself")
        believed = self.said.believed
        if believed is None:
            return None
        if report.region not in believed:
            raise StrangerError(f"{report.region} is none of [aggregation] regions")
        return believed[report.region] or None

    async def in_tables(self, work: Callable[..., Any], *given: Any) -> Any:
        """Do something in the thread that uses the tables for whoever asks."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    async def close(self) -> None:
        """End the connections."""
        await self.poller.close()
        await self._upward.close()
        await self.registered.close()
        self._thread.shutdown()
