"""Conditions about fields, joined by AND, OR and NOT; their form in JSON.

A condition about what is not told (a fact that the record does not declare, a status that does not
hold any more) does not hold, so its NOT does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from gateway.systems.selection import fields
from gateway.systems.selection.fields import DATE, NUMBER, TEXT, Field, FieldError

LEAVES_MAX: Final = 64
DEPTH_MAX: Final = 12
VALUES_MAX: Final = 256  # of one `in`
TEXT_MAX: Final = 120  # characters of a value
STARS_MAX: Final = 3  # of a pattern
NUMBER_MAX: Final = 2**63  # of either sign

IN, RANGE, CONTAINS, LIKE, IS = "in", "range", "contains", "like", "is"
_ORDER: Final = ("=", "<", "<=", ">", ">=", IN, RANGE)
OPERATORS: Final[Mapping[str, tuple[str, ...]]] = {
    NUMBER: _ORDER,
    DATE: _ORDER,
    TEXT: ("=", IN, CONTAINS, LIKE),
}
CHIP: Final = "chip"  # the field that may be asked for by any name: `is`


class ConditionError(ValueError):
    """What is no condition; the message says where, and what was expected."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field, an operator and a value in its canonical form: numbers and dates as float (dates as
    days since year 1), texts folded, a tuple for `in`, `is` and `range`, whose open ends are None.
    """

    field: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class All:
    """All of them hold; so it is with none."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of them holds."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    of: Condition


Condition = Leaf | All | Either | Not


def leaf(name: str, operator: str, value: object) -> Leaf:
    """A condition about one field.

    Raises:
        ConditionError: there is no such field, or it is not compared so, or not with that.
    """
    try:
        field = fields.field(name)
    except FieldError as error:
        raise ConditionError(str(error)) from None
    allowed = OPERATORS[field.kind] + ((IS,) if field.name == CHIP else ())
    if operator not in allowed:
        raise ConditionError(
            f"{field.name} is a {field.kind} and is compared by {', '.join(allowed)}, "
            f"not {operator!r}"
        )
    return Leaf(field.name, operator, _value(field, operator, value))


def _value(field: Field, operator: str, value: object) -> Any:
    one = _READ[field.kind]
    if operator in (IN, IS):
        if not isinstance(value, list | tuple) or not 0 < len(value) <= VALUES_MAX:
            raise ConditionError(f"{field.name} {operator}: expected 1 to {VALUES_MAX} values")
        return tuple(sorted({one(field, item) for item in value}))
    if operator == RANGE:
        if not isinstance(value, list | tuple) or len(value) != 2 or value[0] == value[1] is None:
            raise ConditionError(f"{field.name} range: expected two ends, one of them may be open")
        return tuple(None if end is None else one(field, end) for end in value)
    found = one(field, value)
    if operator == LIKE and found.count("*") > STARS_MAX:
        raise ConditionError(f"{field.name} like: at most {STARS_MAX} * in a pattern")
    return found


