"""What changed between two copies of the data: pages that the earlier one has are named, others
are given.

The copies are compact (`Store.copied`), so a page may stand elsewhere in each. Its first 8 octets
are its number, which is not compared. A change of the data rewrites the pages that it touches and
those above them; the others are octet by octet what they were.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import BinaryIO, Final

from registry.backup.errors import BackupError

NUMBER_OCTETS: Final = 8  # of a page's own number, which its octets begin with
DIGEST_OCTETS: Final = 16
RUN_MAX: Final = 256  # pages of one record
GIVEN: Final = b"N"  # count(4), then pages
NAMED: Final = b"O"  # count(4) first(4), then the first 8 octets of each
_HEAD: Final = struct.Struct(">cII")


def digests(file: BinaryIO, page: int, key: bytes) -> Iterator[bytes]:
    """What tells each page of a file from others, to whoever has the key: SHA-256 of the key and
    the page without its number, cut short.
    """
    begun = sha256(key)
    descriptor, place = file.fileno(), 0
    while octets := os.pread(descriptor, RUN_MAX * page, place):
        for at in range(0, len(octets), page):
            one = begun.copy()
            one.update(octets[at + NUMBER_OCTETS : at + page])
            yield one.digest()[:DIGEST_OCTETS]
        place += len(octets)


def places(known: bytes, own: bytes) -> list[int]:
    """Where in an earlier copy each page of a copy stands, -1 where it does not: by the digests of
    both, put together.
    """
    first: dict[bytes, int] = {}
    for number, at in enumerate(range(0, len(known), DIGEST_OCTETS)):
        first.setdefault(known[at : at + DIGEST_OCTETS], number)
    return [first.get(own[at : at + DIGEST_OCTETS], -1) for at in range(0, len(own), DIGEST_OCTETS)]


def _runs(found: list[int]) -> Iterator[tuple[int, int, int]]:
    """Pages one after the other that are all given, or all stand one after the other in the earlier
    copy: number, count, and where (-1: given).
    """
    start = 0
    for at in range(1, len(found) + 1):
        if at < len(found) and at - start < RUN_MAX:
            step = at - start if found[start] >= 0 else 0
            if found[at] == found[start] + step:
                continue
        yield start, at - start, found[start]
        start = at


def difference(file: BinaryIO, page: int, found: list[int]) -> Iterator[bytes]:
    """Records from which, with the earlier copy, the file is made again.

    Args:
        found: as `places` gives it; all -1 for a full backup.
    """
    for start, count, first in _runs(found) if found else ():
        file.seek(start * page)
        octets = file.read(count * page)
        if first < 0:
            yield _HEAD.pack(GIVEN, count, 0) + octets
            continue
        numbers = (octets[at : at + NUMBER_OCTETS] for at in range(0, len(octets), page))
        yield _HEAD.pack(NAMED, count, first) + b"".join(numbers)


def put_together(
    read: Callable[[int], bytes], page: int, pages: int, base: BinaryIO | None, out: BinaryIO
) -> None:
    """Make a file of `pages` pages from records.

    Args:
        read: gives so many octets of them, no fewer.
        base: the earlier copy; None for a full backup.

    Raises:
        BackupError: they are no such records.
    """
    done = 0
    while done < pages:
        kind, count, first = _HEAD.unpack(read(_HEAD.size))
        if not 0 < count <= min(RUN_MAX, pages - done):
            raise BackupError(f"{count} pages where at most {min(RUN_MAX, pages - done)} can be")
        if kind == GIVEN:
            out.write(read(count * page))
        elif kind == NAMED and base is not None:
            numbers = read(count * NUMBER_OCTETS)
            base.seek(first * page)
            octets = bytearray(base.read(count * page))
            if len(octets) != count * page:
                raise BackupError(f"pages {first} to {first + count - 1} are not in its base")
            for at in range(count):
                number = numbers[at * NUMBER_OCTETS : (at + 1) * NUMBER_OCTETS]
                octets[at * page : at * page + NUMBER_OCTETS] = number
            out.write(octets)
        else:
            raise BackupError(f"no record that can be here: {kind!r}")
        done += count
