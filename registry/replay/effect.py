"""What the functions that replay one kind of leaf are given, and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from registry.tables.changes import Row, TreeChange
from registry.tables.log_entry import LogEntry
from registry.tables.rows import NO_LEAF
from registry.tables.view import View


class ReplayFault(Exception):
    """A leaf does not follow from the rows before it, or is none of the registry's."""


class Step(NamedTuple):
    """A leaf being replayed."""

    view: View  # the registry before it
    leaf: int  # its index
    entry: LogEntry


class Effect(NamedTuple):
    """What follows from a leaf, and what the leaf must say then."""

    rows: Sequence[Row]
    tree: Sequence[TreeChange] = ()
    after: bytes = b""
    prev: int = NO_LEAF
    to: str = ""
    serials: int | None = None  # how many a leaf says; None: one for each name
    ttl: int | None = None  # that a leaf says; None: that of the first name


def require(holds: bool, reason: str) -> None:
    """Refuse a leaf of which something does not hold."""
    if not holds:
        raise ReplayFault(reason)
