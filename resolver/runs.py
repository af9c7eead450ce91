"""Sorting more than memory holds: sorted runs are written to a file, and read merged.

A run is written in blocks of BLOCK_ROWS rows, each a msgpack array; of every run one block is in
memory while they are merged.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgpack

from csid.errors import StoreError

BLOCK_ROWS: Final = 256
_unpack: Final[Any] = msgpack.unpackb
_pack: Final[Any] = msgpack.packb

Block = tuple[int, int]  # offset and octets in the file


def write_run(file: int, rows: Sequence[tuple[Any, ...]], at: int) -> list[Block]:
    """Write sorted rows to a file (its descriptor) from an offset on; where their blocks are.

    Raises:
        StoreError: the disk is full.
    """
    blocks = []
    for start in range(0, len(rows), BLOCK_ROWS):
        octets = _pack(rows[start : start + BLOCK_ROWS], unicode_errors="replace")
        blocks.append((at, len(octets)))
        write_all(file, octets, at)
        at += len(octets)
    return blocks


def write_all(file: int, octets: bytes, at: int = 0) -> None:
    """Write octets to a file (its descriptor) from an offset on.

    Raises:
        StoreError: the disk is full.
    """
    rest = memoryview(octets)
    try:
        while rest:
            written = os.pwrite(file, rest, at)
            at += written
            rest = rest[written:]
    except OSError as error:
        raise StoreError(
            f"no room for the file that rows are sorted in: {error.strerror}; free some"
        ) from None


def read_run(file: int, blocks: Sequence[Block]) -> Iterator[list[tuple[Any, ...]]]:
    """The blocks of a run, in order."""
    for at, octets in blocks:
        yield list(map(tuple, _unpack(os.pread(file, octets, at), use_list=False)))


def merged(runs: Sequence[Iterator[list[Any]]]) -> Iterator[list[Any]]:
    """The rows of sorted runs in one order, some at a time; each run comes in non-empty blocks."""
    heads = [(block, run) for run in runs if (block := next(run, None))]
    places = [0] * len(heads)
    while heads:
        # Up to the end of the block that ends first, all there is of them is here.
        bound = min(block[-1] for block, _ in heads)
        taken: list[Any] = []
        ended = False
        for number, (block, run) in enumerate(heads):
            start = places[number]
            if block[start] > bound:
                continue
            end = bisect_right(block, bound, start)
            taken += block[start:end]
            if end == len(block):
                following = next(run, [])
                heads[number], end = (following, run), 0
                ended |= not following
            places[number] = end
        if ended:
            kept = [number for number, (block, _) in enumerate(heads) if block]
            heads, places = [heads[n] for n in kept], [places[n] for n in kept]
        taken.sort()
        yield taken
