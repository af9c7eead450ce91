"""What a node comes to: what it lets be requested, less what has been, if it may be had at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from csid.status import Health
from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.adapters.kubernetes import devices
from gateway.systems.aggregation.adapters.kubernetes.objects import Node, Taint
from gateway.systems.aggregation.adapters.kubernetes.pools import KEEPS_AWAY, Card
from gateway.systems.aggregation.adapters.kubernetes.quantities import Amounts, amounts, sum_of
from gateway.systems.aggregation.readings import (
    CHIPS,
    DISK_GIB,
    LABELS_MAX,
    MEMORY_GIB,
    VCPU,
    Unit,
)

_KINDS: Final = {
    "cpu": (VCPU, 1),
    "memory": (MEMORY_GIB, 2**30),
    "ephemeral-storage": (DISK_GIB, 2**30),
}
_PRESSURES: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_OF_THE_NODE: Final = "node.kubernetes.io/"  # taints that tell of its state
_POOLS: Final = (  # labels of node pools, of those who offer clusters
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
    "alibabacloud.com/nodepool-id",
    "karpenter.sh/nodepool",
)


class Settings(NamedTuple):
    """What the options of a source say.

    Attributes:
        cards: extended resources that are cards; none for those that are known.
        tolerated: keys of taints that keep nobody away who matters.
        group: label that tells the pool of a node; empty for those that are known.
    """

    cards: Sequence[str] = ()
    tolerated: Sequence[str] = ()
    group: str = ""


class _Sum:
    """Cards of one model."""

    def __init__(self) -> None:
        self.total = self.free = self.memory = 0.0


def is_virtual(node: Node) -> bool:
    """Does it stand for what is elsewhere, such as another cluster, where that is counted?"""
    return (node.metadata.labels or {}).get("type") == "virtual-kubelet"


def unit_of(
    key: str, node: Node, pods: Iterable[Amounts], cards: Iterable[Card], settings: Settings
) -> Unit:
    """The unit of a node.

    Args:
        pods: what each pod on it has requested.
        cards: that it has by DRA.

    Raises:
        ReadingError: an amount is none.
    """
    labels = node.metadata.labels or {}
    has = amounts(node.status.allocatable)
    taken_by = list(pods)
    taken = sum_of(taken_by)
    total, free = {}, {}
    for resource, (kind, one) in _KINDS.items():
        if resource in has:
            total[kind] = amount(round(has[resource] / one, 3))
            free[kind] = amount(round((has[resource] - taken.get(resource, 0)) / one, 3))
    sums = _cards(has, taken, cards, labels, settings)
    chip = max(sorted(sums), key=lambda model: sums[model].total, default="")
    if sums:
        total[CHIPS], free[CHIPS] = amount(sums[chip].total), amount(sums[chip].free)
    health, why = _health(node, has, settings)
    if not why and len(taken_by) >= has.get("pods", len(taken_by) + 1):
        why = "it has as many pods as it may"
    others = {model: one.total for model, one in sums.items() if model != chip}
    return Unit(
        key=key,
        name=text(node.metadata.name),
        total=total,
        free=dict.fromkeys(total, 0.0) if why else free,
        health=health,
        why=why,
        chip=chip,
        chip_memory_gib=sums[chip].memory if sums else 0,
        group=_group(labels, settings.group),
        labels=_labels(labels, others),
    )


def _cards(
    has: Amounts,
    taken: Amounts,
    by_claim: Iterable[Card],
    labels: Mapping[str, str],
    settings: Settings,
) -> Mapping[str, _Sum]:
    """Cards by model: those of device plugins, and those that are claimed. Where several share a
    card, there are as many as are whole, and free are as many as would be if what is free were on
    the fewest cards.
    """
    sums: dict[str, _Sum] = {}
    share = devices.replicas(labels)
    for resource, number in has.items():
        if resource.endswith(".shared") and share == 1:
            continue  # of how many cards it is a share, nobody says
        if number and devices.is_card(resource, settings.cards):
            one = sums.setdefault(devices.model(resource, labels), _Sum())
            one.total += number // share
            one.free += max(0.0, number - taken.get(resource, 0)) // share
            one.memory = devices.memory_gib(labels)
    for card in by_claim:
        one = sums.setdefault(card.model, _Sum())
        one.total += 1
        one.free += card.free
        one.memory = one.memory or card.memory_gib
    return sums


def _health(node: Node, has: Amounts, settings: Settings) -> tuple[Health, str]:
    """How a node is, and why nothing of it can be had; empty if it can."""
    if node.metadata.deletion_timestamp is not None:
        return "maintenance", "it is being deleted"
    conditions = {one.type: one for one in node.status.conditions or ()}
    ready = conditions.get("Ready")
    if ready is None:
        return "failed", "Ready is not told"
    if ready.status != "True":
        return "failed", text(f"Ready={ready.status} {ready.reason}".strip())
    pressed = [x for x in _PRESSURES if x in conditions and conditions[x].status == "True"]
    if pressed:
        return "degraded", ", ".join(pressed)
    if node.spec.unschedulable:
        return "maintenance", "unschedulable"
    for taint in node.spec.taints or ():
        if taint.effect in KEEPS_AWAY and not _tolerated(taint, has, settings):
            said = text(f"taint {taint.key}={taint.value}:{taint.effect}")
            return ("maintenance" if taint.key.startswith(_OF_THE_NODE) else "ok"), said
    return "ok", ""


def _tolerated(taint: Taint, has: Amounts, settings: Settings) -> bool:
    """A taint named like a resource of the node keeps away those who do not want that resource
    (the admission plugin ExtendedResourceToleration lets the others pass).
    """
    return taint.key in settings.tolerated or has.get(taint.key, 0) > 0


def _group(labels: Mapping[str, str], label: str) -> str:
    said = (labels.get(x, "") for x in ((label,) if label else _POOLS))
    return text(next(filter(None, said), ""))


def _labels(labels: Mapping[str, str], others: Mapping[str, float]) -> dict[str, str]:
    """Its labels, and what cards it has besides those that are counted."""
    shown = {text(name): text(labels[name]) for name in sorted(labels)[: LABELS_MAX - 1]}
    if others:
        cards = (f"{number:.0f} {model}".strip() for model, number in others.items())
        shown["cards_not_counted"] = text(", ".join(cards))
    return shown
