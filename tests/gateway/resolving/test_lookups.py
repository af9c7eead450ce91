"""Questions of the HTTP process: one for a name, bounded in time and number, renewed in time."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from csid.names import from_text
from csid.protocol import TXT
from gateway.resolving import lookups
from gateway.resolving.lookups import Lookups, Question
from resolver.cache import entry as entries
from resolver.cache.store import Cache, Readable
from resolver.server.recursive.packets import (
    PACKET_OCTETS,
    Answered,
    Asked,
    answered,
    read_asked,
)

NAME = from_text("a.example.")
QUESTION = Question(NAME, TXT)
RECORD = entries.Section(b"\xc0\x0c\0\x10\0\1\0\0\0\0\0\2\1x", 1)


def entry(ttl: int = 300, since: int = 0) -> bytes:
    """An answer that came some seconds ago."""
    return entries.encode(0, -1, ttl, int(time.time()) - since, RECORD)


class Made(NamedTuple):
    lookups: Lookups
    other: socket.socket  # where it is asked

    def asked(self) -> list[Asked]:
        """What has come to be asked by now."""
        found = []
        self.other.setblocking(False)
        while True:
            try:
                found += read_asked(self.other.recv(PACKET_OCTETS))
            except BlockingIOError:
                return found

    def answer(self, *answers: Answered) -> None:
        for packet in answered(answers):
            self.other.send(packet)


@contextmanager
def opened(folder: Path, *kept: tuple[bytes, bytes]) -> Iterator[Made]:
    cache = Cache(folder / "cache", 1 << 20)
    cache.put(kept)
    cache.close()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        readable = Readable(folder / "cache")
        made = Lookups(readable, ours, asyncio.get_running_loop())
        yield Made(made, theirs)
        made.close()
        readable.close()


def test_many_who_wait_for_a_name_wait_for_one_question(tmp_path: Path) -> None:
    async def ask() -> None:
        with opened(tmp_path) as made:
            waiting = [asyncio.ensure_future(made.lookups.find(QUESTION)) for _ in range(10)]
            await asyncio.sleep(0.01)
            (one,) = made.asked()
            assert (one.name, one.rrtype, one.is_fresh) == (NAME, TXT, False)
            waiting[0].cancel()  # who goes takes nothing from the others
            told = entry()
            made.answer(Answered(b"not asked", told), Answered(one.tag, told))
            found = await asyncio.gather(*waiting[1:])
            assert found == [told] * 9
            assert len(made.lookups) == 0
            counts = made.lookups.counts
            assert (counts.hits, counts.asked, counts.unanswered) == (0, 1, 0)

    asyncio.run(ask())


def test_whoever_is_not_answered_waits_no_longer_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "GIVE_UP_SECONDS", 0.3)

    async def ask() -> None:
        with opened(tmp_path) as made:
            made.other.send(b"what is no answer")
            many = [Question(from_text(f"{n}.example."), TXT) for n in range(8_000)]
            begun = time.monotonic()
            # More than the pair has room for, so that some are not even sent.
            assert await made.lookups.ask_all(many) == [None] * len(many)
            assert time.monotonic() - begun < 5
            assert len(made.lookups) == 0
            assert made.lookups.counts.unanswered == len(many)
            waiting = asyncio.ensure_future(made.lookups.find(QUESTION))
            while not waiting.done():
                for one in made.asked():
                    if one.name == NAME:
                        made.answer(Answered(one.tag, entry()))
                await asyncio.sleep(0.01)
            assert waiting.result() is not None

    asyncio.run(ask())


def test_no_more_are_under_way_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "MOST", 20)
    monkeypatch.setattr(lookups, "MOST_OF_BATCHES", 10)
    monkeypatch.setattr(lookups, "GIVE_UP_SECONDS", 0.3)

    async def ask() -> None:
        with opened(tmp_path) as made:
            names = [Question(from_text(f"{n}.example."), TXT) for n in range(30)]
            batch = asyncio.ensure_future(made.lookups.ask_all(names[:10]))
            await asyncio.sleep(0)
            waits = asyncio.ensure_future(made.lookups.ask_all(names[10:20]))
            single = [asyncio.ensure_future(made.lookups.find(one)) for one in names[20:]]
            await asyncio.sleep(0.05)
            assert len(made.lookups) == 20  # those of one batch, and single ones
            assert not waits.done()
            one_more = Question(NAME, TXT)
            assert await made.lookups.find(one_more) is None
            for one in made.asked():
                made.answer(Answered(one.tag, entry()))
            assert None not in await batch
            assert None not in await asyncio.gather(*single)
            assert len(await waits) == 10

    asyncio.run(ask())


def test_what_is_popular_is_found_out_anew_before_it_ends(tmp_path: Path) -> None:
    async def ask() -> None:
        other = Question(from_text("b.example."), TXT)
        kept = [(QUESTION.key, entry(300, 290)), (other.key, entry(300, 100))]
        with opened(tmp_path, *kept) as made:
            for _ in range(5):
                assert await made.lookups.find(QUESTION) is not None
                assert await made.lookups.find(other) is not None
            await asyncio.sleep(0.01)
            (one,) = made.asked()
            assert (one.name, one.rrtype, one.is_fresh) == (NAME, TXT, True)

    asyncio.run(ask())


def test_what_was_ready_when_it_closed_is_told_that_nobody_says(tmp_path: Path) -> None:
    async def ask() -> None:
        with opened(tmp_path) as made:
            waiting = asyncio.ensure_future(made.lookups.find(QUESTION))
            await asyncio.sleep(0.01)
            made.lookups.close()
            assert await waiting is None

    asyncio.run(ask())
