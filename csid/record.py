"""The resource record: what an owner declares about one compute resource.

A record is made from its JSON form (field names as in `schemas/record.md`) or decoded from its
canonical msgpack map. It does not change; `changed` gives a new one. A record that exists is
valid, and equal records have equal bytes.

Keys of the map that this version does not know are kept with their values (`extra`), so that a
record passes through an older program unharmed. Pure: no clock, no store.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, overload

import msgpack

from csid import endpoint
from csid.endpoint import Endpoint
from csid.errors import RecordError
from csid.fields import BY_KEY, BY_NAME, FIELDS, check_together, hidden_in, plain_number
from csid.record_quick import quickly

RECORD_OCTETS_MAX: Final = 900  # leaves room for header, name, EDNS and cookie in 1232 octets
EXTRA_DEPTH_MAX: Final = 4  # maps and arrays inside one another in the value of an unknown key
ITEMS_MAX: Final = 64  # entries of any one map or array

_EXTRA_KEY = re.compile(r"[a-z][a-z0-9_-]{0,15}")
_CHECKS: Final = {field.key: field.form.check for field in FIELDS}
_pack: Callable[[object], bytes] = msgpack.Packer().pack
_unpack: Callable[..., Any] = msgpack.unpackb
T = TypeVar("T")


class _Fact(Generic[T]):
    """A field as an attribute of Record: None where the owner declares nothing."""

    def __init__(self, key: str, made: Callable[[Any], T]) -> None:
        self.key = key
        self.made = made

    @overload
    def __get__(self, record: None, owner: type) -> _Fact[T]: ...
    @overload
    def __get__(self, record: Record, owner: type) -> T | None: ...
    def __get__(self, record: Record | None, owner: type) -> _Fact[T] | T | None:
        if record is None:
            return self
        value = record.values.get(self.key)
        return None if value is None else self.made(value)


def _number(value: float) -> float:
    return value


class Record:
    """The declared facts of one resource, as attributes; None where nothing is declared.

    `values` is the canonical map itself, short keys in order: read it, never write to it.
    """

    __slots__ = ("values",)

    name = _Fact("nm", str)
    chip = _Fact("ch", str)
    count = _Fact("ct", int)  # chips
    chip_memory_gib = _Fact("cm", _number)  # of one chip
    vcpu = _Fact("vc", _number)
    memory_gib = _Fact("me", _number)
    bandwidth_gbps = _Fact("bw", _number)  # Gbit/s
    fabric = _Fact("fb", str)
    price = _Fact("pr", Decimal)
    currency = _Fact("cu", str)  # ISO 4217
    price_unit = _Fact("pu", str)
    green_share = _Fact("gr", _number)  # 0 to 1
    trust = _Fact("tr", int)  # 1 to 5
    valid_from = _Fact("vf", date.fromisoformat)
    valid_until = _Fact("vu", date.fromisoformat)
    ended = _Fact("en", date.fromisoformat)
    reason = _Fact("re", str)
    successor = _Fact("su", str)  # an identifier

    def __init__(self, facts: Mapping[str, object]) -> None:
        """A record from its JSON form.

        Raises:
            RecordError: an unknown member, a wrong value, or values that do not go together.
        """
        values: dict[str, object] = {}
        for name, value in facts.items():
            field = BY_NAME.get(name)
            if field is not None:
                try:
                    values[field.key] = field.form.check(value)
                except ValueError as error:
                    raise RecordError(name, str(error)) from None
            elif name == "extra":
                values.update(_checked_extra(value))
            else:
                raise RecordError(str(name), f"unknown; known are {', '.join(BY_NAME)}, extra")
        check_together(values)
        self.values = dict(sorted(values.items()))

    @classmethod
    def of_values(cls, values: dict[str, object]) -> Record:
        """A record around a map that is canonical already; nothing is checked."""
        record = cls.__new__(cls)
        record.values = values
        return record

    @property
    def state(self) -> str:
        """The declared word of the life cycle, one of csid.fields.STATES."""
        return str(self.values["st"])

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where the resource is reached, best first; empty if not declared."""
        texts = self.values.get("ep", ())
        assert isinstance(texts, tuple)
        return tuple(endpoint.parse(text) for text in texts)

    @property
    def gflops(self) -> Mapping[str, float]:
        """Nominal dense GFLOPS (GOPS for N) by precision letter; empty if not declared."""
        numbers = self.values.get("fl", {})
        assert isinstance(numbers, dict)
        return MappingProxyType(numbers)

    @property
    def extra(self) -> Mapping[str, object]:
        """The keys that this version does not know, with their values."""
        unknown = {key: value for key, value in self.values.items() if key not in BY_KEY}
        return MappingProxyType(unknown)

    def json(self) -> dict[str, object]:
        """The JSON form, which `Record` takes back; described by schemas/record-v1.json."""
        facts = {
            field.name: _listed(self.values[key])
            for key, field in BY_KEY.items()
            if key in self.values
        }
        if extra := self.extra:
            facts["extra"] = {key: _listed(value) for key, value in extra.items()}
        return facts

    def changed(self, **facts: object) -> Record:
        """A record with these facts (JSON form) in place of its own; None takes one away."""
        merged = self.json() | facts
        return Record({name: value for name, value in merged.items() if value is not None})

    def __eq__(self, other: object) -> bool:
        # By bytes: in an unknown key, True and 1 are equal to Python and differ as facts.
        return isinstance(other, Record) and _pack(self.values) == _pack(other.values)

    def __hash__(self) -> int:
        return hash(_pack(self.values))

    def __repr__(self) -> str:
        return f"Record({self.json()!r})"


