"""The system as it runs: one poller for all sources, each by itself, so that what one does harms no
other.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from csid.errors import CsidError
from csid.status import Told
from gateway.systems.aggregation import pace, quarantine
from gateway.systems.aggregation.adapters.by_kind import ADAPTERS
from gateway.systems.aggregation.difference import Difference, Rules, applied, difference
from gateway.systems.aggregation.hands import Done, Hands
from gateway.systems.aggregation.known import Known, Polled, Settings
from gateway.systems.aggregation.polling import Reader
from gateway.systems.aggregation.quarantine import ACCEPTED, Held, Reason
from gateway.systems.aggregation.readings import Adapter, Reading, ReadingError
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import Book
from gateway.systems.aggregation.telling import Teller
from resolver.server.notices import Repeated

Seen = Callable[[Settings, Reading, Mapping[str, Told], int], None]

LOOK_SECONDS: Final = 1.0  # between two looks at which sources there are
RESYNC_INTERVALS: Final = 10  # after which a source that tells of changes is polled all the same
LEAST_WAIT: Final = 5.0  # seconds before it is polled again because what it told has ended
_CHINA: Final = timedelta(hours=8)  # whose calendar codes and endings follow


class Decided(NamedTuple):
    """What becomes of a reading.

    Attributes:
        reasons: why it looks wrong.
        held: what is held back of it; None if nothing is.
        statuses: what is told, by identifier.
    """

    change: Difference
    reasons: tuple[Reason, ...]
    held: Held | None
    statuses: Mapping[str, Told]


def look(
    book: Book, source: Settings, reading: Reading, now: int, grace: int
) -> tuple[Known, Difference, tuple[Reason, ...]]:
    """What is known, what a reading changes of it, and what looks wrong about that; nothing is
    written.

    Args:
        now, grace: Unix milliseconds, milliseconds.
    """
    known = book.known(source.name)
    on = (datetime.fromtimestamp(now / 1_000, UTC) + _CHINA).date()
    held = book.held_back(source.name)
    since = held.since if held is not None else 0
    change = difference(source, known, reading, Rules(now, grace, on, book.has, since))
    others = (lambda key: book.source_of(key, source.name)) if change.units else (lambda _: None)
    return known, change, quarantine.reasons(known, reading, change, now, others, source.elastic)


def decide(book: Book, source: Settings, reading: Reading, now: int, grace: int) -> Decided:
    """Look at a reading, and write what it changes, or hold that back.

    Raises:
        BookError: meanwhile the source was removed, changed or paused, or what was accepted of it
            was not any more; so nothing was written.
    """
    known, change, why = look(book, source, reading, now, grace)
    held: Held | None = None
    if why:
        held = book.hold(source, change, why, now)
        if held.verdict != ACCEPTED:
            told = quarantine.believed(known, change, why)
            return Decided(change, why, held, _by_identifier(known, told))
        change = change._replace(past=change.past.accepted(change.has), is_later=True)
    if not change.is_empty:
        book.apply(source, known, change, bool(why))
        known = applied(known, change)
    else:
        book.still(source)
        if book.held_back(source.name) is not None:
            book.release(source.name)
    return Decided(change, why, None, _by_identifier(known, change.statuses))


def _by_identifier(known: Known, statuses: Mapping[str, Told]) -> dict[str, Told]:
    return {known.pools[key].identifier: told for key, told in statuses.items()}


class Service:
    """The system.

    Args:
        book: its tables.
        settings: its section.
        complaints: of what goes wrong.
        adapters: by kind.
        now: gives Unix milliseconds.
        seen: is given each reading, the statuses that are believed of it, the time; where the book
            may be used.
    """

    def __init__(
        self,
        book: Book,
        settings: Aggregation,
        complaints: Repeated,
        adapters: Mapping[str, Adapter] = ADAPTERS,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        seen: Seen = lambda *_: None,
    ) -> None:
        self.book = book
        self._settings = settings
        self._complaints = complaints
        self._adapters = adapters
        self._now = now
        self._seen = seen
        self._thread = ThreadPoolExecutor(1, "aggregation")
        self._hands = Hands(book, self._in_book, settings)
        self._teller = Teller(book, self._in_book, settings)
        self._kept: dict[str, tuple[Settings, asyncio.Task[None], asyncio.Event]] = {}
        self._accepted: dict[str, str] = {}  # digests of differences that somebody has accepted

    async def run(self) -> None:
        """Poll all sources until cancelled, as they are added, changed and removed."""
        try:
            while True:
                sources: list[Settings] = await self._in_book(self.book.sources)
                await self._follow({one.name: one for one in sources if not one.paused})
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            tasks = [task for _, task, _ in self._kept.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._kept.clear()

    async def close(self) -> None:
        """End the connections."""
        await self._hands.close()
        await self._teller.close()
        self._thread.shutdown()

    async def once(self, source: Settings) -> tuple[Decided | None, Done, Polled]:
        """Poll a source once, and do what follows; None if it could not be read."""
        reader = self.reader(source)
        try:
            _, decided, done, polled = await self._poll(source, reader)
            return decided, done, polled
        finally:
            await reader.close()

    def reader(self, source: Settings) -> Reader:
        """What reads a source.

        Raises:
            ReadingError: there is no adapter of its kind, or its URL is none.
        """
        adapter = self._adapters.get(source.kind)
        if adapter is None:
            known = ", ".join(sorted(self._adapters)) or "none"
            raise ReadingError(f"there is no kind {source.kind!r} of source; there are {known}")
        return Reader(source, adapter, self._settings.limits)

    async def _follow(self, wanted: Mapping[str, Settings]) -> None:
        """Have one task for each source."""
        for name, (settings, task, _) in list(self._kept.items()):
            if wanted.get(name) != settings or task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                del self._kept[name]
        for name, settings in wanted.items():
            if name not in self._kept:
                woken = asyncio.Event()
                task = asyncio.create_task(self._keep(settings, woken), name=f"source {name}")
                self._kept[name] = settings, task, woken
        for name, (_, _, woken) in self._kept.items():
            held: Held | None = await self._in_book(self.book.held_back, name)
            accepted = held.digest if held is not None and held.verdict == ACCEPTED else ""
            if accepted and self._accepted.get(name) != accepted:
                woken.set()  # once: a source that fails is not asked more often for that
            self._accepted[name] = accepted

    async def _keep(self, source: Settings, woken: asyncio.Event) -> None:
        """Poll one source again and again; whatever befalls it ends nothing."""
        wait = pace.first(source.interval, random.random())
        while True:
            try:
                reader = self.reader(source)
            except CsidError as error:
                await self._note_failure(source, str(error), 0.0)
                await asyncio.sleep(pace.BACK_OFF_MAX)
                continue
            try:
                while True:
                    await _wait(wait, woken)
                    wait = await self._turn(source, reader)
            except CsidError as error:  # the book cannot be written, or the source is gone from it
                self._complaints.tell(f"aggregation: {source.name}: {error}", source.name)
            except Exception as error:
                said = f"aggregation: {source.name}: {error!r:.300}"
                self._complaints.tell(said, source.name)
            finally:
                await reader.close()
            wait = pace.after_failures(source.interval, 2, 0, random.random())

    async def _turn(self, source: Settings, reader: Reader) -> float:
        """One poll and what is told after it; seconds until the next."""
        reading, decided, _, polled = await self._poll(source, reader)
        if reading is None or decided is None:
            put_off = reader.fetcher.put_off
            return pace.after_failures(source.interval, polled.failures, put_off, random.random())
        watches = reader.watches()
        if not watches:
            return pace.following(source.interval, random.random())

        async def take(told: Reading) -> None:
            await self._take(source, told, 0.0)

        seconds = pace.following(source.interval * RESYNC_INTERVALS, random.random())
        begun = time.monotonic()
        why = await reader.follow(watches, reading, take, seconds)
        if not why:
            return 0.0
        self._complaints.tell(f"aggregation: {source.name}: {why}", f"{source.name} told")
        if (
            time.monotonic() - begun < source.interval
        ):  # it cannot be followed: as if it told nothing
            return pace.following(source.interval, random.random())
        return LEAST_WAIT

    async def _poll(
        self, source: Settings, reader: Reader
    ) -> tuple[Reading | None, Decided | None, Done, Polled]:
        begun = time.monotonic()
        try:
            reading = await reader.read()
        except CsidError as error:
            polled = await self._note_failure(source, str(error), time.monotonic() - begun)
            return None, None, Done(), polled
        decided, done, polled = await self._take(source, reading, time.monotonic() - begun)
        return reading, decided, done, polled

    async def _take(
        self, source: Settings, reading: Reading, seconds: float
    ) -> tuple[Decided, Done, Polled]:
        """Decide about a reading, ask the registry, tell the gateway, and note how that was."""
        now, grace = self._now(), self._settings.grace * 1_000
        decided: Decided = await self._in_book(decide, self.book, source, reading, now, grace)
        before: set[str] = await self._in_book(self.book.active, source.name)
        refused = await self._tell(source, decided.statuses, before, reading.taken, now)
        done = await self._hands.pay(source)
        if done.error:
            said = f"aggregation: {source.name}: {done.error}"
            self._complaints.tell(said, f"{source.name} owed")
        if done.done:  # what was just registered is told of at once
            after: set[str] = await self._in_book(self.book.active, source.name)
            new = after - before
            refused = await self._tell(source, decided.statuses, new, reading.taken, now) or refused
        polled = Polled(
            at=now,
            taken=reading.taken,
            units=len(reading.units),
            version=reading.version[:200],
            notes=decided.change.notes,
            owed=done.error,
            refused=refused,
            seconds=round(seconds, 3),
        )
        await self._in_book(self.book.note, source.name, polled)
        await self._in_book(self._seen, source, reading, decided.statuses, now)
        return decided, done, polled

    async def _tell(
        self, source: Settings, statuses: Mapping[str, Told], active: set[str], taken: int, now: int
    ) -> str:
        """Tell statuses of identifiers that are registered and in use; what was refused of them."""
        told = {one: status for one, status in statuses.items() if one in active}
        refused = await self._teller.tell(source, told, taken, now)
        if refused:
            self._complaints.tell(f"aggregation: {source.name}: {refused}", f"{source.name} told")
        return refused

    async def _note_failure(self, source: Settings, error: str, seconds: float) -> Polled:
        before: Polled = await self._in_book(self.book.polled, source.name)
        polled = msgspec.structs.replace(
            before,
            at=self._now(),
            failures=before.failures + 1,
            error=error[:500],
            seconds=round(seconds, 3),
        )
        await self._in_book(self.book.note, source.name, polled)
        self._complaints.tell(f"aggregation: {source.name}: {error}", source.name)
        return polled

    async def _in_book(self, work: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Do something in the thread that alone uses the book."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*given, **named))


async def _wait(seconds: float, woken: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await woken.wait()
    except TimeoutError:
        return
    finally:
        woken.clear()
