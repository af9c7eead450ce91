"""What a node comes to: what it lets be requested, less what has been, if it may be had at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.adapters.kubernetes.cards import Card
from gateway.systems.aggregation.adapters.kubernetes.nodes import BESIDES, PODS, Kept
from gateway.systems.aggregation.adapters.kubernetes.quantities import Amounts
from gateway.systems.aggregation.readings import CHIPS, Unit


class _Sum:
    """Cards of one model."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.total = self.free = self.memory = 0.0


class Made(NamedTuple):
    """A unit, and whether plugins and DRA both offer cards of it that are the same."""

    unit: Unit
    is_both: bool


def unit_of(
    key: str, node: Kept, pods: int, taken: Amounts, cards: Iterable[Card], why: str
) -> Made:
    """The unit of a node.

    Args:
        pods: how many are on it.
        taken: what they have requested.
        cards: that it has by DRA.
        why: none of those can be had; empty if they can.
    """
    total, free = {}, {}
    for resource, (kind, one) in BESIDES.items():
        if resource in node.has:
            total[kind] = amount(round(node.has[resource] / one, 3))
            free[kind] = amount(round((node.has[resource] - taken.get(resource, 0)) / one, 3))
    sums, is_both = _together(_by_plugin(node, taken), _by_claim(node, cards))
    chip = max(sums, key=lambda x: x.total, default=_Sum(""))
    if sums:
        total[CHIPS], free[CHIPS] = amount(chip.total), amount(chip.free)
    nothing = node.why
    if not nothing and pods >= node.has.get(PODS, pods + 1):
        nothing = "it has as many pods as it may"
    if not nothing and node.only_for and not any(one.free for one in sums):
        nothing = text(f"{node.only_why}, and no card is free")
    others = ", ".join(f"{x.total:.0f} {x.model}".strip() for x in sums if x is not chip)
    return Made(
        Unit(
            key=key,
            name=node.name,
            total=total,
            free=dict.fromkeys(total, 0.0) if nothing else free,
            health=node.health,
            why=nothing or why,
            chip=chip.model,
            chip_memory_gib=chip.memory,
            group=node.group,
            is_known=not why,
            labels={**node.labels, "cards_not_counted": text(others)} if others else node.labels,
        ),
        is_both,
    )


def _by_plugin(node: Kept, taken: Amounts) -> dict[str, _Sum]:
    """Cards of device plugins, by model in lower case."""
    sums: dict[str, _Sum] = {}
    for offer in node.offers:
        one = sums.setdefault(offer.model.casefold(), _Sum(offer.model))
        one.total += offer.number
        if node.only_for <= {offer.resource}:
            one.free += offer.free(taken.get(offer.resource, 0))
        one.memory = offer.memory_gib
    return sums


def _by_claim(node: Kept, cards: Iterable[Card]) -> dict[str, _Sum]:
    """Cards by DRA, by model in lower case. Whoever claims one wants no resource that a taint is
    named like.
    """
    sums: dict[str, _Sum] = {}
    for card in cards:
        one = sums.setdefault(card.model.casefold(), _Sum(card.model))
        one.total += 1
        one.free += card.free and not node.only_for
        one.memory = one.memory or card.memory_gib
    return sums


def _together(plugin: dict[str, _Sum], claimed: Mapping[str, _Sum]) -> tuple[list[_Sum], bool]:
    """Cards by model, and whether there are some that both ways lead to: those of one model are
    the same cards, and so may those be whose model is not said.
    """
    sums = list(plugin.values())
    is_both = False
    for name, one in claimed.items():
        same = plugin.get(name) or (plugin.get("") if name else next(iter(plugin.values()), None))
        if same is None:
            sums.append(one)
            continue
        is_both = True
        same.model = same.model or one.model
        same.total = max(same.total, one.total)
        same.free = min(same.free, one.free)
        same.memory = same.memory or one.memory
    return sorted(sums, key=lambda x: x.model), is_both
