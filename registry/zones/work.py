"""Zones written under generations of their own, looked at, and published, piece by piece."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Final

from csid import names
from csid.errors import ZoneError
from csid.limits import JOURNAL_ENTRY_NAMES, JOURNAL_ENTRY_OCTETS
from registry.authority import Finding, Walk, extras_in
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.zones import places, small
from registry.zones.asked import Asked, row_of
from registry.zones.drop import Dropping
from registry.zones.keeper import (
    LEAVES_MAX,
    Again,
    Begun,
    Keeper,
    carry_over,
    has_written,
    is_same,
    written_between,
)
from registry.zones.serials import Mode, choose
from registry.zones.small import (
    AGAIN,
    DROPPED,
    LOADED,
    REFUSED,
    SAID_MAX,
    UNCHANGED,
    Answer,
    Node,
    Small,
    said,
    serial_held,
    serial_used,
)
from resolver.answer.source import Stages
from resolver.store.build import wildcard_count
from resolver.store.difference import Difference, Nodes, difference, serial_in
from resolver.store.environment import Store
from resolver.store.read import Held, ReadTransaction
from resolver.store.write import WriteTransaction

NODES_PER_SLICE: Final = 500
SLICE_SECONDS: Final = 0.02  # that one unit looks at nodes
LOADS_MAX: Final = 16  # zones begun and not published, by all commands
_OVERTAKEN: Final = "was loaded or updated while it was made anew; give the command again"
IDLE_SECONDS: Final = 600  # a load of which nobody asks so long is given up, if room is needed


class Building:
    """One zone that is being built."""

    def __init__(
        self, origin: bytes, generation: bytes, claim: ExitStack, since: int, process: int
    ) -> None:
        self.origin = origin
        self.apex = names.key_of(origin)
        self.generation = generation
        self.claim = claim
        self.process = process  # that loads it; 0: not known
        self.asked_at = time.monotonic()
        self.count = 0
        self.wildcards = 0
        self.has_begun = False
        self.is_looked_at = False  # all its nodes, with nothing found
        self.seen = 0  # nodes looked at
        self.walk: Walk | None = None
        self.since = since
        self.begun = Begun(since, None)
        self.carried = since  # leaves of the log whose names are in
        self.has_moved = False  # whether names of it were changed since
        self.old: Held | None = None  # the zone that it takes the place of
        self.old_serial: int | None = None
        self.number = 0  # of the old zone's journal, when it was first looked at
        self.nodes: Nodes | None = {}  # what names that differ had; None: too many
        self.octets = 0  # of these
        self.last: bytes | None = None  # key of the node looked at last

    def begin(self, read: ReadTransaction, named: Names) -> None:
        """Look at it from the first node on, at this moment of the registry."""
        since = min(self.begun.since, TransactionView(read).leaves())
        territory = places.territory(read, named, self.apex)
        self.begun = Begun(since, territory)
        self.carried = since
        self.walk = None if territory is None else Walk(named, territory, since)
        self.has_begun, self.is_looked_at = True, False
        self.last, self.seen = None, 0
        self.nodes, self.octets = {}, 0
        try:
            self.old = read.zone(self.origin)
            self.number = read.journal(self.old).following
            self.old_serial = _serial_of(read, self.old)
        except ZoneError:  # none is served
            self.old = self.old_serial = None

    def look_on(self, read: ReadTransaction, seconds: float) -> list[Finding]:
        """Look at nodes for so long, a part of them at least; the findings, a few at most."""
        view = TransactionView(read)
        until = time.monotonic() + seconds
        while True:
            part = list(islice(_behind(read, self.generation, self.last), NODES_PER_SLICE))
            is_end = len(part) < NODES_PER_SLICE
            if self.walk is not None:
                extras = extras_in(read, self.apex, self.generation)
                found = self.walk.over(view, part, extras, None if is_end else len(part))
                if findings := list(islice(found, SAID_MAX)):
                    return findings
            self._compare(read, part, is_end)
            self.seen += len(part)
            if is_end:
                self.is_looked_at = True
                return []
            self.last = part[-1][0]
            if time.monotonic() >= until:
                return []

    def _compare(self, read: ReadTransaction, part: Sequence[Node], is_end: bool) -> None:
        """Note what the old zone has otherwise up to the end of a part of the new one."""
        if self.old is None or self.nodes is None:
            return
        end = None if is_end or not part else part[-1][0]
        old = _behind(read, self.old.generation, self.last)
        found = difference(_up_to(old, end), iter(part), 10 * NODES_PER_SLICE)
        if found is None:
            self.nodes = None
            return
        self.nodes |= found
        self.octets += sum(len(key) + len(blob or b"") for key, blob in found.items())
        if len(self.nodes) > JOURNAL_ENTRY_NAMES or self.octets > JOURNAL_ENTRY_OCTETS:
            self.nodes = None

    def finding(self) -> Begun:
        """What was found, once all is looked at."""
        begun = self.begun
        if self.walk is None:
            return begun
        return Begun(self.carried, begun.territory, self.walk.names, self.walk.digest)

    def has_moved_by(self, txn: WriteTransaction, named: Names, held: int | None) -> bool:
        """Whether the zone that is served, with the serial ``held``, was changed since."""
        if self.has_moved or held != self.old_serial:
            return True
        return has_written(txn, named, self.begun.territory, self.carried)

    def known(self) -> Difference | None:
        """What the old zone held otherwise."""
        return self.old and Difference(self.old.generation, self.number, self.nodes)

    @property
    def differs(self) -> bool:
        """Whether it has other records than the old zone, apart from the serial."""
        return self.old is None or self.nodes is None or bool(self.nodes)


def _serial_of(read: ReadTransaction, zone: Held) -> int | None:
    blob = read.table(b"tree").get(zone.generation)
    try:
        return serial_in(blob or b"")
    except (ValueError, IndexError):  # it is damaged
        return None


def _is_told_since(txn: WriteTransaction, origin: bytes, since: int) -> bool:
    """Whether a zone was loaded, dropped or updated by one of the leaves from one on."""
    row = row_of(TransactionView(txn), names.to_text(origin))
    return row is not None and row.leaf >= since


def _behind(read: ReadTransaction, generation: bytes, last: bytes | None) -> Iterator[Node]:
    """The nodes of a generation behind a key."""
    start = generation if last is None else generation + last + b"\0"
    for key, blob in read.table(b"tree").scan(generation, start):
        yield key[len(generation) :], blob


def _up_to(nodes: Iterable[Node], end: bytes | None) -> Iterator[Node]:
    for key, blob in nodes:
        if end is not None and key > end:
            return
        yield key, blob


class Zones:
    """What one writer does to zones: the units `zone.*`, for whoever asks."""

    def __init__(self, store: Store, stages: Stages) -> None:
        self._store = store
        self._stages = stages
        self._named = Names(store.settings().suffix)
        self._buildings: dict[bytes, Building] = {}
        self._dropping: dict[bytes, Dropping] = {}

    def moment(self) -> int:
        """The leaves of the log now: what `load` and `begin` take."""
        with self._store.read() as read:
            return TransactionView(read).leaves()

    def load(self, asked: Asked, mode: Mode, since: int, zones: Sequence[Small]) -> list[Answer]:
        """Publish small zones in one transaction; one that is refused does not keep the others
        from it.

        Args:
            since: names that the registry changed since that moment are carried over; a zone into
                which too many would be is answered AGAIN, and to be begun as a large one.
        """
        now = int(time.time())
        refused: dict[int, Answer] = {}
        while True:
            answers = dict(refused)
            index = 0
            try:
                with self._store.write() as txn:
                    keeper = self._keeper(asked, now)
                    for index, zone in enumerate(zones):
                        if index not in refused:
                            answers[index] = small.load(txn, keeper, mode, since, *zone)
                break
            except small.Undone as error:
                refused[index] = Answer(REFUSED, 0, [str(error)])
        for index, (origin, _) in enumerate(zones):
            if answers[index].outcome == LOADED:
                self._keeper(asked, now).told(origin)
        return [answers[index] for index in range(len(zones))]

    def begin(self, asked: Asked, origin: bytes, since: int, process: int = 0) -> bytes:
        """Begin a large zone; returns its generation, by which the other units know it.

        Args:
            since: names that the registry changed since that moment are carried over.
            process: which loads it; once that has ended it is given up. 0: it cannot be known.
        """
        with self._store.read() as read:
            if reason := places.followed(read, names.key_of(origin)):
                raise ZoneError(names.to_text(origin), reason)
        self._make_room()
        claim = ExitStack()
        generation: bytes = claim.enter_context(self._store.building())
        self._buildings[generation] = Building(origin, generation, claim, since, process)
        return generation

    def put(self, generation: bytes, nodes: list[Node]) -> int:
        """Write nodes, in order; returns how many there are by now."""
        building = self._building(generation)
        building.has_begun = building.is_looked_at = False  # what comes now was not looked at
        try:
            with self._store.write() as txn:
                building.count += txn.put_nodes(building.origin, generation, nodes)
        except (ValueError, LookupError) as error:  # the nodes are none, or out of order
            raise ZoneError(names.to_text(building.origin), str(error)) from None
        building.wildcards += wildcard_count(key for key, _ in nodes)
        return building.count

    def look(self, generation: bytes) -> tuple[bool, int, list[str]]:
        """Look at the next nodes, or carry over what the registry wrote since; returns whether the
        zone may be published, how many nodes were looked at, and what was found.
        """
        building = self._building(generation)
        with self._store.read() as read:
            territory = places.territory(read, self._named, building.apex)
            if not building.has_begun or not is_same(territory, building.begun.territory):
                building.begin(read, self._named)
            if not building.is_looked_at:
                findings = building.look_on(read, SLICE_SECONDS)
                return False, building.seen, said(findings)
        return self._catch_up(building), building.seen, []

    def _catch_up(self, building: Building) -> bool:
        """Carry over names that the registry wrote, so that few are left for the transaction that
        publishes; whether few are.
        """
        territory = building.begun.territory
        if territory is None:
            return True
        with self._store.write() as txn:
            end = TransactionView(txn).leaves()
            if end - building.carried <= LEAVES_MAX:
                return True
            end = building.carried + LEAVES_MAX
            update = txn.update_unpublished(
                building.origin, building.generation, building.wildcards
            )
            written = written_between(txn, building.carried, end)
            building.has_moved |= carry_over(txn, self._named, territory, update, written)
            update.finish()
        building.carried, building.wildcards = end, update.wildcards
        return False

    def publish(self, generation: bytes, asked: Asked, mode: Mode) -> Answer:
        """Let a zone that was looked at be served, or say that it has to be looked at again."""
        building = self._building(generation)
        if not building.is_looked_at:
            raise ZoneError(names.to_text(building.origin), "is to be looked at first")
        now = int(time.time())
        keeper = self._keeper(asked, now)
        try:
            with self._store.write() as txn:
                held = serial_held(txn, building.origin)
                moved = building.has_moved_by(txn, self._named, held)
                given = serial_in(txn.table(b"tree").get(generation) or b"")
                used = serial_used(txn, building.origin)
                serial = choose(mode, given, held, building.differs, moved, now, used)
                if serial.fault:
                    answer = Answer(REFUSED, 0, [serial.fault])
                elif mode is Mode.REBUILD and _is_told_since(txn, building.origin, building.since):
                    answer = Answer(REFUSED, 0, [_OVERTAKEN])
                elif serial.is_unchanged:
                    answer = Answer(UNCHANGED, serial.number, [])
                else:
                    known = building.known()
                    number = txn.publish(
                        building.origin,
                        generation,
                        building.wildcards,
                        known,
                        serial.number,
                        keeper,
                        building.finding(),
                    )
                    answer = Answer(LOADED, number, [serial.warning] if serial.warning else [])
        except Again as error:
            return Answer(AGAIN, 0, [str(error)])
        self.abandon(generation)
        if answer.outcome == LOADED:
            keeper.told(building.origin)
        return answer

    def drop(self, asked: Asked, origin: bytes) -> Answer:
        """Look on at a zone that is to be dropped; once all is looked at, drop it."""
        now = int(time.time())
        keeper = self._keeper(asked, now)
        dropping = self._dropping.pop(origin, None)
        with self._store.read() as read:
            if dropping is None:
                dropping = Dropping(read, self._named, origin)
            dropping.look_on(read, SLICE_SECONDS)
        if not dropping.is_looked_at:
            if len(self._dropping) < LOADS_MAX:
                self._dropping[origin] = dropping
            return Answer(AGAIN, 0, [])
        if fault := dropping.fault:
            return Answer(REFUSED, 0, [fault])
        try:
            with self._store.write() as txn:
                view = TransactionView(txn)
                end = view.leaves()
                since = dropping.begun.since
                if end - since > LEAVES_MAX:
                    raise Again("much was changed meanwhile")
                heir = dropping.begun.heir
                if heir is not None and _is_told_since(txn, heir[0], since):
                    raise Again("the zone above it was changed meanwhile")
                if dropping.is_outdated(view, written_between(txn, since, end)):
                    raise Again("identifiers were assigned or changed in it meanwhile")
                serial = serial_held(txn, origin) or 0
                txn.drop_zone(origin, keeper, dropping.begun)
        except Again:
            return Answer(AGAIN, 0, [])
        keeper.told(origin)
        return Answer(DROPPED, serial, [dropping.loss] if dropping.loss else [])

    def abandon(self, generation: bytes) -> None:
        """Give a zone up, or be done with it; what was written is swept if it is not served."""
        building = self._buildings.pop(generation, None)
        if building is not None:
            building.claim.close()

    def give_up_orphans(self) -> None:
        """Give up what was begun by processes that have ended."""
        for building in list(self._buildings.values()):
            if building.process and not Path("/proc", str(building.process)).exists():
                self.abandon(building.generation)

    def close(self) -> None:
        """Give up all that was begun."""
        for generation in list(self._buildings):
            self.abandon(generation)

    def _keeper(self, asked: Asked, now: int) -> Keeper:
        return Keeper(self._named, self._stages, asked, now)

    def _building(self, generation: bytes) -> Building:
        building = self._buildings.get(generation)
        if building is None:
            raise ZoneError(
                f"generation {generation.hex()}",
                "is not being built here: the writer was replaced, or the load waited for too "
                "long; give the command again",
            )
        building.asked_at = time.monotonic()
        return building

    def _make_room(self) -> None:
        """Give up loads of which nobody asks any more, if there are many.

        Raises:
            ZoneError: all are being worked at.
        """
        if len(self._buildings) < LOADS_MAX:
            return
        oldest = min(self._buildings.values(), key=lambda building: building.asked_at)
        if time.monotonic() - oldest.asked_at < IDLE_SECONDS:
            raise ZoneError(
                names.to_text(oldest.origin),
                f"and {LOADS_MAX - 1} other zones are being loaded; wait until one is done",
            )
        self.abandon(oldest.generation)
