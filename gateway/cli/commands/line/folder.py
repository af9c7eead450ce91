"""The folder of a selection system, as far as its lines are concerned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from csid.errors import StoreError
from gateway.systems.selection.paths.lines_store import FILE, Lines


@contextmanager
def lines_in(folder: Path, new: bool = False) -> Iterator[Lines]:
    """The lines of a folder; with ``new`` it is made if there is none.

    Raises:
        StoreError: there are none, or they cannot be used.
    """
    if not new and not (folder / FILE).exists():
        raise StoreError(f"{folder}: there are no lines here; csid line add takes one in")
    lines = Lines(folder)
    try:
        yield lines
    finally:
        lines.close()
