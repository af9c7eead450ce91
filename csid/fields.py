"""The fields of a resource record: one table, from which every form of a record follows.

A field has one name, used as JSON member, CSV column and TXT key alike, and a short key, used
in the msgpack map. Its form says which values it takes. Values are plain: str, int, float,
tuple of str, or a dict of numbers, and each fact has exactly one value that states it (a whole
number is an int, never a float), so that equal records have equal bytes.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from csid import endpoint, vocabulary
from csid.errors import RecordError

STATES: Final = tuple(vocabulary.STATES)[:-1]  # superseded is said by the registry alone
PRECISIONS: Final = {  # letter in the identifier's capability class -> CSV column and TXT key
    "B": "bf16_gflops",
    "D": "fp64_gflops",
    "E": "fp8_gflops",
    "H": "fp16_gflops",
    "N": "int8_gops",
    "S": "fp32_gflops",
}
CELL_BREAK: Final = "|"  # between the cells of PRECISIONS where they are one text
TEXT_MAX: Final = 60  # characters; name and text then fit one TXT string even at 4 octets each
ENDPOINTS_MAX: Final = 8
DECIMALS_MAX: Final = 9  # places of a number, so that its text is short and reads back exactly
GFLOPS_MAX: Final = 10**15  # one yottaFLOPS
GIB_MAX: Final = 10**9  # one exbibyte

# Characters that no reader sees, or that turn what is around them: the categories Cc, Cf, Cs, Co,
# Zl and Zp, the property Default_Ignorable_Code_Point, the blank of braille, noncharacters, and
# planes of which nothing is assigned. A list of our own, since nodes must agree on what a record
# may hold whichever Unicode their Python knows; schemas/record-v1.json has the same.
_HIDDEN = re.compile(
    r"[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2"
    r"\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800"
    r"\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe-\uffff"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U0001fffe-\U0001ffff\U0002fffe-\U0002ffff\U0003fffe-\U0010ffff]"
)
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?")  # DECIMALS_MAX
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Form(NamedTuple):
    """What a field takes. `check` and `read` raise ValueError with the reason."""

    check: Callable[[object], object]  # any value -> the canonical one
    read: Callable[[str], object]  # the text of a table cell -> the canonical value
    show: Callable[[object], str]  # the canonical value -> the text of a table cell


class Field(NamedTuple):
    """One field: its short key, its name and its form."""

    key: str
    name: str
    form: Form


def _text(value: object) -> str:
    if type(value) is not str or not 0 < len(value) <= TEXT_MAX:
        raise ValueError(f"expected a text of 1 to {TEXT_MAX} characters, {_given(value)}")
    if value != value.strip():
        raise ValueError(f"expected no space at the ends, {_given(value)}")
    if hidden := hidden_in(value):
        raise ValueError(
            f"expected no control characters and none unseen, {_given(value)}: {hidden}"
        )
    return value


def hidden_in(text: str) -> str:
    """The first character that no reader sees, or that turns what is around it (a mark of
    direction), with its place; empty if there is none. Texts are shown on terminals and in tables.
    """
    found = None if text.isascii() and text.isprintable() else _HIDDEN.search(text)
    if found is None:
        return ""
    name = unicodedata.name(found[0], "")
    return f"character {found.start() + 1} is U+{ord(found[0]):04X} {name}".rstrip()


def _given(value: object) -> str:
    """The value, short enough for one line of a terminal."""
    shown = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return f"given {shown}" if len(shown) <= 80 else f"given {shown[:80]}... ({len(shown)} long)"


def _same(value: object) -> str:
    return str(value)


TEXT: Final = Form(_text, _text, _same)


def _pattern(pattern: str, expected: str) -> Form:
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if type(value) is not str or compiled.fullmatch(value) is None:
            raise ValueError(f"expected {expected}, {_given(value)}")
        return value

    return Form(check, check, _same)


def _date(value: object) -> str:
    # date.fromisoformat alone would also take 2026-W05-1.
    if type(value) is str and _DATE.fullmatch(value):
        try:
            date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value} is no day of the calendar: {error}") from None
        return value
    raise ValueError(f"expected a date such as 2026-01-31, {_given(value)}")


def plain_number(value: float) -> int | float:
    """The canonical form of a finite number: an int where it is whole."""
    return int(value) if type(value) is float and value.is_integer() else value


def _number(low: int, high: int, whole: bool = False, above: bool = False) -> Form:
    """Numbers from low (excluded if `above`) to high, both in the field's unit."""
    kind = "a whole number" if whole else "a number"
    expected = f"expected {kind} {'above' if above else 'from'} {low} to {high}"

    def check(value: object) -> int | float:
        if type(value) is float and math.isfinite(value):
            value = plain_number(value)
        if type(value) is not int and (whole or type(value) is not float):
            raise ValueError(f"{expected}, {_given(value)}")
        if not low <= value <= high or (above and value == low):
            raise ValueError(f"{expected}, {_given(value)}")
        if round(value, DECIMALS_MAX) != value:
            raise ValueError(f"expected at most {DECIMALS_MAX} decimal places, {_given(value)}")
        return value

    def read(cell: str) -> int | float:
        match = _NUMBER.fullmatch(cell)
        if match is None:
            raise ValueError(f"{expected}, written in digits, {_given(cell)}")
        return check(float(cell) if match[1] else int(cell))

    return Form(check, read, show_number)