def _number(field: Field, value: object) -> float:
    _require_moderate(field, value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ConditionError(f"{field.name}: expected a number, given {str(value)[:40]!r}")
    return float(value)


def _require_moderate(field: Field, value: object) -> None:
    """Refuse a number so large that it is no double, or cannot even be written."""
    if isinstance(value, int | float) and abs(value) > NUMBER_MAX:
        raise ConditionError(f"{field.name}: expected a number from -2^63 to 2^63")


def _text(field: Field, value: object) -> str:
    _require_moderate(field, value)
    if not isinstance(value, str | int | float) or not 0 < len(str(value)) <= TEXT_MAX:
        raise ConditionError(f"{field.name}: expected a text of 1 to {TEXT_MAX} characters")
    return str(value).casefold()


def _date(field: Field, value: object) -> float:
    _require_moderate(field, value)
    try:
        return float(date.fromisoformat(str(value)).toordinal())
    except ValueError:
        raise ConditionError(
            f"{field.name}: expected a date such as 2026-01-31, given {str(value)[:40]!r}"
        ) from None


_READ: Final[Mapping[str, Callable[[Field, object], Any]]] = {
    NUMBER: _number,
    TEXT: _text,
    DATE: _date,
}


def of_json(value: object) -> Condition:
    """A condition from its JSON form: `{"all": […]}`, `{"any": […]}`, `{"not": …}`, or
    `{"field": …, "op": …, "value": …}`.

    Raises:
        ConditionError: it is none, or larger or deeper than is taken.
    """
    return bounded(_of_json(value, "where", 1))


def _of_json(value: object, path: str, depth: int) -> Condition:
    if depth > DEPTH_MAX:
        raise ConditionError(f"{path}: deeper than {DEPTH_MAX} levels")
    if not isinstance(value, dict):
        raise ConditionError(f"{path}: expected an object, given {type(value).__name__}")
    keys = set(value)
    if keys == {"field", "op", "value"}:
        name, operator = value["field"], value["op"]
        if not (isinstance(name, str) and isinstance(operator, str)):
            raise ConditionError(f"{path}: field and op are texts")
        try:
            if operator == "!=":
                return Not(leaf(name, "=", value["value"]))
            return leaf(name, operator, value["value"])
        except ConditionError as error:
            raise ConditionError(f"{path}: {error}") from None
    if keys == {"not"}:
        return Not(_of_json(value["not"], f"{path}.not", depth + 1))
    for key, made in (("all", All), ("any", Either)):
        if keys == {key}:
            items = value[key]
            if not isinstance(items, list) or not 0 < len(items) <= LEAVES_MAX:
                raise ConditionError(f"{path}.{key}: expected 1 to {LEAVES_MAX} conditions")
            return made(
                tuple(
                    _of_json(one, f"{path}.{key}[{at}]", depth + 1) for at, one in enumerate(items)
                )
            )
    raise ConditionError(
        f"{path}: expected one of all, any, not, or field with op and value; "
        f"given {', '.join(sorted(map(str, keys)))[:80] or 'nothing'}"
    )


def json(condition: Condition) -> dict[str, object]:
    """The JSON form, which `of_json` takes back."""
    if isinstance(condition, Not):
        return {"not": json(condition.of)}
    if isinstance(condition, All | Either):
        key = "all" if isinstance(condition, All) else "any"
        return {key: [json(one) for one in condition.of]}
    plain: Callable[[Any], object] = _plain
    if fields.field(condition.field).kind == DATE:
        plain = _day
    value = condition.value
    shown = [plain(one) for one in value] if isinstance(value, tuple) else plain(value)
    return {"field": condition.field, "op": condition.operator, "value": shown}


def _plain(value: Any) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _day(value: float | None) -> str | None:
    return None if value is None else date.fromordinal(int(value)).isoformat()


def leaves(condition: Condition) -> Iterator[Leaf]:
    """All conditions about one field in it."""
    if isinstance(condition, Leaf):
        yield condition
    else:
        for one in (condition.of,) if isinstance(condition, Not) else condition.of:
            yield from leaves(one)


def apart(
    condition: Condition, passing: Collection[str] = ()
) -> tuple[Condition | None, Condition | None]:
    """What of it is not about the status, or another field that is `passing`, and what is, which
    AND joins; None where nothing is.
    """
    if isinstance(condition, All):
        halves = zip(*(apart(one, passing) for one in condition.of), strict=True)
        kept = (tuple(one for one in half if one is not None) for half in halves)
        lasting, now = (All(half) if half else None for half in kept)
        return lasting, now
    is_now = any(fields.field(one.field).live or one.field in passing for one in leaves(condition))
    return (None, condition) if is_now else (condition, None)


def without(condition: Condition, leaf: Leaf) -> Condition:
    """The same as if one condition about a field always held."""
    if isinstance(condition, Leaf):
        return All(()) if condition is leaf else condition
    if isinstance(condition, Not):
        return Not(without(condition.of, leaf))
    return type(condition)(tuple(without(one, leaf) for one in condition.of))


def bounded(condition: Condition) -> Condition:
    """The same, if it is not too large.

    Raises:
        ConditionError: it has more than LEAVES_MAX conditions about fields.
    """
    count = sum(len(one.value) if one.operator == IN else 1 for one in leaves(condition))
    if sum(1 for _ in leaves(condition)) > LEAVES_MAX or count > VALUES_MAX:
        raise ConditionError(
            f"at most {LEAVES_MAX} conditions and {VALUES_MAX} values of `in` are taken"
        )
    return condition


def holds(one: Leaf, value: float | str | None) -> bool:
    """Whether it holds for a value of its field: a number (of a date its day), or folded text."""
    return value is not None and _HOLDS[one.operator](value, one.value)


def _in_range(value: Any, ends: Sequence[Any]) -> bool:
    low, high = ends
    return (low is None or value >= low) and (high is None or value <= high)


def tester(one: Leaf) -> Callable[[str], bool]:
    """The same for texts, of which there are many."""
    if one.operator == IN:
        return frozenset(one.value).__contains__
    return lambda text: _HOLDS[one.operator](text, one.value)


def runs(one: Leaf) -> int:
    """How many runs of letters are compared at each place of a text, at most."""
    if one.operator != LIKE:
        return 1
    return max(len(re.findall(r"[^?]+", part)) + 1 for part in one.value.split("*"))


def like(text: str, pattern: str) -> bool:
    """Whether a text is as a pattern has it: `?` for any character, `*` for any run of them.

    What stands between two `*` has one length, so the first place where it stands is as good as any
    other, and no place is tried twice: at most as many comparisons as the text has characters,
    times the `runs` of the pattern.
    """
    head, middle, tail, ends = _compiled(pattern)
    last = len(text) - ends
    match = head.match(text, 0, len(text) if tail is None else max(0, last))
    if match is None or last < 0:
        return False
    at = match.end()
    if tail is None:
        return at == len(text)
    for part in middle:
        match = part.search(text, at, last)
        if match is None:
            return False
        at = match.end()
    return at <= last and tail.match(text, last) is not None


_Regex = re.Pattern[str]


@lru_cache(1_024)
def _compiled(pattern: str) -> tuple[_Regex, tuple[_Regex, ...], _Regex | None, int]:
    """What stands before the first `*`, between two of them, and behind the last one, and how many
    characters that one is of.
    """
    parts = [
        "".join(
            f".{{{len(run)}}}" if run[0] == "?" else re.escape(run)
            for run in re.findall(r"\?+|[^?]+", part)
        )
        for part in pattern.split("*")
    ]
    head, *rest = (re.compile(part, re.DOTALL) for part in parts)
    if not rest:
        return head, (), None, 0
    return head, tuple(rest[:-1]), rest[-1], len(pattern) - pattern.rindex("*") - 1


_HOLDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": lambda value, wanted: value == wanted,
    "<": lambda value, wanted: value < wanted,
    "<=": lambda value, wanted: value <= wanted,
    ">": lambda value, wanted: value > wanted,
    ">=": lambda value, wanted: value >= wanted,
    IN: lambda value, wanted: value in wanted,
    RANGE: _in_range,
    CONTAINS: lambda value, wanted: wanted in value,
    LIKE: like,
}
