"""Where the entries are: an LMDB environment of its own, written by one process, read by many.

    cache.mdb     canonical key of the name + type(2) -> entry (`resolver.cache.entry`)
    cache.marks   an octet for each slot, shared by all processes (`resolver.cache.sieve`)
    cache.boot    when the machine began that this was written on

Nothing waits for the disk. A process that is killed costs nothing, as the kernel has what it wrote;
after an end of the machine the files may be anything, so they are thrown away then.

Both what is there and what is not are kept, each in slots of its own: no flood of names that do not
exist drives out those that do. The octets of both together are bounded.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import lmdb

from csid.errors import BusyError
from csid.limits import MAX_KEY_OCTETS, MAX_READERS
from csid.protocol import SERVFAIL
from resolver.answer.reply import Reply
from resolver.cache import entry as entries
from resolver.cache.sieve import ASKED, Sieve
from resolver.cache.source import CacheSource
from resolver.tables import plainly, throw_away_what_is_old

TYPICAL_OCTETS: Final = 256  # of a key with its entry, for how many slots there are
ABSENT_SHARE: Final = 4  # one slot of so many is for what is not there
_ROOM: Final = 4  # pages that are half full, and those of a moment that is still read
_LEAST_MAP: Final = 16 << 20
_FULL_SECONDS: Final = 1.0  # before it is tried again, where a reader keeps all pages
_FILE: Final = "cache.mdb"
_FILES: Final = (_FILE, f"{_FILE}-lock", "cache.marks")
_BOOT: Final = "cache.boot"
_NAME: Final = Path("the cache")  # in errors of which nobody knows the folder


class Kept(NamedTuple):
    """What a cache holds: entries that say what is there, and what is not; octets of both."""

    present: int
    absent: int
    octets: int


class _Quota:
    """Slots for one kind of entry: those from `first` on."""

    def __init__(self, marks: memoryview, first: int, count: int) -> None:
        self.first = first
        self.sieve = Sieve(marks[first : first + count])

    def take(self) -> int:
        return self.first + self.sieve.take()

    def evict(self) -> int:
        return self.first + self.sieve.evict()

    def free(self, slot: int) -> None:
        self.sieve.free(slot - self.first)


class Cache:
    """A cache to write to; one process at a time has it.

    Args:
        folder: made if it is not there.
        octets: that keys and entries have at most, in all.

    Raises:
        StoreError: the folder cannot be used; BusyError, another process writes there.
    """

    def __init__(self, folder: Path, octets: int) -> None:
        self.octets_max = octets
        slots = max(octets // TYPICAL_OCTETS, ABSENT_SHARE)
        with plainly(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(folder)
            throw_away_what_is_old(folder / _BOOT, [folder / name for name in _FILES])
            self._marks = _marks(folder, slots, make=True)
            map_octets = max(_ROOM * octets, _LEAST_MAP)
            self._environment = _open(folder, map_octets, writable=True)
        self._full_until = 0.0
        self._slots = slots
        self._begin()

    def kept(self) -> Kept:
        """What it holds."""
        return Kept(len(self._present.sieve), len(self._absent.sieve), self._octets)

    def get(self, key: bytes) -> bytes | None:
        """The entry of a key, whether it still holds or not."""
        with plainly(_NAME), self._environment.begin() as txn:
            found: bytes | None = txn.get(key)
            return found

    def put(self, given: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep entries under their keys, in place of what is there; readers see all at once.

        Where a reader holds a moment for so long that there are no free pages, nothing is kept.
        """
        if time.monotonic() < self._full_until:
            return
        with plainly(_NAME):
            try:
                with self._environment.begin(write=True) as txn:
                    for key, entry in given:
                        if 0 < len(key) <= MAX_KEY_OCTETS:
                            self._put(txn, key, entry)
            except lmdb.MapFullError:
                self._environment.reader_check()  # the dead hold moments, too
                self._full_until = time.monotonic() + _FULL_SECONDS
                self._begin()

    def drop(self, prefix: bytes) -> int:
        """Forget what lies at and below a name with this canonical key; gives how many entries that
        were.
        """
        gone = 0
        with plainly(_NAME), self._environment.begin(write=True) as txn:
            cursor = txn.cursor()
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                self._forget(entries.slot_of(cursor.value()))
                gone += 1
                found = cursor.delete()
        return gone

    def clear(self) -> int:
        """Forget everything; gives how many entries that were."""
        gone = sum(self.kept()[:2])
        with plainly(_NAME), self._environment.begin(write=True) as txn:
            txn.drop(self._environment.open_db(txn=txn), delete=False)
            for slot, key in enumerate(self._keys):
                if key:
                    self._forget(slot)
        return gone

    def close(self) -> None:
        """End the use; what is there stays."""
        self._environment.close()
        os.close(self._lock)

    def _put(self, txn: Any, key: bytes, entry: bytes) -> None:
        quota = self._absent if entries.is_absence(entry) else self._present
        before = txn.get(key)
        if before is not None:
            slot = entries.slot_of(before)
            if self._quota(slot) is quota:
                self._octets += len(entry) - len(before)
                self._sizes[slot] = len(key) + len(entry)
                self._marks[slot] &= ASKED  # what else was noted there was of the one before
                txn.put(key, entries.in_slot(entry, slot))
                self._shrink(txn, quota)
                return
            self._forget(slot)
        if quota.sieve.is_full:
            self._evict(txn, quota)
        slot = quota.take()
        self._keys[slot] = key
        self._sizes[slot] = len(key) + len(entry)
        self._octets += self._sizes[slot]
        txn.put(key, entries.in_slot(entry, slot))
        self._shrink(txn, quota)

    def _shrink(self, txn: Any, quota: _Quota) -> None:
        """Make room for what has come, out of what is of its kind while there is more of that than
        one entry, so that what came last stays.
        """
        while self._octets > self.octets_max and len(quota.sieve) > 1:
            self._evict(txn, quota)
        other = self._absent if quota is self._present else self._present
        while self._octets > self.octets_max and len(other.sieve):
            self._evict(txn, other)

    def _evict(self, txn: Any, quota: _Quota) -> None:
        slot = quota.evict()
        txn.delete(self._keys[slot])
        self._blank(slot)

    def _forget(self, slot: int) -> None:
        self._quota(slot).free(slot)
        self._blank(slot)

    def _blank(self, slot: int) -> None:
        self._octets -= self._sizes[slot]
        self._keys[slot] = b""
        self._sizes[slot] = 0

    def _quota(self, slot: int) -> _Quota:
        return self._absent if slot >= self._absent.first else self._present

    def _begin(self) -> None:
        """Take over what is there: of an earlier process, or before something failed."""
        absent = self._slots // ABSENT_SHARE
        self._present = _Quota(self._marks, 0, self._slots - absent)
        self._absent = _Quota(self._marks, self._slots - absent, absent)
        self._keys: list[bytes] = [b""] * self._slots
        self._sizes = [0] * self._slots
        self._octets = 0
        odd: list[bytes] = []
        with plainly(_NAME), self._environment.begin() as txn:
            for key, entry in txn.cursor():
                if not self._takes_over(bytes(key), bytes(entry)):
                    odd.append(bytes(key))
        self._present.sieve.settle()
        self._absent.sieve.settle()
        if not odd and self._octets <= self.octets_max:
            return
        with plainly(_NAME), self._environment.begin(write=True) as txn:
            for key in odd:
                txn.delete(key)
            while self._octets > self.octets_max:
                quota = self._present if len(self._present.sieve) else self._absent
                self._evict(txn, quota)

    def _takes_over(self, key: bytes, entry: bytes) -> bool:
        if not entries.is_whole(entry):
            return False
        slot = entries.slot_of(entry)
        quota = self._absent if entries.is_absence(entry) else self._present
        if not quota.sieve.restore(slot - quota.first):
            return False
        self._keys[slot] = key
        self._sizes[slot] = len(key) + len(entry)
        self._octets += self._sizes[slot]
        return True


