"""What gateways report, taken into the node: statuses into the status store, events among those
that are kept. Any thread may ask.

Each report is looked at by itself. What is taken is there when the answer is made, and nothing is
taken twice, however often and in whatever order it comes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

import msgspec

from csid import names
from csid.errors import IdentifierError
from csid.identifier import parse
from gateway.http.actors import Caller
from gateway.reporting import events, upward
from gateway.reporting.statuses import StatusError, require_times
from gateway.reporting.upward import Batch, Form, Result, Results, result
from registry import reported
from registry.reported import Reported
from registry.service import Registry
from registry.tables.view import TOKEN_SUBJECT
from resolver.answer.lookup import EXACT, find
from resolver.status import entry as entries
from resolver.status import store
from resolver.status.numbers import Seen
from resolver.status.store import Outcome, Report, Statuses
from resolver.store.read import ReadTransaction
from resolver.sync.settings import follow_of

NAMES_KNOWN: Final = 65_536  # identifiers that need not be read again
GATEWAYS_KNOWN: Final = 256  # that have different prefixes
SEEN_SECONDS: Final = 5.0  # between two notes that a gateway was seen
QUICK_STATUSES: Final = 500
_NEVER: Final = (-SEEN_SECONDS, 0, 0)

_TAKEN, _KNOWN = result(upward.TAKEN), result(upward.KNOWN)
_DIFFERENT: Final = result("different", "another report was taken under this number")
_OF_STATUS: Final = {
    Outcome.TAKEN: _TAKEN,
    Outcome.KNOWN: _KNOWN,
    Outcome.SUPERSEDED: result(upward.SUPERSEDED),
    Outcome.OTHER: _DIFFERENT,
}
_OF_EVENT: Final = {
    Seen.NEW: _TAKEN,
    Seen.SAME: _KNOWN,
    Seen.OTHER: _DIFFERENT,
    Seen.FORGOTTEN: result(
        "forgotten", "the number is so old that it is not known whether it was taken; not taken"
    ),
}


class _Named(NamedTuple):
    """An identifier: its canonical form, and the canonical key of its name."""

    text: str
    key: bytes


class Intake:
    """Takes reports in.

    Args:
        data: the directory of the node.
        registry: of it.
    """

    def __init__(self, data: Path, registry: Registry) -> None:
        self._data = data
        self._registry = registry
        self._suffix = registry.settings.suffix
        self._suffix_wire = names.from_text(self._suffix)
        self._lock = Lock()
        self._statuses: Statuses | None = None
        self._reported: Reported | None = None
        self._known = _Known()
        self._there = _There()
        self._noted: dict[str, tuple[float, int, int]] = {}  # when, and how much since

    def close(self) -> None:
        """End the use."""
        for one in (self._statuses, self._reported):
            if one is not None:
                one.close()

    @property
    def statuses(self) -> Statuses:
        """The status store, made with the first report.

        Raises:
            StoreError: it cannot be used.
        """
        with self._lock:
            if self._statuses is None:
                self._statuses = Statuses(self._data / store.FOLDER)
            return self._statuses

    @property
    def reported(self) -> Reported:
        """The events, likewise.

        Raises:
            StoreError: they cannot be used.
        """
        with self._lock:
            if self._reported is None:
                self._reported = Reported(self._data / reported.FOLDER)
            return self._reported

    def is_quick(self, caller: Caller, batch: Batch) -> bool:
        """Whether a batch is taken in little time: it waits for no disk, and is not long."""
        if batch.events or len(batch.statuses) > QUICK_STATUSES or self._statuses is None:
            return False
        at, _, _ = self._noted.get(_gateway(caller), _NEVER)
        return time.monotonic() < at + SEEN_SECONDS

    def take(self, caller: Caller, batch: Batch, form: Form) -> Results:
        """Take a batch of a gateway.

        Raises:
            StoreError: not all of it was taken; what was is known when it comes again.
        """
        gateway = _gateway(caller)
        now = time.time_ns() // 1_000_000
        told = self._take_statuses(caller, gateway, batch.statuses, form, now)
        happened = self._take_events(caller, gateway, batch.events, form, now)
        self._note(gateway, now, told.count(_TAKEN), happened.count(_TAKEN))
        return Results(told, happened)

    def _take_statuses(
        self, caller: Caller, gateway: str, given: Sequence[Any], form: Form, now: int
    ) -> list[Result]:
        results: list[Result] = [_TAKEN] * len(given)
        places: list[int] = []
        reports: list[Report] = []
        known = self._known.of(caller.prefixes)
        with self._registry.store.read() as read:
            there = self._there.at(read)
            for place, raw in enumerate(given):
                try:
                    sent = form.sent(raw)
                    named = known.get(sent.identifier)
                    if named is None:
                        named = self._named(sent.identifier)
                        if not caller.covers(named.text):
                            results[place] = _outside(caller, named.text)
                            continue
                        known[sent.identifier] = named
                    taken, until = require_times(sent.taken, sent.until, now)
                except (msgspec.ValidationError, StatusError, IdentifierError) as error:
                    results[place] = result("invalid", str(error)[:500])
                    continue
                if named.key not in there and not self._there.has(read, named.key, there):
                    detail = f"{named.text} is not in a zone of this node"
                    results[place] = result("absent", detail)
                    continue
                places.append(place)
                told = entries.pack(sent.told)
                reports.append(Report(named.key, sent.number, taken, until, told))
        if reports:
            with self.statuses.writing() as writing:
                outcomes = writing.take(gateway, reports, now)
            for place, outcome in zip(places, outcomes, strict=True):
                results[place] = _OF_STATUS[outcome]
        return results

    def _take_events(
        self, caller: Caller, gateway: str, given: Sequence[Any], form: Form, now: int
    ) -> list[Result]:
        results: list[Result] = [_TAKEN] * len(given)
        places: list[int] = []
        taken: list[tuple[int, bytes]] = []
        for place, raw in enumerate(given):
            try:
                numbered = form.numbered(raw)
                event = events.read(numbered.event, self._suffix)
            except (msgspec.ValidationError, events.EventError) as error:
                results[place] = result("invalid", str(error)[:500])
                continue
            if not caller.covers(str(event.identifier)):
                results[place] = _outside(caller, str(event.identifier))
                continue
            places.append(place)
            taken.append((numbered.number, event.octets))
        if taken:
            for place, seen in zip(places, self.reported.take(gateway, taken, now), strict=True):
                results[place] = _OF_EVENT[seen]
        return results

    def _named(self, text: str) -> _Named:
        identifier = parse(text, suffix=self._suffix)
        wire = identifier.to_wire(self._suffix_wire)
        return _Named(str(identifier), names.key_of(wire))

    def _note(self, gateway: str, now: int, statuses: int, happened: int) -> None:
        """Note now and then that a gateway was seen."""
        clock = time.monotonic()
        with self._lock:
            at, before_statuses, before_events = self._noted.get(gateway, _NEVER)
            statuses, happened = statuses + before_statuses, happened + before_events
            if clock < at + SEEN_SECONDS:
                self._noted[gateway] = at, statuses, happened
                return
            self._noted[gateway] = clock, 0, 0
        self.reported.saw(gateway, now, statuses, happened)


class _Known:
    """Identifiers that were read already and lie where a gateway may report, by its prefixes."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], dict[str, _Named]] = {}

    def of(self, prefixes: tuple[str, ...]) -> dict[str, _Named]:
        """Those of some prefixes, to which more may be added."""
        if sum(map(len, self._names.values())) >= NAMES_KNOWN or len(self._names) >= GATEWAYS_KNOWN:
            self._names = {}
        return self._names.setdefault(prefixes, {})


class _There:
    """Which names are at this node, and not a copy of what another has."""

    def __init__(self) -> None:
        self._found: tuple[int, set[bytes]] = (-1, set())

    def at(self, moment: ReadTransaction) -> set[bytes]:
        """Names that were found at a moment already."""
        number, found = self._found
        if number != moment.number or len(found) >= NAMES_KNOWN:
            found = set()
            self._found = moment.number, found
        return found

    def has(self, moment: ReadTransaction, key: bytes, found: set[bytes]) -> bool:
        """Whether a name is."""
        zone = moment.snapshot.zone_of(key)
        if zone is None or zone.flags or find(moment.snapshot, zone, key)[0] != EXACT:
            return False
        if follow_of(moment, zone.apex) is not None:
            return False
        found.add(key)
        return True


def _gateway(caller: Caller) -> str:
    return caller.actor.name.removeprefix(TOKEN_SUBJECT)


def _outside(caller: Caller, name: str) -> Result:
    prefixes = ", ".join(caller.prefixes)[:300]
    return result("outside", f"{name} lies at or below none of the gateway's prefixes: {prefixes}")
