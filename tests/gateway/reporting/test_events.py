"""Events and statuses as they are posted: what the schemas say and what is taken are the same."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from csid.status import Told
from gateway.reporting import events, upward
from gateway.reporting.changes import RING, Changes, Missed, covers
from gateway.reporting.events import FAMILIES, EventError, read
from gateway.reporting.schemas import documents, text
from gateway.reporting.statuses import Posted, Sent, StatusError, times_of
from tests.support.registering import identifier
from tests.support.servers import CHECKOUT

ONE = str(identifier("A001"))
NOW = 1_800_000_000_000


def event(family: str = "resource", kind: str = "changed", **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/pools/1",
        "type": f"csid.{family}.{kind}",
        "subject": ONE,
        "time": "2026-11-26T09:00:00Z",
        "data": {},
    } | more


def test_the_schemas_are_those_of_the_code() -> None:
    for name, document in documents().items():
        file = CHECKOUT / "schemas" / name
        assert file.read_text("utf-8") == text(document), "python -m gateway.reporting.schemas"
        Draft202012Validator.check_schema(document)


DATA = st.dictionaries(
    st.sampled_from(
        ["number", "matches", "kind", "cause", "severity", "capacity", "hosts", "job", "from", "x"]
    ),
    st.one_of(
        st.none(),
        st.integers(-1, 3),
        st.sampled_from(["", "network", "critical", "n-1", "x" * 501]),
        st.dictionaries(st.sampled_from(["chips", "X", "vcpu"]), st.integers(-1, 5), max_size=2),
    ),
    max_size=5,
)


@settings(max_examples=300)
@given(st.sampled_from(FAMILIES), st.sampled_from(["changed", "abnormal", "recovered"]), DATA)
def test_an_event_is_taken_if_its_schema_says_so(
    family: str, kind: str, data: dict[str, Any]
) -> None:
    given_ = event(family, kind, data=data)
    validator = Draft202012Validator(documents()[f"events/{family}.json"])
    try:
        found = read(given_)
        taken = True
        assert found.family == family and str(found.identifier) == ONE
        assert json.loads(found.octets) == given_
    except EventError:
        taken = False
    # Where null stands for nothing, the schema asks for no more than that the member is there.
    needed = {"abnormal": "number", "recovered": "matches"}.get(kind)
    if needed is not None and data.get(needed, "") is None:
        assert not taken
        return
    assert taken == validator.is_valid(given_)


@pytest.mark.parametrize(
    "more",
    [
        {"specversion": "0.3"},
        {"id": ""},
        {"subject": "none"},
        {"time": "yesterday"},
        {"type": "csid.other.changed"},
        {"type": "csid.resource"},
        {"data": []},
        {"datacontenttype": "text/xml"},
        {"data": {"cause": "x", "more": ["x" * 20_000]}},
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(more: dict[str, Any]) -> None:
    with pytest.raises(EventError) as refused:
        read(event(**more))
    assert str(refused.value)


def test_the_same_event_has_the_same_octets() -> None:
    one = event(data={"b": 1, "a": {"d": 1, "c": 2}})
    other = dict(reversed(list(one.items()))) | {"data": {"a": {"c": 2, "d": 1}, "b": 1}}
    assert read(one).octets == read(other).octets
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(one))
    assert read(packed).octets == read(one).octets
    assert read(event(extension="x")).octets != read(event()).octets


@given(st.integers(-(10**9), 10**9), st.integers(1, 3_600))
def test_times_of_a_status_lie_not_ahead(shift: int, seconds: int) -> None:
    taken = msgspec.convert(
        {"identifier": ONE, "valid_seconds": seconds, "taken": (NOW + shift) / 1_000},
        Posted,
        strict=False,
    )
    try:
        begin, until = times_of(taken, NOW)
        assert begin == NOW + shift and until == begin + seconds * 1_000
        assert shift <= 60_000
    except StatusError:
        assert shift > 60_000


SENT = st.builds(
    Sent,
    identifier=st.text(min_size=1, max_size=20),
    number=st.integers(0, 2**53 - 1),
    taken=st.integers(0, NOW),
    until=st.integers(0, NOW),
    told=st.builds(Told, load=st.none() | st.floats(0, 1)),
)


@given(st.lists(SENT, max_size=5), st.lists(st.integers(0, 100), max_size=5))
def test_a_batch_is_read_as_it_was_packed(statuses: list[Sent], numbers: list[int]) -> None:
    happened = [(number, events.canonical(event(ident=str(number)))) for number in numbers]
    packed = upward.packed([upward.pack_status(one) for one in statuses], happened)
    if not statuses and not numbers:
        with pytest.raises(upward.UpwardError):
            upward.read_batch(upward.inflated(packed), upward.IN_MSGPACK)
        return
    batch = upward.read_batch(upward.inflated(packed), upward.IN_MSGPACK)
    assert [upward.IN_MSGPACK.sent(one) for one in batch.statuses] == statuses
    read_back = [upward.IN_MSGPACK.numbered(one) for one in batch.events]
    assert [(one.number, events.canonical(one.event)) for one in read_back] == happened


@given(st.binary(max_size=200))
def test_what_a_stranger_sends_is_a_batch_or_an_error(octets: bytes) -> None:
    for form in (upward.IN_JSON, upward.IN_MSGPACK):
        try:
            upward.read_batch(octets, form)
        except upward.UpwardError as error:
            assert str(error)
    try:
        upward.inflated(octets)
    except upward.UpwardError as error:
        assert str(error)


def test_a_bomb_is_not_inflated() -> None:
    bomb = zlib.compressobj(9, wbits=31)
    octets = bomb.compress(bytes(64 << 20)) + bomb.flush()
    with pytest.raises(upward.UpwardError, match="has more than"):
        upward.inflated(octets)


def test_changes_are_followed_each_at_its_own_pace() -> None:
    async def follow() -> None:
        changes = Changes("x")
        assert not await changes.wait(0, 0.01)
        for number in range(3 * RING):
            changes.told(f"a/{number % 2}", NOW + number, NOW + 10**9, Told(load=0.5))
        with pytest.raises(Missed):
            changes.since(0, ())
        found, following = changes.since(changes.following - 4, ("a/1",))
        assert [one.identifier for _, one in found] == ["a/1", "a/1"]
        assert following == 3 * RING
        assert await changes.wait(following - 1, 0)
        changes.told("a/1", NOW, NOW + 10**9, Told())  # older than what is known
        assert changes.following == following

    asyncio.run(follow())


def test_the_end_of_validity_is_a_change_of_the_newest_alone() -> None:
    async def follow() -> None:
        changes = Changes("x")
        changes.told("a", NOW, NOW + 1_000, Told())
        changes.told("a", NOW + 500, NOW + 2_000, Told())
        changes.end(NOW + 1_500)
        assert changes.following == 2
        changes.end(NOW + 2_000)
        changes.end(NOW + 3_000)
        found, _ = changes.since(2, ())
        assert [one.said["status"] for _, one in found] == ["unknown"]

    asyncio.run(follow())


def test_a_prefix_is_of_whole_segments() -> None:
    assert covers(("a/b",), "a/b/c") and covers(("a/b",), "a/b")
    assert not covers(("a/b",), "a/bc") and not covers((), "a")