def nobody_is_asked(reply: Reply) -> bool:
    """Leave a question that the cache has no answer to without one."""
    reply.rcode = SERVFAIL
    return True


class Readable:
    """A cache to read from.

    Args:
        missed, ahead: as of `resolver.cache.source.CacheSource`.

    Attributes:
        path: of the folder.
        marks: an octet for each slot (`resolver.cache.sieve.ASKED`).

    Raises:
        StoreError: there is none.
    """

    def __init__(
        self,
        folder: Path,
        missed: Callable[[Reply], bool] = nobody_is_asked,
        ahead: Callable[[Reply], object] = nobody_is_asked,
    ) -> None:
        self.path = folder
        self._missed = missed
        self._ahead = ahead
        with plainly(folder):
            self.marks = _marks(folder, 0, make=False)
            self._environment = _open(folder, 0, writable=False)

    def moment(self) -> Any:
        """A read transaction, to be ended by the caller (a context manager)."""
        with plainly(_NAME):
            return self._environment.begin()

    def source_in(self, txn: Any) -> CacheSource:
        """What queries are answered from, as a transaction from `moment` sees it."""
        return CacheSource(txn.get, self.marks, int(time.time()), self._missed, self._ahead)

    def entries(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The keys of names at and below one, each with type, and what is kept of them, in the
        order of names, at one moment.
        """
        with plainly(_NAME), self._environment.begin() as txn:
            cursor = txn.cursor()
            if cursor.set_range(prefix) if prefix else cursor.first():
                for key, entry in cursor:
                    if not key.startswith(prefix):
                        return
                    yield bytes(key), bytes(entry)

    def kept(self) -> Kept:
        """What the cache holds, counted one by one."""
        present = absent = octets = 0
        for key, entry in self.entries():
            octets += len(key) + len(entry)
            if entries.is_absence(entry):
                absent += 1
            else:
                present += 1
        return Kept(present, absent, octets)

    def check_readers(self) -> int:
        """Free the reader slots of processes that died; gives how many."""
        with plainly(_NAME):
            return int(self._environment.reader_check())

    def close(self) -> None:
        """End the use."""
        self._environment.close()


def _open(folder: Path, map_octets: int, writable: bool) -> Any:
    return lmdb.open(
        os.fspath(folder / _FILE),
        subdir=False,
        map_size=map_octets,
        readonly=not writable,
        writemap=writable,
        sync=False,
        metasync=False,
        max_readers=MAX_READERS,
        readahead=False,
        max_spare_txns=2,
        mode=0o600,
    )


def _locked(folder: Path) -> int:
    """A lock that ends with the process."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise BusyError(f"{folder}: another process writes to this cache") from None
    return fd


def _marks(folder: Path, slots: int, make: bool) -> memoryview:
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0)
    fd = os.open(folder / "cache.marks", flags, 0o600)
    try:
        if make and os.fstat(fd).st_size < slots:
            os.posix_fallocate(fd, 0, slots)
        return memoryview(mmap.mmap(fd, slots if make else 0))
    finally:
        os.close(fd)
