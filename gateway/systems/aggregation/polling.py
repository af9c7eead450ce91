"""One source read: its adapter driven, whatever it does; what it says followed, where it tells of
changes by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
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
        self.fetcher = Fetcher(settings, limits)

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
        told = _Told(last)
        tasks = [asyncio.create_task(self._listen(one, told)) for one in watches]
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

    async def _ready(self) -> Source:
        """The source, with its credentials as they are now."""
        headers: dict[str, str] = {}
        if self._settings.token_file:
            file = Path(self._settings.token_file)
            headers = await asyncio.to_thread(credentials.read, file, self._settings.kind)
        self.fetcher.begin(headers)
        return source_of(self._settings, headers)

    async def _drive(self, source: Source) -> Reading:
        """Let the adapter ask until it has read."""
        polling = self._adapter.poll(source, self._memory, _now())
        said: Sequence[Said] | None = None
        asked = 0
        try:
            while True:
                # In a thread: to read what ten thousand nodes say takes a while.
                step = await asyncio.to_thread(_advance, polling, said)
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

    async def _listen(self, watch: Watch, told: _Told) -> None:
        """Follow one answer after the other."""
        while True:
            async for line in self.fetcher.lines(watch.ask):
                reading = watch.line(line, _now())
                told.alive = _now()
                if reading is not None:
                    told.reading = reading
                    told.changed.set()
            await asyncio.sleep(REOPEN_SECONDS)

    async def _tell(self, told: _Told, take: Followed) -> None:
        """Hand on what has changed; and what has not, once an interval, while the source lives."""
        interval = self._settings.interval
        handed = _now()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await told.changed.wait()
                    await asyncio.sleep(SETTLE_SECONDS)
            told.changed.clear()
            if told.alive > handed:
                told.reading = told.reading._replace(taken=max(told.reading.taken, told.alive))
            handed = _now()
            await take(_sound(told.reading))


class _Told:
    """What is known last, and when the watches have last said anything."""

    def __init__(self, reading: Reading) -> None:
        self.changed = asyncio.Event()
        self.reading = reading
        self.alive = 0


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


def _sound(reading: Reading) -> Reading:
    if len(reading.units) > UNITS_MAX:
        raise ReadingError(f"{len(reading.units):,} units; at most {UNITS_MAX:,} of one source")
    return reading


def _now() -> int:
    return time.time_ns() // 1_000_000
