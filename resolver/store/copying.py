"""One moment of a store as a file that has no name: made beside those who write, and gone with
whoever has it open, however that ends.

A read transaction keeps the pages that it sees from being used again, so that the file of the store
grows while others write. It is held while LMDB copies, and no longer: what is done with the copy
takes its time afterwards.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import BinaryIO, Final

from csid.errors import StoreError

PIPE_OCTETS: Final = 1 << 20  # what the kernel lets any user have
# Brought to the disk at a time: what waits there to be written is waited for by the commits of
# others, too.
PIECE_OCTETS: Final = 8 << 20


@contextmanager
def copied(folder: Path, copy: Callable[[int], None]) -> Iterator[BinaryIO]:
    """What `copy` writes to a descriptor, as a file without a name.

    Args:
        folder: on whose file system it is to be.
        copy: runs in a thread of its own.

    Raises:
        StoreError: there is no room, or as `copy` raises.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder, prefix=".csid-"))
            _take(file, copy)
        except OSError as error:
            raise StoreError(
                f"{folder}: no copy of the data can be made here: {error.strerror or error}; it "
                "needs as much room as the data have"
            ) from None
        yield file


def _take(file: BinaryIO, copy: Callable[[int], None]) -> None:
    reader, writer = os.pipe()
    failed: list[BaseException] = []

    def write() -> None:
        try:
            copy(writer)
        except BaseException as error:
            failed.append(error)
        finally:
            os.close(writer)

    with suppress(OSError):  # all that users have together is bounded
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_OCTETS)
    thread = Thread(target=write)
    thread.start()
    try:
        waiting = 0
        while octets := os.read(reader, PIPE_OCTETS):
            file.write(octets)
            waiting += len(octets)
            if waiting >= PIECE_OCTETS:
                file.flush()
                os.fdatasync(file.fileno())
                waiting = 0
        file.flush()
    finally:
        os.close(reader)  # whoever still writes is told
        thread.join()
    if failed:
        raise failed[0]
