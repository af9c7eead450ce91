"""Requests and plans as plain values that msgpack carries, and back.

What a class looks like follows from the type hints of its fields, so a new kind of request needs
nothing here. What is read may come from a stranger: every value has the type that its hint says,
every identifier and record is checked, or `ValuesError` says what is wrong.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

from csid import record
from csid.errors import CsidError
from csid.identifier import Identifier, parse
from csid.record import RECORD_OCTETS_MAX, Record
from registry.rules.acting import Acting
from registry.rules.decide import DECISIONS
from registry.rules.plan import Plan
from registry.rules.requests import Actor, Body, Request

_KEPT: Final = 4_096  # records that were read last: most requests have those of others


class ValuesError(CsidError):
    """Plain values that stand for nothing that can be asked."""


class Form(NamedTuple):
    """How values of one type are made plain, and read."""

    pack: Callable[[Any], Any]
    read: Callable[[Any], Any]


def pack_request(request: Request) -> list[object]:
    """A request as plain values. Who the asker is to the operating system is no part of it."""
    return [*pack_actor(request.actor), request.reason, request.key, *pack(request.body)]


def read_request(values: object, by: Acting) -> Request:
    """The request in plain values, asked by a process.

    Raises:
        ActingError: that is nobody here, or not who it says.
        ValuesError: it is none.
    """
    if type(values) is not tuple or len(values) < 6:
        raise ValuesError("expected a request: who asks, why, under which key, and what for")
    name, role, owner, reason, key, *what = values
    for text in (name, role, owner, reason, key):
        if type(text) is not str:
            raise ValuesError(f"expected text, given {type(text).__name__}")
    return Request(_actor(by, name, role, owner), read(what, _BODIES), reason, key)


def pack_actor(actor: Actor) -> list[object]:
    """An actor as plain values; its peer is no part of them."""
    return [actor.name, actor.role.value, actor.owner]


def read_actor(values: object, by: Acting) -> Actor:
    """The actor that a process is, or acts for as plain values say.

    Raises:
        ActingError: that is nobody here, or not who it says.
        ValuesError: they are none.
    """
    if type(values) is not tuple or len(values) != 3 or {*map(type, values)} != {str}:
        raise ValuesError("expected an actor: name, role, owner")
    return _actor(by, *values)


def _actor(by: Acting, name: str, role: str, owner: str) -> Actor:
    try:
        return by.actor(name, role, owner)
    except ValueError:
        raise ValuesError(f"{role[:40]!r} is no role") from None


def pack(value: Any) -> list[object]:
    """The body of a request, or a plan: the name of its class and its fields."""
    kind: type = type(value)
    return [kind.__name__, *(form.pack(getattr(value, name)) for name, form in _fields(kind))]


def read(values: Iterable[Any], known: Mapping[str, type]) -> Any:
    """The body or plan in plain values, of one of the classes that are known by these names.

    Raises:
        ValuesError: it is none.
    """
    name, *given = values
    kind = known.get(name) if type(name) is str else None
    if kind is None:
        raise ValuesError(f"{str(name)[:40]!r} is nothing that can be asked for here")
    return _read_fields(kind, given)


def read_plan(values: object) -> Any:
    """The plan in plain values.

    Raises:
        ValuesError: it is none.
    """
    if type(values) is not tuple or not values:
        raise ValuesError("expected a plan: its name and what it says")
    return read(values, _PLANS)


_BODIES: Final[Mapping[str, type[Body]]] = {kind.__name__: kind for kind in DECISIONS}
_PLANS: Final[Mapping[str, type]] = {kind.__name__: kind for kind in get_args(Plan)}


def _read_fields(kind: type, given: list[Any]) -> Any:
    forms = _fields(kind)
    if len(given) != len(forms):
        raise ValuesError(f"{kind.__name__}: expected {len(forms)} values, given {len(given)}")
    try:
        return kind(*[form.read(value) for (_, form), value in zip(forms, given, strict=True)])
    except (TypeError, ValueError, CsidError) as error:
        raise ValuesError(f"{kind.__name__}: {error}") from None


@cache
def _fields(kind: type) -> tuple[tuple[str, Form], ...]:
    """The fields of a class in order, with their forms."""
    assert is_dataclass(kind)
    hints = get_type_hints(kind)
    return tuple((field.name, form_of(hints[field.name])) for field in fields(kind))


def form_of(hint: Any) -> Form:
    """The form of the values of a type.

    Raises:
        TypeError: there is none for it.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint in _FORMS:
        return _FORMS[hint]
    if origin is tuple:
        return _tuple(inner)
    if origin in (Union, types.UnionType):
        return _union(inner)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    raise TypeError(f"no plain form is known for {hint}")


def _exactly(kind: type) -> Form:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}, given {type(value).__name__}")
        return value

    return Form(_same, read)


def _same(value: Any) -> Any:
    return value


def _enum(kind: type[Enum]) -> Form:
    return Form(lambda member: member.value, kind)


def _tuple(inner: tuple[Any, ...]) -> Form:
    """Of any length, if the second type is an ellipsis."""
    if inner[1:] == (...,):
        item = form_of(inner[0])
        return Form(
            lambda values: [item.pack(value) for value in values],
            lambda values: tuple(item.read(value) for value in _array(values)),
        )
    items = [form_of(one) for one in inner]

    def read(values: Any) -> tuple[Any, ...]:
        pairs = zip(items, _array(values), strict=True)
        return tuple(form.read(value) for form, value in pairs)

    return Form(lambda v: [form.pack(one) for form, one in zip(items, v, strict=True)], read)


def _array(values: Any) -> tuple[Any, ...]:
    if type(values) is not tuple:
        raise TypeError(f"expected an array, given {type(values).__name__}")
    return values


def _union(inner: tuple[Any, ...]) -> Form:
    """Something, or None."""
    others = [one for one in inner if one is not types.NoneType]
    if len(others) != 1 or len(inner) != 2:
        raise TypeError(f"no plain form is known for any of {inner}")
    form = form_of(others[0])
    return Form(
        lambda value: None if value is None else form.pack(value),
        lambda value: None if value is None else form.read(value),
    )


def _identifier(text: Any) -> Identifier:
    if type(text) is not str:
        raise TypeError(f"expected an identifier, given {type(text).__name__}")
    identifier = parse(text)
    if str(identifier) != text:
        raise ValueError(f"{text[:80]!r} is not in canonical form, which is {identifier}")
    return identifier


def _pack_record(value: Record) -> object:
    """Its bytes; one that is too large for a registry is refused there, so it has to get there."""
    try:
        return record.encode(value)
    except CsidError:
        return value.json()


def _record(value: Any) -> Record:
    if type(value) is bytes and len(value) <= RECORD_OCTETS_MAX:
        return _decoded(value)
    if type(value) is dict:
        return Record(value)
    raise TypeError(f"expected a record, given {type(value).__name__}")


_decoded: Final = lru_cache(_KEPT)(record.decode)

_FORMS: Final[Mapping[Any, Form]] = {
    **{kind: _exactly(kind) for kind in (str, int, bool, bytes)},
    object: Form(_same, _same),  # any plain value, judged by those who know what it is for
    Any: Form(_same, _same),
    Identifier: Form(str, _identifier),
    Record: Form(_pack_record, _record),
}
