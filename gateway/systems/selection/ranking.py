"""The score: a sum of weighted parts in whole numbers, so that it is the same to the last bit
wherever it is worked out. `schemas/demand.md` states each part.

A part is 0 to ONE and goes with its column one way only, so that a block's best can be told from
what the block has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection import prices
from gateway.systems.selection.checks import Maker
from gateway.systems.selection.columns import Columns
from gateway.systems.selection.demand import (
    FIT,
    FRESHNESS,
    GREEN,
    LATENCY,
    PRICE,
    STABILITY,
    TRUST,
    WEIGHTS,
    Demand,
    performance_of,
)
from gateway.systems.selection.fields import FIELDS

ONE: Final = 1_000_000  # the best a part can be
WINDOW: Final = 300_000  # milliseconds until a status is as old as can be
STABILITY_STEP: Final = ONE // 10_000
PRICE_HALF: Final = {prices.CARD: 10.0, prices.VCPU: 0.1}  # CNY an hour, where nothing is asked
RTT_HALF: Final = 20.0  # milliseconds
BY_TABLE, BY_TAKEN, BY_STABILITY = range(3)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the score.

    Attributes:
        kind: BY_TABLE: of a coded column; BY_TAKEN, BY_STABILITY: of the live one.
        points: of each code, 0 to ONE.
    """

    name: str
    weight: int
    kind: int
    column: str
    points: NDArray[np.int32]


_NO_POINTS: Final = np.zeros(0, np.int32)


def parts(demand: Demand, maker: Maker) -> list[Part]:
    """The parts that are not the same for all, the weightiest first."""
    found = []
    for name, weight in (WEIGHTS if demand.weights is None else demand.weights).items():
        if weight:
            found += [
                Part(name, weight, kind, column, points)
                for kind, column, points in _MADE[name](demand, maker)
            ]
    return sorted(found, key=lambda part: -part.weight)


_Made = Iterator[tuple[int, str, NDArray[np.int32]]]


def _numbers(columns: Columns, name: str) -> tuple[str, NDArray[np.float64]]:
    """The values of a field, without end where nothing is told: divided by that, all is nothing."""
    field = FIELDS[name]
    dictionary = columns.dictionaries[field.column]

    def told(value: Any) -> float:
        found = field.of(value)
        return inf if found is None else found

    return field.column, dictionary.numbers(("ranked", name), told, inf)


def asked(demand: Demand) -> dict[str, float]:
    """The quantities that fit is about: field → what is asked."""
    found: dict[str, float] = {}
    if demand.chip_memory:
        found["chip_memory_gib"] = demand.chip_memory
    if performance := performance_of(demand):
        found[performance.field] = performance.gflops
    blocks = demand.blocks
    if blocks is not None and blocks.chips:
        found["per_node"] = float(blocks.size)
    if demand.vcpu and not demand.cards_asked:
        found["vcpu"] = demand.vcpu * demand.nodes_asked
    if demand.memory and not demand.cards_asked:
        found["memory_gib"] = demand.memory * demand.nodes_asked
    return found


def _fit(demand: Demand, maker: Maker) -> _Made:
    quantities = asked(demand)
    for name, wanted in quantities.items():
        column, offered = _numbers(maker.columns, name)
        points = np.minimum(wanted * ONE / offered, ONE).astype(np.int32)
        yield BY_TABLE, column, points // np.int32(len(quantities))


def _price(demand: Demand, maker: Maker) -> _Made:
    """Half of the points at the limit, or at PRICE_HALF."""
    limit = prices.limit(demand.price) if demand.price else None
    currency = limit.currency if limit else prices.CURRENCY
    dictionary = maker.columns.dictionaries["cost"]
    points = np.zeros(0, np.int32)
    for per in (limit.per,) if limit else prices.PER:

        def amount(cost: prices.Cost, per: str = per) -> float:
            return cost.amount if (cost.currency, cost.per) == (currency, per) else inf

        amounts = dictionary.numbers(("amount", currency, per), amount, inf)
        found = _halved(limit.amount if limit and limit.amount else PRICE_HALF[per], amounts)
        points = points + found if len(points) else found
    yield BY_TABLE, "cost", points


def _latency(demand: Demand, maker: Maker) -> _Made:
    if demand.near:
        latencies = maker.latencies()
        latencies[np.isnan(latencies)] = inf
        yield BY_TABLE, "location", _halved(demand.rtt or RTT_HALF, latencies)


def _halved(half: float, values: NDArray[np.float64]) -> NDArray[np.int32]:
    """ONE at nothing, half of it at `half`, and ever less."""
    return (half * ONE / (half + values)).astype(np.int32)


def _green(demand: Demand, maker: Maker) -> _Made:
    dictionary = maker.columns.dictionaries["green_share"]
    points = dictionary.numbers(("points", "green"), lambda share: share * ONE, 0.0)
    yield BY_TABLE, "green_share", points.astype(np.int32)


def _trust(demand: Demand, maker: Maker) -> _Made:
    dictionary = maker.columns.dictionaries["trust"]
    points = dictionary.numbers(("points", "trust"), lambda level: (level - 1) * (ONE // 4), 0.0)
    yield BY_TABLE, "trust", points.astype(np.int32)


def _stability(demand: Demand, maker: Maker) -> _Made:
    yield BY_STABILITY, "stability", _NO_POINTS


def _freshness(demand: Demand, maker: Maker) -> _Made:
    yield BY_TAKEN, "taken", _NO_POINTS


_MADE: Final = dict(
    zip(
        (FIT, PRICE, LATENCY, GREEN, TRUST, STABILITY, FRESHNESS),
        (_fit, _price, _latency, _green, _trust, _stability, _freshness),
        strict=True,
    )
)


def points_of(part: Part, columns: Columns, rows: NDArray[np.int64], now: int) -> NDArray[np.int64]:
    """What a part gives each of some rows, without its weight."""
    if part.kind == BY_TABLE:
        return part.points[columns.codes[part.column][rows]].astype(np.int64)
    if part.kind == BY_STABILITY:
        return columns.live["stability"][rows].astype(np.int64) * STABILITY_STEP
    return freshness(columns.live["taken"][rows], columns.live["until"][rows], now)


def freshness(taken: NDArray[np.int64], until: NDArray[np.int64], now: int) -> NDArray[np.int64]:
    """ONE for a status of this moment, 0 for one of WINDOW ago or one that does not hold."""
    left = np.clip(WINDOW - (now - taken), 0, WINDOW) * ONE // WINDOW
    return np.where(until > now, left, 0)
