"""What is said of a status: what was told, for as long as it holds, and never more."""

from __future__ import annotations

import contextlib

import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import status
from csid.limits import EDNS_UDP_OCTETS
from csid.status import FREE_MAX, SOURCE_MAX, Status, Told
from resolver.status import entry as entries

NOW = 1_800_000_000_000
KINDS = st.from_regex(r"[a-z][a-z0-9_]{0,23}", fullmatch=True)
AMOUNTS = st.one_of(st.integers(0, 2**53), st.floats(0, 1e9, width=32))
SOURCES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
TOLD = st.builds(
    Told,
    health=st.sampled_from(["ok", "degraded", "failed", "maintenance"]),
    load=st.none() | st.floats(0, 1),
    free=st.dictionaries(KINDS, AMOUNTS.map(float), max_size=FREE_MAX),
    by=SOURCES | st.just(""),
)
STATUSES = st.builds(
    Status,
    taken=st.integers(NOW - 10_000, NOW),
    until=st.integers(NOW, NOW + 3_600_000),
    source=SOURCES,
    number=st.integers(0, 2**53 - 1),
    told=TOLD,
)


@given(STATUSES)
def test_an_entry_is_read_as_it_was_written(one: Status) -> None:
    entry = entries.encode(
        one.taken, one.until, one.number, one.source.encode(), entries.pack(one.told)
    )
    assert entries.decode(entry) == one
    assert entries.head(entry) == (one.taken, one.number, one.source.encode())
    assert entries.until(entry) == one.until


@given(st.binary(max_size=80))
def test_a_damaged_entry_is_an_error_and_no_other(entry: bytes) -> None:
    with contextlib.suppress(ValueError):
        entries.decode(entry)
    assert entries.until(entry) >= 0


@given(STATUSES, st.integers(-5_000, 4_000_000))
def test_txt_says_what_was_told_while_it_holds_and_unknown_after_it(
    one: Status, later: int
) -> None:
    now = NOW + later
    rdata = status.rdata(one, now)
    record = dns.rdata.from_wire("IN", "TXT", rdata, 0, len(rdata))
    said = status.read(part.decode() for part in record.strings)
    assert said is not None
    assert said["source"] == one.source and said["number"] == one.number
    assert said["age"] == max(0, (now - one.taken) // 1_000)
    if now >= one.until:
        assert said["status"] == "unknown"
        assert not {"free", "load", "health"} & said.keys()
        assert status.ttl(one, now) == status.TTL_SECONDS
        return
    assert said["status"] == status.word(one.told) != "unknown"
    assert said["health"] == one.told.health
    assert said.get("load", 0) == pytest.approx(one.told.load or 0, rel=1e-3, abs=1e-9)
    assert said.get("free", {}).keys() == one.told.free.keys()
    for kind, amount in one.told.free.items():
        assert said["free"][kind] == pytest.approx(amount, abs=1e-3)
    assert status.ttl(one, now) <= min(status.TTL_SECONDS, (one.until - now) / 1_000)


def test_the_largest_status_fits_a_datagram() -> None:
    told = Told("maintenance", 1 / 3, {f"k{number:02}" + "x" * 21: 2.0**53 for number in range(12)})
    one = Status(NOW, NOW + 1, "s" * SOURCE_MAX, 2**53 - 1, Told(**{**_of(told), "by": "b" * 64}))
    assert len(status.rdata(one, NOW)) < EDNS_UDP_OCTETS - 12 - 255 - 4 - 12 - 60


def _of(told: Told) -> dict[str, object]:
    return {"health": told.health, "load": told.load, "free": told.free}


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (Told(), "free"),
        (Told(load=0.99), "free"),
        (Told(load=1.0), "busy"),
        (Told(free={"chips": 0.0}), "busy"),
        (Told(free={"chips": 0.0, "vcpu": 4.0}, load=1.0), "free"),
        (Told(health="degraded", free={"chips": 1.0}), "free"),
        (Told(health="failed", free={"chips": 1.0}), "down"),
        (Told(health="maintenance"), "down"),
    ],
)
def test_the_word_of_a_status(told: Told, word: str) -> None:
    assert status.word(told) == word


@given(st.lists(st.text(max_size=20), max_size=6), st.sampled_from(["free", "x", ""]))
def test_whatever_txt_says_is_read_or_left(more: list[str], word: str) -> None:
    said = status.read(["v=csid-status1", f"status={word}", *more])
    if said is not None:  # a later v= may say otherwise
        assert said["status"] in status.WORDS
