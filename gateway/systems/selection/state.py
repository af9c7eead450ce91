"""Selection as it runs: supply in memory, fed by what is learnt; who waits for changes of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from csid.address import is_here
from csid.errors import RecordError
from csid.record import decode
from csid.status import VALID_SECONDS_MAX, Status, Told
from gateway.async_registry_client import AsyncRegistry
from gateway.configuration.values import ConfigurationError
from gateway.systems.contract import Place
from gateway.systems.selection import settings, snapshot
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.following import (
    GatewayFollower,
    RegistryFollower,
    Source,
    client_of,
    kept,
    wanted,
)
from gateway.systems.selection.kept import Demands
from gateway.systems.selection.paths.probing import Made, ProbeError, made_of
from gateway.systems.selection.reach import Reach, Reaching
from gateway.systems.selection.reservations import Reservations
from gateway.systems.selection.rows import Change, Rows
from gateway.systems.selection.supply import Supply
from gateway.waking import Waking

LONGEST: Final = VALID_SECONDS_MAX * 1_000  # ms that a status may hold
SNAPSHOT: Final = "supply.columns"
KEEP_SECONDS: Final = 30.0  # between two looks whether much has changed
KEEP_CHANGES: Final = 50_000  # which a start works through in a second or two
FILLED_AT_ONCE: Final = 200
LOOK_SECONDS: Final = 0.25  # between two looks at what changes without being told of


class Selecting:
    """What runs.

    Args:
        place: of the system.

    Attributes:
        supply: what is selected from.
        sources: how each is followed.
        probes: what is measured all the time.
        reaching: what is known of lines and latency.
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
        self.reaching = Reaching(place.folder, place.now)
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
        self.reaching.close()

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

    def reach(self, demand: Demand) -> Reach | None:
        """How soon what there is is reached from where the data is; None if nobody asks."""
        return self.reaching.of(demand, self.supply)

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
        seen = self.reaching.number()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            last, seen = seen, self.reaching.number()
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
