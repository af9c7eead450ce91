"""A log as static files after C2SP tlog-tiles, for any web server and any tlog client.

checkpoint              the latest one, written when all that it covers is there
tile/…                  tiles and entry bundles
checkpoints/<size>      every checkpoint that was signed
checkpoints/list        their sizes, one a line, ascending
keys                    the verifier keys, one a line, the newest first
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final

from csid.errors import FileError
from registry.audit.checkpoint import Checkpoint
from registry.audit.errors import AuditError
from registry.audit.keys import VerifierKey
from registry.audit.log import Log
from registry.audit.merkle import TREE_HASHES
from registry.audit.note import MAX_NOTE, Note
from registry.audit.store import STATE_KEY, Store, encode_state, leaf_key
from registry.audit.tiles import (
    MAX_LEAF,
    TILE_HEIGHT,
    TILE_WIDTH,
    decode_bundle,
    encode_bundle,
    read_tile,
    tile_path,
    tile_width,
    top_level,
)
from resolver.files import UNFINISHED, sync_all, write_whole

ENTRIES: Final = "entries"
CHECKPOINT: Final = "checkpoint"
CHECKPOINTS: Final = "checkpoints"
LIST: Final = f"{CHECKPOINTS}/list"
KEYS: Final = "keys"
_MAX_BUNDLE: Final = TILE_WIDTH * (MAX_LEAF + 2)  # octets
_LEAF: Final = leaf_key(0)[:1]
_AT_A_TIME: Final = 64  # files that are read at one moment of the log

Source = Callable[[], AbstractContextManager[Store]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A tile or an entry bundle of a log of some size."""

    level: int | str
    index: int
    width: int

    @property
    def path(self) -> str:
        """Its path below the folder."""
        return tile_path(self.level, self.index, self.width)

    def content(self, store: Store) -> bytes:
        """What the file holds."""
        if isinstance(self.level, int):
            return read_tile(store, self.level, self.index, self.width)
        start = self.index * TILE_WIDTH
        return encode_bundle(Log(store).leaves(start, start + self.width))


def pieces(size: int, published: int = 0) -> Iterator[Piece]:
    """All tiles and entry bundles of a log of that size, but for those that are full already in one
    of ``published`` leaves.
    """
    for level in range(top_level(size) + 1):
        index = (published >> (TILE_HEIGHT * level)) // TILE_WIDTH
        while width := tile_width(level, index, size):
            yield Piece(level, index, width)
            if level == 0:
                yield Piece(ENTRIES, index, width)
            index += 1


def publish(
    source: Source,
    notes: Sequence[str],
    keys: Sequence[VerifierKey],
    folder: Path,
    whole: bool = False,
) -> int:
    """Write what a log's folder lacks of its last checkpoint; how many files were written.

    The checkpoint is written behind all that it covers, and partial tiles go only when it is
    there, so that the folder can be read at any moment, also after this was killed.

    Args:
        source: one moment of the log.
        notes: its checkpoints, the oldest first.
        keys: its keys, the newest first.
        whole: look also at what was published before, and write anew what is damaged.

    Raises:
        NoteError: a note is no checkpoint.
        AuditError: the folder holds another log or a longer one, or the log is damaged.
        FileError: a file cannot be written.
    """
    points = [Checkpoint.parse(Note.parse(note).text) for note in notes]
    size = points[-1].size
    before = _published(source, folder, size)
    written = 0
    _sweep(folder)
    edge = set(pieces(before, before))
    edges = (pieces(point.size, point.size) for point in points if whole)
    older = (piece for piece in chain.from_iterable(edges) if (folder / piece.path).is_file())
    todo = chain(pieces(size, 0 if whole else before), older)
    while batch := list(islice(todo, _AT_A_TIME)):
        with source() as store:
            for piece in batch:
                # Names that no checkpoint needs yet: they are on the disk before one does.
                is_there = whole or piece in edge
                written += _put(folder / piece.path, piece.content(store), is_there, sync=False)
    sync_all()
    written += _update(folder / KEYS, "".join(f"{key}\n" for key in keys))
    for point, note in zip(points, notes, strict=True):
        written += _update(folder / CHECKPOINTS / str(point.size), note)
    written += _update(folder / CHECKPOINT, notes[-1])
    written += _update(folder / LIST, "".join(f"{point.size}\n" for point in points))
    _clear(folder, before, size)
    return written