def show_number(value: object) -> str:
    """A number in plain digits, never with an exponent."""
    return str(value) if type(value) is int else format(Decimal(repr(value)), "f")


def _endpoints(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= ENDPOINTS_MAX:
        raise ValueError(f"expected a list of 1 to {ENDPOINTS_MAX} endpoints, {_given(value)}")
    for one in value:
        if type(one) is not str:
            raise ValueError(f"expected an endpoint as text, {_given(one)}")
        endpoint.require(one)
    if len(value) > 1 and len(set(value)) != len(value):
        raise ValueError("the same endpoint is given twice")
    return tuple(value)


def _read_endpoints(cell: str) -> tuple[str, ...]:
    if " " not in cell:
        endpoint.parts(cell)
        return (cell,)
    return _endpoints(cell.split())


def _show_endpoints(value: object) -> str:
    assert isinstance(value, tuple)
    return " ".join(value)


_GFLOPS = _number(0, GFLOPS_MAX, above=True)


def _gflops(value: object) -> dict[str, object]:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"expected numbers by precision, {_given(value)}")
    checked = {}
    for letter in sorted(value, key=str):
        if letter not in PRECISIONS:
            raise ValueError(
                f"expected precisions of {' '.join(sorted(PRECISIONS))}, {_given(letter)}"
            )
        try:
            checked[letter] = _GFLOPS.check(value[letter])
        except ValueError as error:
            raise ValueError(f"{letter}: {error}") from None
    return checked


def _read_gflops(cells: str) -> dict[str, object]:
    """From the cells of the columns PRECISIONS, in that order, with CELL_BREAK between."""
    parts = cells.split(CELL_BREAK)
    if len(parts) != len(PRECISIONS):
        raise ValueError(f"expected numbers, {_given(cells)}")
    checked: dict[str, object] = {}
    for (letter, column), part in zip(PRECISIONS.items(), parts, strict=True):
        if part:
            try:
                checked[letter] = _GFLOPS.read(part)
            except ValueError as error:
                raise ValueError(f"{column}: {error}") from None
    return _gflops(checked)


def _show_gflops(value: object) -> str:
    assert isinstance(value, dict)
    return CELL_BREAK.join(show_number(value[x]) if x in value else "" for x in PRECISIONS)


def _words(words: tuple[str, ...]) -> Form:
    return _pattern("|".join(words), f"one of {', '.join(words)}")


_DAY: Final = Form(_date, _date, _same)
_SUCCESSOR = r"[0-9A-Z]{18}(?:/[0-9A-Z]{1,12}){3}/[0-9A-Z]{1,12}-[0-9A-Z]{1,12}-[0-9A-Z]{2}"

# In the order of the keys, which is the order of the canonical map.
FIELDS: Final = (
    Field("bw", "bandwidth_gbps", _number(0, 10**6, above=True)),
    Field("ch", "chip", TEXT),
    Field("cm", "chip_memory_gib", _number(0, 10**6, above=True)),
    Field("ct", "count", _number(1, 10**7, whole=True)),
    Field("cu", "currency", _pattern("[A-Z]{3}", "a currency code of ISO 4217 such as CNY")),
    Field("en", "ended", _DAY),
    Field("ep", "endpoints", Form(_endpoints, _read_endpoints, _show_endpoints)),
    Field("fb", "fabric", TEXT),
    Field("fl", "gflops", Form(_gflops, _read_gflops, _show_gflops)),
    Field("gr", "green_share", _number(0, 1)),
    Field("me", "memory_gib", _number(0, GIB_MAX, above=True)),
    Field("nm", "name", TEXT),
    Field(
        "pr",
        "price",
        _pattern(
            r"(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,6})?",
            "an amount such as 12.50",
        ),
    ),
    Field("pu", "price_unit", _pattern("[a-z][a-z0-9_-]{0,15}", "a unit such as hour")),
    Field("re", "reason", TEXT),
    Field("st", "state", _words(STATES)),
    Field("su", "successor", _pattern(_SUCCESSOR, "an identifier in canonical form")),
    Field("tr", "trust", _number(1, 5, whole=True)),
    Field("vc", "vcpu", _number(0, 10**7, above=True)),
    Field("vf", "valid_from", _DAY),
    Field("vu", "valid_until", _DAY),
)
BY_KEY: Final = {field.key: field for field in FIELDS}
BY_NAME: Final = {field.name: field for field in FIELDS}


def check_together(values: dict[str, object]) -> None:
    """Check what no field can say alone; the keys of `values` are the short ones.

    Raises:
        RecordError: the first rule that does not hold.
    """
    state = values.get("st")
    if state is None:
        raise RecordError("state", f"missing; give one of {', '.join(STATES)}")
    if (state == "retired") != ("en" in values):
        raise RecordError("ended", "expected with state retired, and only with it")
    if state != "retired" and ("re" in values or "su" in values):
        raise RecordError("reason" if "re" in values else "successor", "only taken with ended")
    if "pr" in values or "cu" in values or "pu" in values:
        for key in ("pr", "cu", "pu"):
            if key not in values:
                raise RecordError(BY_KEY[key].name, "price, currency, price_unit come together")
    # Dates in this form order as text.
    if "vu" in values and str(values["vu"]) < str(values.get("vf", "")):
        raise RecordError("valid_until", f"{values['vu']} is before valid_from, {values['vf']}")