def encode(record: Record) -> bytes:
    """The canonical msgpack map of a record.

    Raises:
        RecordError: it has more than RECORD_OCTETS_MAX octets.
    """
    packed = _pack(record.values)
    if len(packed) > RECORD_OCTETS_MAX:
        raise RecordError(
            "record",
            f"has {len(packed)} octets, at most {RECORD_OCTETS_MAX} are taken; "
            "give fewer or shorter endpoints",
        )
    return packed


def decode(packed: bytes) -> Record:
    """The record in a canonical msgpack map; the bytes may come from a stranger.

    Raises:
        RecordError: the bytes are too many, no map, not canonical, or a field is wrong.
    """
    values = quickly(packed) if len(packed) <= RECORD_OCTETS_MAX else None
    return Record.of_values(thoroughly(packed) if values is None else values)


def thoroughly(packed: bytes) -> dict[str, object]:
    """The map of a record, whatever it holds.

    Raises:
        RecordError: as `decode`.
    """
    if len(packed) > RECORD_OCTETS_MAX:
        raise RecordError("record", f"has {len(packed)} octets, at most {RECORD_OCTETS_MAX} taken")
    values = _checked(_unpacked(packed))
    for key, after in zip(values, list(values)[1:], strict=False):
        if key > after:
            raise RecordError("record", f"key {after!r} stands behind {key!r}; keys ascend")
    # One comparison for every remaining way to write the same values with other bytes.
    if _pack(values) != packed:
        raise RecordError("record", "not in canonical form: a value has a longer form than needed")
    return values


def _checked(unpacked: dict[str, object]) -> dict[str, object]:
    """The values of a map, each by its field, and all of them together.

    Raises:
        RecordError: one is wrong.
    """
    values: dict[str, object] = {}
    for key, value in unpacked.items():
        check = _CHECKS.get(key)
        if check is None:
            values |= _checked_extra({key: value})
            continue
        try:
            values[key] = check(value)
        except ValueError as error:
            raise RecordError(BY_KEY[key].name, str(error)) from None
    check_together(values)
    return values


def _unpacked(packed: bytes) -> dict[str, object]:
    try:
        values = _unpack(
            packed,
            use_list=False,
            object_pairs_hook=_map_of_pairs,
            max_map_len=ITEMS_MAX,
            max_array_len=ITEMS_MAX,
        )
    except RecordError:
        raise
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        raise RecordError("record", f"no msgpack map: {error or type(error).__name__}") from None
    if type(values) is not dict:
        raise RecordError("record", f"expected a msgpack map, given {type(values).__name__}")
    return values


def _map_of_pairs(pairs: list[tuple[object, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in pairs:
        if type(key) is not str:
            raise RecordError("record", f"expected text as key, given {type(key).__name__}")
        if key in values:
            raise RecordError(BY_KEY[key].name if key in BY_KEY else key, "given twice")
        values[key] = value
    return values


def _checked_extra(extra: object) -> dict[str, object]:
    """Unknown keys with their values in canonical form."""
    if not isinstance(extra, Mapping):
        raise RecordError("extra", "expected a map of the keys that this version does not know")
    checked = {}
    for key, value in extra.items():
        if type(key) is not str or _EXTRA_KEY.fullmatch(key) is None or key in BY_KEY:
            raise RecordError(
                "extra", f"{key!r} is no key for it: 1 to 16 of a-z 0-9 _ -, not one of a field"
            )
        try:
            checked[key] = _plain(value, EXTRA_DEPTH_MAX)
        except ValueError as error:
            raise RecordError(key, str(error)) from None
    return checked


def _plain(value: object, depth: int) -> object:
    """A value of the JSON data model in canonical form; ValueError if it is none."""
    if value is None or type(value) is bool:
        return value
    if type(value) is int and -(2**63) <= value < 2**64:
        return value
    if type(value) is float and math.isfinite(value):
        return plain_number(value) if abs(value) < 2**53 else value
    if type(value) is str and not hidden_in(value):
        return value
    if depth and isinstance(value, list | tuple) and len(value) <= ITEMS_MAX:
        return tuple(_plain(item, depth - 1) for item in value)
    if depth and isinstance(value, dict) and len(value) <= ITEMS_MAX:
        if not all(type(key) is str and not hidden_in(key) for key in value):
            raise ValueError("expected text whose characters can all be seen as key")
        return {key: _plain(value[key], depth - 1) for key in sorted(value)}
    raise ValueError(
        f"expected a JSON value, numbers within 64 bits, no control characters and none "
        f"unseen, at most {EXTRA_DEPTH_MAX} levels and {ITEMS_MAX} items a level; "
        f"given {type(value).__name__}"
    )


def _listed(value: object) -> object:
    """The value with lists for tuples and copies for maps, as the json module gives them."""
    if isinstance(value, tuple):
        return [_listed(item) for item in value]
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return value
