"""Sources polled side by side: what one does harms no other; what is decided is kept."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.systems.aggregation import polling
from gateway.systems.aggregation.difference import Difference
from gateway.systems.aggregation.known import DAY_MILLISECONDS
from gateway.systems.aggregation.pace import Limits
from gateway.systems.aggregation.polling import Reader
from gateway.systems.aggregation.quarantine import ACCEPTED, REFUSED, WAITING
from gateway.systems.aggregation.readings import (
    Ask,
    Memory,
    Polling,
    Reading,
    ReadingError,
    Source,
    Watch,
)
from gateway.systems.aggregation.service import Service, decide
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import NAMES, Book, BookError
from resolver.server.notices import Repeated
from resolver.tables import Tables
from tests.support.servers import PATIENCE
from tests.support.sources import begin, dripping, endless, hanging, played, saying
from tests.support.supply import GRACE, NOW, SOURCE, Spoken, node, reading, said

FAST = Aggregation(grace=GRACE // 1_000)
ROOM = 64 << 20


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Tables(tmp_path / "tables.mdb", NAMES, ROOM, lasting=True)) as tables:
        found = Book(tables)
        found.add(SOURCE)
        yield found


def tried(book: Book, units: Sequence[str], now: int = NOW) -> object:
    said_ = reading([node(one) for one in units], now)
    return decide(book, SOURCE, said_, now, GRACE)


# -- what is decided


def test_what_is_held_back_is_applied_once_it_is_accepted_and_said_again(book: Book) -> None:
    tried(book, "abcdefgh")
    before = book.known(SOURCE.name)
    assert len(before.units) == 8
    decided = decide(book, SOURCE, reading([node("a")]), NOW + 1, GRACE)
    assert decided.held is not None and decided.held.verdict == WAITING
    assert book.known(SOURCE.name) == before and not decided.statuses
    with pytest.raises(BookError, match="something else"):
        book.judge(SOURCE.name, ACCEPTED, "0" * 8)
    book.judge(SOURCE.name, ACCEPTED, decided.held.digest[:8])
    # It says something else by now: that is held back anew.
    other = decide(book, SOURCE, reading([node("b")]), NOW + 2, GRACE)
    assert other.held is not None and other.held.verdict == WAITING
    book.judge(SOURCE.name, ACCEPTED)
    done = decide(book, SOURCE, reading([node("b")]), NOW + 3, GRACE)
    assert done.held is None and book.held_back(SOURCE.name) is None
    assert sum(bool(one.gone) for one in book.known(SOURCE.name).units.values()) == 7


def test_what_was_refused_stays_so_until_the_source_says_what_is_right(book: Book) -> None:
    tried(book, "abcdefgh")
    tried(book, "")
    book.judge(SOURCE.name, REFUSED)
    decided = decide(book, SOURCE, reading([]), NOW + 1, GRACE)
    assert decided.held is not None and decided.held.verdict == REFUSED
    decided = decide(book, SOURCE, reading([node(one) for one in "abcdefgh"]), NOW + 2, GRACE)
    assert decided.held is None and book.held_back(SOURCE.name) is None
    assert decided.statuses


def test_a_key_of_another_source_is_held_back(book: Book) -> None:
    tried(book, "ab")
    other = msgspec.structs.replace(SOURCE, name="other")
    book.add(other)
    decided = decide(book, other, reading([node("b"), node("c")]), NOW, GRACE)
    assert [one.code for one in decided.reasons] == ["other"] and SOURCE.name in str(decided)
    book.judge("other", ACCEPTED)
    assert decide(book, other, reading([node("b"), node("c")]), NOW, GRACE).held is None
    ours, theirs = book.known(SOURCE.name), book.known("other")
    assert ours.pools.keys() == theirs.pools.keys()  # alike, and yet two
    (first,), (second,) = ours.pools.values(), theirs.pools.values()
    assert first.identifier != second.identifier


def test_a_source_that_is_removed_leaves_nothing(book: Book) -> None:
    tried(book, "ab")
    (pool,) = book.known(SOURCE.name).pools.values()
    assert book.has(pool.identifier)
    book.remove(SOURCE.name)
    assert not book.has(pool.identifier) and book.source_of("key-a", "x") is None
    book.add(SOURCE)
    assert not book.known(SOURCE.name).units and not book.owed(SOURCE.name)
    book.remove(SOURCE.name)
    with pytest.raises(BookError, match="removed meanwhile"):
        tried(book, "ab")


def meanwhile(book: Book, monkeypatch: pytest.MonkeyPatch, does: Callable[[], object]) -> None:
    """Have something done by another process while a reading is looked at."""
    known = book.known

    def late(name: str) -> object:
        monkeypatch.setattr(book, "known", known)
        found = known(name)
        does()
        return found

    monkeypatch.setattr(book, "known", late)


@pytest.mark.parametrize("units", ["abc", "ab", "cdefgh"])
def test_what_was_read_before_a_source_was_paused_or_changed_counts_no_more(
    book: Book, monkeypatch: pytest.MonkeyPatch, units: str
) -> None:
    tried(book, "ab")
    before = book.known(SOURCE.name)
    meanwhile(book, monkeypatch, lambda: book.pause(SOURCE.name, True))
    with pytest.raises(BookError, match="paused meanwhile"):
        tried(book, units)
    assert book.known(SOURCE.name) == before
    book.pause(SOURCE.name, False)

    def other() -> None:
        book.remove(SOURCE.name)
        book.add(msgspec.structs.replace(SOURCE, location="110105"))

    meanwhile(book, monkeypatch, other)
    with pytest.raises(BookError, match="changed meanwhile"):
        tried(book, units)
    assert not book.known(SOURCE.name).pools and book.held_back(SOURCE.name) is None


def test_what_was_read_before_a_source_was_added_again_counts_no_more(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried(book, "ab")

    def again() -> None:
        book.remove(SOURCE.name)
        book.add(SOURCE)

    meanwhile(book, monkeypatch, again)
    with pytest.raises(BookError, match="added again"):
        tried(book, "abc")
    assert not book.known(SOURCE.name).units


def test_a_word_that_is_taken_back_in_the_last_moment_holds(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried(book, "abcdefgh")
    tried(book, "a", NOW + 1)
    book.judge(SOURCE.name, ACCEPTED)
    hold = book.hold

    def late(*given: object) -> object:
        found = hold(*given)  # type: ignore[arg-type]
        book.judge(SOURCE.name, REFUSED)
        return found

    monkeypatch.setattr(book, "hold", late)
    with pytest.raises(BookError, match="what was accepted"):
        tried(book, "a", NOW + 2)
    there = book.held_back(SOURCE.name)
    assert there is not None and there.verdict == REFUSED
    assert not any(one.gone for one in book.known(SOURCE.name).units.values())


def test_what_is_accepted_is_what_later_readings_are_compared_with(book: Book) -> None:
    tried(book, "abcdefgh")
    tried(book, "abc", NOW + 1)
    book.judge(SOURCE.name, ACCEPTED)
    tried(book, "abc", NOW + 2)
    assert book.known(SOURCE.name).past.base.units == 3
    tried(book, "abcd", NOW + 3)
    assert book.held_back(SOURCE.name) is None


def test_what_is_held_back_is_not_right_because_a_night_has_passed(book: Book) -> None:
    some = [node(f"n{number}") for number in range(81)]
    for at, number in enumerate((1, 9)):
        assert decide(book, SOURCE, reading(some[:number]), NOW + at, GRACE).held is None
    for day in range(3):
        now = NOW + 2 + day * DAY_MILLISECONDS
        assert decide(book, SOURCE, reading(some), now, GRACE).held is not None
    book.judge(SOURCE.name, ACCEPTED)
    assert decide(book, SOURCE, reading(some), now, GRACE).held is None


def test_a_pool_that_goes_leaves_its_identifier_to_others(book: Book) -> None:
    tried(book, "ab")
    known = book.known(SOURCE.name)
    ((key, pool),) = known.pools.items()
    gone = Difference(SOURCE.name, NOW, pools={key: None}, past=known.past)
    book.apply(SOURCE, known, gone, False)
    assert not book.known(SOURCE.name).pools and not book.owed(SOURCE.name)
    assert not book.has(pool.identifier)


def test_numbers_grow_even_where_the_clock_does_not(book: Book) -> None:
    assert book.number("x", 100) == 100
    assert book.number("x", 50) == 101
    assert book.number("x", 200) == 200


class Killed(Exception):
    pass


NAMES_SAID = st.lists(
    st.tuples(st.sets(st.sampled_from("abcd"), min_size=2), st.booleans()), min_size=1, max_size=5
)


@given(NAMES_SAID, st.sets(st.integers(0, 9)))
@settings(max_examples=25, deadline=None)
def test_whenever_it_is_killed_the_rows_come_to_the_same(tmp_path_factory, history, kills) -> None:
    """Killed in the transaction of a reading, or behind it, a poll is made again."""
    books = []
    for breaks in (False, True):
        folder = tmp_path_factory.mktemp("book")
        with closing(Tables(folder / "tables.mdb", NAMES, ROOM, lasting=True)) as tables:
            book = Book(tables)
            book.add(SOURCE)
            now, at = NOW, 0
            for names, whole in history:
                now += GRACE
                said_ = reading([node(one) for one in sorted(names)], now, whole=whole)
                if breaks and at in kills:
                    put = book._put_pool
                    book._put_pool = _killing  # type: ignore[method-assign, assignment]
                    with contextlib.suppress(Killed):
                        decide(book, SOURCE, said_, now, GRACE)
                    book._put_pool = put  # type: ignore[method-assign]
                decide(book, SOURCE, said_, now, GRACE)
                if breaks and at + 1 in kills:
                    decide(book, SOURCE, said_, now, GRACE)
                at += 2
            books.append((book.known(SOURCE.name), book.owed(SOURCE.name)))
    assert books[0] == books[1]


def _killing(*_: object) -> None:
    raise Killed


# -- sources that behave badly


def running(book: Book, adapters: dict[str, object]) -> Service:
    return Service(book, FAST, Repeated(), adapters)  # type: ignore[arg-type]


def until(service: Service, holds: Callable[[], bool]) -> None:
    """Let it run until something holds."""

    async def work() -> None:
        task = asyncio.create_task(service.run())
        try:
            async with asyncio.timeout(PATIENCE):
                while not holds():
                    await asyncio.sleep(0.05)
                    assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await service.close()

    asyncio.run(work())


def test_one_broken_source_harms_no_other(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.systems.aggregation.pace.FIRST_WAIT_MAX", 0.0)
    monkeypatch.setattr(
        Aggregation, "limits", Limits(answer_octets=1 << 20, answer_seconds=1.0), raising=False
    )
    over = threading.Event()
    bad = {
        "hangs": hanging(over),
        "drips": dripping(over),
        "ends-never": endless,
        "garbage": saying(b"\xff\x00 no JSON"),
        "wrong": saying(b'[{"nome": 7}]'),
        "deep": saying(b"[" * 100_000),
        "server-error": saying(b"", 500),
        "busy": saying(b"", 503, Retry_After="120"),
    }
    with contextlib.ExitStack() as opened:
        opened.callback(over.set)
        for name, answer in bad.items():
            source = opened.enter_context(played(answer))
            book.add(msgspec.structs.replace(SOURCE, name=name, url=source.url))
        good = opened.enter_context(played(saying(said({"a": 8, "b": 4}))))
        book.remove(SOURCE.name)
        book.add(msgspec.structs.replace(SOURCE, url=good.url))
        until(
            running(book, {"said": Spoken()}),
            lambda: (
                book.polled(SOURCE.name).units == 2
                and all(book.polled(name).failures for name in bad)
            ),
        )
        assert all(len(book.polled(name).error) < 600 for name in bad)
        assert not any(book.known(name).units for name in bad)
        assert len(book.known(SOURCE.name).units) == 2


class Failing:
    """An adapter with faults of its own."""

    kind = "said"

    def __init__(self, poll: Callable[[], Polling]) -> None:
        self._poll = poll

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        return self._poll()

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        return ()


def _for_ever() -> Polling:
    while True:
        yield [Ask("nodes", "/nodes")] * 60


def _no_reading() -> Polling:
    yield [Ask("nodes", "/nodes")]
    return None  # type: ignore[return-value]


def _raises() -> Polling:
    yield [Ask("nodes", "/nodes")]
    raise KeyError("name")


@pytest.mark.parametrize(
    ("poll", "match"),
    [(_for_ever, "requests in one poll"), (_no_reading, "no reading"), (_raises, "KeyError")],
)
def test_an_adapter_with_faults(
    monkeypatch: pytest.MonkeyPatch, poll: Callable[[], Polling], match: str
) -> None:
    monkeypatch.setattr(polling, "ASKS_MAX", 100)

    async def work() -> None:
        with played(saying(b"[]")) as source:
            settings_ = msgspec.structs.replace(SOURCE, url=source.url)
            reader = Reader(settings_, Failing(poll), Limits(requests=60_000))
            try:
                await reader.read()
            finally:
                await reader.close()

    with pytest.raises(ReadingError, match=match):
        asyncio.run(work())


def test_a_source_is_told_apart_by_what_it_was_added_with(book: Book) -> None:
    book.pause(SOURCE.name, True)
    service = running(book, {"said": Spoken()})
    with played(saying(said({"a": 8}))) as source:

        async def work() -> None:
            task = asyncio.create_task(service.run())
            await asyncio.sleep(0.3)
            assert not source.asked
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await service.close()

        asyncio.run(work())


def test_what_is_accepted_is_applied_at_once_and_a_source_that_fails_is_not_asked_more_often(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.systems.aggregation.pace.FIRST_WAIT_MAX", 0.0)
    monkeypatch.setattr("gateway.systems.aggregation.service.LOOK_SECONDS", 0.05)
    book.remove(SOURCE.name)
    with played(saying(said(dict.fromkeys("abcdefgh", 8.0)))) as source:
        book.add(msgspec.structs.replace(SOURCE, url=source.url, interval=600))

        def service() -> Service:
            return running(book, {"said": Spoken()})

        until(service(), lambda: len(book.known(SOURCE.name).units) == 8)
        source.answer = saying(b"[]")
        until(service(), lambda: book.held_back(SOURCE.name) is not None)
        judged: list[int] = []

        def is_applied() -> bool:
            if not judged and len(source.asked) > asked:
                book.judge(SOURCE.name, ACCEPTED)
                judged.append(len(source.asked))
            return bool(judged) and book.held_back(SOURCE.name) is None

        asked = len(source.asked)
        until(service(), is_applied)  # ten minutes before the next poll
        assert all(one.gone for one in book.known(SOURCE.name).units.values())

        book.remove(SOURCE.name)
        book.add(msgspec.structs.replace(SOURCE, url=source.url, interval=600))
        source.answer = saying(said(dict.fromkeys("abcdefgh", 8.0)))
        until(service(), lambda: len(book.known(SOURCE.name).units) == 8)
        source.answer = saying(b"[]")
        until(service(), lambda: book.held_back(SOURCE.name) is not None)
        book.judge(SOURCE.name, ACCEPTED)
        source.answer = saying(b"", 503)
        begun = len(source.asked)
        looks: list[int] = []

        def has_looked_often() -> bool:
            looks.append(len(source.asked))
            return len(looks) > 20

        until(service(), has_looked_often)  # a second, in which it looks twenty times
        assert len(source.asked) - begun <= 2
        assert book.held_back(SOURCE.name) is not None


# -- sources that tell of changes


class Line:
    """Each line is the number of free chips of a unit."""

    ask = Ask("watch", "/watch")

    def line(self, octets: bytes, now: int) -> Reading | None:
        if octets == b"gone":
            raise ReadingError("410 Gone")
        return None if octets == b"bookmark" else reading([node("a", int(octets))], now)


class Telling(Spoken):
    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        return [Line()]


def test_changes_are_taken_as_they_are_told_and_the_source_polled_anew_when_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "SETTLE_SECONDS", 0.05)
    go = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path != "/watch":
            return saying(said({"a": 8}))(handler)
        begin(handler)
        handler.wfile.write(b"bookmark\n7\n6\n5\n")
        handler.wfile.flush()
        go.wait(PATIENCE)
        handler.wfile.write(b"gone\n")
        return None

    taken: list[float] = []

    async def take(told: Reading) -> None:
        taken.append(told.units[0].free["chips"])
        go.set()

    async def work(url: str) -> str:
        reader = Reader(msgspec.structs.replace(SOURCE, url=url), Telling(), Limits())
        try:
            last = await reader.read()
            return await reader.follow(reader.watches(), last, take, PATIENCE)
        finally:
            await reader.close()

    with played(answer) as source:
        assert asyncio.run(work(source.url)) == "410 Gone"
    assert taken == [5]  # what was told together was taken together


def test_what_has_not_changed_is_told_again_while_the_source_lives() -> None:
    go = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path != "/watch":
            return saying(said({"a": 8}))(handler)
        begin(handler)
        while not go.wait(0.1):
            handler.wfile.write(b"bookmark\n")
            handler.wfile.flush()
        return None

    taken: list[int] = []

    async def take(told: Reading) -> None:
        taken.append(told.taken)

    async def work(url: str) -> None:
        quick = msgspec.structs.replace(SOURCE, url=url, interval=1)
        reader = Reader(quick, Telling(), Limits())
        try:
            last = await reader.read()
            assert await reader.follow(reader.watches(), last, take, 2.5) == ""
            assert len(taken) == 2 and last.taken < taken[0] < taken[1]
        finally:
            go.set()
            await reader.close()

    with played(answer) as source:
        asyncio.run(work(source.url))
