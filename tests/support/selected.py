"""An exhaustive ranking in plain Python, as `schemas/demand.md` has it: the engine is held to it.

It looks at every row, knows no columns, and reads records and statuses as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_FLOOR, Context, Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, NamedTuple

from csid import codes, shape
from csid.record import Record
from csid.status import Status
from gateway.systems.selection import conditions, expression
from gateway.systems.selection.demand import Demand

LETTER = {"bf16": "B", "fp16": "H", "fp32": "S", "fp64": "D", "fp8": "E", "int8": "N"}
GFLOPS = {f"{name}_{'gops' if name == 'int8' else 'gflops'}": key for name, key in LETTER.items()}
HOURS = {"hour": 1, "day": 24, "month": 730, "year": 8760}
WEIGHTS = {"fit": 20, "price": 25, "latency": 20, "green": 10, "trust": 10, "stability": 10}
WEIGHTS["freshness"] = 5


class Row(NamedTuple):
    identifier: str
    record: Record
    declared: dict[str, Any]  # fields of the identifier and the record
    statuses: tuple[Status, ...] = ()  # in the order in which they came


class Ranked(NamedTuple):
    identifier: str
    points: int


def rank(rows: list[Row], demand: Demand, now: int, rtt: Mapping[str, float]) -> list[Ranked]:
    """All that fit, the best first."""
    found = []
    for row in rows:
        facts = _facts(row, now, rtt)
        if row.record.state == "active" and _fits(facts, demand, now):
            found.append(Ranked(row.identifier, _score(facts, demand, now)))
    return sorted(found, key=lambda one: (-one.points, one.identifier))


def row_of(identifier: str, record: Record, statuses: tuple[Status, ...] = ()) -> Row:
    return Row(identifier, record, _declared(identifier, record), statuses)


def _facts(row: Row, now: int, rtt: Mapping[str, float]) -> dict[str, Any]:
    """All fields by their names; what is not told is missing."""
    found = dict(row.declared)
    if found["location"] in rtt:
        found["rtt"] = rtt[found["location"]]
    _status(row.statuses, now, found)
    return found


def _declared(identifier: str, record: Record) -> dict[str, Any]:
    _owner, _industry, _location, type_, spec = identifier.split("/")
    found: dict[str, Any] = {
        name: value
        for name, value in record.json().items()
        if name not in ("gflops", "extra", "endpoints", "price")
    }
    found |= dict(
        zip(("owner", "industry", "location", "type"), identifier.split("/"), strict=False)
    )
    found |= {"class": spec[:8], "family": spec[6:8]}
    extra = record.extra
    found |= {
        f"extra.{key}": str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in extra.items()
    }
    units = {key: value for key, value in extra.items() if key in ("per_node", "nodes")}
    if not units and type_[2] != "P":
        units = {"nodes": 1} | ({"per_node": record.count} if record.count else {})
    found |= units
    for name in ("vcpu", "memory_gib"):
        if name in found and "nodes" in units:
            found[f"node_{name}"] = found[name] / units["nodes"]
    for name, letter in GFLOPS.items():
        if letter in record.gflops:
            found[name] = record.gflops[letter]
            if record.count:
                found[f"card_{name}"] = record.gflops[letter] / record.count
        measured = dict(extra.get("meas", {})).get(letter)  # type: ignore[call-overload]
        if measured is not None:
            each = measured / (record.count or 1)
            digits = Context(prec=3, rounding=ROUND_FLOOR)
            found[f"measured_{name}"] = float(digits.create_decimal(repr(each)))
    for name in ("valid_from", "valid_until"):
        if name in found:
            found[name] = date.fromisoformat(found[name])
    _price(record, units, found)
    return found


def _price(record: Record, units: Mapping[str, Any], found: dict[str, Any]) -> None:
    if record.price is None or record.price_unit is None:
        return
    found["price"] = float(record.price)
    thing, _, time = record.price_unit.rpartition("-")
    per = "card" if record.count else "vcpu"
    number: Any = None
    if thing == "":
        number = record.count if record.count else record.vcpu
    elif thing == "node":
        if record.count:
            number = units.get("per_node")
        elif record.vcpu and units.get("nodes"):
            number = record.vcpu / units["nodes"]
    elif thing == per:
        number = 1
    if number and time in HOURS:
        amount = Fraction(record.price) / (HOURS[time] * Fraction(number))
        found |= {f"{per}_hour": float(amount), "cost_currency": record.currency}


def _status(statuses: tuple[Status, ...], now: int, found: dict[str, Any]) -> None:
    last, steady = None, 0
    for status in statuses:
        if last is not None and status.taken < last.taken:
            continue
        healthy = {"ok": 10_000, "degraded": 5_000}.get(status.told.health, 0)
        if last is None:
            steady = healthy
        elif status.taken > last.taken:
            steady += (healthy - steady) // 32
        last = status
    found["steady"] = steady
    if last is None or last.until <= now:
        return
    told = last.told
    found |= {"health": told.health, "source": last.source, "status": last}
    found["age"] = Decimal(now - last.taken) / 1000
    found["valid_for"] = Decimal(last.until - now) / 1000
    for kind, amount in told.free.items():
        if kind in ("chips", "vcpu", "memory_gib", "nodes"):
            found[f"free.{kind}"] = int(amount)
    if told.load is not None:
        found["load"] = Decimal(-int(-told.load * 10_000 // 1)) / 10_000


def _fits(facts: dict[str, Any], demand: Demand, now: int) -> bool:
    cards = demand.cards or (demand.per_node or 0) * (demand.nodes or 1)
    spread = demand.pools > 1
    nodes = _nodes(demand, cards)
    loose = bool(cards) and not _block(demand, cards)
    each = (1 / cards if loose else 1) if spread else nodes
    node = "" if loose else "node_"
    of_node = each if loose else 1
    today = datetime.fromtimestamp(now / 1000, UTC).date()

    def least(name: str, asked: float | None) -> bool:
        return not asked or (name in facts and facts[name] >= asked)

    size = _block(demand, cards)
    tests = [
        all(a in ("?", b) for a, b in zip(demand.type, facts["type"], strict=False)),
        not demand.chips or any(_is_chip(facts, name) for name in demand.chips),
        least("chip_memory_gib", demand.chip_memory),
        least("count", (1 if spread else cards) if cards else None),
        not (size and cards) or least("per_node", size),
        not size or _has_room(facts, demand, size, bool(cards), 1 if spread else nodes),
        bool(size) or least("nodes", demand.nodes),
        least(f"{node}vcpu", demand.vcpu and demand.vcpu * of_node),
        least(f"{node}memory_gib", demand.memory and demand.memory * of_node),
        demand.green is None or ("green_share" in facts and facts["green_share"] >= demand.green),
        least("trust", demand.trust),
        facts.get("valid_until", date.max) >= max(today, demand.valid_until or today),
        facts.get("valid_from", today) <= today,
        demand.gbps is None or "rtt" in facts,
        demand.rtt is None or ("rtt" in facts and facts["rtt"] <= demand.rtt),
    ]
    if demand.pflops and demand.precision:
        tests.append(least(*_performance(demand, cards)))
    if demand.price:
        per, currency, limit = _limit(demand.price)
        tests.append(facts.get(f"{per}_hour", float("inf")) <= limit)
        tests.append(facts.get("cost_currency") == currency)
    if demand.where:
        text = demand.where
        parsed = conditions.json(expression.parse(text)) if isinstance(text, str) else text
        tests.append(_holds(parsed, facts))
    if demand.free:
        tests.append(_is_free(facts, demand, cards, size, each))
    return all(tests)


def _has_room(facts: dict[str, Any], demand: Demand, size: int, chips: bool, number: int) -> bool:
    """Whether there are so many blocks of a size, were all nodes free: as many on each node as its
    memory is enough for, and, beside chips, its virtual processors.
    """
    if chips and number == 1:
        return True  # per_node says so
    nodes = facts.get("nodes", 0)
    each = facts.get("per_node", 0) if chips else int(facts.get("vcpu", 0) / nodes) if nodes else 0
    blocks = each // size
    if demand.memory:
        blocks = min(blocks, int(facts.get("node_memory_gib", 0) // demand.memory))
    if demand.vcpu and chips:
        blocks = min(blocks, int(facts.get("node_vcpu", 0) // demand.vcpu))
    return blocks * nodes >= number


def _nodes(demand: Demand, cards: int) -> int:
    """Nodes asked for, or as many as the cards of each make necessary."""
    size = _block(demand, cards)
    return cards // size if size and cards else demand.nodes or 1


def _block(demand: Demand, cards: int) -> int:
    """Chips (or virtual processors, where no cards are asked for) of one node; 0: as it comes."""
    if demand.per_node:
        return demand.per_node
    if demand.cards and demand.nodes:
        return demand.cards // demand.nodes
    if demand.vcpu and not cards:
        return int(-(-Fraction(demand.vcpu) // 1))
    return 0


def _is_free(facts: dict[str, Any], demand: Demand, cards: int, size: int, each: int) -> bool:
    status = facts.get("status")
    if status is None or facts["health"] not in ("ok", "degraded"):
        return False
    if demand.age is not None and facts["age"] > Decimal(repr(demand.age)):
        return False
    free = status.told.free
    if size:
        units = dict(shape.read(free))
        kind = "nodes" if units else "vcpu"
        units = units or dict(shape.read(free, shape.VCPU))
        asked = 1 if demand.pools > 1 else _nodes(demand, cards)
        blocks = sum(min(n, 65535) // size * min(count, 65535) for n, count in units.items())
        if kind != ("nodes" if cards else "vcpu") or blocks < asked:
            return False
    elif (cards and facts.get("free.chips", 0) < (1 if demand.pools > 1 else cards)) or (
        not (size or cards or demand.memory or demand.vcpu) and not _something(facts, demand)
    ):
        return False
    if demand.memory and facts.get("free.memory_gib", 0) < demand.memory * each:
        return False
    return not (demand.vcpu and cards and facts.get("free.vcpu", 0) < demand.vcpu * each)


def _something(facts: dict[str, Any], demand: Demand) -> bool:
    """Whether anything of it is free."""
    chips, vcpu = facts.get("free.chips"), facts.get("free.vcpu")
    if demand.chips or demand.chip_memory or demand.precision:
        return bool(chips)
    if chips is None and vcpu is None:
        return facts.get("load") is not None and facts["load"] < 1
    return bool(chips) or bool(vcpu)


def _performance(demand: Demand, cards: int) -> tuple[str, float]:
    assert demand.precision is not None
    name = f"{demand.precision}_{'gops' if demand.precision == 'int8' else 'gflops'}"
    whole = Fraction(demand.pflops or 0) * 10**6
    each = "measured" if demand.measured else "card"
    return (f"{each}_{name}", float(whole / cards)) if cards else (name, float(whole))


def _limit(text: str) -> tuple[str, str, float]:
    """AMOUNT/UNIT as the demands of the tests have it."""
    amount, _, unit = text.partition("/")
    currency = "USD" if amount.startswith("$") else "CNY"
    per, hours = {"卡时": ("card", 1), "核时": ("vcpu", 1), "卡天": ("card", 24)}.get(
        unit, ("vcpu", 1)
    )
    return per, currency, float(Fraction(amount.removeprefix("$")) / hours)


# What names stand for, as the tests ask for them.
_CHIP_NAMES: dict[str, tuple[str, ...]] = {
    "昇腾": ("A1",),
    "NVIDIA": tuple(f"N{n}" for n in range(8)),
    "英伟达": tuple(f"N{n}" for n in range(8)),
    "寒武纪": ("C1",),
    "海光": ("H1",),
}


def _is_chip(facts: dict[str, Any], name: str) -> bool:
    if name in _CHIP_NAMES:
        return facts["family"] in _CHIP_NAMES[name]
    assert name not in codes.chip_families()
    return name in str(facts.get("chip", "")).split()


def _holds(condition: Any, facts: dict[str, Any]) -> bool:
    if "all" in condition:
        return all(_holds(one, facts) for one in condition["all"])
    if "any" in condition:
        return any(_holds(one, facts) for one in condition["any"])
    if "not" in condition:
        return not _holds(condition["not"], facts)
    value, wanted = facts.get(condition["field"]), condition["value"]
    if value is None:
        return False
    return _compare(condition["op"], value, wanted)


def _compare(operator: str, value: Any, wanted: Any) -> bool:
    if isinstance(value, str):
        value = value.casefold()
        wanted = [x.casefold() for x in wanted] if isinstance(wanted, list) else wanted.casefold()
    elif isinstance(value, date):
        days = [
            x and date.fromisoformat(x) for x in (wanted if isinstance(wanted, list) else [wanted])
        ]
        wanted = days if isinstance(wanted, list) else days[0]
    elif isinstance(value, Decimal):
        exact = [
            x if x is None else Decimal(repr(x))
            for x in (wanted if isinstance(wanted, list) else [wanted])
        ]
        wanted = exact if isinstance(wanted, list) else exact[0]
    if operator == "in":
        return value in wanted
    if operator == "range":
        low, high = wanted
        return (low is None or value >= low) and (high is None or value <= high)
    if operator == "contains":
        return wanted in value
    if operator == "like":
        return fnmatchcase(value, wanted)
    return {
        "=": value == wanted,
        "<": value < wanted,
        "<=": value <= wanted,
        ">": value > wanted,
        ">=": value >= wanted,
    }[operator]


def _score(facts: dict[str, Any], demand: Demand, now: int) -> int:
    weights: Mapping[str, int] = WEIGHTS if demand.weights is None else demand.weights  # type: ignore[assignment]
    return sum(
        weight * part
        for name, weight in weights.items()
        for part in _parts(name, facts, demand, now)
    )


def _parts(name: str, facts: dict[str, Any], demand: Demand, now: int) -> list[int]:
    if name == "fit":
        return _fit(facts, demand)
    if name == "green":
        return [int(facts.get("green_share", 0.0) * 1e6)]
    if name == "trust":
        return [(facts.get("trust", 1) - 1) * 250_000]
    if name == "stability":
        return [facts["steady"] * 100]
    if name == "freshness":
        status = facts.get("status")
        if status is None:
            return [0]
        return [max(0, min(300_000, 300_000 - (now - status.taken))) * 1_000_000 // 300_000]
    if name == "latency":
        half = demand.rtt or 20.0
        return [int(half * 1e6 / (half + facts["rtt"]))] if demand.near and "rtt" in facts else [0]
    per, currency, limit = _limit(demand.price) if demand.price else ("", "CNY", 0.0)
    points = 0
    for one, usual in (("card", 10.0), ("vcpu", 0.1)):
        if per in ("", one) and f"{one}_hour" in facts and facts["cost_currency"] == currency:
            half = limit or usual
            points = int(half * 1e6 / (half + facts[f"{one}_hour"]))
    return [points]


def _fit(facts: dict[str, Any], demand: Demand) -> list[int]:
    cards = demand.cards or (demand.per_node or 0) * (demand.nodes or 1)
    asked: dict[str, float] = {}
    if demand.chip_memory:
        asked["chip_memory_gib"] = demand.chip_memory
    if demand.pflops:
        name, gflops = _performance(demand, cards)
        asked[name] = gflops
    if cards and _block(demand, cards):
        asked["per_node"] = _block(demand, cards)
    if not cards:
        if demand.vcpu:
            asked["vcpu"] = demand.vcpu * (demand.nodes or 1)
        if demand.memory:
            asked["memory_gib"] = demand.memory * (demand.nodes or 1)
    return [
        min(1_000_000, int(wanted * 1e6 / facts[name])) // len(asked) if name in facts else 0
        for name, wanted in asked.items()
    ]
