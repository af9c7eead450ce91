"""What people type to name identifiers, prefixes and pools, as the registry takes it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csid.identifier import Identifier
    from resolver.store.environment import Settings

SEGMENTS = 5


def today() -> date:
    """Today in China, by which codes are in force."""
    import time

    from registry.rules.case import day_of

    return day_of(int(time.time()))


def identifier(text: str, settings: Settings, on: date | None = None) -> Identifier:
    """An identifier in any of its forms; ``on``: its codes must be in force then.

    Raises:
        IdentifierError: it is none.
    """
    from csid.identifier import parse

    return parse(text, on, settings.suffix)


def is_pool(text: str) -> bool:
    """Whether a text has the form of a pool: its capability class stands alone."""
    from csid.identifier import fold

    parts = fold(text).rstrip("/").split("/")
    return len(parts) == SEGMENTS + 1 or (len(parts) == SEGMENTS and "-" not in parts[-1])


def new_identifier(text: str, settings: Settings) -> Identifier:
    """An identifier to be assigned today; its check characters may be left out.

    Raises:
        IdentifierError: it is none, or a code of it is not in force today.
    """
    from csid.identifier import fold, make

    parts = fold(text).split("/")
    if len(parts) == SEGMENTS and parts[-1].count("-") == 1 and "." not in parts[0]:
        owner, industry, location, kind, spec = parts
        capability, _, serial = spec.partition("-")
        return make(owner, industry, location, kind, capability, serial, today())
    return identifier(text, settings, today())
