"""What OpenStack Placement says of one resource provider, and what a tree of them comes to.

Capacity is (total - reserved) * allocation_ratio; what can be had of a class is what is left of it,
as far as one allocation may take it: max_unit, min_unit, step_size
(https://docs.openstack.org/api-ref/placement/#resource-provider-inventories).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Final, NamedTuple

import msgspec

from csid.status import Health
from gateway.systems.aggregation.adapters import models
from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.readings import (
    CHIPS,
    DISK_GIB,
    LABELS_MAX,
    MEMORY_GIB,
    VCPU,
    Unit,
)

AGGREGATE: Final = "aggregate"
DISABLED: Final = "COMPUTE_STATUS_DISABLED"
# Kinds of plain classes, and what one of a class is of the kind.
PLAIN: Final = {
    "VCPU": (VCPU, 1),
    "PCPU": (VCPU, 1),
    "MEMORY_MB": (MEMORY_GIB, 1 / 1024),
    "DISK_GB": (DISK_GIB, 1),
}
_SLICE: Final = re.compile(r"VGPU\Z|CUSTOM_VGPU")  # shares of cards: counted where no card is
_CARD: Final = re.compile(r"PGPU\Z|CUSTOM_(CARD_|NPU|DCU|MLU|.*GPU)")
_OF_NO_MODEL: Final = re.compile(r"(CUSTOM_)?(CARD_|[PV]?GPU_?|NPU_?|DCU_?|MLU_?)*")
_MODEL: Final = re.compile(r"CUSTOM_(?:CARD|CHIP|[PV]?GPU|NPU|DCU|MLU)_(\w+)")


Whole = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class Inventory(msgspec.Struct, frozen=True):
    """What a provider has of a class."""

    total: Whole
    reserved: Whole = 0
    min_unit: Whole = 1
    max_unit: Whole = 2**31 - 1
    step_size: Whole = 1
    allocation_ratio: float = 1.0

    @property
    def capacity(self) -> int:
        """What may be in use at the same time, as Placement computes it."""
        return max(0, int(amount((self.total - self.reserved) * amount(self.allocation_ratio))))

    @property
    def withheld(self) -> bool:
        """All of it is reserved, as Ironic does with a machine that is not to be had."""
        return 0 < self.total <= self.reserved

    def free(self, used: int) -> int:
        """What one allocation can get while so much is in use."""
        left = min(self.capacity - max(0, used), self.max_unit)
        left -= left % max(1, self.step_size)
        return left if left >= max(1, self.min_unit) else 0


class Provider:
    """What is known of a provider.

    Attributes:
        generation: which it is of.
        listed: which one it was listed with when it was read: it may have become another between.
        asked: in which poll it was asked for last.
    """

    __slots__ = ("aggregates", "asked", "generation", "inventories", "listed", "traits", "used")

    def __init__(self) -> None:
        self.generation = self.listed = -1  # no provider has this one
        self.asked = 0
        self.inventories: Mapping[str, Inventory] = {}
        self.used: Mapping[str, int] = {}
        self.traits: Sequence[str] = ()
        self.aggregates: Sequence[str] = ()

    @property
    def is_known(self) -> bool:
        """Whether it was read at all."""
        return self.listed >= 0

    def is_of(self, generation: int) -> bool:
        """Whether it is known as it is, where it is listed with a generation."""
        return generation in (self.generation, self.listed)


class Classes(NamedTuple):
    """Which classes are cards: those that were said to be, else those named like it."""

    said: Collection[str]

    def is_card(self, name: str) -> bool:
        """Is one of this class a whole card?"""
        if self.said:
            return name in self.said
        return _CARD.match(name) is not None and not self.is_slice(name)

    def is_slice(self, name: str) -> bool:
        """Is one of this class a share of a card?"""
        return not self.said and _SLICE.match(name) is not None


def unit(
    key: str,
    name: str,
    root: Provider,
    tree: Sequence[Provider],
    classes: Classes,
    group: str,
    chip: str,
) -> Unit | None:
    """What a tree of providers, its root among them, comes to; None if there is no compute in it.

    Args:
        group: `aggregate`, or how the trait begins that says what it is pooled with; or empty.
        chip: model of its cards where neither class nor trait says it.
    """
    total: dict[str, float] = {}
    free: dict[str, float] = {}
    cards: dict[str, list[int]] = {}  # model → capacity, free
    slices: dict[str, list[int]] = {}
    withheld = []
    for provider in tree:
        for class_, inventory in provider.inventories.items():
            held = inventory.withheld
            withheld.append(held)
            has = inventory.total if held else inventory.capacity
            left = 0 if held else inventory.free(provider.used.get(class_, 0))
            if class_ in PLAIN:
                kind, one = PLAIN[class_]
                total[kind] = amount(total.get(kind, 0) + has * one)
                free[kind] = amount(free.get(kind, 0) + left * one)
            elif (card := classes.is_card(class_)) or classes.is_slice(class_):
                model = _model(class_, provider.traits) or chip
                sums = (cards if card else slices).setdefault(model, [0, 0])
                sums[0] += has
                sums[1] += left
    counted = cards if any(has for has, _ in cards.values()) else slices
    model = max(sorted(counted), key=lambda model: counted[model][0], default="")
    if counted and counted[model][0]:
        total[CHIPS], free[CHIPS] = map(amount, counted[model])
    if not any(total.get(kind) for kind in (CHIPS, VCPU, MEMORY_GIB)):
        return None
    health, why = _health(root, all(withheld))
    return Unit(
        key=key,
        name=text(name) or text(key),
        total=total,
        free=dict.fromkeys(total, 0.0) if why else free,
        health=health,
        why=why,
        chip=models.model(model),
        chip_memory_gib=models.memory_gib(model, 0),
        group=_group(root, group),
        labels=_labels(tree, {m: has for m, (has, _) in counted.items() if m != model}),
    )


def _health(root: Provider, withheld: bool) -> tuple[Health, str]:
    if DISABLED in root.traits:
        return "maintenance", DISABLED
    return ("maintenance", "all of it is reserved") if withheld else ("ok", "")


def _model(class_: str, traits: Iterable[str]) -> str:
    """What cards of a class are: what its name says, else what a trait of its provider does."""
    said = _OF_NO_MODEL.sub("", class_, count=1)
    if not said:
        said = min((found[1] for x in traits if (found := _MODEL.fullmatch(x))), default="")
    return text(said.replace("_", " ").strip(), 60)


def _group(root: Provider, group: str) -> str:
    if not group:
        return ""
    traits = [trait for trait in root.traits if trait.startswith(group)]
    return text(min(root.aggregates if group == AGGREGATE else traits, default=""))


def _labels(tree: Iterable[Provider], others: Mapping[str, int]) -> dict[str, str]:
    """Its traits, and what cards it has besides those that are counted."""
    traits = sorted({text(trait) for provider in tree for trait in provider.traits})
    labels = dict.fromkeys(traits[: LABELS_MAX - 1], "yes")
    if others:
        labels["cards_not_counted"] = text(", ".join(f"{n} {m}".strip() for m, n in others.items()))
    return labels
