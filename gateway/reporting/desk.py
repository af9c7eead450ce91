"""What is posted to a gateway, read, judged and spooled; what is said to it. No socket: octets in,
an HTTP status and plain values out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import msgspec

from csid.errors import IdentifierError
from csid.identifier import parse
from gateway.http.media import JSON, MSGPACK, MSGPACK_NAMES
from gateway.reporting import events
from gateway.reporting.changes import Changes, covers
from gateway.reporting.spool import Happened, Outcome, Post, Spool
from gateway.reporting.statuses import Posted, StatusError, times_of, told_of
from gateway.reporting.upward import ITEMS_MAX

STATUS_OCTETS: Final = 4 << 20  # of a body with statuses
EVENT_OCTETS: Final = 4 << 20  # of one with events
RETRY_SECONDS: Final = 5
_ONE_EVENT: Final = "application/cloudevents+json"
_MANY_EVENTS: Final = "application/cloudevents-batch+json"
_IN_JSON: Final = frozenset({JSON, _ONE_EVENT, _MANY_EVENTS})
_BINARY: Final = "ce-"  # before attributes of an event that are header fields
_decode_json: Final = msgspec.json.Decoder().decode
_decode_msgpack: Final = msgspec.msgpack.Decoder().decode


class DeskError(Exception):
    """A call that cannot be looked at: the HTTP status, and why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Said(NamedTuple):
    """What is said to a call: an HTTP status, and the body."""

    status: int
    body: dict[str, Any]


class Reader(NamedTuple):
    """What was posted, ready to be spooled: for each either that, or what is said at once."""

    is_one: bool
    items: list[Any]


class Desk:
    """Takes in what is posted.

    Args:
        spool: where it waits for the node.
        suffix: of the DNS names of identifiers.
        changes: told of statuses that are taken.

    Attributes:
        prefixes: what the node takes reports of, once that is known; else None, and the node says.
    """

    def __init__(self, spool: Spool, suffix: str, changes: Changes) -> None:
        self._spool = spool
        self._suffix = suffix
        self._changes = changes
        self._names: dict[str, str] = {}
        self.prefixes: tuple[str, ...] | None = None

    def read_statuses(self, octets: bytes, media: str, now: int) -> Reader:
        """Read statuses; any thread may.

        Args:
            media: the media type, without parameters.
            now: Unix milliseconds.

        Raises:
            DeskError: nothing of it can be read.
        """
        is_one, given = _listed(_decoded(octets, media))
        return Reader(is_one, [self._status(one, now) for one in given])

    def read_events(self, octets: bytes, media: str, headers: Mapping[str, str]) -> Reader:
        """Read events, in structured, batched or binary mode (CloudEvents HTTP binding 3).

        Args:
            headers: fields by names in lower case.

        Raises:
            DeskError: nothing of it can be read.
        """
        if f"{_BINARY}specversion" in headers:
            event = {
                name.removeprefix(_BINARY): unquote(value)
                for name, value in headers.items()
                if name.startswith(_BINARY)
            }
            event["datacontenttype"] = media
            event["data"] = _decoded(octets, media)
            return Reader(True, [self._event(event)])
        is_one, given = _listed(_decoded(octets, media))
        return Reader(is_one, [self._event(one) for one in given])

    def spool_statuses(self, read: Reader) -> list[Any]:
        """Spool what was read; in the thread of the spool.

        Raises:
            StoreError: nothing was taken.
        """
        return _spooled(read, Post, self._spool.post)

    def spool_events(self, read: Reader) -> list[Any]:
        """The same of events."""
        return _spooled(read, Happened, self._spool.happen)

    def tell(self, read: Reader, outcomes: Sequence[Any]) -> None:
        """Have it known what was taken; in the thread of the loop."""
        for one, outcome in zip(read.items, outcomes, strict=True):
            if outcome is Outcome.TAKEN and isinstance(one, Post):
                self._changes.told(one.identifier, one.taken, one.until, one.told)

    def said(self, read: Reader, outcomes: Sequence[Any]) -> Said:
        """What is said to what was posted: of one its own, of many each one's; the HTTP status is
        theirs if all have the same.
        """
        items = [_item(one) for one in outcomes]
        if read.is_one:
            return Said(items[0]["status"], items[0])
        every = {one["status"] for one in items}
        return Said(every.pop() if len(every) == 1 else 200, {"items": items})

    def _status(self, given: Any, now: int) -> Any:
        try:
            posted = msgspec.convert(given, Posted)
            identifier = self._named(posted.identifier)
            taken, until = times_of(posted, now)
        except (msgspec.ValidationError, StatusError, IdentifierError) as error:
            return _refused(422, "invalid", str(error))
        if self._changes.is_older(identifier, taken):
            return Outcome.SUPERSEDED
        told = told_of(posted)
        given_at = 0 if posted.taken is None else taken
        post = Post(identifier, taken, until, told, posted.number, given_at)
        return self._outside(identifier) or post

    def _event(self, given: Any) -> Any:
        try:
            read = events.read(given, self._suffix)
        except events.EventError as error:
            return _refused(422, "invalid", str(error))
        return self._outside(str(read.identifier)) or Happened(read.names, read.octets)

    def _outside(self, identifier: str) -> Any:
        if self.prefixes is None or covers(self.prefixes, identifier):
            return None
        listed = ", ".join(self.prefixes)[:300]
        detail = f"{identifier} lies at or below none of the gateway's prefixes: {listed}"
        return _refused(403, "outside", detail)

    def _named(self, text: str) -> str:
        known = self._names.get(text)
        if known is None:
            known = str(parse(text, suffix=self._suffix))
            if len(self._names) >= 65_536:
                self._names.clear()
            self._names[text] = known
        return known


