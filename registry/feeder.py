"""A process of its own that reads a table, so that one core reads while another writes.

`python -m registry.feeder` reads the table on stdin and writes frames to stdout: a length of 4
octets, then msgpack of [name, values...]:

    part   entries, faults, octets taken of the file: as `registry.entries.Part`
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
from datetime import date
from queue import Queue
from threading import Thread
from typing import IO, BinaryIO, Final

import msgpack

from csid.errors import CsidError
from registry.entries import Part, Reading, parts
from registry.table import ENCODING, Fault, Table, TableError

MODULE: Final = "registry.feeder"  # this one
FRAMES_AHEAD: Final = 1  # made while the importer is busy, beside the one being sent
_LENGTH_OCTETS: Final = 4


class FeederError(CsidError):
    """The process that reads the table ended before it was through."""


def feed(file: BinaryIO, reading: Reading, encoding: str = ENCODING) -> Iterator[Part]:
    """The parts of a table, read by a process of its own from `file`, which has a descriptor.

    Raises:
        TableError: the header is not that of a table of identifiers.
        FeederError: the process ended early.
    """
    words = ["--suffix", reading.suffix, "--on", reading.on.isoformat(), "--encoding", encoding]
    words += ["--ttl", str(reading.ttl), "--rows", str(reading.rows_per_part)]
    process = subprocess.Popen(
        # -P: what runs must not depend on the directory the import is started in.
        [sys.executable, "-P", "-m", MODULE, *words],
        stdin=file,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
    )
    assert process.stdout is not None
    try:
        yield from _received(process.stdout)
    finally:
        process.stdout.close()  # if it is still writing, this ends it
        process.wait()


def _received(pipe: IO[bytes]) -> Iterator[Part]:
    while head := pipe.read(_LENGTH_OCTETS):
        name, *values = msgpack.unpackb(
            pipe.read(int.from_bytes(head, "big")), use_list=False, strict_map_key=False
        )
        if name == "end":
            return
        if name == "error":
            raise TableError(values[0])
        entries, faults, octets = values
        yield Part(list(entries), [Fault._make(fault) for fault in faults], octets)
    raise FeederError("the process that reads the table ended early; run the import again")


def main() -> int:
    """Read stdin, write frames to stdout."""
    parser = argparse.ArgumentParser(prog="registry.feeder", description=__doc__)
    parser.add_argument("--suffix", required=True)
    parser.add_argument("--on", type=date.fromisoformat, required=True)
    parser.add_argument("--ttl", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--encoding", required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the importer closes the pipe when it ends
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    gc.disable()  # no cycles are made here, and looking for them takes a tenth of the time
    reading = Reading(options.suffix, options.on, options.ttl, options.rows)
    frames: Queue[bytes | None] = Queue(FRAMES_AHEAD)
    sender = Thread(target=_send, args=(frames,))
    sender.start()
    try:
        for part in parts(Table(sys.stdin.buffer, options.encoding), reading):
            frames.put(_frame("part", *part))
    except TableError as error:
        frames.put(_frame("error", str(error)))
    else:
        frames.put(_frame("end"))
    finally:
        frames.put(None)
        sender.join()
    return 0


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
