"""A source is asked within its budget, and harms nobody by what it answers."""

from __future__ import annotations

import asyncio
import gzip
import os
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation import credentials, fetching, pace
from gateway.systems.aggregation.credentials import CredentialsError
from gateway.systems.aggregation.fetching import Fetcher
from gateway.systems.aggregation.pace import Budget, Limits
from gateway.systems.aggregation.readings import Ask, ReadingError, Said
from tests.support.sources import Answering, dripping, endless, hanging, played, saying
from tests.support.supply import SOURCE

TIGHT = Limits(answer_octets=1 << 20, poll_octets=3 << 20, answer_seconds=0.5)
ASK = Ask("nodes", "/nodes")


def ask(
    url: str,
    *asks: Ask,
    limits: Limits = TIGHT,
    times: int = 1,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> list[Said]:
    """What is said the last of so many times."""

    async def work() -> list[Said]:
        fetcher = Fetcher(msgspec.structs.replace(SOURCE, url=url), limits)
        try:
            for _ in range(times):
                fetcher.begin(headers)
                found = await fetcher.ask(asks or (ASK,))
            return found
        finally:
            await fetcher.close()

    return asyncio.run(work())


@pytest.fixture
def over() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def refused(answer: Answering, match: str, *asks: Ask, limits: Limits = TIGHT) -> None:
    begun = time.monotonic()
    with played(answer) as source, pytest.raises(ReadingError, match=match):
        ask(source.url, *asks, limits=limits)
    assert time.monotonic() - begun < 10


def test_one_that_hangs(over: threading.Event) -> None:
    refused(hanging(over), "no whole answer within 0.5 s")


def test_one_that_drips(over: threading.Event) -> None:
    refused(dripping(over), "no whole answer within 0.5 s")


def test_one_that_never_ends() -> None:
    refused(endless, "an answer has more than 1 MiB", limits=TIGHT._replace(answer_seconds=20))


def test_answers_that_are_too_much_together() -> None:
    asks = [Ask("nodes", f"/{number}") for number in range(5)]
    refused(saying(b"x" * 900_000), "answers of this poll have more than 3 MiB", *asks)


def test_what_is_compressed_was_not_asked_for() -> None:
    bomb = gzip.compress(b"x" * 10_000_000)
    refused(saying(bomb, Content_Encoding="gzip"), "is in gzip")


def test_what_is_no_http() -> None:
    def answer(handler) -> None:
        handler.wfile.write(b"\x00garbage\r\n\r\n")

    refused(answer, "127.0.0.1")


def test_it_is_sent_on_to_nobody_else() -> None:
    with played(saying(b"secret")) as other:
        refused(saying(b"", 302, Location=f"{other.url}/nodes"), "sends us elsewhere")
        assert not other.asked
    refused(saying(b"", 302, Location="/nodes"), "more than 3 redirects")


def test_it_may_be_sent_on_to_itself() -> None:
    def answer(handler) -> None:
        if handler.path == "/nodes":
            saying(b"", 307, Location="/there")(handler)
        else:
            saying(b"here")(handler)

    with played(answer) as source:
        (said,) = ask(source.url, headers={"X-Token": "t"})
        assert said.body == b"here"
        assert [fields["x-token"] for _, fields in source.asked] == ["t", "t"]


@pytest.mark.parametrize("path", ["@evil.example/", ".evil.example", "//", "nodes"])
def test_a_path_leads_to_no_other_host(path: str) -> None:
    with played(saying(b"")) as source:
        try:
            ask(source.url, Ask("x", path))
        except ReadingError as error:
            assert "no path below" in str(error)
        assert all(fields["host"] in source.url for _, fields in source.asked)


def test_what_has_not_changed_is_said_again() -> None:
    def answer(handler) -> None:
        if handler.headers.get("if-none-match") == '"v1"':
            saying(b"", 304)(handler)
        else:
            saying(b"body", ETag='"v1"')(handler)

    with played(answer) as source:
        (said,) = ask(source.url, times=2)
        assert (said.status, said.body) == (200, b"body")
        assert "if-none-match" in source.asked[1][1]
        ask(source.url, ASK._replace(cached=False), times=2)
        assert all("if-none-match" not in fields for _, fields in source.asked[2:])


def test_what_is_kept_has_room_for_so_much_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "CACHE_OCTETS", 5_000)
    asks = [ASK._replace(path=f"/nodes/{number}") for number in range(20)]

    async def work(url: str) -> None:
        fetcher = Fetcher(msgspec.structs.replace(SOURCE, url=url), TIGHT)
        for some in (asks, asks[-1:], asks[:1]):
            fetcher.begin({})
            await fetcher.ask(some)
        await fetcher.close()

    with played(saying(b"", ETag='"v1"')) as source:  # answers without a body take room, too
        asyncio.run(work(source.url))
        asked_whether_it_changed = ["if-none-match" in fields for _, fields in source.asked]
    assert asked_whether_it_changed == [False] * 20 + [True, False]


