"""A supply as a country might have it, and demands of all kinds for it; the same from one seed.

3,000 places, of which the largest have most; 400 owners with one to 40 data centres, each with its
share of green power and its level of trust; 60 chips; pools of 1 to 500 nodes with a price around
that of their chip. Nine in ten have a status, which is up to a minute old and holds for 90 seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from csid import codes, shape
from csid.capability import encode
from csid.record import Record
from csid.status import Status, Told
from gateway.systems.selection.demand import Demand

NOW: Final = 1_800_000_000_000
PLACES: Final = 3_000
OWNERS: Final = 400
VALID: Final = 90_000
# family, model, GiB, FP16 TFLOPS, CNY a card and hour, cards of a node, share
_CHIPS: Final = (
    ("A1", "Ascend 910B", 64, 320, 6.5, 8, 9),
    ("A1", "Ascend 910C", 128, 780, 14, 16, 4),
    ("A1", "Ascend 310P", 24, 70, 1.2, 4, 3),
    ("A1", "Ascend 910", 32, 256, 3.8, 8, 2),
    ("N6", "NVIDIA H800", 80, 990, 16, 8, 6),
    ("N6", "NVIDIA H100", 80, 990, 18, 8, 4),
    ("N6", "NVIDIA H20", 96, 148, 8, 8, 6),
    ("N6", "NVIDIA H200", 141, 990, 24, 8, 2),
    ("N4", "NVIDIA A100", 80, 312, 9, 8, 6),
    ("N4", "NVIDIA A800", 80, 312, 8.5, 8, 6),
    ("N4", "NVIDIA A10", 24, 125, 2.4, 4, 4),
    ("N4", "NVIDIA RTX 3090", 24, 71, 1.6, 8, 4),
    ("N5", "NVIDIA RTX 4090", 24, 165, 2.2, 8, 9),
    ("N5", "NVIDIA L40S", 48, 362, 5.5, 8, 4),
    ("N5", "NVIDIA L20", 48, 119, 4, 8, 4),
    ("N3", "NVIDIA T4", 16, 65, 1, 4, 5),
    ("N2", "NVIDIA V100", 32, 125, 2.6, 8, 4),
    ("N7", "NVIDIA B200", 180, 2250, 34, 8, 1),
    ("C1", "MLU370", 24, 96, 2, 8, 3),
    ("C1", "MLU590", 80, 314, 7, 8, 3),
    ("H1", "K100", 64, 196, 4.5, 8, 3),
    ("H1", "Z100", 32, 49, 2, 4, 2),
    ("K1", "P800", 64, 345, 6, 8, 2),
    ("K1", "R200", 16, 128, 2, 8, 1),
    ("M1", "C500", 64, 240, 5.5, 8, 2),
    ("M2", "S4000", 48, 100, 3, 8, 2),
    ("B1", "BR106", 32, 192, 3.5, 8, 1),
    ("E1", "S60", 48, 196, 3.5, 8, 1),
    ("I1", "BI-V150", 64, 192, 4, 8, 1),
    ("D4", "Instinct MI300X", 192, 1307, 20, 8, 1),
    ("D3", "Instinct MI250X", 128, 383, 11, 8, 1),
    ("F1", "Alveo U250", 64, 1, 2, 2, 1),
)
_CPUS: Final = (("X6", "x86-64", 0.12), ("R8", "Kunpeng 920", 0.09), ("R8", "ARM64", 0.1))
_CPUS_OF_ALL: Final = 0.25
_FABRICS: Final = ("RoCE v2", "IB", "Ethernet", "HCCS")


class Row(NamedTuple):
    identifier: str
    record: Record
    status: Status | None


class _Centre(NamedTuple):
    owner: str
    location: str
    green: float
    trust: int
    dear: float
    fabric: str


def places(random: Random) -> list[str]:
    """Division codes in force, in random order."""
    table = codes.divisions()
    found = [code for code in table if table.last(code).end == codes.NEVER]
    return random.sample(found, PLACES)


def rows(count: int, seed: int = 1) -> Iterator[Row]:
    """So many resources."""
    random = Random(seed)
    centres = _centres(random)
    chips = random.choices(_CHIPS, [one[-1] for one in _CHIPS], k=count)
    shares = [1 / (1 + n) ** 0.7 for n in range(len(centres))]
    at = random.choices(centres, shares, k=count)
    for number, (chip, centre) in enumerate(zip(chips, at, strict=True)):
        if random.random() < _CPUS_OF_ALL:
            yield _general(random, number, centre)
        else:
            yield _accelerated(random, number, centre, chip)


def _centres(random: Random) -> list[_Centre]:
    found, known = [], places(random)
    popular = [1 / (1 + n) ** 0.6 for n in range(len(known))]
    for number in range(OWNERS):
        owner, dear = f"X{number:016d}0", random.uniform(0.75, 1.5)
        for location in random.choices(known, popular, k=random.randint(1, 40)):
            green, trust = round(random.uniform(0.1, 1), 2), random.randint(1, 5)
            found.append(_Centre(owner, location, green, trust, dear, random.choice(_FABRICS)))
    random.shuffle(found)
    return found


def _accelerated(random: Random, number: int, centre: _Centre, chip: Any) -> Row:
    family, model, memory, tflops, price, per_node, _share = chip
    nodes = min(500, int(random.paretovariate(0.9)))
    per_node = random.choice((per_node, per_node, per_node, max(1, per_node // 2)))
    count = nodes * per_node
    amount = price * centre.dear * random.uniform(0.92, 1.08)
    unit = random.choices(("card-hour", "hour", "month"), (90, 7, 3))[0]
    amount *= {"card-hour": 1, "hour": count, "month": 730 * count}[unit]
    vector = {"H": float(tflops * 1000 * count)}
    if tflops > 100:
        vector = {"B": vector["H"], **vector}
    values = {
        "bw": random.choice((25, 100, 200, 400)),
        "ch": model,
        "cm": memory,
        "ct": count,
        "cu": "CNY",
        "fb": centre.fabric,
        "fl": vector,
        "gr": centre.green,
        "me": nodes * per_node * 128,
        "nm": f"pool {number:07d} {model}",
        "nodes": nodes,
        "per_node": per_node,
        "pr": f"{amount:.2f}",
        "pu": unit,
        "st": "active",
        "tr": centre.trust,
        "vc": nodes * per_node * 16,
    }
    if random.random() < 0.3:
        values["meas"] = {"H": round(vector["H"] * random.uniform(0.4, 0.8))}
    place = f"{centre.owner}/6450/{centre.location}/A{random.choice('CCCE')}P"
    class_ = encode("H", min(vector["H"], 7e9), memory * count, family)
    record = Record.of_values(dict(sorted(values.items())))
    free = [min(per_node, random.choice((0, 0, 1, 2, 4, 8, 16))) for _ in range(min(nodes, 40))]
    return Row(f"{place}/{class_}-{number:07d}-AA", record, _status(random, free, per_node, nodes))


def _general(random: Random, number: int, centre: _Centre) -> Row:
    family, model, price = random.choice(_CPUS)
    nodes, each = (
        min(500, int(random.paretovariate(0.8))),
        random.choice((2, 4, 8, 32, 64, 96, 128)),
    )
    amount = price * centre.dear * random.uniform(0.9, 1.1)
    values = {
        "bw": random.choice((10, 25, 100)),
        "ch": model,
        "cu": "CNY",
        "fb": "Ethernet",
        "gr": centre.green,
        "me": nodes * each * random.choice((2, 4, 8)),
        "nm": f"pool {number:07d}",
        "nodes": nodes,
        "pr": f"{amount:.3f}",
        "pu": "vcpu-hour",
        "st": "active",
        "tr": centre.trust,
        "vc": nodes * each,
    }
    place = f"{centre.owner}/6450/{centre.location}/G{random.choice('CCE')}P"
    class_ = encode("G", nodes * each, values["me"], family)
    free = [random.randint(0, each) for _ in range(min(nodes, 20))]
    status = _status(random, free, each, nodes, shape.VCPU)
    return Row(f"{place}/{class_}-{number:07d}-AA", Record.of_values(values), status)


def _status(
    random: Random, free: list[int], most: int, nodes: int, kind: str = shape.NODES
) -> Status | None:
    if random.random() < 0.1:
        return None
    taken = NOW - random.randint(0, 60_000) - (60_000 if random.random() < 0.05 else 0)
    total = {"chips" if kind == shape.NODES else "vcpu": sum(free), "nodes": sum(map(bool, free))}
    health = random.choices(("ok", "degraded", "failed"), (95, 3, 2))[0]
    load = round(1 - sum(free) / (most * len(free)), 3)
    told = Told(health, load, {**total, **shape.write(free, kind)}, "")  # type: ignore[arg-type]
    return Status(taken, taken + VALID, "gw1", 1, told)


def latencies(locations: list[str], near: str) -> NDArray[np.float64]:
    """Milliseconds from a place to others: less within a prefecture and a province."""
    random = Random(near)
    found = []
    for one in locations:
        alike = next(n for n in (6, 4, 2, 0) if one[:n] == near[:n])
        low, high = {6: (0.2, 0.8), 4: (0.5, 2), 2: (1, 7), 0: (5, 60)}[alike]
        found.append(round(random.uniform(low, high), 2))
    return np.array(found)


def demands(count: int, locations: list[str], seed: int = 2) -> Iterator[Demand]:
    """Demands with five conditions each besides validity, and of every selectivity: some fit nearly
    everything, some nothing.
    """
    random = Random(seed)
    kinds = (_training, _inference, _general_demand, _anything, _nothing)
    for _ in range(count):
        yield random.choices(kinds, (35, 25, 15, 20, 5))[0](random, locations)


def _weights(random: Random) -> Any:
    if random.random() < 0.6:
        return None
    names = ("fit", "price", "latency", "green", "trust", "stability", "freshness")
    return {name: random.randint(1, 50) for name in random.sample(names, random.randint(1, 6))}


def _training(random: Random, locations: list[str]) -> Demand:
    names = ("H800", "910B", "昇腾", "NVIDIA", "A100", "H20", "寒武纪", "910C", "英伟达", "海光")
    per_node = random.choice((4, 8, 8))
    return Demand(
        type="A",
        chips=tuple(random.sample(names, random.randint(1, 3))),
        per_node=per_node,
        nodes=random.choice((1, 1, 2, 4, 8)),
        chip_memory=random.choice((24, 32, 64, 80)),
        memory=random.choice((None, 64, 1024)),
        price=f"{random.choice((5, 8, 12, 20, 30))}/卡时",
        free=random.random() < 0.7,
        weights=_weights(random),
    )


def _inference(random: Random, locations: list[str]) -> Demand:
    return Demand(
        type="A",
        cards=random.choice((1, 2, 4)),
        precision="fp16",
        pflops=random.choice((0.05, 0.1, 0.3)),
        near=random.choice(locations),
        rtt=random.choice((1, 5, 20)),
        green=random.choice((0.2, 0.5, 0.8)),
        free=True,
        weights=_weights(random),
    )


def _general_demand(random: Random, locations: list[str]) -> Demand:
    return Demand(
        type="G",
        vcpu=random.choice((2, 8, 32, 64)),
        nodes=random.choice((1, 1, 3)),
        memory=random.choice((8, 64, 256)),
        trust=random.choice((2, 3, 4)),
        price=random.choice(("0.1/核时", "0.2/核时", "0.15/vcpu-hour")),
        free=random.random() < 0.5,
        weights=_weights(random),
    )


def _anything(random: Random, locations: list[str]) -> Demand:
    """Hardly a condition that keeps anything away."""
    return Demand(
        where="(fabric contains o or fabric like *e* or fabric = IB or count >= 1)",
        trust=random.choice((1, 1, 2)),
        green=random.choice((0.0, 0.1, 0.3)),
        type=random.choice(("??P", "??P", "A??")),
        price=random.choice(("60/卡时", "100/卡时")) if random.random() < 0.5 else "",
        weights=_weights(random),
    )


def _nothing(random: Random, locations: list[str]) -> Demand:
    return Demand(
        type="A",
        chips=("H200", "B200"),
        price=f"{random.choice((1, 2, 3))}/卡时",
        chip_memory=80,
        trust=5,
        green=0.9,
        free=True,
    )
