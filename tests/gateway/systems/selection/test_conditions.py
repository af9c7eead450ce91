"""Conditions in text and JSON say the same, and what is wrong is told with its place."""

from __future__ import annotations

import re
import time
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.selection import conditions
from gateway.systems.selection.conditions import (
    DEPTH_MAX,
    LEAVES_MAX,
    All,
    Condition,
    ConditionError,
    Either,
    Leaf,
    Not,
    leaf,
    like,
)
from gateway.systems.selection.expression import LENGTH_MAX, parse

MANY = ",".join(map(str, range(200)))
IB = Leaf("fabric", "in", ("ib", "roce"))
WORDS = st.text("abc*?", min_size=1, max_size=8).filter(lambda one: one.count("*") <= 3)
NUMBERS = st.floats(-1e9, 1e9).map(lambda one: round(one, 3))
LEAVES = st.one_of(
    st.builds(
        leaf,
        st.sampled_from(("memory_gib", "load", "rtt")),
        st.sampled_from(("<", ">=", "=")),
        NUMBERS,
    ),
    st.builds(leaf, st.just("count"), st.just("in"), st.lists(NUMBERS, min_size=1, max_size=4)),
    st.builds(leaf, st.just("age"), st.just("range"), st.tuples(NUMBERS, st.none() | NUMBERS)),
    st.builds(
        leaf,
        st.sampled_from(("fabric", "extra.x")),
        st.sampled_from(("=", "contains", "like")),
        WORDS,
    ),
    st.builds(leaf, st.just("valid_until"), st.just("<"), st.dates().map(str)),
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=1, max_size=4).map(lambda of: All(tuple(of))),
        st.lists(inner, min_size=1, max_size=4).map(lambda of: Either(tuple(of))),
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "memory_gib >= 512 and not fabric in (IB, RoCE)",
            All((Leaf("memory_gib", ">=", 512.0), Not(IB))),
        ),
        (
            "内存 ≥ 512 且 非 fabric 属于（IB，RoCE）",
            All((Leaf("memory_gib", ">=", 512.0), Not(IB))),
        ),
        ("fabric not in (IB, RoCE)", Not(IB)),
        (
            "count = 1 or count = 2 and trust != 3",
            Either(
                (
                    Leaf("count", "=", 1.0),
                    All((Leaf("count", "=", 2.0), Not(Leaf("trust", "=", 3.0)))),
                )
            ),
        ),
        (
            "(count = 1 or count = 2) and trust < 3",
            All(
                (
                    Either((Leaf("count", "=", 1.0), Leaf("count", "=", 2.0))),
                    Leaf("trust", "<", 3.0),
                )
            ),
        ),
        ("load in 0.2..0.7", Leaf("load", "range", (0.2, 0.7))),
        (
            "age in ..30 and rtt in 5..",
            All((Leaf("age", "range", (None, 30.0)), Leaf("rtt", "range", (5.0, None)))),
        ),
        (
            "vcpu in 4.. and count in 1..",
            All((Leaf("vcpu", "range", (4.0, None)), Leaf("count", "range", (1.0, None)))),
        ),
        ('fabric = "RoCE v2"', Leaf("fabric", "=", "roce v2")),
        ("type like A?P", Leaf("type", "like", "a?p")),
        ("chip is 昇腾", Leaf("chip", "is", ("昇腾",))),
        ("free.chips >= 8", Leaf("free.chips", ">=", 8.0)),
    ],
)
def test_texts_are_read(text: str, wanted: Condition) -> None:
    assert parse(text) == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("memory_gb >= 5", r"position 1: .*did you mean memory_gib"),
        ("memory_gib => 5", r"position 12: expected one of = !="),
        ("fabric contians IB", r"position 8: .*did you mean contains"),
        ("memory_gib >= many", r"position 15: expected a number; given 'many'"),
        ("memory_gib >=", r"position 14: expected a number; the text ends"),
        ("(count = 1", r"position 11: expected and, or, or \); the text ends"),
        ("count = 1 trust = 2", r"position 11: expected and, or, or the end; given 'trust'"),
        ("count contains 5", r"position 16: count is a number .* not 'contains'"),
        ('fabric = "IB', r"position 10: the quote is not closed"),
        ("valid_until < soon", r"position 15: .*a date such as 2026-01-31"),
        ("type like *a*b*c*", r"position 11: .*at most 3"),
        ("", r"position 1: expected a field"),
        ("not", r"position 4: expected a field"),
        ("count >= 1e30", r"position 10: .*from -2\^63 to 2\^63"),
        ("count = 1;", r"position 9: expected a number; given '1;'"),
        ("fabric in ()", r"position 12: expected a value"),
        ("not " * (DEPTH_MAX + 1) + "count = 1", r"at most 12 levels"),
        ("(" * 5_000, r"at most 4000"),
        ("(" * 3_000, r"at most 12 levels"),
        (" or ".join(["count = 1"] * (LEAVES_MAX + 1)), r"at most 64 conditions"),
        ("count in (" + ",".join("1" * 300) + ")", r"at most 256"),
        (" or ".join([f"count in ({MANY})"] * 2), "at most"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ConditionError, match=told):
        parse(text)


