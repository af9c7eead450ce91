"""The lines of the selection system in a folder of systems."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from csid.errors import StoreError
from gateway.configuration.load import load
from gateway.systems.run import folder_of
from gateway.systems.selection.paths.lines_store import FILE, Lines

SYSTEM = "selection"


@contextmanager
def lines_in(args: argparse.Namespace, new: bool = False) -> Iterator[Lines]:
    """The lines, whether the system runs or not; with ``new`` they are made if there are none.

    Raises:
        CsidError: nobody says where, there are none, or they cannot be used.
    """
    folder = folder_of(load(args.config), args.data) / SYSTEM
    if not new and not (folder / FILE).exists():
        raise StoreError(f"{folder}: there are no lines here; csid line add takes one in")
    lines = Lines(folder)
    try:
        yield lines
    finally:
        lines.close()
