"""What is asked of a Handle: the parameters of the proxy of Handle.Net, read as it reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from csid.errors import IdentifierError
from csid.identifier import Identifier, fold, parse
from csid.prefix import SEPARATOR

FILTERS_MAX: Final = 100  # types and indexes of one question
CALLBACK_MAX: Final = 100  # characters
_INDEX: Final = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
_NO_NAME: Final = re.compile(r"^[0-9]|[^A-Za-z0-9_$]")  # in a function's name of JavaScript


class Asked(NamedTuple):
    """A question.

    Attributes:
        handle: as it was given.
        types: of values that are wanted, in lower case.
        indexes: of values that are wanted, besides those of the types.
        is_authoritative: whether no cache is to answer (`auth`).
        is_pretty: whether the JSON is to be read by people.
        callback: the function that is to be called with the JSON; None: JSON alone.
        fault: what is wrong with the parameters; empty if nothing is.
    """

    handle: str
    types: tuple[str, ...] = ()
    indexes: tuple[int, ...] = ()
    is_authoritative: bool = False
    is_pretty: bool = False
    callback: str | None = None
    fault: str = ""

    @property
    def wants_all(self) -> bool:
        """Whether no values are named, so that all are wanted."""
        return not self.types and not self.indexes

    def wants(self, index: int, type: str) -> bool:
        """Whether a value is wanted; a type that ends with a dot stands for all below it, too."""
        if self.wants_all or index in self.indexes:
            return True
        lower = type.lower()
        return any(
            lower == one or (one.endswith(".") and f"{lower}.".startswith(one))
            for one in self.types
        )


def read(handle: str, parameters: Iterable[tuple[str, str]]) -> Asked:
    """The question that a Handle and the parameters behind the question mark make.

    Unknown ones say nothing; of those that can stand once, the first counts. What cannot be read
    is told by `fault`, so that the answer has the form that was asked for all the same.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        given.setdefault(name, []).append(value)
    types, indexes = given.get("type", []), given.get("index", [])
    fault = ""
    if len(types) + len(indexes) > FILTERS_MAX:
        fault = f"at most {FILTERS_MAX} types and indexes are taken; ask for all values instead"
        types, indexes = [], []
    elif wrong := [one for one in indexes if _INDEX.fullmatch(one) is None]:
        fault = f"index: expected a number, given {wrong[0][:40]!r}"
        indexes = []
    callback = given.get("callback")
    return Asked(
        handle,
        tuple(one.lower() for one in types),
        tuple(map(int, indexes)),
        _is_set(given.get("auth")),
        _is_set(given.get("pretty")),
        None if callback is None else _NO_NAME.sub("_", callback[0][:CALLBACK_MAX]),
        fault,
    )


def identifier_of(asked: Asked, suffix: str | None = None) -> Identifier:
    """The identifier that is asked for: by a Handle of any naming authority, or as itself.

    Raises:
        IdentifierError: it is none.
    """
    if not asked.handle:
        raise IdentifierError("handle", 0, "is empty; it stands behind /api/handles/")
    if SEPARATOR not in fold(asked.handle):
        reason = f"expected PREFIX/SUFFIX, given {asked.handle[:80]!r}"
        raise IdentifierError("handle", 0, reason)
    return parse(asked.handle, suffix=suffix)


def naming_authority(handle: str) -> str:
    """What stands before the owner in a Handle, with its dot; empty in a bare identifier."""
    prefix, dot, _owner = fold(handle).partition(SEPARATOR)[0].rpartition(".")
    return prefix + dot


def _is_set(given: list[str] | None) -> bool:
    return given is not None and given[0].lower() in ("", "yes", "true")
