"""What is kept of a node: what it has, whether it may be had at all, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from csid.status import Health
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.identity import machine_key
from gateway.systems.aggregation.adapters.kubernetes import devices
from gateway.systems.aggregation.adapters.kubernetes.cards import KEEPS_AWAY
from gateway.systems.aggregation.adapters.kubernetes.keys import Named
from gateway.systems.aggregation.adapters.kubernetes.objects import (
    Metadata,
    Node,
    NodeStatus,
)
from gateway.systems.aggregation.adapters.kubernetes.quantities import Amounts, amounts
from gateway.systems.aggregation.readings import DISK_GIB, LABELS_MAX, MEMORY_GIB, VCPU

BESIDES: Final = {  # what is counted besides cards → its kind, and how much one of it is
    "cpu": (VCPU, 1),
    "memory": (MEMORY_GIB, 2**30),
    "ephemeral-storage": (DISK_GIB, 2**30),
}
PODS: Final = "pods"
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

    def counts(self, resource: str) -> bool:
        """Is an amount of this resource looked at?"""
        return resource in BESIDES or devices.is_card(resource, self.cards)


class Kept(NamedTuple):
    """A node.

    Attributes:
        is_virtual: it stands for what is elsewhere, such as another cluster, where it is counted.
        has: what of it may be requested, of what is counted, and how many pods.
        offers: cards that device plugins offer.
        health, why: how it is, and why nothing of it can be had; empty if it can.
        only_for: resources that who does not want them is kept away for.
        only_why: what says so.
        octets: about how much is kept.
    """

    identity: Named
    name: str
    is_virtual: bool
    has: Amounts
    offers: tuple[devices.Offer, ...]
    health: Health
    why: str
    only_for: frozenset[str]
    only_why: str
    group: str
    labels: Mapping[str, str]
    octets: int


def kept(node: Node, settings: Settings) -> Kept:
    """What is kept of a node that has a name and a UID.

    Raises:
        ReadingError: an amount is none.
    """
    metadata, status = node.metadata or Metadata(), node.status or NodeStatus()
    labels = {name: one or "" for name, one in (metadata.labels or {}).items()}
    allocatable = status.allocatable or {}
    has = amounts({x: one for x, one in allocatable.items() if x == PODS or settings.counts(x)})
    health, why, letting, only_why = _health(node, has, settings)
    group = next(
        (
            said
            for x in ((settings.group,) if settings.group else _POOLS)
            if (said := labels.get(x))
        ),
        "",
    )
    shown = {text(name): text(labels[name]) for name in sorted(labels)[: LABELS_MAX - 1]}
    name = metadata.name or ""
    return Kept(
        identity=_identity(metadata, status),
        name=text(name),
        is_virtual=labels.get("type") == "virtual-kubelet",
        has=has,
        offers=devices.offers(has, labels, settings.cards),
        health=health,
        why=why,
        only_for=letting,
        only_why=only_why,
        group=text(group),
        labels=shown,
        octets=3 * len(name)
        + sum(len(x) + len(one) + 120 for x, one in shown.items())
        + sum(3 * len(x) + 300 for x in has),
    )


def _identity(metadata: Metadata, status: NodeStatus) -> Named:
    """Its machine's UUID, which other sources say of it as well, or the identity of its system."""
    machine = ""
    if (info := status.node_info) is not None:
        system = text(info.machine_id, 100).lower()
        machine = machine_key(info.system_uuid, None, None) or (
            f"machine:{system}" if len(set(system)) > 1 else ""
        )
    return Named(metadata.uid or "", machine, text(metadata.creation_timestamp, 40))


def _health(
    node: Node, has: Amounts, settings: Settings
) -> tuple[Health, str, frozenset[str], str]:
    """How a node is, why nothing of it can be had, which resources one has to want to have any,
    and what says so.
    """
    health, why = _condition(node)
    letting: dict[str, str] = {}
    for taint in ((node.spec and node.spec.taints) or ()) if not why else ():
        key = taint.key or ""
        if taint.effect not in KEEPS_AWAY or key in settings.tolerated:
            continue
        said = text(f"taint {key}={taint.value or ''}:{taint.effect}")
        # The admission plugin ExtendedResourceToleration lets those pass who want the resource
        # that the taint is named like; not where it is to drive away.
        is_named = devices.is_card(key, settings.cards) and has.get(key, 0) > 0
        if taint.effect != "NoSchedule" or not is_named:
            return ("maintenance" if key.startswith(_OF_THE_NODE) else "ok"), said, frozenset(), ""
        letting[key] = said
    return health, why, frozenset(letting), next(iter(letting.values()), "")


def _condition(node: Node) -> tuple[Health, str]:
    if node.metadata is not None and node.metadata.deletion_timestamp is not None:
        return "maintenance", "it is being deleted"
    conditions = {one.type: one for one in (node.status and node.status.conditions) or ()}
    ready = conditions.get("Ready")
    if ready is None:
        return "failed", "Ready is not told"
    if ready.status != "True":
        return "failed", text(f"Ready={ready.status or ''} {ready.reason or ''}".strip())
    pressed = [x for x in _PRESSURES if x in conditions and conditions[x].status == "True"]
    if pressed:
        return "degraded", ", ".join(pressed)
    if node.spec is not None and node.spec.unschedulable:
        return "maintenance", "unschedulable"
    return "ok", ""
