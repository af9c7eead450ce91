"""A supply as a file, so that a restart is warm: all columns one behind the other.

    magic and version · length of the head (8) · head, msgpack · columns · BLAKE2b-128 of all before

It is written whole or not at all. What is of another version, torn or changed is refused, and
whoever reads it fills the supply anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgpack
import numpy as np

from csid.errors import CsidError
from gateway.systems.selection.columns import Dictionary
from gateway.systems.selection.facts import Units
from gateway.systems.selection.prices import Cost
from gateway.systems.selection.supply import Supply
from resolver.files import write_whole

MAGIC: Final = b"csid-supply\x00\x00\x00\x01"  # the last octet is the version
_LENGTH: Final = 8
_DIGEST: Final = 16
_HEAD_MAX: Final = 2**30
_MADE: Final[dict[str, Any]] = {"cost": Cost, "units": Units}  # what msgpack has as plain tuples
_ROWS: Final = ("alive", "serial", "shape_kind", "shape_free", "shape_count")


class SnapshotError(CsidError):
    """A file that is no whole snapshot of this version: the supply is to be filled anew."""


def write(supply: Supply, path: Path, mark: str = "") -> None:
    """Write a supply.

    Args:
        mark: how far it has followed its sources, in their words; `read` gives it back.

    Raises:
        FileError: the file cannot be written.
    """
    columns = supply.columns
    head = msgpack.packb(
        {
            "mark": mark,
            "capacity": columns.capacity,
            "texts": len(columns.texts.octets),
            "waste": columns.texts.waste,
            "key": supply.index.key,
            "count": supply.index.count,
            "places": len(supply.index.places),
            "blocks_used": supply.blocks_used,
            "free_slots": supply.free_slots,
            "dictionaries": {name: one.values[1:] for name, one in columns.dictionaries.items()},
            "wide": [name for name, codes in columns.codes.items() if codes.dtype == np.uint32],
        }
    )
    with write_whole(path) as file:
        digest = blake2b(digest_size=_DIGEST)
        for part in (MAGIC, len(head).to_bytes(_LENGTH, "big"), head, *_arrays(supply)):
            octets: Any = part if isinstance(part, bytes) else memoryview(part).cast("B")
            digest.update(octets)
            file.buffer.write(octets)
        file.buffer.write(digest.digest())


def _arrays(supply: Supply) -> Iterator[Any]:
    """All arrays, in the order in which they stand in the file."""
    columns = supply.columns
    for held in (columns.codes, columns.live, columns.present, columns.largest):
        yield from held.values()
    for name in _ROWS:
        array = getattr(columns, name)
        yield array.view(np.uint8) if array.dtype.kind == "S" else array
    yield columns.texts.starts
    yield columns.texts.octets
    yield columns.first_owner
    yield columns.changes
    yield supply.index.digests
    yield supply.index.places


def read(path: Path) -> tuple[Supply, str]:
    """The supply of a file, and its mark.

    Raises:
        SnapshotError: there is none that can be used.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror or error}") from None
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error}; it is filled anew from its sources") from None


def _read(file: BinaryIO) -> tuple[Supply, str]:
    digest = blake2b(digest_size=_DIGEST)
    begin = file.read(len(MAGIC) + _LENGTH)
    if begin[: len(MAGIC)] != MAGIC:
        raise SnapshotError("no snapshot of this version")
    length = int.from_bytes(begin[len(MAGIC) :], "big")
    size = os.fstat(file.fileno()).st_size
    if length > min(size, _HEAD_MAX):
        raise SnapshotError("torn")
    packed = file.read(length)
    digest.update(begin)
    digest.update(packed)
    head = _head(packed, size)
    supply = _empty(head)
    for array in _arrays(supply):
        octets = memoryview(array).cast("B")
        if len(octets) and file.readinto(octets) != len(octets):  # type: ignore[attr-defined]
            raise SnapshotError("torn")
        digest.update(octets)
    if file.read(_DIGEST + 1) != digest.digest():
        raise SnapshotError("its digest does not hold: torn or changed")
    for name, codes in supply.columns.codes.items():
        if int(codes.max(initial=0)) >= len(supply.columns.dictionaries[name]):
            raise SnapshotError(f"{name} has codes that stand for nothing")
    return supply, str(head["mark"])


def _head(packed: bytes, size: int) -> dict[str, Any]:
    try:
        head = msgpack.unpackb(packed, use_list=False, strict_map_key=False)
    except (ValueError, RecursionError, msgpack.UnpackException):
        raise SnapshotError("torn") from None
    if not isinstance(head, dict) or not 0 <= head.get("capacity", -1) <= size:
        raise SnapshotError("torn")
    return head


def _empty(head: dict[str, Any]) -> Supply:
    """A supply with room for what follows in the file."""
    supply = Supply(head["key"])
    columns = supply.columns
    for name, values in head["dictionaries"].items():
        _fill(columns.dictionaries[name], name, values)
    columns.grow(head["capacity"])
    columns.texts.octets = bytearray(head["texts"])
    columns.texts.waste = head["waste"]
    for name in head["wide"]:
        columns.widen(name)
    supply.index.digests = np.zeros(columns.capacity, np.uint32)
    supply.index.places = np.zeros(head["places"], np.uint32)
    supply.index.count = head["count"]
    supply.blocks_used = head["blocks_used"]
    supply.free_slots = {family: list(slots) for family, slots in head["free_slots"].items()}
    return supply


def _fill(dictionary: Dictionary, name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        dictionary.code(_MADE[name](*value) if name in _MADE else value)
