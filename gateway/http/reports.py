"""Routes of what gateways report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from csid.errors import StoreError
from csid.identifier import parse
from csid.moments import iso
from gateway.http.bodies import Member
from gateway.http.calls import Answer, Call, Later
from gateway.http.media import JSON, MSGPACK, MSGPACK_NAMES
from gateway.http.problems import Fault, Problem
from gateway.reporting import upward
from gateway.reporting.upward import IN_JSON, IN_MSGPACK, Batch, Form, UpwardError
from registry.rules.requests import Role
from registry.tables.view import TOKEN_SUBJECT

_FORMS: Final[Mapping[str, Form]] = {JSON: IN_JSON, **dict.fromkeys(MSGPACK_NAMES, IN_MSGPACK)}
QUICK_OCTETS: Final = 32_768  # of a body that is looked at without a thread
PAGE: Final = 100
EVENTS: Final[Mapping[str, Member]] = {
    "since": Member({"type": "integer", "minimum": 0, "maximum": 2**53 - 1}),
    "limit": Member({"type": "integer", "minimum": 1, "maximum": 1_000}),
}


def report(call: Call) -> Answer | Later:
    """Take a batch of a gateway; what came of each report. What waits for no disk and is not long
    is taken at once: a thread would cost more, and the statuses be seen later.
    """
    _require_gateway(call)
    if len(call.given) > QUICK_OCTETS:
        return Later(lambda: _take(call, *_read(call)))
    batch, form = _read(call)
    if call.work.intake.is_quick(call.caller, batch):
        return _take(call, batch, form)
    return Later(lambda: _take(call, batch, form))


def _take(call: Call, batch: Batch, form: Form) -> Answer:
    try:
        results = call.work.intake.take(call.caller, batch, form)
    except StoreError as error:
        raise call.work.not_taken(error) from None
    return Answer(msgspec.json.encode(results).decode(), upward.status_of(results))


def show_gateway(call: Call) -> Answer:
    """Which gateway asks, and what lies at or below which prefixes it may report of."""
    _require_gateway(call)
    name = call.caller.actor.name.removeprefix(TOKEN_SUBJECT)
    return Answer({"gateway": name, "prefixes": list(call.caller.prefixes)})


def list_events(call: Call) -> Answer:
    """A page of events, of those that the caller reaches."""
    if not call.caller.audits:
        raise Problem(Fault.FORBIDDEN, "events are for auditors and administrators")
    begin, most = call.query.get("since", 0), call.query.get("limit", PAGE)
    try:
        found = call.work.intake.reported.page(begin, most)
    except StoreError as error:
        raise call.work.not_taken(error) from None
    items: list[dict[str, Any]] = []
    suffix = call.work.registry.settings.suffix
    for one in found:
        event = msgspec.json.decode(one.event)
        if call.caller.covers(str(parse(event["subject"], suffix=suffix))):
            items.append(one._asdict() | {"came": iso(one.came / 1_000), "event": event})
    return Answer({"items": items, "next": found[-1].sequence + 1 if found else None})


def _require_gateway(call: Call) -> None:
    """Refuse who is none.

    Raises:
        Problem: the caller is no gateway.
    """
    if call.caller.actor.role is not Role.GATEWAY:
        raise Problem(Fault.FORBIDDEN, "reports are of gateways; csid gateway enrol enrols one")


def _read(call: Call) -> tuple[Batch, Form]:
    """A batch, and the form that it has.

    Raises:
        Problem: it is none, or its media type or its encoding is not taken.
    """
    media = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = _FORMS.get(media)
    if form is None:
        wanted = f"expected Content-Type {JSON} or {MSGPACK}, given {media[:80]!r}"
        raise Problem(Fault.MEDIA, wanted)
    encoding = call.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("gzip", "identity"):
        raise Problem(
            Fault.MEDIA, f"Content-Encoding: expected gzip or none, given {encoding[:80]!r}"
        )
    try:
        octets = upward.inflated(call.given) if encoding == "gzip" else call.given
        return upward.read_batch(octets, form), form
    except UpwardError as error:
        raise Problem(Fault.MALFORMED, str(error)) from None
