"""A demand for compute (需求): an object that can be kept, matched again and handed on.

`schemas/demand.md` describes it, `schemas/demand-v1.json` is its JSON Schema. What it asks becomes
named conditions (`conditions_of`), each of which can be told apart where nothing fits.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from csid.errors import CsidError
from csid.fields import PRECISIONS
from gateway.systems.selection import conditions, expression, prices
from gateway.systems.selection.conditions import IS, LIKE, All, Condition, Either, Not, leaf
from gateway.systems.selection.fields import LETTERS
from gateway.systems.selection.paths.lines import GBPS_MAX
from gateway.systems.selection.paths.places import UnknownPlaceError, location_of

TOP: Final = 10
TOP_MAX: Final = 1_000
ANY_MS: Final = 10**9  # which no way takes: there is one
WEIGHT_MAX: Final = 1_000
FIT, PRICE, LATENCY, GREEN, TRUST, STABILITY, FRESHNESS = PARTS = (
    "fit",
    "price",
    "latency",
    "green",
    "trust",
    "stability",
    "freshness",
)
WEIGHTS: Final = dict(zip(PARTS, (20, 25, 20, 10, 10, 10, 5), strict=True))
GFLOPS_OF_PFLOPS: Final = 10**6

Count = Annotated[int, msgspec.Meta(ge=1, le=10**7)]
PerNode = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Amount = Annotated[float, msgspec.Meta(gt=0, le=10**9)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Weight = Annotated[int, msgspec.Meta(ge=0, le=WEIGHT_MAX)]
Precision = Literal["bf16", "fp16", "fp32", "fp64", "fp8", "int8"]
Part = Literal["fit", "price", "latency", "green", "trust", "stability", "freshness"]


class DemandError(CsidError):
    """What is no demand; the message says which part of it, and what was expected."""


class Demand(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is asked for. All that is left out is not asked.

    Attributes:
        cards: chips in all.
        per_node: chips on one node.
        nodes: nodes with as many chips (per_node), or virtual processors (vcpu), each.
        vcpu: virtual processors on each node; of cards that may lie anywhere, with all of them.
        memory: GiB of main memory, likewise.
        chip_memory: GiB of one chip.
        precision: of the performance.
        pflops: PFLOPS (of int8 POPS) of all cards together; where no cards are asked for, of the
            resource.
        measured: the performance is to be measured, not nominal.
        chips: models, families or vendors, one of them.
        type: three letters, or as many as matter; `?` for any.
        price: at most, such as `12/卡时`.
        green: share of green power, at least.
        trust: level of protection, at least.
        valid_until: the resource is to be valid on that day.
        near: where the data is: a location.
        rtt: round trip to there in milliseconds, at most.
        gbps: bandwidth to there over dedicated lines in Gbit/s, at least; `rtt`, and the latency of
            the score, are then of the quickest way over such lines.
        free: it is to be had now, as a status says that holds.
        age: of the status in seconds, at most.
        pools: over how many pools it may be spread.
        where: further conditions, as text or as JSON.
        weights: of the parts of the score, in place of the usual ones; what is left out has 0.
        top: how many are wanted.
    """

    cards: Count | None = None
    per_node: PerNode | None = None
    nodes: Count | None = None
    vcpu: Annotated[float, msgspec.Meta(gt=0, le=65_535)] | None = None
    memory: Amount | None = None
    chip_memory: Amount | None = None
    precision: Precision | None = None
    pflops: Amount | None = None
    measured: bool = False
    chips: Annotated[tuple[Name, ...], msgspec.Meta(max_length=32)] = ()
    type: Annotated[str, msgspec.Meta(pattern="^[A-Z?]{0,3}$")] = ""
    price: Annotated[str, msgspec.Meta(max_length=60)] = ""
    green: Share | None = None
    trust: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    valid_until: date | None = None
    near: Annotated[str, msgspec.Meta(pattern="^([0-9]{6}|[A-Z]{2}[A-Z2-9]{3})?$")] = ""
    rtt: Annotated[float, msgspec.Meta(ge=0, le=10_000)] | None = None
    gbps: Annotated[float, msgspec.Meta(gt=0, le=GBPS_MAX)] | None = None
    free: bool = False
    age: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    pools: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    where: str | dict[str, Any] = ""
    weights: dict[Part, Weight] | None = None
    top: Annotated[int, msgspec.Meta(ge=1, le=TOP_MAX)] = TOP

    def __post_init__(self) -> None:
        if (self.precision is None) != (self.pflops is None):
            raise ValueError("precision and pflops are asked for together")
        if self.measured and not (self.pflops and self.cards_asked):
            raise ValueError("measured: performance is measured per card: ask for pflops and cards")
        if self.rtt is not None and not self.near:
            raise ValueError("rtt: say from where: near")
        if self.gbps is not None and not self.near:
            raise ValueError("gbps: say from where: near")
        if self.age is not None and not self.free:
            raise ValueError("age is that of the status: ask for free as well")
        if self.pools > 1 and not (self.free and (self.blocks or self.cards)):
            raise ValueError("pools: only what is free now, and counted, is spread: free and cards")
        if self.type[-1:] == "\n" or self.near[-1:] == "\n":  # which a pattern lets through
            raise ValueError("type, near: a line break at the end")
        if self.weights is not None and not any(self.weights.values()):
            raise ValueError("weights: one of them must be above 0")
        if self.cards and self.per_node and self.cards % self.per_node:
            raise ValueError(f"cards: {self.cards} are no whole nodes of {self.per_node}")
        if self.cards and self.nodes:
            per_node, rest = divmod(self.cards, self.nodes)
            if rest or (self.per_node or per_node) != per_node:
                raise ValueError("cards are to be per_node times nodes")

    @property
    def blocks(self) -> Blocks | None:
        """The blocks that are asked for, each within one node; None where none are."""
        if self.per_node or (self.cards and self.nodes):
            size = self.per_node or self.cards_asked // (self.nodes or 1)
            return Blocks(True, size, self.cards_asked // size)
        if self.vcpu and not self.cards:
            return Blocks(False, -int(-self.vcpu // 1), self.nodes or 1)
        return None

    @property
    def is_loose(self) -> bool:
        """Cards are asked for that may lie on any nodes."""
        return bool(self.cards) and self.blocks is None

    @property
    def nodes_asked(self) -> int:
        """Nodes that are asked for, or follow from the cards of each; 1 where neither is."""
        return self.blocks.number if self.blocks else self.nodes or 1

    @property
    def cards_asked(self) -> int:
        """Chips in all; 0 where none are asked for."""
        return self.cards or (self.per_node or 0) * (self.nodes or 1)


class Blocks(NamedTuple):
    """So many blocks of a size, in chips or virtual processors, each within one node, free now."""

    chips: bool
    size: int
    number: int


class Room(NamedTuple):
    """The same, were all nodes free; each block with so much of its node's vcpu and GiB besides."""

    chips: bool
    size: int
    number: int
    vcpu: float = 0
    memory: float = 0


class Named(NamedTuple):
    """A condition of a demand; by its name it is told what it keeps away. What is `now` may hold
    at another moment: it is about what is free.
    """

    name: str
    condition: Condition | Blocks | Room
    now: bool = False


def of_json(value: object) -> Demand:
    """A demand from its JSON form.

    Raises:
        DemandError: it is none.
    """
    try:
        demand = msgspec.convert(value, Demand)
        conditions_of(demand, 0)
    except msgspec.ValidationError as error:
        raise DemandError(str(error)) from None
    return demand


def conditions_of(demand: Demand, now: int) -> list[Named]:
    """What a demand asks, at a time in Unix milliseconds, part by part.

    Raises:
        DemandError: a part of it cannot be understood.
    """
    try:
        if demand.near:
            location_of(demand.near)
        return [*_of_kind(demand), *_of_size(demand), *_of_terms(demand, now), *_of_now(demand)]
    except conditions.ConditionError as error:
        raise DemandError(f"where: {error}") from None
    except prices.PriceError as error:
        raise DemandError(f"price: {error}") from None
    except UnknownPlaceError as error:
        raise DemandError(f"near: {error}") from None


def _of_kind(demand: Demand) -> list[Named]:
    found = []
    if demand.type.strip("?"):
        found.append(Named("type", leaf("type", LIKE, f"{demand.type:?<3}")))
    if demand.chips:
        found.append(Named("chips", leaf("chip", IS, demand.chips)))
    if demand.chip_memory:
        found.append(Named("chip_memory", leaf("chip_memory_gib", ">=", demand.chip_memory)))
    if performance := performance_of(demand):
        found.append(Named("performance", leaf(performance.field, ">=", performance.gflops)))
    return found


class Performance(NamedTuple):
    """Which field says it, and how much is to be there."""

    field: str
    gflops: float


def performance_of(demand: Demand) -> Performance | None:
    """The performance that is asked of one card, or of the resource where no cards are asked for:
    the quotient is exact and rounded once.
    """
    if demand.precision is None or demand.pflops is None:
        return None
    column = PRECISIONS[LETTERS[demand.precision]]
    whole = Fraction(demand.pflops) * GFLOPS_OF_PFLOPS
    if demand.cards_asked:
        each = "measured" if demand.measured else "card"
        return Performance(f"{each}_{column}", float(whole / demand.cards_asked))
    return Performance(column, float(whole))


def _of_size(demand: Demand) -> list[Named]:
    """What there is to be even if nothing of it were free."""
    found = []
    spread = demand.pools > 1
    if demand.cards_asked:
        cards = 1 if spread else demand.cards_asked
        found.append(Named("cards", leaf("count", ">=", cards)))
    blocks, room = demand.blocks, room_of(demand)
    if blocks is not None and blocks.chips:
        found.append(Named("per_node", leaf("per_node", ">=", blocks.size)))
    if room is not None and (room.number > 1 or not room.chips):
        found.append(Named("nodes", room._replace(number=1) if spread else room))
    if demand.nodes and blocks is None:
        found.append(Named("nodes", leaf("nodes", ">=", demand.nodes)))
    for name, amount in (("vcpu", demand.vcpu), ("memory_gib", demand.memory)):
        if amount:
            asked = _summed(demand, amount) if demand.is_loose else amount
            of = name if demand.is_loose else f"node_{name}"
            found.append(Named(name.removesuffix("_gib"), leaf(of, ">=", asked)))
    return found


def room_of(demand: Demand) -> Room | None:
    """The blocks that are asked for, as they are looked for where all nodes were free."""
    blocks = demand.blocks
    if blocks is None:
        return None
    return Room(*blocks, (demand.vcpu or 0) if blocks.chips else 0, demand.memory or 0)


def _summed(demand: Demand, amount: float) -> float:
    """How much one resource is to have in all, of what is asked for with each node, or with all
    cards; of what is spread, as much as goes with one block or card.
    """
    spread = demand.pools > 1
    if demand.is_loose and demand.cards:
        return amount / demand.cards if spread else amount
    return amount if spread else amount * demand.nodes_asked


def _of_terms(demand: Demand, now: int) -> list[Named]:
    """Price, trust, place and further conditions."""
    found = []
    if demand.price:
        limit = prices.limit(demand.price)
        below = leaf(f"{limit.per}_hour", "<=", limit.amount)
        same = leaf("cost_currency", "=", limit.currency)
        found.append(Named("price", All((same, below))))
    if demand.green is not None:
        found.append(Named("green", leaf("green_share", ">=", demand.green)))
    if demand.trust is not None:
        found.append(Named("trust", leaf("trust", ">=", demand.trust)))
    today = datetime.fromtimestamp(now / 1_000, UTC).date()
    last = max(today, demand.valid_until or today)
    ended = leaf("valid_until", "<", last.isoformat())
    ahead = leaf("valid_from", ">", today.isoformat())
    found.append(Named("validity", All((Not(ended), Not(ahead)))))
    # Which lines have how much free may be another thing at another moment.
    if demand.gbps is not None:
        found.append(Named("gbps", leaf("rtt", "<=", ANY_MS), True))
    if demand.rtt is not None:
        found.append(Named("rtt", leaf("rtt", "<=", demand.rtt), demand.gbps is not None))
    return [*found, *_of_where(demand)]


def _of_where(demand: Demand) -> list[Named]:
    """Further conditions; what is about the status apart, where `and` joins it to the rest."""
    text = demand.where
    if not text:
        return []
    parsed = expression.parse(text) if isinstance(text, str) else conditions.of_json(text)
    lasting, now = conditions.apart(parsed, () if demand.gbps is None else ("rtt",))
    if lasting is None or now is None:
        return [Named("where", parsed, lasting is None)]
    return [Named("where", lasting), Named("where_now", now, True)]


def _something(demand: Demand) -> Condition:
    """Something of it is free, where nothing is counted: of its chips where chips are asked for;
    else of what its status tells, or, where that tells no amounts, its load leaves some.
    """
    chips, vcpu = (leaf(f"free.{kind}", ">=", 1) for kind in ("chips", "vcpu"))
    if demand.chips or demand.chip_memory or demand.precision:
        return chips
    untold = [Not(leaf(f"free.{kind}", ">=", 0)) for kind in ("chips", "vcpu")]
    return Either((chips, vcpu, All((*untold, leaf("load", "<", 1)))))


def _of_now(demand: Demand) -> list[Named]:
    """What is to be free."""
    if not demand.free:
        return []
    works = leaf("health", "in", ("ok", "degraded"))
    young = [] if demand.age is None else [leaf("age", "<=", demand.age)]
    found = [Named("status", All((works, *young)), True)]
    blocks = demand.blocks
    if blocks is not None:
        found.append(Named("free", blocks._replace(number=1) if demand.pools > 1 else blocks, True))
    elif demand.cards:
        least = 1 if demand.pools > 1 else demand.cards
        found.append(Named("free", leaf("free.chips", ">=", least), True))
    elif not (demand.memory or demand.vcpu):
        found.append(Named("free", _something(demand), True))
    if demand.memory:
        asked = _summed(demand, demand.memory)
        found.append(Named("free_memory", leaf("free.memory_gib", ">=", asked), True))
    if demand.vcpu and demand.cards_asked:
        asked = _summed(demand, demand.vcpu)
        found.append(Named("free_vcpu", leaf("free.vcpu", ">=", asked), True))
    return found
