"""One source read: what it says takes its own time, and nobody else's; what it tells has an age."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import msgspec
import pytest

from gateway.systems.aggregation import polling, service
from gateway.systems.aggregation.pace import Limits
from gateway.systems.aggregation.polling import Reader
from gateway.systems.aggregation.readings import (
    Ask,
    Memory,
    Polling,
    Reading,
    ReadingError,
    Source,
    Watch,
)
from gateway.systems.aggregation.service import Service
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import NAMES, Book
from resolver.server.notices import Repeated
from resolver.tables import Tables
from tests.support.servers import PATIENCE
from tests.support.sources import begin, played, saying
from tests.support.supply import NOW, SOURCE, Spoken, node, reading, said

ROOM = 64 << 20
Answer = Callable[[BaseHTTPRequestHandler], None]


class Slow(Spoken):
    """Takes its time to read what was said, as long as it is told to."""

    def __init__(self) -> None:
        self.slow = threading.Event()
        self.end = threading.Event()

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        found = yield from super().poll(source, memory, now)
        if self.slow.is_set():
            self.end.wait(PATIENCE)
            memory["late"] = True
        assert "late" not in memory
        return found


def test_what_takes_too_long_to_read_takes_no_other_sources_time() -> None:
    slow = Slow()
    slow.slow.set()

    async def work(url: str) -> None:
        settings = msgspec.structs.replace(SOURCE, url=url)
        one = Reader(settings, slow, Limits(poll_seconds=0.3))
        others = [Reader(settings, Spoken(), Limits()) for _ in range(8)]
        with pytest.raises(ReadingError, match=r"not over within 0\.3 s"):
            await one.read()
        for _ in range(20):  # of which none takes a thread of its own
            with pytest.raises(ReadingError, match="being read still"):
                await one.read()
        found = await asyncio.gather(*(other.read() for other in others))
        assert len(found) == 8 and not slow.end.is_set()
        slow.slow.clear()
        slow.end.set()
        while True:  # what it wrote meanwhile is of no poll any more
            try:
                assert (await one.read()).units == found[0].units
                break
            except ReadingError:
                await asyncio.sleep(0.01)
        for each in (one, *others):
            await each.close()

    with played(saying(said({"a": 8}))) as source:
        asyncio.run(work(source.url))


# -- sources that tell of changes


class Line:
    """Each line is the number of free chips of a unit."""

    def __init__(self, path: str) -> None:
        self.ask = Ask("watch", path)

    def line(self, octets: bytes, now: int) -> Reading | None:
        return None if octets == b"bookmark" else reading([node("a", int(octets))], now)


class Telling(Spoken):
    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        return [Line("/first"), Line("/second")]


@pytest.mark.parametrize("second", [b"bookmark\n", b"\n", b""])
def test_what_is_silent_while_others_are_not_is_not_of_now(
    monkeypatch: pytest.MonkeyPatch, second: bytes
) -> None:
    monkeypatch.setattr(polling, "SILENT_MS", 500)
    done = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path not in ("/first", "/second"):
            return saying(said({"a": 8}))(handler)
        begin(handler)
        while not done.wait(0.05):
            handler.wfile.write(b"bookmark\n" if handler.path == "/first" else second)
            handler.wfile.flush()
        return None

    taken: list[int] = []

    async def take(told: Reading) -> None:
        taken.append(told.taken)

    async def work(url: str) -> None:
        reader = Reader(msgspec.structs.replace(SOURCE, url=url, interval=1), Telling(), Limits())
        try:
            last = await reader.read()
            assert await reader.follow(reader.watches(), last, take, 2.5) == ""
            if second.strip():
                assert last.taken + 900 < taken[0] < taken[1]
            else:
                assert taken == [last.taken] * 2
        finally:
            done.set()
            await reader.close()

    with played(answer) as source:
        asyncio.run(work(source.url))


def test_lines_are_whole_however_they_come() -> None:
    pieces = [b"1", b"2\n", b"bookmark\n3\n4", b"\n", b"\n", b"5"]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.02)

    async def work(url: str) -> list[bytes]:
        reader = Reader(msgspec.structs.replace(SOURCE, url=url), Spoken(), Limits())
        try:
            asked = reader.fetcher.lines(Ask("watch", "/watch"))
            return [one async for some in asked for one in some if one]
        finally:
            await reader.close()

    with played(answer) as source:
        assert asyncio.run(work(source.url)) == [b"12", b"bookmark", b"3", b"4", b"5"]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Tables(tmp_path / "tables.mdb", NAMES, ROOM, lasting=True)) as tables:
        yield Book(tables)


def test_a_source_that_may_not_be_followed_is_polled_as_others_are(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.systems.aggregation.pace.FIRST_WAIT_MAX", 0.0)
    monkeypatch.setattr(service, "LEAST_WAIT", 0.0)
    complaints: list[str] = []
    monkeypatch.setattr(Repeated, "tell", lambda _, text, __: complaints.append(text))

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path in ("/first", "/second"):
            return saying(b"", 403)(handler)
        return saying(said({"a": 8}))(handler)

    async def work() -> None:
        running = Service(book, Aggregation(), Repeated(), {"said": Telling()}, lambda: NOW)
        task = asyncio.create_task(running.run())
        while not complaints:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await running.close()

    with played(answer) as source:
        book.add(msgspec.structs.replace(SOURCE, url=source.url, interval=600))
        asyncio.run(work())
        assert len([path for path, _ in source.asked if "watch" not in path]) <= 3
    assert any("may the account watch, too?" in one for one in complaints)
