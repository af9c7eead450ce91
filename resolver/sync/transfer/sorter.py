"""Records of a transfer whose names come in any order, put in order on disk.

They lie in a file without a name, which is gone with the process however it ends; of each run a
block is in memory while runs are merged (`resolver/runs.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from csid.errors import StoreError
from csid.limits import INTAKE_OCTETS
from resolver.runs import BLOCK_ROWS, Block, merged, read_run, write_run
from resolver.sync.transfer.unpack import Pieces

_ROW_OCTETS: Final = 250  # that a row takes in memory beside its octets

Row = tuple[bytes, int, bytes]  # key, the how manieth it is, node
Rows = Iterator[list[Row]]


class Sorter:
    """Pieces to be given back in the order of their keys, those of one key as they came.

    Args:
        folder: on a disk with room for them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = -1
        self._at = 0
        self._number = 0
        self._rows: list[Row] = []
        self._octets = 0
        self._runs: list[list[Block]] = []
        self._stack = ExitStack()

    def add(self, given: Pieces) -> None:
        """Take pieces.

        Raises:
            StoreError: the disk is full.
        """
        pieces = given.pieces
        first = self._number + 1
        self._rows += [(key, number, blob) for number, (key, blob) in enumerate(pieces, first)]
        self._number += len(pieces)
        self._octets += given.octets + _ROW_OCTETS * len(pieces)
        if self._octets >= INTAKE_OCTETS:
            self._spill()

    def _spill(self) -> None:
        if self._file < 0:
            self._file = self._made()
        self._rows.sort()
        blocks = write_run(self._file, self._rows, self._at)
        self._runs.append(blocks)
        self._at = sum(blocks[-1])
        self._rows = []
        self._octets = 0

    def _made(self) -> int:
        try:
            return self._stack.enter_context(TemporaryFile(dir=self._folder)).fileno()
        except OSError as error:
            raise StoreError(
                f"{self._folder}: cannot hold the file that a zone is sorted in: {error.strerror}"
            ) from None

    def rows(self, first: Rows) -> Rows:
        """All rows in order, some at a time; `first` are sorted rows that came before, numbered 0,
        in blocks that are not empty.
        """
        self._rows.sort()
        rows, step = self._rows, BLOCK_ROWS
        last = (rows[start : start + step] for start in range(0, len(rows), step))
        runs: list[Rows] = [first, *(read_run(self._file, run) for run in self._runs), last]
        return merged(runs)

    def close(self) -> None:
        """Give up the file."""
        self._rows = []
        self._stack.close()
