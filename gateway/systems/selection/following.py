"""What is learnt of supply: identifiers of registries, and what changes of them; statuses that
gateways are told. Each source is followed by itself, and none that fails holds up another.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Final, Protocol

import httpx
import msgspec

from csid import prefix
from csid import record as records
from csid.errors import CsidError, IdentifierError, RecordError
from csid.http.results import Change as Leaf
from csid.http.results import Entry, RefusedError
from csid.identifier import parse
from csid.record import Record
from csid.status import Health, Told
from gateway.async_registry_client import AsyncRegistry
from gateway.configuration.values import ConfigurationError
from gateway.systems.event_stream import Event, Events
from gateway.systems.selection.rows import Change, Rows

LISTED: Final = "active"  # what may be selected: an identifier whose filing was accepted (入市)
PAGE: Final = 1_000
WAIT_SECONDS: Final = 30  # that a registry may wait for a change
SILENT_SECONDS: Final = 45.0  # a gateway says something each 15 s
FIRST_WAIT: Final = 0.5  # seconds before a source that failed is asked again; then ever longer
MOST_WAIT: Final = 30.0
_VALUE: Final = 422  # a registry has not the leaf that it is asked for
# Kinds of change after which the record that stands there is what holds.
_PLAIN: Final = frozenset(
    {
        "assign",
        "mint",
        "import",
        "update",
        "advance",
        "retire",
        "receipt",
        "renew",
        "expire",
        "lapse",
    }
)
_MANY: Final = frozenset({"leave", "take"})  # those of a whole cut, which has one leaf
_decode: Final = msgspec.json.Decoder().decode


def wanted(prefixes: Iterable[str]) -> tuple[str, ...]:
    """Prefixes as identifiers have them: folded, without a `/` at their end, each once.

    Raises:
        ConfigurationError: one is none, or ends within a segment.
    """
    found: dict[str, None] = {}
    for one in prefixes:
        try:
            found[prefix.whole(one, len(prefix.SEGMENTS))] = None
        except IdentifierError as error:
            raise ConfigurationError(f"[selection] prefix {one[:80]}: {error}") from None
    return tuple(found)


class Sink(Protocol):
    """Who is told."""

    def changed(self, changes: Iterable[Change]) -> None:
        """Identifiers have changed."""

    def told(self, identifier: str, taken: int, until: int, told: Told | None) -> None:
        """A status has come, times in Unix milliseconds; None: nothing is known any more."""


class Source:
    """How a source is followed.

    Attributes:
        name: its URL.
        what: `registry` or `gateway`.
        since: since when it is followed without a break (Unix ms); 0: it is not.
        heard: when it was heard of last (Unix ms).
        taken: how much was learnt of it since the process began.
        why: it is not followed.
    """

    def __init__(self, name: str, what: str, now: Callable[[], int]) -> None:
        self.name = name
        self.what = what
        self.since = self.heard = self.taken = 0
        self.why = ""
        self._now = now

    def hears(self, more: int = 0) -> None:
        """Something was heard."""
        self.heard = self._now()
        self.since = self.since or self.heard
        self.taken += more
        self.why = ""

    def fails(self, error: Exception) -> None:
        """It is followed no longer."""
        self.since = 0
        self.why = f"{type(error).__name__}: {error}"[:500]


async def kept(source: Source, follow: Callable[[], Awaitable[None]]) -> None:
    """Follow a source, again and again where it fails."""
    wait = FIRST_WAIT
    while True:
        begun = source.taken
        try:
            await follow()
        except Exception as error:  # whatever one source does, the others are followed
            source.fails(error)
        wait = FIRST_WAIT if source.taken > begun else min(MOST_WAIT, 2 * wait)
        await asyncio.sleep(wait)


class RegistryFollower:
    """Follows a registry: all of it once, then its changes.

    Args:
        source: what is told of it.
        registry: over HTTPS.
        rows: where it is kept.
        sink: who is told.
        prefixes: of identifiers that are wanted; none: all.

    Raises:
        ConfigurationError: one of these is none.
    """

    def __init__(
        self,
        source: Source,
        registry: AsyncRegistry,
        rows: Rows,
        sink: Sink,
        prefixes: tuple[str, ...] = (),
    ) -> None:
        self._source = source
        self._registry = registry
        self._rows = rows
        self._sink = sink
        self._prefixes = wanted(prefixes)

    async def follow(self) -> None:
        """Follow, until it fails.

        Raises:
            CsidError: it has.
        """
        position = self._rows.position(self._source.name, self._prefixes)
        if position is None:
            position = await self._read_whole()
        wait = 0  # so that it is known at once whether it can be followed
        while True:
            try:
                page = await self._registry.changes_page(position, wait, PAGE)
                wait = WAIT_SECONDS
            except RefusedError as error:
                if error.problem.status != _VALUE:
                    raise
                position = await self._read_whole()  # another log, or an older copy of it
                continue
            if any(leaf.kind in _MANY for leaf in page.items):
                position = await self._read_whole()
                continue
            changes = [one for leaf in page.items for one in await self._changes(leaf)]
            position = page.next
            self._take(changes, position)

    async def _read_whole(self) -> int:
        """Read all identifiers; the leaf to go on from."""
        begun = self._rows.begin(self._source.name, self._prefixes)
        position = (await self._registry.changes_page(0, 0, 1)).size
        for begin in self._prefixes or ("",):
            batch: list[Change] = []
            async for entry in self._registry.identifiers(begin, limit=PAGE):
                batch.append(_of_entry(entry))
                if len(batch) == PAGE:
                    self._take(batch)
                    batch = []
            self._take(batch)
        for gone in self._rows.finish(self._source.name, begun, position):
            self._sink.changed(gone)
            await asyncio.sleep(0)  # others have their turn
        return position

    def _take(self, changes: list[Change], position: int | None = None) -> None:
        self._sink.changed(self._rows.apply(self._source.name, changes, position))
        self._source.hears(len(changes))

    async def _changes(self, leaf: Leaf) -> list[Change]:
        """What a leaf has changed, as it stands now where the leaf does not say all."""
        found = []
        for name in {leaf.subject, leaf.peer, leaf.to} - {None}:
            assert name is not None
            if not self._wants(name):
                continue
            if name == leaf.subject and leaf.kind in _PLAIN and leaf.record is not None:
                found.append(_of_record(name, leaf.record))
            elif leaf.kind in _PLAIN or name.count("/") == 4:
                found.append(await self._asked(name))
        return found

    def _wants(self, name: str) -> bool:
        try:
            parse(name)
        except IdentifierError:
            return False
        some = self._prefixes
        return not some or any(name == one or name.startswith(f"{one}/") for one in some)

    async def _asked(self, name: str) -> Change:
        try:
            return _of_entry(await self._registry.identifier(name))
        except RefusedError as error:
            if error.problem.status not in (404, 403):
                raise
            return Change(name, None)


def _of_entry(entry: Entry) -> Change:
    if entry.target is not None:  # another name for something else
        return Change(entry.identifier, None)
    return _of_record(entry.identifier, {**entry.record, "state": entry.state})


def _of_record(name: str, facts: dict[str, Any]) -> Change:
    if facts.get("state") != LISTED:
        return Change(name, None)
    try:
        return Change(name, records.encode(Record(facts)))
    except RecordError:
        return Change(name, None)  # nobody can be sent to what nobody can read


class GatewayFollower:
    """Follows the statuses that a gateway is told.

    Args:
        source: what is told of it.
        client: of the gateway.
        sink: who is told.
        prefixes: of identifiers that are wanted; none: all.

    Raises:
        ConfigurationError: one of these is none.
    """

    def __init__(
        self, source: Source, client: httpx.AsyncClient, sink: Sink, prefixes: tuple[str, ...] = ()
    ) -> None:
        self._source = source
        self._client = client
        self._sink = sink
        self._query = {"prefix": wanted(prefixes)}
        self._last = ""

    async def follow(self) -> None:
        """Follow, until it ends.

        Raises:
            CsidError, httpx.HTTPError: it has failed.
        """
        headers = {"Accept": "text/event-stream"}
        if self._last:
            headers["Last-Event-ID"] = self._last
        stream = self._client.stream(
            "GET", "/v1/status/stream", params=self._query, headers=headers
        )
        async with stream as response:
            if response.status_code != 200:
                octets = (await response.aread())[:300]
                raise FollowError(f"HTTP {response.status_code}: {octets!r}")
            events = Events()
            async for octets in response.aiter_raw():
                found = events.feed(octets)
                for one in found:
                    self._take(one)
                self._last = events.last or self._last
                self._source.hears(len(found))
        raise FollowError("it has ended the stream")

    def _take(self, event: Event) -> None:
        if event.name != "status":  # `missed`: the validity of what was missed ends by itself
            return
        try:
            said = _decode(event.data.encode())
            health: Health | None = said.get("health")
            told = None
            if health is not None:
                kept = {one: said[one] for one in ("load", "free", "by") if said.get(one)}
                told = msgspec.convert({"health": health, **kept}, Told)
            self._sink.told(said["identifier"], _ms(said["taken"]), _ms(said["until"]), told)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise FollowError(
                f"an event that is no status: {event.data[:200]!r}: {error}"
            ) from None


class FollowError(CsidError):
    """A source says what it must not, or nothing any more."""


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def client_of(url: str, verify: ssl.SSLContext) -> httpx.AsyncClient:
    """A client of a gateway."""
    timeout = httpx.Timeout(10.0, read=SILENT_SECONDS)
    return httpx.AsyncClient(base_url=url, timeout=timeout, verify=verify, trust_env=False)
