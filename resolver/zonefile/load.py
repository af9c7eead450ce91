"""Zones from master files into the store.

Small zones share a transaction, as committing each by itself would cost a disk write each. A zone
with more names than one transaction takes is written under a generation of its own, beside what is
served, and published by a last transaction. What it replaces is swept afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple

from csid import names
from csid.errors import StoreError, ZoneError
from csid.limits import NODES_PER_COMMIT
from csid.protocol import SOA
from resolver.store import build
from resolver.store.difference import Difference
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction
from resolver.zonefile import check, reader

OCTETS_PER_COMMIT: Final = 64 << 20  # of nodes written in one transaction
_KEY_OF: Final = itemgetter(0)  # of a node


class Loaded(NamedTuple):
    """A zone that is served from now on."""

    path: Path
    origin: bytes  # wire form
    serial: int
    nodes: int  # names of the tree, empty non-terminals included
    warnings: list[str]  # each with its place


class Refused(NamedTuple):
    """A file of which nothing was loaded."""

    path: Path
    reason: str  # with its place, "file:line: ..."


class Step(NamedTuple):
    """What is being done, for a progress bar."""

    path: Path
    action: str  # "reading" or "writing"
    done: int  # records read, or nodes written


Told = Callable[[Step], None]
Guard = Callable[[bytes, build.ZoneData], str]


def load(
    store: Store,
    paths: Iterable[Path],
    told: Told = lambda step: None,
    nodes_per_commit: int = NODES_PER_COMMIT,
    guard: Guard = lambda origin, data: "",
) -> Iterator[Loaded | Refused]:
    """Load each file as a zone, in place of the one that has the same origin.

    Args:
        paths: master files, a zone each. A second file with the origin of an earlier one is
            refused: which of them should hold cannot be known.
        told: is called now and then while a file is read or written.
        guard: says why a zone that was read may not be loaded, or nothing.

    Returns:
        One outcome a file, once it is certain; a file that is refused is told of before those
        that wait to be written together.

    Raises:
        StoreError: the store is full or fails. Zones told of as loaded stay.
    """
    _sweep_if_possible(store)
    loader = _Loader(store, told, nodes_per_commit, guard)
    try:
        for path in paths:
            yield from loader.load(path)
        yield from loader.flush()
    finally:
        _sweep_if_possible(store)


def _sweep_if_possible(store: Store) -> None:
    """Sweep what was replaced, or what a failure or crash left. A full store may have no room even
    for that; a later writer then does it.
    """
    try:
        store.sweep()
    except StoreError:
        return


class _Small(NamedTuple):
    """A zone that waits for a transaction with others."""

    path: Path
    origin: bytes
    serial: int
    nodes: list[build.Node]
    warnings: list[str]


class _Loader:
    """The zones of one call of `load`."""

    def __init__(self, store: Store, told: Told, nodes_per_commit: int, guard: Guard) -> None:
        self._store = store
        self._guard = guard
        self._told = told
        self._most = nodes_per_commit
        self._waiting: list[_Small] = []
        self._waiting_nodes = 0
        self._waiting_octets = 0
        self._path_of: dict[bytes, Path] = {}  # of the origins met so far

    def load(self, path: Path) -> Iterator[Loaded | Refused]:
        """Read a file, and write it or put it with those that wait."""
        try:
            read = self._read(path)
            earlier = self._path_of.setdefault(read.origin, path)
            if earlier is not path:
                raise ZoneError(
                    str(path),
                    f"holds the zone {names.to_text(read.origin)}, as does {earlier}, which was "
                    f"given first and is taken; give one file for each zone",
                )
            fault = self._guard(read.origin, read.rrsets)
            if fault:
                raise ZoneError(str(path), fault)
            nodes = self._nodes(read, path)
            first, octets = build.taken(nodes, self._most, OCTETS_PER_COMMIT)
        except ZoneError as error:
            yield Refused(path, str(error))
            return
        serial = build.serial_of(read.rrsets[read.origin][SOA])
        following = next(nodes, None)
        if following is not None:
            yield from self.flush()
            yield self._load_large(read, path, serial, first, chain((following,), nodes))
            return
        if self._waiting_nodes + len(first) > self._most or (
            self._waiting_octets + octets > OCTETS_PER_COMMIT
        ):
            yield from self.flush()
        self._waiting.append(_Small(path, read.origin, serial, first, read.warnings))
        self._waiting_nodes += len(first)
        self._waiting_octets += octets

    def flush(self) -> Iterator[Loaded]:
        """Write the zones that wait, in one transaction."""
        waiting, self._waiting = self._waiting, []
        self._waiting_nodes = self._waiting_octets = 0
        if not waiting:
            return
        with self._store.write() as txn:
            for small in waiting:
                small.warnings.extend(_serial_warnings(txn, small.path, small.origin, small.serial))
                txn.replace_zone(small.origin, small.nodes)
        for small in waiting:
            yield Loaded(small.path, small.origin, small.serial, len(small.nodes), small.warnings)

    def _read(self, path: Path) -> check.Zone:
        def told(number: int) -> None:
            self._told(Step(path, "reading", number))

        warnings: list[str] = []
        return check.collect(reader.read_file(path, None, warnings), str(path), told, warnings)

    def _nodes(self, read: check.Zone, path: Path) -> Iterator[build.Node]:
        try:
            yield from build.build(read.origin, read.rrsets)
        except ZoneError as error:
            raise ZoneError(str(path), str(error)) from None

    def _load_large(
        self,
        read: check.Zone,
        path: Path,
        serial: int,
        part: list[build.Node],
        rest: Iterator[build.Node],
    ) -> Loaded | Refused:
        """Write a zone beside the one that is served, and let it take its place.

        Args:
            part, rest: the nodes of the zone, as many as one transaction takes and the others.
        """
        count = wildcards = 0
        with self._store.building() as generation:
            while part:
                with self._store.write() as txn:
                    count += txn.put_nodes(read.origin, generation, part)
                wildcards += build.wildcard_count(map(_KEY_OF, part))
                self._told(Step(path, "writing", count))
                try:
                    part, _ = build.taken(rest, self._most, OCTETS_PER_COMMIT)
                except ZoneError as error:
                    return Refused(path, str(error))
            with self._store.read() as reading:
                known = _difference(reading, read.origin, generation)
            with self._store.write() as txn:
                warnings = _serial_warnings(txn, path, read.origin, serial)
                txn.publish(read.origin, generation, wildcards, known)
        return Loaded(path, read.origin, serial, count, read.warnings + warnings)


def _difference(reading: ReadTransaction, origin: bytes, generation: bytes) -> Difference | None:
    """What the zone that is served holds otherwise than the one that is to take its place."""
    try:
        return reading.difference(reading.zone(origin), generation)
    except ZoneError:  # none is served
        return None


def _serial_warnings(txn: WriteTransaction, path: Path, origin: bytes, serial: int) -> list[str]:
    """Say if secondaries will not take the zone: its serial goes back (RFC 1982 section 3.2)."""
    before = txn.serial(origin)
    if before is None or before == serial or (serial - before) % 2**32 < 2**31:
        return []
    return [
        f"{path}: the serial of {names.to_text(origin)} goes back from {before} to {serial}; "
        f"secondaries will not take it over"
    ]