@given(CONDITIONS)
def test_json_comes_back(condition: Condition) -> None:
    said = conditions.json(condition)
    assert conditions.of_json(said) == condition


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "where: expected an object"),
        ({}, "given nothing"),
        ({"all": []}, r"where.all: expected 1 to 64"),
        (
            {"any": [{"not": {"field": "count", "op": "=", "value": "x"}}]},
            r"where.any\[0\].not: count: expected",
        ),
        ({"field": "count", "op": "~", "value": 1}, "compared by"),
        ({"field": "count", "op": "=", "value": True}, "expected a number"),
        ({"field": "count", "op": "=", "value": float("nan")}, "expected a number"),
        ({"field": "count", "op": "range", "value": [None, None]}, "two ends"),
        ({"field": "count", "op": ">=", "value": 10**400}, r"from -2\^63 to 2\^63"),
        ({"field": "count", "op": "in", "value": [1, -(10**9_000)]}, r"from -2\^63 to 2\^63"),
        ({"field": "load", "op": "range", "value": [None, 1e19]}, r"from -2\^63 to 2\^63"),
        ({"field": "fabric", "op": "=", "value": 10**9_000}, r"from -2\^63 to 2\^63"),
        ({"field": "valid_until", "op": "<", "value": 10**9_000}, r"from -2\^63 to 2\^63"),
        ({"field": 10**9_000, "op": "<", "value": 1}, "field and op are texts"),
        ({"field": "count", "op": None, "value": 1}, "field and op are texts"),
        ({"field": "fabric", "op": "in", "value": []}, "1 to 256"),
        ({"field": "extra.", "op": "=", "value": "x"}, "no field"),
        ({"field": "count", "op": "=", "value": 1, "more": 2}, "expected one of"),
    ],
)
def test_wrong_json_is_told_with_its_path(value: Any, told: str) -> None:
    with pytest.raises(ConditionError, match=told):
        conditions.of_json(value)


def test_json_that_is_too_deep_is_refused() -> None:
    value: Any = {"field": "count", "op": "=", "value": 1}
    for _ in range(100_000):
        value = {"not": value}
    with pytest.raises(ConditionError, match="deeper than 12"):
        conditions.of_json(value)


@given(st.text(max_size=LENGTH_MAX))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except ConditionError as error:
        assert re.match(r"position [0-9]+: |[0-9]+ characters|at most", str(error))
    else:
        assert conditions.of_json(conditions.json(found)) == found


@given(st.text("abc\n", max_size=12), WORDS)
def test_patterns_are_those_of_shells(text: str, pattern: str) -> None:
    assert like(text, pattern) == fnmatchcase(text, pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" + "?" * 110 + "z*",
        "*" + "a?" * 55 + "z*",
        "*" + "a" * 110 + "z*",
        "*" + "?a" * 18 + "z*" + "?a" * 18 + "z*" + "a?" * 18 + "z",
        "a" + "?" * 30 + "*a" + "?" * 30 + "*a" + "?" * 30 + "*z",
    ],
)
def test_a_pattern_is_matched_in_time_that_grows_as_the_text_does(pattern: str) -> None:
    """No text makes it try a place twice: ten times the text, hardly more than ten times as long;
    with backtracking or copies of what is left it would be a hundred and more.
    """

    def seconds(text: str) -> float:
        def once() -> float:
            begun = time.process_time()
            for _ in range(5):
                like(text, pattern)
            return time.process_time() - begun

        return min(once() for _ in range(5))

    short, long = seconds("a" * 4_000), seconds("a" * 40_000)
    assert long < 40 * short + 0.001
    assert long / 5 / 40_000 < 20e-6  # of a character, compared with 60 runs at most


def test_conditions_about_the_status_are_told_apart_where_and_joins_them() -> None:
    told = parse("memory_gib >= 5 and (load < 0.5 and (count = 1 or age < 3)) and not trust = 1")
    lasting, now = conditions.apart(told)
    assert lasting is not None and now is not None
    assert {one.field for one in conditions.leaves(lasting)} == {"memory_gib", "trust"}
    assert {one.field for one in conditions.leaves(now)} == {"load", "count", "age"}
    assert conditions.apart(parse("count = 1 or load < 1"))[0] is None
    assert conditions.apart(parse("count = 1 and trust = 1"))[1] is None