def test_a_date_serves_where_there_is_no_tag() -> None:
    day = "Thu, 26 Nov 2026 09:00:00 GMT"
    with played(saying(b"body", Last_Modified=day)) as source:
        ask(source.url, times=2)
        assert source.asked[1][1]["if-modified-since"] == day


def test_other_header_fields_are_another_answer() -> None:
    with played(saying(b"body", ETag='"v1"')) as source:
        ask(source.url, ASK, ASK._replace(headers={"X-Version": "2"}))
        assert all("if-none-match" not in fields for _, fields in source.asked)


def test_a_token_is_not_sent_in_the_clear() -> None:
    with pytest.raises(ReadingError, match="in the clear"):
        ask("http://192.0.2.1:80", headers={"X": "t"})


@pytest.mark.parametrize(
    "url", ["http://", "http://user@host", "http://host:x", "http://[::", "ftp://host"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ReadingError):
        ask(url)


def test_a_file_is_read_anew_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    asks = Ask("table", "")
    assert ask(str(file), asks)[0].status == 404
    file.write_text("a")
    assert ask(str(file), asks, times=2)[0].body == b"a"
    assert ask(f"file://{file}", asks)[0].body == b"a"
    file.write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(ReadingError, match="more than 1 MiB"):
        ask(str(file), asks)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReadingError, match="is no file"):
        ask(str(tmp_path / "pipe"), Ask("table", ""))
    with pytest.raises(ReadingError):
        ask(str(tmp_path), Ask("table", ""))


# -- pace


@given(
    st.floats(1, 1e4), st.integers(1, 10_000), st.floats(0, 1e6), st.floats(0, 1, exclude_max=True)
)
def test_backing_off(interval: float, failures: int, put_off: float, draw: float) -> None:
    wait = pace.after_failures(interval, failures, put_off, draw)
    longest = max(pace.BACK_OFF_MAX, interval)
    asked = min(put_off, pace.RETRY_AFTER_MAX)
    assert max(asked, 0.9 * min(interval, longest)) <= wait <= max(longest, asked)


def test_each_failure_waits_longer_up_to_a_cap() -> None:
    waits = [pace.after_failures(60, number, 0, 0) for number in range(1, 8)]
    assert waits == [60, 120, 240, 480, 900, 900, 900]
    assert pace.after_failures(60, 1, 300, 0) == 300
    assert pace.following(60, 0) == 54 and pace.following(60, 1) == pytest.approx(66)
    assert pace.first(600, 1) == pace.FIRST_WAIT_MAX


@pytest.mark.parametrize(
    ("text", "seconds"), [("120", 120), ("-1", 0), ("soon", 0), ("", 0), ("9" * 30, 86_400)]
)
def test_retry_after(text: str, seconds: float) -> None:
    assert pace.retry_after({"retry-after": text}, 0) == seconds


def test_retry_after_as_a_date() -> None:
    moment = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
    text = format_datetime(moment, usegmt=True)
    assert pace.retry_after({"retry-after": text}, moment.timestamp() - 90) == 90
    assert pace.retry_after({"retry-after": text}, moment.timestamp() + 90) == 0


def test_a_budget_is_a_minute_s_at_once_and_then_evenly() -> None:
    budget = Budget(60, 0.0)
    assert [budget.take(0.0) for _ in range(60)] == [0.0] * 60
    assert budget.take(0.0) == pytest.approx(1.0)
    assert budget.take(0.0) == pytest.approx(2.0)
    assert budget.take(100.0) == 0.0


# -- credentials


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ("abc.def\n", "slurm", {"X-SLURM-USER-TOKEN": "abc.def"}),
        ("abc", "kubernetes", {"Authorization": "Bearer abc"}),
        ("abc", "placement", {"X-Auth-Token": "abc"}),
        (
            "X-SLURM-USER-NAME: op\nabc\n",
            "slurm",
            {"X-SLURM-USER-NAME": "op", "X-SLURM-USER-TOKEN": "abc"},
        ),
        ("Authorization: Basic dTpw", "redfish", {"Authorization": "Basic dTpw"}),
    ],
)
def test_a_file_of_credentials(tmp_path: Path, text: str, kind: str, fields: object) -> None:
    (tmp_path / "t").write_text(text)
    assert credentials.read(tmp_path / "t", kind) == fields


@pytest.mark.parametrize("octets", [b"", b"\n", b"two words", b"\xff", b"x" * 70_000, b"a: \x01"])
def test_what_is_none_is_told_without_what_it_says(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "t").write_bytes(octets)
    with pytest.raises(CredentialsError) as error:
        credentials.read(tmp_path / "t", "slurm")
    assert "words" not in str(error.value).replace("expected", "")
