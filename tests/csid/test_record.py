"""The resource record: its canonical map, its JSON form, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.errors import RecordError
from csid.fields import BY_KEY, FIELDS
from csid.record import RECORD_OCTETS_MAX, Record, decode, encode, thoroughly
from csid.record_quick import quickly
from tests.support.records import FULL, facts, refusal

# ---- the canonical map ----


def test_a_full_record_reads_back_with_types() -> None:
    record = decode(encode(Record(FULL)))
    assert record.json() == FULL
    assert record.state == "retired"
    assert record.price == Decimal("12.50")
    assert record.valid_from == date(2026, 1, 1)
    assert record.gflops == {"B": 2560000, "H": 2560000.5}
    first, second = record.endpoints
    assert (first.protocol, first.host, first.port) == ("https", "a.example", 8443)
    assert first.addresses == ("192.0.2.1", "2001:db8::1")
    assert (second.uri, second.addresses) == ("grpcs://b.example:443", ())
    assert str(first) == FULL["endpoints"][0]


def test_what_is_not_declared_is_none_or_empty() -> None:
    record = Record({"state": "reserved"})
    assert encode(record) == b"\x81\xa2st\xa8reserved"
    assert (record.chip, record.price, record.ended) == (None, None, None)
    assert (record.endpoints, dict(record.gflops), dict(record.extra)) == ((), {}, {})


@given(facts)
def test_every_record_survives_both_forms(stated: dict[str, Any]) -> None:
    record = Record(stated)
    packed = msgpack.packb(record.values)
    if len(packed) > RECORD_OCTETS_MAX:
        assert refusal(encode, record).field == "record"
        return
    assert encode(record) == packed
    assert decode(packed) == record
    assert encode(decode(packed)) == packed
    assert Record(json.loads(json.dumps(record.json()))) == record


@given(facts)
def test_keys_ascend_and_whole_numbers_are_integers(stated: dict[str, Any]) -> None:
    values = Record(stated).values
    assert list(values) == sorted(values)
    numbers = [values.get(key) for key in ("me", "vc", "gr", "bw", "cm")]
    assert not any(isinstance(number, float) and number.is_integer() for number in numbers)


@given(facts)
def test_the_order_of_the_json_members_does_not_matter(stated: dict[str, Any]) -> None:
    assert Record(dict(reversed(stated.items()))) == Record(stated)


def test_the_table_of_fields_is_in_key_order_and_keys_are_never_shared() -> None:
    keys = [field.key for field in FIELDS]
    assert keys == sorted(set(keys))
    assert len({field.name for field in FIELDS}) == len(keys)


def test_a_changed_record_is_a_new_one() -> None:
    record = Record({"state": "active", "chip": "T4", "extra": {"zz": True}})
    ended = record.changed(state="retired", ended="2026-01-01", chip=None)
    assert ended.json() == {"state": "retired", "ended": "2026-01-01", "extra": {"zz": True}}
    assert record.chip == "T4"


def test_records_that_differ_only_in_the_kind_of_an_unknown_value_differ() -> None:
    yes = Record({"state": "active", "extra": {"zz": True}})
    one = Record({"state": "active", "extra": {"zz": 1}})
    assert yes != one
    assert len({yes, one}) == 2


# ---- unknown keys ----


def test_unknown_keys_are_kept_in_their_place() -> None:
    packed = msgpack.packb({"ch": "T4", "mm": {"a": [1, -5, 0.5, None, True]}, "st": "active"})
    record = decode(packed)
    assert encode(record) == packed
    assert record.json()["extra"] == {"mm": {"a": [1, -5, 0.5, None, True]}}
    assert encode(record.changed(chip=None, count=None)) == msgpack.packb(
        {"mm": {"a": [1, -5, 0.5, None, True]}, "st": "active"}
    )


@pytest.mark.parametrize(
    "value",
    [
        [[[[[1]]]]],
        b"bytes",
        msgpack.ExtType(5, b"x"),
        msgpack.Timestamp(1),
        "line\nbreak",
        {"b": 1, "a": 2},
        2.0,
        float("nan"),
        list(range(65)),
    ],
)
def test_an_unknown_key_cannot_carry_anything_but_canonical_json(value: object) -> None:
    refusal(decode, msgpack.packb({"st": "active", "zz": value}))


# ---- the quick way ----


@st.composite
def octets_of_records(draw: st.DrawFn) -> bytes:
    """Octets that are, or nearly are, those of a record."""
    values = dict(Record(draw(facts)).values)
    if draw(st.booleans()):
        key = draw(st.sampled_from([*BY_KEY, "zz", "Q", b"st", 7]))
        some = [True, 1, 1.0, 0, 0.0, -0.0, 8.0, None, "x", b"x", [], ["x"], {}, {"H": True}]
        values[key] = draw(st.sampled_from(some))  # type: ignore[index]
    rows = list(values.items())
    for change in draw(st.lists(st.sampled_from(("less", "twice", "in disorder")), max_size=2)):
        if change == "less" and len(rows) > 1:
            rows.remove(draw(st.sampled_from(rows)))
        elif change == "twice":
            rows.append(draw(st.sampled_from(rows)))
        else:
            rows = draw(st.permutations(rows))
    packed = bytearray((0x80 | len(rows),) if len(rows) < 16 else (0xDE, 0, len(rows)))
    for row in rows:
        packed += b"".join(map(msgpack.packb, row))
    for _ in range(draw(st.integers(0, 2))):
        packed[draw(st.integers(0, len(packed) - 1))] = draw(st.integers(0, 255))
    return bytes(packed)


@given(st.lists(octets_of_records(), min_size=1, max_size=4))
def test_records_are_read_to_the_same_by_the_quick_way_and_by_the_thorough_one(
    given_octets: list[bytes],
) -> None:
    """Whatever was remembered of others."""
    for packed in given_octets:
        assert said_of(lambda one: decode(one).values, packed) == said_of(thoroughly, packed)


def said_of(read: Callable[[bytes], dict[str, object]], packed: bytes) -> object:
    """The map with the types of all its values, or the words of the refusal."""
    try:
        return repr(read(packed))
    except RecordError as error:
        return error.field, str(error)


@given(facts)
def test_records_of_known_fields_are_read_by_the_quick_way(stated: dict[str, Any]) -> None:
    stated.pop("extra", None)
    packed = msgpack.packb(Record(stated).values)
    if len(packed) <= RECORD_OCTETS_MAX:
        assert quickly(packed) == Record(stated).values


# ---- refusals ----

REFUSED_BYTES = {
    "nothing": b"",
    "not a map": b"\x93\x01\x02\x03",
    "cut short": b"\x81\xa2st\xa6acti",
    "trailing byte": b"\x81\xa2st\xa6active\x00",
    "key twice": b"\x82\xa2st\xa6active\xa2st\xa6active",
    "keys in disorder": b"\x82\xa2st\xa6active\xa2ch\xa2T4",
    "key as a number": b"\x82\x01\x02\xa2st\xa6active",
    "key as bytes": b"\x81\xc4\x02st\xa6active",
    "a longer string header": b"\x81\xa2st\xd9\x06active",
    "a longer integer": b"\x82\xa2ct\xcd\x00\x08\xa2st\xa6active",
    "a whole number as float": msgpack.packb({"me": 8.0, "st": "active"}),
    "a single-precision float": msgpack.packb({"me": 0.5, "st": "active"}, use_single_float=True),
    "a map of map16 form": b"\xde\x00\x01\xa2st\xa6active",
    "no UTF-8": b"\x82\xa2nm\xa2\xff\xfe\xa2st\xa6active",
    "four thousand million entries promised": b"\xdf\xff\xff\xff\xff",
    "four gibioctets promised": b"\x81\xa2st\xdb\xff\xff\xff\xff",
    "nine hundred levels": b"\x91" * 900,
    "reserved byte": b"\xc1",
    "too large": b"\x81\xa2st\xdb\x00\x00\x10\x00" + b"a" * 4096,
}


@pytest.mark.parametrize("packed", REFUSED_BYTES.values(), ids=REFUSED_BYTES.keys())
def test_hostile_bytes_are_refused(packed: bytes) -> None:
    refusal(decode, packed)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_in_canonical_form_or_refused(packed: bytes) -> None:
    try:
        record = decode(packed)
    except RecordError:
        return
    assert encode(record) == packed


@given(facts, st.data())
def test_a_flipped_byte_is_a_record_in_canonical_form_or_refused(
    stated: dict[str, Any], data: st.DataObject
) -> None:
    packed = bytearray(msgpack.packb(Record(stated).values))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] = data.draw(st.integers(0, 255))
    try:
        record = decode(bytes(packed))
    except RecordError:
        return
    assert encode(record) == bytes(packed)


def test_a_refusal_names_the_field() -> None:
    for key, field in BY_KEY.items():
        values = {"st": "active", key: [None]}
        error = refusal(decode, msgpack.packb(dict(sorted(values.items()))))
        assert error.field == field.name


def test_a_record_over_the_cap_is_refused_when_encoded() -> None:
    uris = [f"https://{n}.example/{'a' * 200}" for n in range(5)]
    record = Record({"state": "active", "endpoints": uris})
    assert "at most 900" in refusal(encode, record).reason


def test_the_largest_texts_fit_with_some_endpoints() -> None:
    stated = {**FULL, "name": "算" * 60, "chip": "卡" * 60}
    assert 400 < len(encode(Record(stated))) <= RECORD_OCTETS_MAX
