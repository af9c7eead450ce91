"""The tables of the system, for commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.cli.commands.system.folder import place_of
from gateway.systems.aggregation.system import SYSTEM
from gateway.systems.aggregation.tables import Book


@contextmanager
def book_of(args: argparse.Namespace) -> Iterator[Book]:
    """The tables of the system, whether it runs or not.

    Raises:
        CsidError: nobody says where, or they cannot be used.
    """
    with place_of(args, SYSTEM) as place:
        yield Book(place.tables)
