"""What selection keeps of an identifier and its record: one value for each coded column, and back.

A value is None where nothing is declared; equal facts give equal values, so that a column keeps
each only once (`columns.Dictionary`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from math import log2
from typing import Any, Final, NamedTuple

from csid.fields import BY_KEY
from gateway.systems.selection import prices

SEGMENTS: Final = ("owner", "industry", "location", "type", "class")
BUCKETS: Final = 64  # into which the values of a column fall, whose presence a block knows
_POOL: Final = "P"  # form of an identifier whose resource has several nodes
_HELD: Final = frozenset(
    {"nodes", "per_node", "meas", "src"}
)  # extra keys with columns of their own


EXTRA_BREAK: Final = "\x1f"  # between unknown keys; in no text


class Units(NamedTuple):
    """The nodes of a resource, which are taken to be alike: chips of one, how many, virtual
    processors and GiB of memory of all.
    """

    per_node: int | None
    nodes: int
    vcpu: float | None
    memory: float | None

    @property
    def node_vcpu(self) -> float | None:
        """Virtual processors of one node."""
        return None if self.vcpu is None else self.vcpu / self.nodes

    @property
    def node_memory(self) -> float | None:
        """GiB of memory of one node."""
        return None if self.memory is None else self.memory / self.nodes


class Coded(NamedTuple):
    """A coded column: into which bucket a value falls."""

    name: str
    bucket: Callable[[Any], int]


def _hashed(value: Any) -> int:
    return zlib.crc32(str(value).encode()) % BUCKETS


def _steps(low: float, each: float) -> Callable[[Any], int]:
    """Buckets by size: `each` of them for a doubling, from `low` on."""

    def bucket(value: Any) -> int:
        return min(BUCKETS - 1, max(0, int(log2(value / low) * each))) if value > 0 else 0

    return bucket


def _place(value: str) -> int:
    """Provinces apart from each other, so that what is near falls together."""
    if value[:2].isdigit():
        return (int(value[0]) * 8 - 8 + int(value[1])) % BUCKETS
    return _hashed(value)


def _speed(value: Any) -> int:
    """By what one card does: pools of the same cards fall together."""
    count, nominal = value
    return _hashed([(letter, gflops / (count or 1)) for letter, gflops in nominal])


def _cost(value: prices.Cost) -> int:
    return _steps(0.05, 6)(value.amount)


CODED: Final = (
    *(Coded(name, _place if name == "location" else _hashed) for name in SEGMENTS),
    Coded("chip", _hashed),
    Coded("count", _steps(1, 4)),
    Coded("chip_memory_gib", _steps(1, 6)),
    Coded("vcpu", _steps(1, 3)),
    Coded("memory_gib", _steps(1, 3)),
    Coded("bandwidth_gbps", _steps(1, 4)),
    Coded("fabric", _hashed),
    Coded("speed", _speed),
    Coded("measured", _hashed),
    Coded("money", _hashed),
    Coded("cost", _cost),
    Coded("green_share", lambda value: int(value * (BUCKETS - 1))),
    Coded("trust", int),
    Coded("validity", _hashed),
    Coded("units", _hashed),
    Coded("src", _hashed),
)
LIVE_CODED: Final = (Coded("health", _hashed), Coded("source", _hashed))


def values_of(segments: tuple[str, ...], facts: Mapping[str, Any]) -> list[Any]:
    """The value of each column of CODED.

    Args:
        segments: owner, industry, location, type and capability class of the identifier.
        facts: the canonical map of the record (`csid.record.Record.values`).
    """
    get = facts.get
    count, vcpu, source = get("ct"), get("vc"), get("src")
    per_node, nodes = _units(segments[3], facts)
    price = get("pr")
    money = None if price is None else (price, facts["cu"], facts["pu"])
    cost = None
    if money is not None:
        cost = prices.cost(*money, prices.Size(count, per_node, nodes, vcpu))
    chip = (get("ch") or "", segments[4][-2:])
    nominal = _pairs(get("fl"))
    measured = tuple((key, three_digits(one / (count or 1))) for key, one in _pairs(get("meas")))
    return [
        *segments,
        chip,
        count,
        get("cm"),
        vcpu,
        get("me"),
        get("bw"),
        get("fb"),
        (count, nominal) if nominal else None,
        measured or None,
        money,
        cost,
        get("gr"),
        get("tr"),
        (_day(get("vf")), _day(get("vu"))) if "vf" in facts or "vu" in facts else None,
        Units(per_node, nodes, vcpu, get("me")) if nodes else None,
        source if isinstance(source, str) else None,
    ]


def _units(type_: str, facts: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Chips of one node, and nodes; what is no pool is one node unless it says otherwise."""
    per_node, nodes = _whole(facts.get("per_node")), _whole(facts.get("nodes"))
    count = facts.get("ct")
    if per_node is None and nodes is None and type_[-1:] != _POOL:
        return count, 1
    if nodes is None and per_node and count:
        nodes = count // per_node
    if per_node is None and nodes and count:
        per_node = count // nodes
    return per_node, nodes


def _whole(value: Any) -> int | None:
    """An unknown key may hold anything."""
    return value if type(value) is int and value > 0 else None


def _pairs(value: Any) -> tuple[tuple[str, float], ...]:
    if not isinstance(value, dict):
        return ()
    return tuple((key, one) for key, one in value.items() if type(one) in (int, float) and one > 0)


def three_digits(value: float) -> float:
    """A measured figure as it is kept: its first three digits, never more than was told."""
    exact = Decimal(repr(value))
    kept = exact.adjusted() - 2
    return float(exact.scaleb(-kept).to_integral_value(ROUND_FLOOR).scaleb(kept))


def _day(value: Any) -> float | None:
    return None if value is None else float(date.fromisoformat(value).toordinal())


def texts_of(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Name, endpoints, and the unknown keys that have no column, as `Texts.put` takes them."""
    rest = [
        f"{key}={_text(value)}"
        for key, value in facts.items()
        if key not in BY_KEY and key not in _HELD and value is not None
    ]
    return (facts.get("nm", ""), " ".join(facts.get("ep", ())), EXTRA_BREAK.join(rest))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
