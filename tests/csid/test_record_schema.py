"""The JSON Schema of the resource record says what the code does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from csid.columns import ALIASES
from csid.errors import RecordError
from csid.fields import FIELDS
from csid.record import Record
from tests.support.records import FULL, SUCCESSOR, facts, refusal
from tests.support.servers import CHECKOUT

SCHEMA = json.loads((CHECKOUT / "schemas" / "record-v1.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)

ALIVE = {"state": "active"}
CASES: list[tuple[bool, dict[str, Any]]] = [
    (True, FULL),
    (True, ALIVE),
    (True, {**ALIVE, "count": 8.0}),
    (True, {**ALIVE, "extra": {"zz": [1]}}),
    (False, {}),
    (False, {"state": "Active"}),
    (False, {"state": "retired"}),
    (False, {**ALIVE, "ended": "2026-01-01"}),
    (False, {**ALIVE, "reason": "sold"}),
    (False, {**ALIVE, "successor": SUCCESSOR}),
    (False, {**ALIVE, "price": "1"}),
    (False, {**ALIVE, "price": "1", "currency": "CNY"}),
    (False, {**ALIVE, "memory_gb": 5}),
    (False, {**ALIVE, "extra": {"ch": "T4"}}),
    (False, {**ALIVE, "extra": {"UPPER": 1}}),
    (False, {**ALIVE, "extra": []}),
    (False, {**ALIVE, "gflops": {}}),
    (False, {**ALIVE, "gflops": {"X": 1}}),
    (False, {**ALIVE, "gflops": {"H": "1"}}),
    (False, {**ALIVE, "endpoints": []}),
    (False, {**ALIVE, "endpoints": ["https://a.example"] * 2}),
    (False, {**ALIVE, "endpoints": [f"https://{n}.example" for n in range(9)]}),
    *((False, {**ALIVE, "endpoints": [bad]}) for bad in (
        "a.example", "HTTPS://a.example", "https://A.example", "https://u:p@a.example",
        "https://a.example/#f", "https://a.example/a b", "https://a.example:0",
        "https://a.example/%zz", "https:///path", "https://a.example\n", "https://算.example",
        "https://a.example|", "https://a.example|1|2|3|4|5", 5,
    )),
    *((False, {**ALIVE, "price": bad, "currency": "CNY", "price_unit": "hour"}) for bad in (
        "1.", ".5", "01", "1e3", "-1", "1.1234567", "1\n", 12.5,
    )),
    *((False, {**ALIVE, "price": "1", "currency": bad, "price_unit": "hour"}) for bad in (
        "cny", "CN", "CNY\n", 156,
    )),
    *((False, {**ALIVE, "valid_from": bad}) for bad in (
        "2026-02-30", "2026-1-1", "20260101", "2026-W05-1", "2026-01-01T00:00:00", 20260101,
    )),
    *((False, {**ALIVE, name: bad}) for name in ("name", "chip", "fabric") for bad in (
        "", "a" * 61, " a", "a ", "a\tb", "a\n", "a\u2028b", "\x9b31m", 5, None, True,
    )),
    *((False, {**ALIVE, name: bad}) for name in ("vcpu", "memory_gib") for bad in (
        0, -1, 10**10, "8", True, None, [8],
    )),
    *((False, {**ALIVE, "count": bad}) for bad in (0, 0.5, 10**7 + 1, "1", True)),
    *((False, {**ALIVE, "trust": bad}) for bad in (0, 6, 2.5, "3")),
    *((False, {**ALIVE, "green_share": bad}) for bad in (-0.1, 1.1, "1", True)),
]  # fmt: skip


@pytest.mark.parametrize(("good", "stated"), CASES)
def test_schema_and_code_agree(good: bool, stated: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(stated) is good
    if good:
        Record(stated)
    else:
        refusal(Record, stated)


@given(facts)
def test_the_schema_takes_every_record(stated: dict[str, Any]) -> None:
    VALIDATOR.validate(Record(stated).json())


junk = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(-2, 9).map(lambda number: round(number, 9)),
    st.text(max_size=5), st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=1),
)  # fmt: skip


@given(st.sampled_from(sorted(SCHEMA["properties"])), junk)
def test_schema_and_code_agree_on_junk(name: str, value: Any) -> None:
    stated = {**ALIVE, name: value}
    try:
        Record(stated)
    except RecordError:
        taken = False
    else:
        taken = True
    assert VALIDATOR.is_valid(stated) is taken


def test_the_schema_is_a_schema_and_lists_the_fields_of_the_code() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == {field.name for field in FIELDS} | {"extra"}
    listed = SCHEMA["properties"]["extra"]["propertyNames"]["not"]["enum"]
    assert listed == [field.key for field in FIELDS]


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ({"valid_from": "2026-02-01", "valid_until": "2026-01-31"}, "valid_until"),
        ({"endpoints": ["https://a.example:65536"]}, "endpoints"),
        ({"endpoints": ["https://256.0.0.1"]}, "endpoints"),
        ({"endpoints": ["https://1.2.3"]}, "endpoints"),
        ({"endpoints": ["https://[2001:db8::0]"]}, "endpoints"),
        ({"endpoints": ["https://[::ffff:1.2.3.4]"]}, "endpoints"),
        ({"endpoints": ["https://a..example"]}, "endpoints"),
        ({"endpoints": ["https://a-.example"]}, "endpoints"),
        ({"endpoints": [f"https://{'a' * 64}.example"]}, "endpoints"),
        ({"endpoints": [f"https://{'a.' * 127}example"]}, "endpoints"),
        ({"endpoints": [f"https://a.example/{'a' * 240}"]}, "endpoints"),
        ({"endpoints": ["grpc://a.example"]}, "endpoints"),
        ({"endpoints": ["https://a.example|192.0.2.1|192.0.2.1"]}, "endpoints"),
        ({"endpoints": ["https://a.example|192.0.2.01"]}, "endpoints"),
        ({"endpoints": ["https://a.example|2001:db8:0::1"]}, "endpoints"),
        ({"vcpu": 0.3333333333}, "vcpu"),
        ({"green_share": 1e-300}, "green_share"),
        ({"extra": {"zz": "a\x1b[31m"}}, "zz"),
    ],
)
def test_rules_beyond_the_schema_are_held_by_the_code(stated: dict[str, Any], field: str) -> None:
    assert refusal(Record, ALIVE | stated).field == field


def test_the_document_lists_the_fields_keys_and_chinese_heads_of_the_code() -> None:
    text = (CHECKOUT / "schemas" / "record.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(..)` \| `(\w+)` \| (\S+) \|", text, re.MULTILINE)
    assert [(key, name) for key, name, _ in rows] == [(field.key, field.name) for field in FIELDS]
    heads = {head: name for _, name, head in rows if name != "gflops"}
    assert heads.items() <= ALIASES.items()
    assert all(alias in text for alias in ALIASES)
