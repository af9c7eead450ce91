"""A log as static files after C2SP tlog-tiles, for any web server and any tlog client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from registry.audit.checkpoint import Checkpoint
from registry.audit.log import Log
from registry.audit.note import Note
from registry.audit.store import Store
from registry.audit.tiles import (
    TILE_WIDTH,
    encode_bundle,
    read_tile,
    tile_path,
    tile_width,
    top_level,
)
from resolver.files import write_whole

ENTRIES: Final = "entries"


def static_files(store: Store, note: str) -> Iterator[tuple[str, bytes]]:
    """Every file of a log as of a signed checkpoint: relative path and content.

    The checkpoint comes last, so that whoever reads it finds all that it covers.

    Raises:
        NoteError: ``note`` is not a checkpoint.
        AuditError: the log is shorter than the checkpoint says, or damaged.
    """
    size = Checkpoint.parse(Note.parse(note).text).size
    log = Log(store)
    for level in range(top_level(size) + 1):
        index = 0
        while width := tile_width(level, index, size):
            yield tile_path(level, index, width), read_tile(store, level, index, width)
            index += 1
    for start in range(0, size, TILE_WIDTH):
        end = min(start + TILE_WIDTH, size)
        yield (
            tile_path(ENTRIES, start // TILE_WIDTH, end - start),
            encode_bundle(log.leaves(start, end)),
        )
    yield "checkpoint", note.encode()


def export(store: Store, note: str, folder: Path) -> int:
    """Write a log's static files into a folder; how many were written.

    A full tile never changes, so one that is already there is left as it is.

    Raises:
        NoteError, AuditError: as ``static_files``.
        FileError: a file cannot be written.
    """
    written = 0
    for name, content in static_files(store, note):
        path = folder / name
        if name != "checkpoint" and path.is_file():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(path) as file:
            file.buffer.write(content)
        written += 1
    return written