def latest(folder: Path) -> str:
    """The latest checkpoint of a published log; empty if there is none yet.

    Raises:
        AuditError: it cannot be read.
    """
    return _read(folder / CHECKPOINT, 4 * MAX_NOTE).decode("utf-8", "replace")


class StaticStore:
    """A published log in a folder, for reading: a `Store`."""

    def __init__(self, folder: Path) -> None:
        """Of the size that its latest checkpoint says.

        Raises:
            AuditError: there is none, or it cannot be read.
        """
        note = latest(folder)
        if not note:
            raise AuditError(f"{folder}: no published log: it has no file {CHECKPOINT!r}")
        self._folder = folder
        self._size = Checkpoint.parse(Note.parse(note).text).size

    def get(self, key: bytes, /) -> bytes | None:
        """The value at that key, None where there is none."""
        if key == STATE_KEY:
            return encode_state(self._size, TREE_HASHES["sha256"])
        index = int.from_bytes(key[-8:], "big")
        if key[:1] == _LEAF:
            bundle = self._piece(ENTRIES, index // TILE_WIDTH)
            leaves = decode_bundle(bundle) if bundle else []
            return leaves[index % TILE_WIDTH] if index % TILE_WIDTH < len(leaves) else None
        return self._piece(key[1], index)

    def put_many(self, items: Iterable[tuple[bytes, bytes]], /) -> None:
        """Not here: a published log is written by `publish`."""
        raise AuditError("a published log is only read")

    def _piece(self, level: int | str, index: int) -> bytes | None:
        """A full tile or bundle, else the partial one of the latest checkpoint."""
        width = tile_width(0 if level == ENTRIES else int(level), index, self._size)
        for one in (TILE_WIDTH, width):
            path = self._folder / tile_path(level, index, one)
            if one and path.is_file():
                return _read(path, _MAX_BUNDLE)
        return None


def _published(source: Source, folder: Path, size: int) -> int:
    """How many leaves of this log the folder has already.

    Raises:
        AuditError: it is no folder for this log.
    """
    if (folder / "data.mdb").exists():
        raise AuditError(f"{folder}: is a data directory: publish into a folder of its own")
    note = latest(folder)
    if not note:
        return 0
    point = Checkpoint.parse(Note.parse(note).text)
    with source() as store:
        if point.size > size or Log(store).root(point.size) != point.root:
            raise AuditError(
                f"{folder}: holds {point.size} leaves of a log that are not the first of this one "
                f"({size} leaves under its last checkpoint): nothing is published; give another "
                "folder, or verify both logs"
            )
    return point.size


def _clear(folder: Path, before: int, size: int) -> None:
    """Take away the partial pieces that neither the latest checkpoint nor the one published before
    needs; for those that are full by now a client takes the full one (C2SP tlog-tiles).
    """
    edges = [piece for piece in pieces(before, before) if piece.width < TILE_WIDTH]
    needed = {piece.path for piece in (*edges, *pieces(size, size))}
    for piece in edges:
        full = folder / tile_path(piece.level, piece.index)
        for path in full.with_name(f"{full.name}.p").glob("*"):
            if full.exists() or path.relative_to(folder).as_posix() not in needed:
                path.unlink(missing_ok=True)
        if full.exists():
            full.with_name(f"{full.name}.p").rmdir()


def _sweep(folder: Path) -> None:
    """Take away what one that was killed has not finished."""
    own = (folder / CHECKPOINTS, *(folder / "tile").glob("**/"))
    for path in chain.from_iterable(one.glob(f"{UNFINISHED}*") for one in (folder, *own)):
        path.unlink(missing_ok=True)


def _update(path: Path, text: str) -> bool:
    """Write a small file unless it says so already; whether it was written."""
    return _put(path, text.encode())


def _put(path: Path, content: bytes, is_there: bool = True, sync: bool = True) -> bool:
    """Write a file unless it is there with that content; whether it was written.

    Args:
        is_there: False if there is no need to look.
    """
    if is_there and path.is_file() and _read(path, len(content) + 1) == content:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path.parent}: cannot be made: {error.strerror}") from None
    with write_whole(path, sync=sync) as file:
        file.buffer.write(content)
    return True


def _read(path: Path, most: int) -> bytes:
    """The first octets of a file, none if it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise AuditError(f"{path}: cannot be read: {error.strerror}") from None
