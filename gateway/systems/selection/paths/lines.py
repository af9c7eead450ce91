"""Dedicated lines 专线 as objects, and the orders by which they are opened 开通. schemas/line.md
describes them.

Each has one form in msgpack and one in JSON (`pack`, `as_json`): equal lines have equal bytes.
Latencies are round-trip times in milliseconds, bandwidths Gbit/s, moments Unix milliseconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from csid.check import gb32100_holds
from csid.errors import CsidError, IdentifierError
from csid.identifier import fold, parse
from csid.vocabulary import Words
from gateway.systems.selection.paths.latency import Measured
from gateway.systems.selection.paths.places import UnknownPlaceError, location_of

LINE_STATES: Final[Mapping[str, Words]] = {
    "planned": Words("规划", "planned"),
    "open": Words("已开通", "open"),
    "degraded": Words("劣化", "degraded"),
    "down": Words("中断", "down"),
    "closed": Words("已关闭", "closed"),
}
ORDER_STATES: Final[Mapping[str, Words]] = {
    "ordered": Words("已申请", "ordered"),
    "accepted": Words("已受理", "accepted"),
    "open": Words("已开通", "open"),
    "refused": Words("未通过", "refused"),
    "ended": Words("已终止", "ended"),
}
TARIFFS: Final[Mapping[str, Words]] = {
    "elastic": Words("弹性带宽", "by bandwidth and time"),
    "task": Words("任务式", "per task"),
    "express": Words("数据快递", "by volume"),
}
CARRYING: Final = frozenset({"open", "degraded"})  # states in which a line can be used
GBPS_MAX: Final = 1e6
MS_MAX: Final = 10_000.0
PRICE_MAX: Final = 1e12
TEXT_MAX: Final = 200

State = Literal["planned", "open", "degraded", "down", "closed"]
OrderState = Literal["ordered", "accepted", "open", "refused", "ended"]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
End = Annotated[str, Meta(min_length=5, max_length=80)]
Gbps = Annotated[float, Meta(ge=0, le=GBPS_MAX)]
Ms = Annotated[float, Meta(ge=0, le=MS_MAX)]
Price = Annotated[float, Meta(ge=0, le=PRICE_MAX)]
Moment = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Text = Annotated[str, Meta(max_length=TEXT_MAX)]


class LineError(CsidError, ValueError):
    """A line or an order that is none, or that cannot become what was asked."""


class Elastic(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="elastic"):
    """弹性带宽: a price for each Gbit/s and hour."""

    per_gbps_hour: Price
    currency: Currency = "CNY"


class Task(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="task"):
    """任务式: a price for each task, however long it takes and however much it carries."""

    per_task: Price
    currency: Currency = "CNY"


class Express(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="express"):
    """数据快递: a price for each terabyte (10^12 octets)."""

    per_tb: Price
    currency: Currency = "CNY"


Tariff = Elastic | Task | Express


class Quality(Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured on a line.

    Attributes:
        median_ms, p90_ms: round-trip times.
        taken: when.
        by: who measured it.
        loss: share of what was sent.
    """

    median_ms: Ms
    p90_ms: Ms
    taken: Moment
    by: Annotated[str, Meta(pattern="^[!-~]{1,64}$")]
    loss: Annotated[float, Meta(ge=0, le=1)] = 0.0


