"""Processes of their own that read a table, so that other cores read while one writes.

`python -m registry.bulk.readers` reads the table on stdin and writes frames to stdout: a length of
4 octets, then msgpack of [name, values...]:

    part   entries, faults, octets taken of the file: as `registry.bulk.entries.Part`
    error  text: the table as a whole is wrong; nothing follows
    end    nothing follows; without it the process was ended before it was through
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from itertools import cycle
from queue import Queue
from threading import Thread
from typing import IO, Any, BinaryIO, Final

import msgpack

from csid.errors import CsidError
from registry.bulk.csv_stream import ENCODING, Fault, Table, TableError
from registry.bulk.entries import Part, Reading, parts

MODULE: Final = "registry.bulk.readers"  # this one
FRAME_OCTETS_MAX: Final = 1 << 30  # a part has at most 50,000 rows, of about 400 octets each
FRAMES_AHEAD: Final = 1  # made while the importer is busy, beside the one being sent
_LENGTH_OCTETS: Final = 4
_unpack: Final[Any] = msgpack.unpackb


class FeederError(CsidError):
    """The process that reads the table ended before it was through."""


def feed(
    file: BinaryIO, reading: Reading, encoding: str = ENCODING, readers: int = 1
) -> Iterator[Part]:
    """The parts of a table in their order, read by processes of their own.

    Args:
        file: at its start; has a descriptor.
        readers: how many processes; more than one only for a file that can be sought in.

    Raises:
        TableError: the header is not that of a table of identifiers.
        FeederError: a process ended early.
    """
    with ExitStack() as stack:
        streams = [
            _received(stack.enter_context(_reader(file, reading, encoding, share, readers)))
            for share in range(readers)
        ]
        # Part n comes from reader n modulo their number; where one has no more, none has.
        for stream in cycle(streams):
            part = next(stream, None)
            if part is None:
                return
            yield part


@contextmanager
def _reader(
    file: BinaryIO, reading: Reading, encoding: str, share: int, of: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A running process that writes to a pipe; ended with the context."""
    words = ["--suffix", reading.suffix, "--on", reading.on.isoformat(), "--encoding", encoding]
    words += ["--ttl", str(reading.ttl), "--rows", str(reading.rows_per_part)]
    words += ["--share", str(share), "--of", str(of)]
    process = subprocess.Popen(
        # -P: what runs must not depend on the directory the import is started in.
        [sys.executable, "-P", "-m", MODULE, *words],
        stdin=file,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
    )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.stdout.close()  # if it is still writing, this ends it
        process.wait()


def _received(process: subprocess.Popen[bytes]) -> Iterator[Part]:
    """The parts that a process sends.

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
            entries, faults, taken = values
            part = Part(list(entries), [Fault._make(fault) for fault in faults], taken)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise FeederError(f"the process that reads the table sends no part: {error}") from None
        yield part


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
    parser.add_argument("--suffix", required=True)
    parser.add_argument("--on", type=date.fromisoformat, required=True)
    parser.add_argument("--ttl", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--encoding", required=True)
    parser.add_argument("--share", type=int, default=0)
    parser.add_argument("--of", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the importer closes the pipe when it ends
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    gc.disable()  # no cycles are made here, and looking for them takes a tenth of the time
    reading = Reading(options.suffix, options.on, options.ttl, options.rows)
    file = _Own(sys.stdin.fileno()) if options.of > 1 else sys.stdin.buffer
    frames: Queue[bytes | None] = Queue(FRAMES_AHEAD)
    sender = Thread(target=_send, args=(frames,))
    sender.start()
    try:
        table = Table(file, options.encoding)
        for part in parts(table, reading, options.share, options.of):
            frames.put(_frame("part", *part))
    except TableError as error:
        frames.put(_frame("error", str(error)))
    else:
        frames.put(_frame("end"))
    finally:
        frames.put(None)
        sender.join()
    return 0


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
    packed: bytes = msgpack.packb(values, unicode_errors="replace")
    return len(packed).to_bytes(_LENGTH_OCTETS, "big") + packed


def _send(frames: Queue[bytes | None]) -> None:
    """Write frames as the importer takes them, while the next are made."""
    while frame := frames.get():
        sys.stdout.buffer.write(frame)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
