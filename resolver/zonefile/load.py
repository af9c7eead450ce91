"""Zones from master files: read and made into nodes here, written by whoever writes the store.

Small zones are handed over many at a time and share a transaction, as committing each by itself
would cost a disk write each. A large one is handed over in pieces, written under a generation of
its own beside what is served, looked at in pieces as well, and published by a last transaction.
What it replaces is swept afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

from csid import names
from csid.errors import StoreError, ZoneError
from csid.protocol import ZONEMD
from resolver.store import build
from resolver.store.held import HeldZone
from resolver.sync import zonemd
from resolver.zonefile import check, reader

NODES_AT_ONCE: Final = 2_000  # handed over together
OCTETS_AT_ONCE: Final = 1 << 20  # of them

# Carries out a unit of work (registry/units.py): its name and what it is given.
Perform = Callable[[str, Any], Any]
Asked = Sequence[str]  # who asks, and why, as the units take it


class Loaded(NamedTuple):
    """A zone that is served from now on, or was so already."""

    path: Path
    origin: bytes  # wire form
    serial: int
    nodes: int  # names of the tree, empty non-terminals included
    warnings: list[str]  # each with its place
    is_unchanged: bool = False


class Refused(NamedTuple):
    """A file of which nothing was loaded."""

    path: Path
    reason: str  # with its place, "file:line: ..."


class Step(NamedTuple):
    """What is being done, for a progress bar."""

    path: Path
    action: str  # "reading", "writing" or "checking"
    done: int  # records read, or nodes written or checked


Told = Callable[[Step], None]


def load(
    perform: Perform,
    asked: Asked,
    paths: Iterable[Path],
    mode: str = "keep",
    told: Told = lambda step: None,
    agrees: Callable[[bytes, build.ZoneData], bool] = lambda origin, data: True,
    since: int | None = None,
    hashes: Collection[int] = (),
) -> Iterator[Loaded | Refused]:
    """Load each file as a zone, in place of the one that has the same origin.

    Args:
        perform: the writer.
        asked: who asks, and why.
        paths: master files, a zone each. A second file with the origin of an earlier one is
            refused: which of them should hold cannot be known.
        mode: where the serial comes from: keep, increment, unixtime.
        told: is called now and then while a file is read or written.
        agrees: whether a zone that was read shall be loaded; asks whoever gave it.
        since: the moment (unit zone.since) that the files are of: names that the registry changes
            later are carried over into the zones. None is now, before they are read.
        hashes: of the digest that each zone is given (`resolver.sync.zonemd.HASHES`), in place of
            the one it has.

    Returns:
        One outcome a file, once it is certain; a file that is refused is told of before those
        that wait to be written together.

    Raises:
        StoreError: the store is full or fails. Zones told of as loaded stay.
    """
    loader = _Loader(perform, asked, mode, told, agrees, since, hashes)
    loader.sweep()
    try:
        for path in paths:
            yield from loader.load(path)
        yield from loader.flush()
    finally:
        loader.sweep()


class _Small(NamedTuple):
    """A zone that waits to be handed over with others."""

    path: Path
    origin: bytes
    nodes: list[build.Node]
    warnings: list[str]


class _Loader:
    """The zones of one call of `load`."""

    def __init__(
        self,
        perform: Perform,
        asked: Asked,
        mode: str,
        told: Told,
        agrees: Callable[[bytes, build.ZoneData], bool],
        since: int | None,
        hashes: Collection[int],
    ) -> None:
        self._perform = perform
        self._hashes = hashes
        self._asked = tuple(asked)
        self._mode = mode
        self._told = told
        self._agrees = agrees
        self._since: int = perform("zone.since", None) if since is None else since
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
            if not self._agrees(read.origin, read.rrsets):
                raise ZoneError(str(path), "not loaded 未载入")
            self._digest(read, path)
            nodes = self._nodes(read, path)
            first, octets = build.taken(nodes, NODES_AT_ONCE, OCTETS_AT_ONCE)
        except ZoneError as error:
            yield Refused(path, str(error))
            return
        following = next(nodes, None)
        if following is not None:
            yield from self.flush()
            every = chain(first, (following,), nodes)
            yield self._write(path, read.origin, every, read.warnings)
            return
        if self._waiting_nodes + len(first) > NODES_AT_ONCE or (
            self._waiting_octets + octets > OCTETS_AT_ONCE
        ):
            yield from self.flush()
        self._waiting.append(_Small(path, read.origin, first, read.warnings))
        self._waiting_nodes += len(first)
        self._waiting_octets += octets

    def flush(self) -> Iterator[Loaded | Refused]:
        """Have the zones written that wait, in one transaction."""
        waiting, self._waiting = self._waiting, []
        self._waiting_nodes = self._waiting_octets = 0
        if not waiting:
            return
        zones = [(small.origin, small.nodes) for small in waiting]
        answers = self._perform("zone.load", (self._asked, self._mode, self._since, zones))
        for small, answer in zip(waiting, answers, strict=True):
            if answer[0] == "again":
                yield self._write(small.path, small.origin, iter(small.nodes), small.warnings)
            else:
                count = len(small.nodes)
                yield _outcome(small.path, small.origin, count, small.warnings, answer)

    def sweep(self) -> None:
        """Have what was replaced removed, or what a failure or crash left. A full store may have no
        room even for that; a later writer then does it.
        """
        try:
            while self._perform("sweep", None):
                pass
        except StoreError:
            return

    def _read(self, path: Path) -> check.Zone:
        def told(number: int) -> None:
            self._told(Step(path, "reading", number))

        warnings: list[str] = []
        return check.collect(reader.read_file(path, None, warnings), str(path), told, warnings)

    def _digest(self, read: check.Zone, path: Path) -> None:
        """Give a zone its digest, or look at the one that it has."""
        apex = names.key_of(read.origin)
        rrsets = dict(read.rrsets[read.origin])
        if self._hashes:
            made = zonemd.make(apex, self._nodes(read, path), self._hashes)
            assert made is not None  # a zone that was read has its SOA
            assert isinstance(read.rrsets, HeldZone)
            read.rrsets.by_key[apex] = {**rrsets, ZONEMD: made}
        elif ZONEMD in rrsets:
            verdict = zonemd.verify(apex, self._nodes(read, path))
            if verdict.outcome == zonemd.WRONG:
                read.warnings.append(f"{path}: {verdict.reason}; --zonemd makes it anew")

    def _nodes(self, read: check.Zone, path: Path) -> Iterator[build.Node]:
        try:
            yield from build.build(read.origin, read.rrsets)
        except ZoneError as error:
            raise ZoneError(str(path), str(error)) from None

    def _write(
        self, path: Path, origin: bytes, nodes: Iterator[build.Node], warnings: list[str]
    ) -> Loaded | Refused:
        """Have a zone written beside the one that is served, and let it take its place."""
        try:
            count, answer = write(
                self._perform,
                self._asked,
                self._mode,
                self._since,
                origin,
                nodes,
                lambda action, done: self._told(Step(path, action, done)),
            )
        except ZoneError as error:
            return Refused(path, str(error))
        return _outcome(path, origin, count, warnings, answer)


def write(
    perform: Perform,
    asked: Asked,
    mode: str,
    since: int,
    origin: bytes,
    nodes: Iterator[build.Node],
    told: Callable[[str, int], None],
) -> tuple[int, Any]:
    """Have a zone of any size written, looked at and published.

    Args:
        since: as `load` has it.
        nodes: in key order.
        told: is called with "writing" or "checking" and how many nodes that was done with.

    Returns:
        How many nodes it has, and what the writer says: outcome, serial, what is to be said.
    """
    generation = perform("zone.begin", (tuple(asked), origin, since))
    try:
        count = 0
        while part := build.taken(nodes, NODES_AT_ONCE, OCTETS_AT_ONCE)[0]:
            count = perform("zone.nodes", (generation, part))
            told("writing", count)
        while True:
            is_ready, seen, findings = perform("zone.check", generation)
            if findings:
                return count, ("refused", 0, findings)
            told("checking", seen)
            if not is_ready:
                continue
            answer = perform("zone.publish", (generation, tuple(asked), mode))
            if answer[0] != "again":
                return count, answer
    finally:
        perform("zone.abandon", generation)


def _outcome(
    path: Path, origin: bytes, count: int, warnings: list[str], answer: Any
) -> Loaded | Refused:
    outcome, serial, said = answer
    placed = [f"{path}: {one}" for one in said]
    if outcome == "refused":
        return Refused(path, "\n".join(placed))
    return Loaded(path, origin, serial, count, [*warnings, *placed], outcome == "unchanged")