class Line(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A dedicated line 专线, usable in both directions.

    Attributes:
        name: what it is called: 1 to 32 of a-z 0-9 -.
        ends: two locations, or identifiers of what it ends at.
        provider: owner code of who offers it, a participant of kind `line`.
        bandwidth_gbps: all of it; ``free_gbps``: what of that can be had.
        state: as LINE_STATES.
        tariff: what it costs; None if nobody says.
        stated_ms: the round-trip time that the provider states.
        quality: what was measured last.
        valid_from, valid_until: days, the last one included; None: without an end.
        note: for people: its make, such as SRv6 or OTN 400G.
    """

    name: Name
    ends: tuple[End, End]
    provider: Annotated[str, Meta(pattern="^[0-9A-HJ-NPQRTUWXY]{18}$")]
    bandwidth_gbps: Gbps
    free_gbps: Gbps
    state: State = "planned"
    tariff: Tariff | None = None
    stated_ms: Ms | None = None
    quality: Quality | None = None
    valid_from: dt.date | None = None
    valid_until: dt.date | None = None
    note: Text = ""

    def __post_init__(self) -> None:
        if self.free_gbps > self.bandwidth_gbps:
            raise LineError(f"free_gbps: {self.free_gbps:g}, of {self.bandwidth_gbps:g} Gbit/s")
        if self.quality and self.quality.p90_ms < self.quality.median_ms:
            raise LineError("quality: p90_ms is below median_ms")
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise LineError(f"valid_until: {self.valid_until} is before {self.valid_from}")
        _require_no_break(self.name, self.provider, *self.ends)
        if not gb32100_holds(self.provider):
            raise LineError(f"provider: {self.provider} has a wrong check character (GB 32100)")
        one, other = self.locations
        if one == other:
            raise LineError(f"ends: both are at {one}; a line joins two places")

    @property
    def locations(self) -> tuple[str, str]:
        """The location codes of its ends.

        Raises:
            LineError: an end is none.
        """
        try:
            return location_of(self.ends[0]), location_of(self.ends[1])
        except UnknownPlaceError as error:
            raise LineError(f"ends: {error}") from None

    def carries(self, day: dt.date) -> bool:
        """Whether it can be used on a day."""
        return (
            self.state in CARRYING
            and (self.valid_from is None or self.valid_from <= day)
            and (self.valid_until is None or day <= self.valid_until)
        )


class Order(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An order to open a line 开通: ordered → accepted → open, or refused; in the end, ended.

    Attributes:
        key: by which whoever orders knows it: the same again is the same order.
        line: which.
        by: who has ordered it.
        bandwidth_gbps: how much of it.
        at: when it was ordered; ``changed``: when its state changed last.
        why: what was said to the last change.
    """

    key: Annotated[str, Meta(pattern="^[!-~]{1,64}$")]
    line: Name
    by: Annotated[str, Meta(pattern="^[!-~]{1,64}$")]
    bandwidth_gbps: Annotated[float, Meta(gt=0, le=GBPS_MAX)]
    at: Moment
    changed: Moment
    state: OrderState = "ordered"
    why: Text = ""

    def __post_init__(self) -> None:
        _require_no_break(self.key, self.line, self.by)


NEXT: Final[Mapping[str, frozenset[str]]] = {
    "ordered": frozenset({"accepted", "refused"}),
    "accepted": frozenset({"open", "refused"}),
    "open": frozenset({"ended"}),
    "refused": frozenset(),
    "ended": frozenset(),
}


def _require_no_break(*texts: str) -> None:
    """Raises LineError where a text ends with a line break, which a pattern lets through."""
    for text in texts:
        if text.endswith("\n"):
            raise LineError(f"{text[:40]!r} ends with a line break")


def pack(what: Line | Order) -> bytes:
    """Its one form in msgpack (a map; what is as always is left out)."""
    return _packer.encode(what)


def unpack_line(octets: bytes) -> Line:
    """A line of its msgpack.

    Raises:
        LineError: it is none.
    """
    return _read(octets, Line, msgspec.msgpack.decode)


def unpack_order(octets: bytes) -> Order:
    """An order of its msgpack.

    Raises:
        LineError: it is none.
    """
    return _read(octets, Order, msgspec.msgpack.decode)


def as_json(what: Line | Order) -> bytes:
    """Its one form in JSON."""
    return msgspec.json.encode(what, order="deterministic")


def line_of_json(octets: bytes) -> Line:
    """A line of its JSON.

    Raises:
        LineError: it is none.
    """
    return _read(octets, Line, msgspec.json.decode)


def made(**values: Any) -> Line:
    """A line of values as JSON has them.

    Raises:
        LineError: it is none.
    """
    try:
        ends = tuple(_end(one) for one in values.pop("ends"))
        return msgspec.convert({**values, "ends": ends}, Line, strict=False)
    except ValueError as error:
        raise LineError(f"line {values.get('name', '')}: {error}") from None


def _end(text: str) -> str:
    """An end as it is kept: folded, and if it is an identifier, checked."""
    try:
        return str(parse(text)) if "/" in text else fold(text.strip())
    except IdentifierError as error:
        raise LineError(f"end {text[:60]}: {error}") from None


def changed(line: Line, **values: Any) -> Line:
    """A line with other values.

    Raises:
        LineError: it would be none.
    """
    return made(**{**msgspec.to_builtins(line), **values})


def measured(line: Line) -> Measured | None:
    """What was measured on a line that carries, for `latency.Measures`; None if nothing was."""
    if line.quality is None or line.state not in CARRYING:
        return None
    (one, other), said = line.locations, line.quality
    return Measured(
        one, other, said.median_ms, said.p90_ms, said.taken, said.by, said.loss, line.name
    )


_What = TypeVar("_What", Line, Order)
_packer: Final = msgspec.msgpack.Encoder(order="deterministic")


def _read(octets: bytes, kind: type[_What], decode: Callable[..., _What]) -> _What:
    try:
        return decode(octets, type=kind)
    except ValueError as error:
        raise LineError(f"no {kind.__name__.lower()}: {error}") from None
