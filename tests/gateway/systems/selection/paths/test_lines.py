"""Lines have one form in msgpack and one in JSON, and what is none is refused."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import jsonschema
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.selection.paths import schemas
from gateway.systems.selection.paths.lines import (
    LINE_STATES,
    ORDER_STATES,
    TARIFFS,
    Elastic,
    Express,
    Line,
    LineError,
    Order,
    Quality,
    Task,
    as_json,
    changed,
    line_of_json,
    made,
    measured,
    pack,
    unpack_line,
    unpack_order,
)
from tests.support.servers import CHECKOUT

ONE = "91330106673959654P"
IDENTIFIER = "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY"
GOOD: dict[str, Any] = {
    "name": "hz-sh-1",
    "ends": ["330106", "310000"],
    "provider": ONE,
    "bandwidth_gbps": 100,
    "free_gbps": 40,
    "state": "open",
    "tariff": {"kind": "elastic", "per_gbps_hour": 1.5},
    "stated_ms": 6.5,
    "quality": {"median_ms": 6.2, "p90_ms": 6.9, "taken": 1_800_000_000_000, "by": "probe-1"},
    "valid_from": "2026-01-01",
    "valid_until": "2027-12-31",
    "note": "OTN 400G",
}
amounts = st.floats(0, 1e6) | st.integers(0, 1000).map(float)
days = st.none() | st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1))
tariffs = st.none() | st.builds(Elastic, amounts) | st.builds(Task, amounts, st.just("USD"))
tariffs |= st.builds(Express, amounts)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    free, total = sorted((draw(amounts), draw(amounts)))
    low, high = sorted((draw(st.floats(0, 1e4)), draw(st.floats(0, 1e4))))
    first, last = draw(days), draw(days)
    if first and last and last < first:
        first, last = last, first
    quality = Quality(low, high, draw(st.integers(0, 2**53 - 1)), "p", draw(st.floats(0, 1)))
    return Line(
        draw(st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)),
        draw(st.sampled_from((("330106", "310000"), ("SGSIN", "440300"), (IDENTIFIER, "110000")))),
        ONE,
        total,
        free,
        draw(st.sampled_from(tuple(LINE_STATES))),  # type: ignore[arg-type]
        draw(tariffs),
        draw(st.none() | st.floats(0, 1e4)),
        draw(st.none() | st.just(quality)),
        first,
        last,
        draw(st.text(max_size=200)),
    )


@given(lines())
def test_a_line_is_read_as_it_was_written(line: Line) -> None:
    assert unpack_line(pack(line)) == line
    assert pack(unpack_line(pack(line))) == pack(line)
    assert line_of_json(as_json(line)) == line
    assert as_json(line_of_json(as_json(line))) == as_json(line)


@given(lines())
def test_its_json_is_that_of_the_schema_and_its_msgpack_the_same_map(line: Line) -> None:
    value = json.loads(as_json(line))
    jsonschema.Draft202012Validator(schemas.document()).validate(value)
    assert msgpack.unpackb(pack(line)) == value


def test_the_schema_that_is_kept_is_that_of_the_program() -> None:
    kept = (CHECKOUT / "schemas" / schemas.FILE).read_text("utf-8")
    assert kept == schemas.text()


def test_orders_are_read_as_they_were_written() -> None:
    order = Order("k-1", "hz-sh-1", "service-centre", 10.0, 1, 2, "open", "fits")
    assert unpack_order(pack(order)) == order
    jsonschema.Draft202012Validator({**schemas.document(), "$ref": "#/$defs/Order"}).validate(
        json.loads(as_json(order))
    )


def test_a_line_of_json_values_is_what_they_say() -> None:
    line = made(**GOOD)
    assert line.tariff == Elastic(1.5) and line.locations == ("330106", "310000")
    assert line.carries(dt.date(2027, 12, 31)) and not line.carries(dt.date(2028, 1, 1))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "A"}, "regex"),
        ({"name": "a\n"}, "regex|line break"),
        ({"ends": ["330106"]}, "length"),
        ({"ends": ["330106", "330106"]}, "joins two places"),
        ({"ends": ["330106", IDENTIFIER]}, "joins two places"),
        ({"ends": ["330106", "999999"]}, "no place"),
        ({"ends": ["330106", IDENTIFIER[:-1] + "X"]}, "check"),
        ({"provider": "91330106673959654Q"}, "check character"),
        ({"provider": "short"}, "regex"),
        ({"free_gbps": 101}, "free_gbps"),
        ({"free_gbps": -1}, ">= 0"),
        ({"bandwidth_gbps": float("nan")}, "."),
        ({"state": "broken"}, "state"),
        ({"tariff": {"kind": "flat"}}, "tariff"),
        ({"tariff": {"kind": "task", "per_task": 1, "currency": "yuan"}}, "currency"),
        ({"stated_ms": -0.5}, "stated_ms"),
        ({"quality": {**GOOD["quality"], "p90_ms": 1}}, "p90_ms"),
        ({"quality": {**GOOD["quality"], "loss": 1.5}}, "loss"),
        ({"valid_until": "2025-01-01"}, "valid_until"),
        ({"valid_from": "soon"}, "valid_from"),
        ({"note": "x" * 201}, "note"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_no_line_is_refused_and_it_is_said_why(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(LineError, match=said):
        made(**{**GOOD, **wrong})


@given(st.binary(max_size=60))
def test_octets_that_are_none_are_refused(octets: bytes) -> None:
    for read in (unpack_line, unpack_order, line_of_json):
        with pytest.raises(LineError):
            read(octets)


def test_what_is_changed_is_looked_at_again() -> None:
    line = made(**GOOD)
    assert changed(line, state="down").state == "down"
    assert changed(line, tariff=None).tariff is None
    with pytest.raises(LineError, match="free_gbps"):
        changed(line, bandwidth_gbps=10)


def test_what_was_measured_on_a_line_counts_while_it_carries() -> None:
    line = made(**GOOD)
    found = measured(line)
    assert found and (found.one, found.other, found.median, found.line) == (
        "330106",
        "310000",
        6.2,
        "hz-sh-1",
    )
    assert measured(changed(line, state="down")) is None
    assert measured(changed(line, quality=None)) is None


def test_the_words_are_those_of_the_values() -> None:
    parts = schemas.document()["$defs"]
    assert set(parts["Line"]["properties"]["state"]["enum"]) == set(LINE_STATES)
    assert set(parts["Order"]["properties"]["state"]["enum"]) == set(ORDER_STATES)
    kinds = {
        parts[name]["properties"]["kind"]["enum"][0] for name in ("Elastic", "Task", "Express")
    }
    assert kinds == set(TARIFFS)