def _spooled(
    read: Reader, kind: type[Any], take: Callable[[list[Any]], list[Outcome]]
) -> list[Any]:
    places = [place for place, one in enumerate(read.items) if isinstance(one, kind)]
    outcomes = list(read.items)
    if places:
        taken = take([read.items[place] for place in places])
        for place, outcome in zip(places, taken, strict=True):
            outcomes[place] = outcome
    return outcomes


def _decoded(octets: bytes, media: str) -> Any:
    """What a body has.

    Raises:
        DeskError: it is of another media type, or not well-formed.
    """
    if media not in _IN_JSON and media not in MSGPACK_NAMES:
        wanted = f"{JSON}, {_ONE_EVENT}, {_MANY_EVENTS} or {MSGPACK}"
        raise DeskError(415, f"expected Content-Type {wanted}, given {media[:80]!r}")
    try:
        return _decode_msgpack(octets) if media in MSGPACK_NAMES else _decode_json(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DeskError(400, f"the body is not what its Content-Type says: {error}") from None


def _listed(given: Any) -> tuple[bool, list[Any]]:
    """One, or many: as an array, or as the member `items` of an object.

    Raises:
        DeskError: they are none, or too many.
    """
    if isinstance(given, dict) and given.keys() == {"items"}:
        given = given["items"]
    elif isinstance(given, dict):
        return True, [given]
    if not isinstance(given, list) or not 1 <= len(given) <= ITEMS_MAX:
        raise DeskError(400, f"expected an object, or an array of 1 to {ITEMS_MAX:,} of them")
    return False, given


def _refused(status: int, outcome: str, detail: str) -> dict[str, Any]:
    return {"status": status, "outcome": outcome, "detail": detail[:1_000]}


_DETAILS: Final = {
    Outcome.DIFFERENT: "another report came under this number, or this source and id; nothing done",
    Outcome.FULL: "events that wait for the node fill the spool; post it again later",
}


def _item(outcome: Any) -> dict[str, Any]:
    if isinstance(outcome, Outcome):
        status, word = outcome.value
        made: dict[str, Any] = {"status": status, "outcome": word}
        if outcome in _DETAILS:
            made["detail"] = _DETAILS[outcome]
        return made
    assert isinstance(outcome, dict)
    return outcome
