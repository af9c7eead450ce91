"""One source read: its adapter driven, whatever it does; what it says followed, where it tells of
changes by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from csid.errors import CsidError
from gateway.systems.aggregation import credentials
from gateway.systems.aggregation.fetching import Fetcher
from gateway.systems.aggregation.known import Settings
from gateway.systems.aggregation.pace import Limits
from gateway.systems.aggregation.readings import (
    Adapter,
    Ask,
    Polling,
    Reading,
    ReadingError,
    Said,
    Source,
    Watch,
)

UNITS_MAX: Final = 100_000  # of one source
ASKS_MAX: Final = 20_000  # of one poll
SETTLE_SECONDS: Final = 1.0  # in which changes that are told together are taken together
REOPEN_SECONDS: Final = 1.0  # between the end of an answer and the next
SILENT_MS: Final = 100_000  # one that says nothing for longer than others: a source marks minutes

Followed = Callable[[Reading], Awaitable[None]]


class Reader:
    """What reads a source.

    Args:
        settings: of the source.
        adapter: of its kind.
        limits: what it may cost.

    Raises:
        ReadingError: it cannot be asked at all.
    """

    def __init__(self, settings: Settings, adapter: Adapter, limits: Limits) -> None:
        self._settings = settings
        self._adapter = adapter
        self._limits = limits
        self._memory: dict[str, Any] = {}
        self._thread = ThreadPoolExecutor(1, f"source {settings.name}")
        self._work: Future[Any] | None = None
        self.fetcher = Fetcher(settings, limits, self._apart)

    async def read(self) -> Reading:
        """Poll once.

        Raises:
            ReadingError: it cannot be read.
            CredentialsError: the file with its token cannot.
        """
        source = await self._ready()
        try:
            async with asyncio.timeout(self._limits.poll_seconds):
                reading = await self._drive(source)
        except TimeoutError:
            if self._is_at_work:
                self._memory = {}  # what it still writes there is of no poll
            seconds = self._limits.poll_seconds
            raise ReadingError(f"the poll was not over within {seconds:g} s") from None
        return _sound(reading)

    def watches(self) -> Sequence[Watch]:
        """What goes on to be told after a poll."""
        return self._adapter.watch(source_of(self._settings, {}), self._memory)

    async def follow(
        self, watches: Sequence[Watch], last: Reading, take: Followed, seconds: float
    ) -> str:
        """Follow what is told, for at most so long; why the source is to be polled again before
        that, or nothing.

        Args:
            last: what the poll before has said.
            take: is given what is known, a while after something has changed, and once an interval.

        Raises:
            CredentialsError: the file with its token cannot be read.
        """
        await self._ready()
        told = _Told(last, len(watches))
        tasks = [
            asyncio.create_task(self._listen(one, told, number))
            for number, one in enumerate(watches)
        ]
        telling = asyncio.create_task(self._tell(told, take))
        try:
            done, _ = await asyncio.wait(
                [*tasks, telling], timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            for one in done:
                failure = one.exception()
                if isinstance(failure, CsidError):  # the source's, or of whoever takes it
                    return str(failure)
                if failure is not None:
                    self._memory.clear()
                    return f"the adapter failed: {failure!r:.200}"
            return ""
        finally:
            for task in (*tasks, telling):
                task.cancel()
            await asyncio.gather(*tasks, telling, return_exceptions=True)

    async def close(self) -> None:
        """End the connections."""
        await self.fetcher.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def _is_at_work(self) -> bool:
        """Whether its thread does something still, for whoever waits no more."""
        return self._work is not None and not self._work.done()

    async def _apart(self, work: Callable[..., Any], *given: Any) -> Any:
        """Do something in the one thread of this source: what ten thousand nodes say takes a while
        to read, and a source that says more than that keeps nobody else waiting.
        """
        self._work = self._thread.submit(work, *given)
        return await asyncio.wrap_future(self._work)

    async def _ready(self) -> Source:
        """The source, with its credentials as they are now."""
        if self._is_at_work:
            raise ReadingError(
                "what it said before is being read still: it says more than there is time for"
            )
        headers: dict[str, str] = {}
        if self._settings.token_file:
            file = Path(self._settings.token_file)
            headers = await self._apart(credentials.read, file, self._settings.kind)
        self.fetcher.begin(headers)
        return source_of(self._settings, headers)

    async def _drive(self, source: Source) -> Reading:
        """Let the adapter ask until it has read."""
        polling = self._adapter.poll(source, self._memory, _now())
        said: Sequence[Said] | None = None
        asked = 0
        try:
            while True:
                step = await self._apart(_advance, polling, said)
                if isinstance(step, Reading):
                    return step
                asked += len(step)
                if asked > ASKS_MAX:
                    raise ReadingError(f"more than {ASKS_MAX:,} requests in one poll")
                said = await self.fetcher.ask(step)
        except (ReadingError, asyncio.CancelledError):
            raise
        except Exception as error:  # whatever an adapter makes of garbage harms no other source
            self._memory.clear()
            raise ReadingError(f"it cannot be read: {error!r:.300}") from error
        finally:
            with contextlib.suppress(Exception):  # it may be running still, in its thread
                polling.close()

    async def _listen(self, watch: Watch, told: _Told, number: int) -> None:
        """Follow one answer after the other."""
        while True:
            async for lines in self.fetcher.lines(watch.ask):
                if not any(lines):
                    continue
                heard = _now()
                reading = await self._apart(_fed, watch, lines)
                told.heard[number] = heard
                if reading is not None:
                    told.reading = reading
                    told.changed.set()
            await asyncio.sleep(REOPEN_SECONDS)

    async def _tell(self, told: _Told, take: Followed) -> None:
        """Hand on what has changed; and what has not, once an interval, while the source lives."""
        interval = self._settings.interval
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await told.changed.wait()
                    await asyncio.sleep(SETTLE_SECONDS)
            told.changed.clear()
            await take(_sound(told.reading._replace(taken=told.taken)))


class _Told:
    """What is known last, and when each watch has last said anything."""

    def __init__(self, reading: Reading, watches: int) -> None:
        self.changed = asyncio.Event()
        self.reading = reading
        self.heard = [reading.taken] * watches

    @property
    def taken(self) -> int:
        """As of when it is known: one that is silent while others are not may be dead."""
        oldest, newest = min(self.heard), max(self.heard)
        return newest if newest - oldest <= SILENT_MS else oldest


def source_of(settings: Settings, headers: dict[str, str]) -> Source:
    """A source as adapters take it."""
    return Source(
        settings.name,
        settings.kind,
        settings.url,
        settings.owner,
        settings.industry,
        settings.location,
        settings.options,
        headers,
    )


def _advance(polling: Polling, said: Sequence[Said] | None) -> Sequence[Ask] | Reading:
    try:
        return next(polling) if said is None else polling.send(said)
    except StopIteration as ended:
        if isinstance(ended.value, Reading):
            return ended.value
        raise TypeError(f"its value is {ended.value!r:.80}, and no reading") from None


def _fed(watch: Watch, lines: Sequence[bytes]) -> Reading | None:
    """What is known after some lines; None if they change nothing that is told."""
    last = None
    for line in lines:
        if line:
            last = watch.line(line, _now()) or last
    return last


def _sound(reading: Reading) -> Reading:
    if len(reading.units) > UNITS_MAX:
        raise ReadingError(f"{len(reading.units):,} units; at most {UNITS_MAX:,} of one source")
    return reading


def _now() -> int:
    return time.time_ns() // 1_000_000
