"""Processes of their own that read a table and put its rows in order, so that other cores work
while one writes.

`python -m registry.bulk.readers read` reads the table on stdin, writes its rows as sorted runs to
the file of `--file`, and frames to stdout: a length of 4 octets, then msgpack of [name, values...]:

    part   blocks, faults, octets taken of the file: where a run of rows lies, as `runs.write_run`
    error  text: the table as a whole is wrong, or cannot be sorted; nothing follows
    end    nothing follows; without it the process was ended before it was through

`python -m registry.bulk.readers stream` reads a table whose parts are in order, as many lines each
as `--file` says (msgpack), and writes of each part:

    unit   rows, octets: as `registry.bulk.entries.Unit`; any number of them
    part   [], faults, octets taken of the file: the part ends here
    error, end

`python -m registry.bulk.readers merge` reads msgpack of [[file, runs]...] on stdin, and writes:

    unit   rows, octets: as `registry.bulk.entries.Unit`
    error, end
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from itertools import cycle
from queue import Queue
from threading import Thread
from typing import IO, Any, BinaryIO, Final, NamedTuple, TypeVar

import msgpack

from csid.errors import CsidError, StoreError
from registry.bulk.csv_stream import ENCODING, Fault, Table, TableError
from registry.bulk.entries import Reading, Unit, parts, units
from resolver.runs import Block, merged, read_run, write_run

MODULE: Final = "registry.bulk.readers"  # this one
FRAME_OCTETS_MAX: Final = 1 << 28
FRAMES_AHEAD: Final = 4  # made while the importer is busy, beside the one being sent
_LENGTH_OCTETS: Final = 4
_T = TypeVar("_T")
_unpack: Final[Any] = msgpack.unpackb
_pack: Final[Any] = msgpack.packb


class FeederError(CsidError):
    """The process that reads the table ended before it was through."""


class Run(NamedTuple):
    """A part of a table that was read: its rows lie in a file, in order."""

    blocks: list[Block]
    faults: list[Fault]
    octets: int  # of the table, taken up to here


def read(
    file: BinaryIO, reading: Reading, spills: Sequence[int], encoding: str = ENCODING
) -> Iterator[Run]:
    """The parts of a table in their order, read by processes of their own, as many as there are
    files (descriptors) to write the rows to; part n is in file n modulo their number.

    Args:
        file: at its start; has a descriptor; can be sought in unless there is one process only.

    Raises:
        TableError: the header is not that of a table of identifiers.
        FeederError: a process ended early.
    """
    words = ["read", "--on", reading.on.isoformat(), "--encoding", encoding]
    words += ["--rows", str(reading.rows_per_part), "--of", str(len(spills))]
    with ExitStack() as stack:
        streams = []
        for share, spill in enumerate(spills):
            more = ["--share", str(share), "--file", str(spill)]
            process = stack.enter_context(_process([*words, *more], [spill], file))
            streams.append(_received(process, {"part": _run}))
        # Part n comes from reader n modulo their number; where one has no more, none has.
        for stream in cycle(streams):
            run = next(stream, None)
            if run is None:
                return
            yield run


def stream(
    file: BinaryIO, reading: Reading, spill: int, ttl: int, readers: int
) -> Iterator[Run | Unit]:
    """The units of a UTF-8 table whose parts are in order, and behind those of each part what
    `read` says of it, made by so many processes.

    Args:
        file: can be sought in.
        spill: a file (descriptor) that says how many lines each part has: msgpack.
        ttl: of the nodes.

    Raises:
        TableError, FeederError: as `read`.
    """
    words = ["stream", "--on", reading.on.isoformat(), "--of", str(readers), "--file", str(spill)]
    words += ["--ttl", str(ttl), "--rows", str(reading.rows_per_unit)]
    kinds: Mapping[str, Callable[..., Run | Unit]] = {"part": _run, "unit": Unit}
    with ExitStack() as stack:
        streams = []
        for share in range(readers):
            process = stack.enter_context(_process([*words, "--share", str(share)], [spill], file))
            streams.append(_received(process, kinds))
        for one in cycle(streams):
            for found in one:
                yield found
                if isinstance(found, Run):
                    break
            else:
                return


def _run(blocks: Any, faults: Any, taken: Any) -> Run:
    return Run(list(blocks), [Fault._make(fault) for fault in faults], taken)


def merge(runs: Sequence[tuple[int, list[list[Block]]]], ttl: int, most: int) -> Iterator[Unit]:
    """The rows of runs in one order, as units, made ready by a process of its own.

    Args:
        runs: files (descriptors) with where the runs lie in each.
        ttl: of the nodes.
        most: rows of a unit.

    Raises:
        FeederError: the process ended early.
    """
    with _process(
        ["merge", "--ttl", str(ttl), "--rows", str(most)], [spill for spill, _ in runs], None
    ) as process:
        assert process.stdin is not None
        Thread(target=_tell, args=(process.stdin, _pack(runs)), daemon=True).start()
        yield from _received(process, {"unit": Unit})


def _tell(pipe: IO[bytes], octets: bytes) -> None:
    with suppress(BrokenPipeError), pipe:  # that it ended is told by what it did not send
        pipe.write(octets)


@contextmanager
def _process(
    words: list[str], spills: Sequence[int], stdin: BinaryIO | None
) -> Iterator[subprocess.Popen[bytes]]:
    """A running process that writes to a pipe; ended with the context."""
    process = subprocess.Popen(
        # -P: what runs must not depend on the directory the import is started in.
        [sys.executable, "-P", "-m", MODULE, *words],
        stdin=subprocess.PIPE if stdin is None else stdin,
        stdout=subprocess.PIPE,
        pass_fds=spills,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
    )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.stdout.close()  # if it is still writing, this ends it
        process.wait()


def _received(
    process: subprocess.Popen[bytes], kinds: Mapping[str, Callable[..., _T]]
) -> Iterator[_T]:
    """What a process sends: frames of these names, with what is made of their values.

    Raises:
        TableError: it says that the table as a whole is wrong.
        FeederError: it ends, or what it sends ends, before it says so.
    """
    pipe = process.stdout
    assert pipe is not None
    while True:
        octets = int.from_bytes(_exactly(process, pipe, _LENGTH_OCTETS), "big")
        if octets > FRAME_OCTETS_MAX:
            raise FeederError(f"the process that reads the table sends {octets:,} octets at once")
        frame = _exactly(process, pipe, octets)
        try:
            name, *values = _unpack(frame, use_list=False, strict_map_key=False)
            if name == "end":
                return
            if name == "error":
                raise TableError(values[0])
            if name not in kinds:
                raise ValueError(f"{name!r}")
            one = kinds[name](*values)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise FeederError(f"the process that reads the table sends no part: {error}") from None
        yield one


def _exactly(process: subprocess.Popen[bytes], pipe: IO[bytes], octets: int) -> bytes:
    """So many octets of what a process sends."""
    got = pipe.read(octets)
    if len(got) == octets:
        return got
    pipe.close()  # what still writes to it ends
    code = process.wait()
    how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended early, with code {code}"
    raise FeederError(
        f"the process that reads the table {how}; what was committed stays: run the import again"
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def main() -> int:
    """Read stdin, write frames to stdout."""
    parser = argparse.ArgumentParser(prog="registry.bulk.readers", description=__doc__)
    jobs = parser.add_subparsers(required=True)
    reader = jobs.add_parser("read")
    reader.add_argument("--on", type=date.fromisoformat, required=True)
    reader.add_argument("--rows", type=int, required=True)
    reader.add_argument("--encoding", required=True)
    reader.add_argument("--share", type=int, required=True)
    reader.add_argument("--of", type=int, required=True)
    reader.add_argument("--file", type=int, required=True)
    reader.set_defaults(run=_read_all)
    streamer = jobs.add_parser("stream")
    streamer.add_argument("--on", type=date.fromisoformat, required=True)
    streamer.add_argument("--rows", type=int, required=True)
    streamer.add_argument("--ttl", type=int, required=True)
    streamer.add_argument("--share", type=int, required=True)
    streamer.add_argument("--of", type=int, required=True)
    streamer.add_argument("--file", type=int, required=True)
    streamer.set_defaults(run=_stream_all)
    merger = jobs.add_parser("merge")
    merger.add_argument("--ttl", type=int, required=True)
    merger.add_argument("--rows", type=int, required=True)
    merger.set_defaults(run=_merge_all)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the importer closes the pipe when it ends
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    gc.disable()  # no cycles are made here, and looking for them takes a tenth of the time
    frames: Queue[bytes | None] = Queue(FRAMES_AHEAD)
    sender = Thread(target=_send, args=(frames,))
    sender.start()
    try:
        for frame in options.run(options):
            frames.put(frame)
    except (TableError, StoreError) as error:
        frames.put(_frame("error", str(error)))
    else:
        frames.put(_frame("end"))
    finally:
        frames.put(None)
        sender.join()
    return 0


def _read_all(options: argparse.Namespace) -> Iterator[bytes]:
    file = _Own(sys.stdin.fileno()) if options.of > 1 else sys.stdin.buffer
    table = Table(file, options.encoding)
    at = 0
    for part in parts(table, Reading(options.on, options.rows), options.share, options.of):
        blocks = write_run(options.file, part.rows, at)
        at = sum(blocks[-1]) if blocks else at
        yield _frame("part", blocks, part.faults, part.octets)


def _stream_all(options: argparse.Namespace) -> Iterator[bytes]:
    sizes = _unpack(os.pread(options.file, os.fstat(options.file).st_size, 0))
    table = Table(_Own(sys.stdin.fileno()))
    for part in parts(table, Reading(options.on), options.share, options.of, sizes):
        for unit in units([part.rows], options.ttl, options.rows):
            yield _frame("unit", *unit)
        yield _frame("part", [], part.faults, part.octets)


def _merge_all(options: argparse.Namespace) -> Iterator[bytes]:
    runs = [
        read_run(file, blocks)
        for file, all_of_it in _unpack(sys.stdin.buffer.read(), use_list=False)
        for blocks in all_of_it
    ]
    for unit in units(merged(runs), options.ttl, options.rows):
        yield _frame("unit", *unit)


class _Own:
    """A file with a position of its own, apart from that which the readers have in common."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._at = 0

    def read(self, size: int) -> bytes:
        octets = os.pread(self._fd, size, self._at)
        self._at += len(octets)
        return octets


def _frame(*values: object) -> bytes:
    packed: bytes = _pack(values, unicode_errors="replace")
    return len(packed).to_bytes(_LENGTH_OCTETS, "big") + packed


def _send(frames: Queue[bytes | None]) -> None:
    """Write frames as the importer takes them, while the next are made."""
    while frame := frames.get():
        sys.stdout.buffer.write(frame)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
