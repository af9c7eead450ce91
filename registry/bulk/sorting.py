"""A table put in the order of its identifiers before anything of it is written, unless it comes in
order as it is (`registry.bulk.owners`).

So rows of one identifier are neighbours, and tree and tables are written from one end to the other.
The rows lie in files without names, which the kernel keeps in its page cache as far as there is
room, and which are gone with the processes however these end. No table has more than LINES_MAX
lines (nor TABLE_OCTETS_MAX octets, `csv_stream`), so that one without an end comes to one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

import msgpack

from csid.errors import StoreError
from registry.bulk.csv_stream import ENCODING, Table, TableError
from registry.bulk.entries import Reading, Unit, parts, units
from registry.bulk.owners import parts_by_owner
from registry.bulk.readers import Run, merge, read, stream
from resolver.runs import Block, merged, read_run, write_all, write_run

LINES_MAX: Final = 20_000_000  # 400 runs; of each a block is in memory
ALONE_OCTETS: Final = 4 << 20  # a table of this size is read before another process would run
OCTETS_PER_READER: Final = 16 << 20  # a larger table is worth another process, up to ...
MAX_READERS: Final = 4


class SortedTable:
    """A table being read, then given in order: `read` to its end, then `units`. Of a table that
    comes in order `read` gives all.

    A context manager that ends what is kept of it.
    """

    def __init__(
        self,
        file: BinaryIO,
        reading: Reading,
        size: int | None,
        folder: Path | None,
        encoding: str = ENCODING,
    ) -> None:
        """A table in a file.

        Args:
            file: at its start; with a descriptor, unless the table is small.
            reading: how it is read.
            size: octets of the table; None if it is no file whose size can be known.
            folder: on a disk with room for it, None is the system's for such.
        """
        self._file = file
        self._reading = reading
        self._encoding = encoding
        self._is_file = size is not None
        self._alone = size is not None and size <= ALONE_OCTETS
        readers = 1
        if size is not None and not self._alone:
            readers = min(len(os.sched_getaffinity(0)), MAX_READERS, 1 + size // OCTETS_PER_READER)
        self._stack = ExitStack()
        self._spills = [self._spill(folder) for _ in range(readers)]
        self._runs: list[list[list[Block]]] = [[] for _ in range(readers)]

    def __enter__(self) -> SortedTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _spill(self, folder: Path | None) -> int:
        try:
            # Whoever may ask the writer need not be able to write there.
            if folder is not None and not os.access(folder, os.W_OK):
                folder = None
            return self._stack.enter_context(TemporaryFile(dir=folder)).fileno()
        except OSError as error:
            raise StoreError(
                f"{folder or 'the folder for temporary files'}: cannot hold the file the table is "
                f"sorted in: {error.strerror}"
            ) from None

    def read(self, ttl: int) -> Iterator[Run | Unit]:
        """The parts of the table as they are read; where they come in order, each behind its units,
        with nodes of this TTL.

        Raises:
            TableError: the header is not that of a table of identifiers, or it has no end; or the
                table was changed meanwhile.
            FeederError: a process that reads ended early.
            StoreError: there is no room to sort it in.
        """
        sizes = self._sizes()
        if sizes is not None:
            write_all(self._spills[0], msgpack.packb(sizes))
            yield from stream(self._file, self._reading, self._spills[0], ttl, len(self._spills))
            return
        read_ = (
            self._parts()
            if self._alone
            else read(self._file, self._reading, self._spills, self._encoding)
        )
        for number, run in enumerate(read_):
            if (number + 1) * self._reading.rows_per_part > LINES_MAX:
                raise TableError(
                    f"the table has more than {LINES_MAX:,} lines, the most that is taken at once; "
                    "nothing of it was taken: give it in parts"
                )
            if run.blocks:
                self._runs[number % len(self._runs)].append(run.blocks)
            yield run

    def _sizes(self) -> list[int] | None:
        """How many lines each part of a table has that comes in order; None for one that does not,
        or may not.
        """
        if self._alone or not self._is_file or self._encoding != ENCODING:
            return None
        reading = self._reading
        least, most = reading.rows_per_unit, reading.rows_per_part
        try:
            return parts_by_owner(self._file.fileno(), least, most, LINES_MAX)
        except OSError:  # whoever reads it tells of it
            return None

    def _parts(self) -> Iterator[Run]:
        at = 0
        for part in parts(Table(self._file, self._encoding), self._reading):
            blocks = write_run(self._spills[0], part.rows, at)
            at = sum(blocks[-1]) if blocks else at
            yield Run(blocks, part.faults, part.octets)

    def units(self, ttl: int) -> Iterator[Unit]:
        """What was read, in order, with nodes of this TTL.

        Raises:
            FeederError: the process that puts it in order ended early.
        """
        most = self._reading.rows_per_unit
        runs = list(zip(self._spills, self._runs, strict=True))
        if self._alone:
            lying = [read_run(file, one) for file, all_ in runs for one in all_]
            yield from units(merged(lying), ttl, most)
        elif any(self._runs):
            yield from merge(runs, ttl, most)
