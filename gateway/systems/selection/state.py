"""Selection as it runs: supply in memory, fed by what is learnt; who waits for changes of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from csid.address import is_here
from csid.errors import RecordError
from csid.record import decode
from csid.status import VALID_SECONDS_MAX, Status, Told
from gateway.async_registry_client import AsyncRegistry
from gateway.configuration.values import ConfigurationError
from gateway.systems.contract import Place
from gateway.systems.selection import settings, snapshot
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import Selection, select
from gateway.systems.selection.following import (
    GatewayFollower,
    RegistryFollower,
    Source,
    client_of,
    kept,
    wanted,
)
from gateway.systems.selection.kept import Demands
from gateway.systems.selection.paths.graph import Graph, Ints, NoLineError
from gateway.systems.selection.paths.latency import (
    STALE_MS,
    Measures,
    Measuring,
    Rtt,
    Together,
    rtt_from,
)
from gateway.systems.selection.paths.lines import measured
from gateway.systems.selection.paths.lines_store import Lines
from gateway.systems.selection.paths.measured_store import Latencies
from gateway.systems.selection.paths.places import Floats, Places, area, places
from gateway.systems.selection.paths.probing import Made, ProbeError, made_of
from gateway.systems.selection.paths.reaching import nodes_of, reached
from gateway.systems.selection.paths.ways import Wanted, Way, ways
from gateway.systems.selection.reservations import Reservations
from gateway.systems.selection.rows import Change, Rows
from gateway.systems.selection.supply import Supply
from gateway.waking import Waking

LONGEST: Final = VALID_SECONDS_MAX * 1_000  # ms that a status may hold
SNAPSHOT: Final = "supply.columns"
KEEP_SECONDS: Final = 30.0  # between two looks whether much has changed
KEEP_CHANGES: Final = 50_000  # which a start works through in a second or two
FILLED_AT_ONCE: Final = 200
DAY: Final = 86_400_000  # ms
LOOK_SECONDS: Final = 0.25  # between two looks at what changes without being told of
ORIGINS_KEPT: Final = 256  # places from which round trips are remembered
WAYS_KEPT: Final = 4_096


class _Reached(NamedTuple):
    """Round trips from a place, by which changes of what was measured, and since when (Unix ms)."""

    rtt: Rtt
    seen: tuple[int, ...]
    since: int


class Selecting:
    """What runs.

    Args:
        place: of the system.

    Attributes:
        supply: what is selected from.
        sources: how each is followed.
        probes: what is measured all the time.
        version: how often something has changed.
        streams: how many follow.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.said: settings.Selection = place.settings
        _require_safe(self.said)
        self.probes = _probes(self.said)
        self._prefixes = wanted(self.said.prefix)
        self.now = place.now
        self.rows = Rows(place.tables)
        self.demands = Demands(place.tables)
        self.reservations = Reservations()
        self.version = 0
        self.streams = 0  # that are followed
        self._came = Waking()
        self.sources: list[Source] = []
        self.lines = Lines(place.folder)
        self.latencies = Latencies(place.folder)
        self._seen_of_lines = -1  # the last change
        self._lines_hold = (0, 0)  # Unix ms: from when, until when they count as they are known
        self._graph: Graph | None = None
        # By what is asked of lines as they are, until they change:
        self._over_lines: dict[tuple[str, float], Floats] = {}
        self._ways: dict[tuple[str, float, str], Way | None] = {}
        self._nodes: Ints = np.zeros(0, np.int32)  # by which locations of the supply are reached
        self._nodes_of: Supply | None = None
        self._measures: Measuring = self.latencies
        self._rtt: dict[str, _Reached] = {}
        self._locations: tuple[Supply | None, Places] = (None, places([]))
        self.supply = Supply()
        self._file = place.folder / SNAPSHOT
        self._seen = ""  # of the file
        self._number = 0  # of the last change that the supply has, until it is followed
        self._kept = 0  # of the last one that the file has
        self._follows = False  # no other process has the system
        self.filled = self._load()

    # -- what is learnt

    def changed(self, changes: Iterable[Change]) -> None:
        """Identifiers have changed."""
        for identifier, record in changes:
            if record is None:
                self.supply.remove(identifier)
            else:
                self._put(identifier, record)
        self._tell()

    @property
    def complete(self) -> bool:
        """All that the registries have is known here."""
        return self.filled and all(
            self.rows.position(url, self._prefixes) is not None for url in self.said.registry
        )

    def told(self, identifier: str, taken: int, until: int, told: Told | None) -> None:
        """A status has come; None: what was told before holds no more."""
        if told is not None:
            now = self.now()  # whoever tells may have another clock
            status = Status(min(taken, now), min(until, now + LONGEST), told.by, 0, told)
            if self.supply.status(identifier, self.reservations.status(identifier, status)):
                self.reservations.learn(identifier, status)  # another gateway's may come too late
        self._tell()

    def _load(self) -> bool:
        """Take the supply that was kept, with what has changed since; False if it is to be filled
        from the rows.
        """
        self._seen = _mark_of(self._file)
        try:
            supply, mark = snapshot.read(self._file)
            changes = self.rows.since(int(mark))
        except (snapshot.SnapshotError, ValueError) as error:
            if self._seen:
                self.place.tell(f"selection: {error}", "warning", "snapshot")
            return False
        if changes is None:
            return False
        self.supply, self._kept = supply, int(mark)
        self.changed(changes)
        self._number = self.rows.number()
        return True

    async def catch_up(self) -> None:
        """Have what the process before this one has learnt; from then on, what is written to the
        rows is told here.
        """
        if self._follows:
            return
        self.demands.find()
        if _mark_of(self._file) != self._seen:
            self.filled = self._load()
        changes = self.rows.since(self._number) if self.filled else None
        if changes is None:
            await self._fill()
        else:
            self.changed(changes)
        self._follows = True
        # What is known of a million pools stays: to go through it takes 0.2 s each time.
        gc.collect()
        gc.freeze()

    async def _fill(self) -> None:
        """Fill a new supply from the rows; statuses come again by themselves."""
        self.filled = False
        self.supply = Supply()
        after = ""
        while page := self.rows.page(after, FILLED_AT_ONCE):
            self.changed(page)
            after = page[-1].identifier
            await asyncio.sleep(0)  # others have their turn
        self.supply.tidy()
        self.filled = True

    def keep(self) -> None:
        """Write what is known to a file, so that the next start is warm: unless another process
        has the system, which knows more.
        """
        if not self._follows:
            return
        number = self.rows.number()
        told = self.reservations.told()
        try:  # nobody asks meanwhile: nothing is awaited
            for identifier, status in told.items():  # a restart knows of no reservation
                self.supply.status(identifier, status)
            snapshot.write(self.supply, self._file, str(number))
        finally:  # the disk may be full, and what is reserved stays so
            for identifier in told:
                self.supply.status(identifier, self.reservations.left(identifier))
        self._seen = _mark_of(self._file)
        self._kept = number
        self.rows.let_go(number)

    async def close(self) -> None:
        """Keep what is known."""
        try:
            self.keep()
        finally:
            self.end()

    def end(self) -> None:
        """End the use of files, and keep nothing."""
        self.lines.close()
        self.latencies.close()

    def reserved(self, after: dict[str, Status]) -> None:
        """What is told of resources from now on, as something was reserved or released."""
        for identifier, status in after.items():
            self.supply.status(identifier, status)
        if after:
            self._tell()

    def _put(self, identifier: str, record: bytes) -> None:
        try:
            self.supply.put(identifier, decode(record))
        except RecordError as error:  # of an older version of this program, which knew better
            self.place.tell(f"selection: {identifier}: {error}", "warning", "record")

    def _tell(self) -> None:
        self.version += 1
        self._came.wake()

    async def after(self, version: int, seconds: float) -> bool:
        """Wait until something has changed behind a version; False if nothing has in this time."""
        if self.version != version:
            return True
        return await self._came.wait(seconds)

    # -- what is asked

    def select(self, demand: Demand) -> Selection:
        """What fits a demand now.

        Raises:
            DemandError: it cannot be understood.
        """
        return select(self.supply, demand, self.now(), self.middle(demand))

    def middle(self, demand: Demand) -> NDArray[np.float64] | None:
        """Round trips from where the data is to each location of the supply, in ms, as they are to
        be expected; NaN where that is unknown; None where no place is given. Where bandwidth is
        asked for, over lines; within the same city none is needed.
        """
        if not demand.near:
            return None
        public = self.rtt(demand.near).middle
        if demand.gbps is None:
            return public
        graph, city = self.graph(), area(demand.near)
        asked = demand.near, demand.gbps
        if asked not in self._over_lines:
            if len(self._over_lines) >= ORIGINS_KEPT:
                del self._over_lines[next(iter(self._over_lines))]
            self._over_lines[asked] = reached(graph, *asked)
        locations = self.supply.locations
        if len(self._nodes) != len(locations) or self._nodes_of is not self.supply:
            self._nodes, self._nodes_of = nodes_of(graph, locations), self.supply
        # Behind the last node stands what no line leads to.
        over = np.append(self._over_lines[asked], np.nan)[self._nodes]
        is_near = np.array([area(code) == city for code in locations], dtype=bool)
        return np.where(is_near, public, over)

    def way(self, demand: Demand, location: str) -> Way | None:
        """The quickest way over lines from where the data is, with the bandwidth that is asked for;
        None if there is none, or none is needed.
        """
        graph = self.graph()
        asked = demand.near, demand.gbps or 0.0, location
        if area(location) == area(demand.near):
            return None
        if asked not in self._ways:
            if len(self._ways) >= WAYS_KEPT:
                del self._ways[next(iter(self._ways))]
            try:
                found = ways(graph, demand.near, location, Wanted(demand.gbps or 0.0), 1).ways
            except NoLineError:
                found = ()
            self._ways[asked] = found[0] if found else None
        return self._ways[asked]

    def rtt(self, origin: str) -> Rtt:
        """The same, with ranges and marks."""
        measures = self.measures()
        of, there = self._locations
        if of is not self.supply or len(there) != len(self.supply.locations):
            there = places(self.supply.locations)
            self._locations = self.supply, there
            self._rtt.clear()
        seen, now = self.latencies.changed((origin, area(origin))), self.now()
        known = self._rtt.pop(origin, None)
        if known is None or known.seen != seen or not known.since <= now < known.rtt.until:
            if len(self._rtt) >= ORIGINS_KEPT:
                del self._rtt[next(iter(self._rtt))]
            known = _Reached(rtt_from(there, origin, measures, now), seen, now)
        self._rtt[origin] = known
        return known.rtt

    def measures(self) -> Measuring:
        """What was measured on lines that carry, and over the public internet."""
        self._look_at_lines()
        return self._measures

    def graph(self) -> Graph:
        """The lines that carry today."""
        self._look_at_lines()
        if self._graph is None:
            self._graph = Graph(self.lines.all(), self._today(), self.now())
        return self._graph

    def _today(self) -> date:
        return datetime.fromtimestamp(self.now() / 1_000, UTC).date()

    def _look_at_lines(self) -> None:
        """See whether lines have changed, which commands change as well, or are of another day now,
        or something that was measured of them is too old.
        """
        number, now = self.lines.number(), self.now()
        since, until = self._lines_hold
        if number == self._seen_of_lines and since <= now < until:
            return
        self._seen_of_lines, self._graph = number, None
        today = self._today()
        found = [measured(one) for one in self.lines.all() if one.carries(today)]
        of_lines = [one for one in found if one is not None]
        ends = [one.taken + STALE_MS + 1 for one in of_lines]
        tomorrow = now - now % DAY + DAY
        self._lines_hold = now, min(end for end in (*ends, tomorrow) if end > now)
        self._measures = Together((Measures(of_lines), self.latencies))
        self._rtt.clear()
        self._over_lines.clear()
        self._ways.clear()
        self._nodes_of = None

    # -- what goes on

    async def follow(self) -> None:
        """Follow all sources until cancelled."""
        await self.catch_up()
        for gone in self.rows.only(self.said.registry):  # of others nothing is selected any more
            self.changed(gone)
            await asyncio.sleep(0)  # others have their turn
        verify = ssl.create_default_context(cafile=self.said.ca)
        tokens = [file.read_text("ascii").strip() for file in self.said.token] or [""]
        if len(tokens) not in (1, len(self.said.registry)):
            raise ConfigurationError(
                f"[selection] token: {len(tokens)} files for {len(self.said.registry)} registries: "
                "give one for each, or one for all"
            )
        self.sources[:] = []
        async with contextlib.AsyncExitStack() as opened, asyncio.TaskGroup() as group:
            for number, url in enumerate(self.said.registry):
                source = Source(url, "registry", self.now)
                token = tokens[number if len(tokens) > 1 else 0]
                registry = await opened.enter_async_context(
                    AsyncRegistry(url, token=token, authorities=self.said.ca)
                )
                follower = RegistryFollower(source, registry, self.rows, self, self._prefixes)
                group.create_task(kept(source, follower.follow))
                self.sources.append(source)
            for url in self.said.gateway:
                source = Source(url, "gateway", self.now)
                client = await opened.enter_async_context(client_of(url, verify))
                gateway = GatewayFollower(source, client, self, self._prefixes)
                group.create_task(kept(source, gateway.follow))
                self.sources.append(source)

    async def remember(self) -> None:
        """Keep what is known whenever much has changed, until cancelled."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            if self.rows.number() - self._kept >= KEEP_CHANGES:
                self.keep()

    async def let_go(self) -> None:
        """Let go what was reserved and whose time is over, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            ended = self.reservations.ended(self.now())
            if ended:
                self.reserved(self.reservations.release(ended))

    async def notice(self) -> None:
        """See what commands write about lines and latency, until cancelled: who waits for changes
        is told.
        """
        seen = self.lines.number(), self.latencies.number()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            last, seen = seen, (self.lines.number(), self.latencies.number())
            if seen != last:
                self._tell()


def _probes(said: settings.Selection) -> list[Made]:
    """What is measured all the time.

    Raises:
        ConfigurationError: nobody can measure that.
    """
    try:
        return made_of(said.probe)
    except ProbeError as error:
        raise ConfigurationError(f"[selection] {error}") from None


def _require_safe(said: settings.Selection) -> None:
    """Refuse to send a token so that it would be read on the way.

    Raises:
        ConfigurationError: it would be.
    """
    url = urlsplit(said.dispatcher)
    if said.dispatcher and (url.scheme not in ("http", "https") or not url.hostname):
        raise ConfigurationError(f"[selection] dispatcher {said.dispatcher}: expected https://HOST")
    if said.dispatcher_token and url.scheme == "http" and not is_here(url.hostname or ""):
        raise ConfigurationError(
            f"[selection] dispatcher {said.dispatcher}: the token would be sent in the clear; give "
            "https"
        )


def _mark_of(file: Path) -> str:
    """What tells a file from another one that stands at its path; empty if there is none."""
    try:
        found = file.stat()
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_mtime_ns}"
