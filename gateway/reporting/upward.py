"""What a gateway sends to its node, `POST /v1/reports`, and what the node says to it: both ends.

    {"statuses": [Sent, …], "events": [{"number": n, "event": {…}}, …]}     msgpack or JSON, or gzip
    {"statuses": [{"status": 200, "outcome": "taken"}, …], "events": […]}   one for each, in order

Numbers are the gateway's; those of statuses and those of events each grow by themselves, and are
never given again.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.reporting.statuses import Number, Sent

PATH: Final = "/v1/reports"
ITEMS_MAX: Final = 10_000  # of both, in one batch
OCTETS_MAX: Final = 8 << 20  # of a batch, not compressed
_GZIP: Final = 16 + zlib.MAX_WBITS
_LEVEL: Final = 1  # what is sent often is deflated fast

TAKEN, KNOWN, SUPERSEDED = "taken", "known", "superseded"
# What came of a report, and the HTTP status that says so.
OUTCOMES: Final = {
    TAKEN: 200,
    KNOWN: 200,  # the same came under this number before
    SUPERSEDED: 200,  # a newer status is there
    "invalid": 422,
    "outside": 403,  # of the prefixes of the gateway
    "absent": 404,  # the node has no such name
    "different": 409,  # another report came under this number
    "forgotten": 410,  # the number is so old that nobody knows whether it was taken
    "full": 507,
}


class Numbered(msgspec.Struct, frozen=True):
    """An event, with the gateway's number of it."""

    number: Number
    event: dict[str, Any]


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """Reports; each is looked at by itself, so that what is wrong with one costs no other."""

    statuses: list[msgspec.Raw] = []
    events: list[msgspec.Raw] = []


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a report.

    Attributes:
        status: an HTTP status.
        outcome: one of OUTCOMES.
        detail: why, where it was refused.
    """

    status: int
    outcome: str
    detail: str = ""


class Results(msgspec.Struct, frozen=True):
    """What came of a batch."""

    statuses: list[Result]
    events: list[Result]


class UpwardError(ValueError):
    """A batch, or what is said to one, is none."""


def result(outcome: str, detail: str = "") -> Result:
    """What came of a report, by one of OUTCOMES."""
    return Result(OUTCOMES[outcome], outcome, detail)


class Form:
    """One of the two forms that a batch may have."""

    def __init__(self, codec: Any) -> None:
        self.batch = codec.Decoder(Batch).decode
        self.sent = codec.Decoder(Sent).decode
        self.numbered = codec.Decoder(Numbered).decode


IN_MSGPACK: Final = Form(msgspec.msgpack)
IN_JSON: Final = Form(msgspec.json)
_pack: Final = msgspec.msgpack.Encoder().encode
_read_results: Final = msgspec.json.Decoder(Results).decode


def packed(statuses: Sequence[bytes], events: Sequence[tuple[int, bytes]]) -> bytes:
    """A batch as it is sent: msgpack, compressed.

    Args:
        statuses: each packed by `pack_status`.
        events: numbers, and events in their canonical form.
    """
    batch = Batch(
        [msgspec.Raw(one) for one in statuses],
        [
            msgspec.Raw(_pack({"number": number, "event": msgspec.json.decode(event)}))
            for number, event in events
        ],
    )
    made = zlib.compressobj(_LEVEL, wbits=_GZIP)
    return made.compress(_pack(batch)) + made.flush()


def pack_status(sent: Sent) -> bytes:
    """A status as it goes into a batch."""
    return _pack(sent)


def read_status(octets: bytes) -> Sent:
    """A status that `pack_status` has packed.

    Raises:
        UpwardError: it is none.
    """
    try:
        found: Sent = IN_MSGPACK.sent(octets)
    except msgspec.MsgspecError as error:
        raise UpwardError(f"no status: {error}") from None
    return found


def inflated(octets: bytes, most: int = OCTETS_MAX) -> bytes:
    """What was compressed by gzip.

    Args:
        most: octets that it may become.

    Raises:
        UpwardError: it is no gzip, not whole, or becomes more.
    """
    reader = zlib.decompressobj(wbits=_GZIP)
    try:
        made = reader.decompress(octets, most + 1)
    except zlib.error as error:
        raise UpwardError(f"no gzip: {error}") from None
    if len(made) > most:
        raise UpwardError(f"inflated it has more than {most:,} octets; part it into several")
    if not reader.eof or reader.unused_data:
        raise UpwardError("no whole gzip, or something behind it")
    return made


def read_batch(octets: bytes, form: Form) -> Batch:
    """A batch.

    Raises:
        UpwardError: it is none, or too large.
    """
    try:
        found: Batch = form.batch(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpwardError(f"no batch of reports: {error}") from None
    count = len(found.statuses) + len(found.events)
    if not 1 <= count <= ITEMS_MAX:
        raise UpwardError(f"expected 1 to {ITEMS_MAX:,} reports, given {count:,}")
    return found


def status_of(results: Results) -> int:
    """The HTTP status of an answer: 200, unless nothing was taken and all for one reason."""
    every = {one.status for one in (*results.statuses, *results.events)}
    return every.pop() if len(every) == 1 else 200


def read_results(octets: bytes, statuses: int, events: int) -> Results:
    """What the node says of a batch of so many.

    Raises:
        UpwardError: it does not.
    """
    try:
        found: Results = _read_results(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpwardError(f"the node's answer is none to a batch: {error}") from None
    if len(found.statuses) != statuses or len(found.events) != events:
        raise UpwardError("the node's answer is about another number of reports")
    return found
