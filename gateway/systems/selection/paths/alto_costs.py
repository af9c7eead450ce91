"""Which costs there are between PIDs, and what a client asks for of them (RFC 7285, 11.3.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import eq, ge, gt, le, lt
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from csid.errors import CsidError
from gateway.systems.selection.paths.places import Floats

MIDDLE, HIGH = range(2)
CONSTRAINTS_MAX: Final = 16
PIDS_ASKED_MAX: Final = 4_000
BODY_MAX: Final = 1 << 20  # octets
_MICROSECONDS: Final = 1_000.0  # of a millisecond: the unit of delay in RFC 9439
# What a delay rests on, RFC 9439, 3.1: the estimate, with what was measured where that is known.
_ESTIMATION: Final = {"cost-source": "estimation"}
# The median by another name: what a delay is without a statistic (RFC 9439, 3.3).
_MEDIAN: Final = (":p50", ":median")
_TESTS: Final[dict[str, Callable[[float, float], bool]]] = {
    "gt": gt,
    "lt": lt,
    "ge": ge,
    "le": le,
    "eq": eq,
}


class CostType(NamedTuple):
    """A cost.

    Attributes:
        metric, mode: as ALTO has them.
        column: MIDDLE or HIGH, of the round-trip time.
        factor: from ms there and back.
        words: for people.
    """

    metric: str
    mode: str
    column: int
    factor: float
    words: str

    def as_json(self) -> dict[str, Any]:
        """The cost type (RFC 7285, 10.7, with the context of RFC 9439)."""
        found: dict[str, Any] = {"cost-mode": self.mode, "cost-metric": self.metric}
        if self.metric.startswith("delay"):
            found["cost-context"] = _ESTIMATION
        return found

    def described(self) -> dict[str, Any]:
        """The same, with what it is."""
        return {**self.as_json(), "description": self.words}


COST_TYPES: Final = {
    "num-delay-rt": CostType(
        "delay-rt", "numerical", MIDDLE, _MICROSECONDS, "往返时延 round trip, median, microseconds"
    ),
    "num-delay-rt-p90": CostType(
        "delay-rt:p90", "numerical", HIGH, _MICROSECONDS, "往返时延 round trip, p90, microseconds"
    ),
    "num-delay-ow": CostType(
        "delay-ow", "numerical", MIDDLE, _MICROSECONDS / 2, "单向时延 one way, half of that there "
        "and back, median, microseconds"
    ),
    "num-routingcost": CostType(
        "routingcost", "numerical", MIDDLE, 1.0, "代价 round trip, median, milliseconds"
    ),
    "ord-routingcost": CostType(
        "routingcost", "ordinal", MIDDLE, 1.0, "次序 rank among all that is asked for, 1 the least"
    ),
}  # fmt: skip


def plain(metric: str) -> str:
    """A metric as COST_TYPES has it: a delay whose median is asked for is that without more."""
    base, mark, statistic = metric.partition(":")
    return base if base.startswith("delay") and mark + statistic in _MEDIAN else metric


class AskedCosts(NamedTuple):
    """What is asked for.

    Attributes:
        name: of the cost type; ``what`` it is, its metric as it was asked for.
        tests: constraints that each cost has to meet: comparison, value.
        sources, targets: PIDs; None or empty: all.
    """

    name: str
    what: CostType
    tests: tuple[tuple[Callable[[float, float], bool], float], ...] = ()
    sources: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None


class FieldError(CsidError):
    """What is wrong with a request, as RFC 7285, 8.5.2 has it."""

    def __init__(self, code: str, field: str = "", value: str = "", offset: int | None = None):
        self.code, self.field, self.value, self.offset = code, field, value, offset
        super().__init__(f"{code} {field} {value}")


def read_asked(body: bytes) -> AskedCosts:
    """A request for costs, of its JSON.

    Raises:
        FieldError: it is none.
    """
    if len(body) > BODY_MAX:
        raise FieldError("E_INVALID_FIELD_VALUE", "pids", f"{len(body)} octets")
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise FieldError("E_SYNTAX") from None
    _require(given, dict, "")
    name, what = _cost_type(given)
    tests = _list(given.get("constraints", []), "constraints", CONSTRAINTS_MAX)
    pids = _require(given.get("pids", {}), dict, "pids")
    if "pids" in given:
        for end in ("srcs", "dsts"):
            if end not in pids:
                raise FieldError("E_MISSING_FIELD", f"pids/{end}")
    sources, targets = (
        tuple(_list(pids.get(end, []), f"pids/{end}", PIDS_ASKED_MAX)) for end in ("srcs", "dsts")
    )
    return AskedCosts(name, what, tuple(map(_test, tests)), sources, targets)


def _cost_type(given: dict[str, Any]) -> tuple[str, CostType]:
    if "cost-type" not in given:
        raise FieldError("E_MISSING_FIELD", "cost-type")
    said = _require(given["cost-type"], dict, "cost-type")
    for field in ("cost-mode", "cost-metric"):
        if field not in said:
            raise FieldError("E_MISSING_FIELD", f"cost-type/{field}")
        _require(said[field], str, f"cost-type/{field}")
    context = _require(said.get("cost-context", _ESTIMATION), dict, "cost-type/cost-context")
    # Its `parameters` say more to whoever knows them, and exclude nothing (RFC 9439, 3.1).
    if context.get("cost-source") != _ESTIMATION["cost-source"]:
        value = msgspec.json.encode(context).decode()[:64]
        raise FieldError("E_INVALID_FIELD_VALUE", "cost-type/cost-context", value)
    asked = said["cost-metric"]
    of_metric = [one for one in COST_TYPES.items() if one[1].metric == plain(asked)]
    if not of_metric:
        raise FieldError("E_INVALID_FIELD_VALUE", "cost-type/cost-metric", asked[:64])
    for name, what in of_metric:
        if what.mode == said["cost-mode"]:
            return name, what._replace(metric=asked)
    raise FieldError("E_INVALID_FIELD_VALUE", "cost-type/cost-mode", said["cost-mode"][:64])


def _require(value: Any, kind: type, field: str) -> Any:
    if not isinstance(value, kind):
        raise FieldError("E_INVALID_FIELD_TYPE", field)
    return value


def _list(value: Any, field: str, most: int) -> list[str]:
    for one in _require(value, list, field):
        _require(one, str, field)
    if len(value) > most:
        raise FieldError("E_INVALID_FIELD_VALUE", field, f"{len(value)} of them")
    return list(value)


def _test(text: str) -> tuple[Callable[[float, float], bool], float]:
    """A constraint such as "le 20"."""
    words = text.split(" ")
    try:
        compare, (limit,) = _TESTS[words[0]], map(float, words[1:])
    except (KeyError, ValueError):
        raise FieldError("E_INVALID_FIELD_VALUE", "constraints", text[:64]) from None
    if not math.isfinite(limit):
        raise FieldError("E_INVALID_FIELD_VALUE", "constraints", text[:64])
    return compare, limit


class Costs:
    """Costs in the unit and mode asked for: `values`, a row for each source; None where there is
    none, or where a constraint is not met.
    """

    def __init__(self, rtt: Sequence[Floats], asked: AskedCosts) -> None:
        table = np.round(np.array(rtt) * asked.what.factor, 3)
        if asked.what.mode == "ordinal":
            known = np.unique(table[~np.isnan(table)])
            ranks = np.searchsorted(known, table) + 1
            table = np.where(np.isnan(table), np.nan, ranks)
        keep = ~np.isnan(table)
        for compare, limit in asked.tests:
            keep &= compare(table, limit)  # type: ignore[arg-type]
        whole = asked.what.mode == "ordinal"
        self.values: list[list[float | int | None]] = [
            [
                (int(value) if whole else value) if good else None
                for value, good in zip(row, fits, strict=True)
            ]
            for row, fits in zip(table.tolist(), keep.tolist(), strict=True)
        ]
