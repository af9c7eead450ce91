"""From Slurm's nodes to units: what each has, what of it can be had, and why not the rest.

Free is what a new job of anybody could begin on now. A node that is drained, down, reserved,
planned for another job, switched off, or had by one user alone, has nothing free, whatever its
counters say; one without an idle processor or without memory has no free card either. Of a node of
which nobody says how much is in use nothing is free.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from csid.status import Health
from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.adapters.slurm.cards import Cards, cards_of
from gateway.systems.aggregation.adapters.slurm.forms import Node, Numeric, number, words
from gateway.systems.aggregation.adapters.slurm.reservations import Held
from gateway.systems.aggregation.adapters.units import labels
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU, Unit

_FAILED: Final = "failed"
_MAINTENANCE: Final = "maintenance"
_WELL: Final = "ok"
# What keeps a node from new jobs, the worst first; names differ between versions.
_HINDRANCES: Final[Mapping[str, Health]] = {
    "DOWN": _FAILED,
    "ERROR": _FAILED,
    "FAIL": _FAILED,
    "NOT_RESPONDING": _FAILED,
    "NO_RESPOND": _FAILED,
    "INVAL": _FAILED,
    "INVALID": _FAILED,
    "INVALID_REG": _FAILED,
    "UNKNOWN": _FAILED,
    "MAINTENANCE": _MAINTENANCE,
    "MAINT": _MAINTENANCE,
    "DRAIN": _MAINTENANCE,
    "REBOOT_ISSUED": _MAINTENANCE,
    "REBOOT_REQUESTED": _MAINTENANCE,
    "REBOOT": _MAINTENANCE,
    "POWER_DRAIN": _MAINTENANCE,
    "POWERED_DOWN": _WELL,
    "POWERING_DOWN": _WELL,
    "POWER_DOWN": _WELL,
    "POWERING_UP": _WELL,
    "POWER_UP": _WELL,
    "RESERVED": _WELL,
    "PLANNED": _WELL,
    "BLOCKED": _WELL,
}
_AT_WORK: Final = frozenset(("IDLE", "MIXED", "ALLOCATED"))
_HARMLESS: Final = _AT_WORK | {
    "COMPLETING",
    "CLOUD",
    "DYNAMIC_NORM",
    "RESUME",
    "UNDRAIN",
    "PERFCTRS",
}
_NOT_YET: Final = frozenset(("FUTURE", "DYNAMIC_FUTURE"))  # names without a machine
_OPEN: Final = "UP"
_MIB_A_GIB: Final = 1_024


class Cluster(NamedTuple):
    """What is known besides the nodes.

    Attributes:
        name: part of their keys. A node's name is its identity for Slurm; that of the cluster is
            said only since v0.0.40, so it is not taken from there: an upgrade changes no key.
        said_name: as it says itself.
        only: partitions that are read; empty for all.
        gres: what accelerators are called.
        chips: model and memory by type.
        partitions: states by their names.
        reserved: what keeps nodes, by their names.
    """

    name: str
    said_name: str
    only: frozenset[str]
    gres: frozenset[str]
    chips: Mapping[str, tuple[str, float]]
    partitions: Mapping[str, Sequence[str]]
    reserved: Mapping[str, Held]


def units_of(nodes: Sequence[Node], cluster: Cluster, notes: list[str]) -> Iterator[Unit]:
    """A unit of each node that exists; what is left out is noted."""
    future = instances = 0
    for node in nodes:
        states = {word.upper() for word in words(node.state) + words(node.state_flags)}
        partitions = words(node.partitions)
        if cluster.only and not cluster.only.intersection(partitions):
            continue
        if states & _NOT_YET:
            future += 1
        elif not node.name:
            notes.append("a node without a name is left out")
        else:
            cards = cards_of(node, cluster.gres, notes)
            instances += cards.has_instances
            yield _unit(node, states, partitions, cluster, cards)
    if future:
        notes.append(f"{future:,} nodes that do not exist yet (FUTURE) are left out")
    if instances:
        notes.append(f"{instances:,} nodes have MIG instances, which are not counted as cards")


def _unit(
    node: Node, states: set[str], partitions: list[str], cluster: Cluster, cards: Cards
) -> Unit:
    processors = _amount(node.effective_cpus) or _amount(node.cpus)
    memory = max(0.0, _amount(node.real_memory) - _amount(node.specialized_memory))
    total = {VCPU: processors, MEMORY_GIB: _gib(memory)}
    idle = _said(node.alloc_idle_cpus if node.alloc_idle_cpus is not None else node.idle_cpus)
    allocated = _said(node.alloc_memory)
    can_be_had = {
        VCPU: None if idle is None else min(idle, processors),
        MEMORY_GIB: None if allocated is None else _gib(max(0.0, memory - allocated)),
    }
    if cards.total:
        total[CHIPS], can_be_had[CHIPS] = cards.total, cards.free
    unsaid = [kind for kind, free in can_be_had.items() if free is None]
    free = {kind: one or 0 for kind, one in can_be_had.items()}
    health, why = _hindered(node, states, partitions, cluster)
    if not why and unsaid:
        why = f"how much is in use is not said: {' and '.join(unsaid)}"
    if not why and (used_up := [kind for kind in (VCPU, MEMORY_GIB) if not free[kind]]):
        why = f"allocated: all {' and '.join(used_up)}"
    model, size = cluster.chips.get(cards.chip, ("", 0)) if cards.total else ("", 0)
    held = cluster.reserved.get(node.name)
    return Unit(
        key=f"{text(cluster.name)}/{text(node.name)}",
        name=text(node.name),
        total=total,
        free=dict.fromkeys(free, 0) if why else free,
        health=health,
        why=why,
        chip=(model or text(cards.chip).upper()) if cards.total else "",
        chip_memory_gib=size,
        group=text(next((one for one in partitions if one in cluster.only), None))
        or text(partitions[0] if partitions else ""),
        labels=_labels(node, partitions, cluster),
        is_known=not unsaid and (held is None or held.is_sure),
    )


def _labels(node: Node, partitions: list[str], cluster: Cluster) -> dict[str, str]:
    return labels(
        {
            "cluster": cluster.said_name,
            "partitions": ",".join(partitions[:16]),
            "features": ",".join(words(node.active_features)[:32]),
            "architecture": node.architecture or "",
            "os": node.operating_system or "",
            "gres": node.gres or "",
        }
    )


def _hindered(
    node: Node, states: set[str], partitions: list[str], cluster: Cluster
) -> tuple[Health, str]:
    """What keeps it from new jobs, and its health; ("ok", "") if nothing does."""
    named: list[str] = []
    if not states <= _HARMLESS:
        named = [word for word in _HINDRANCES if word in states]
        # Words of a later version: what Slurm has added so far kept nodes from new jobs.
        named += sorted(states - _HARMLESS - _HINDRANCES.keys())
    held = cluster.reserved.get(node.name)
    if named:
        reason = text(node.reason) or (held.name if held else "")
        worst = _HINDRANCES.get(named[0], "degraded")
        return worst, text(f"{' '.join(named)}{reason and ': '}{reason}")
    if held:
        return held.health, held.why
    if not states & _AT_WORK:
        return "degraded", "its state is not said"
    if node.owner:
        return _WELL, text(f"had by {node.owner} alone")
    read = [one for one in partitions if not cluster.only or one in cluster.only]
    if not read:
        return _WELL, "in no partition"
    return _WELL, "" if _is_open(read, cluster) else _closed(read, cluster)


def _is_open(partitions: Sequence[str], cluster: Cluster) -> bool:
    """Whether one of them is; which of them is down v0.0.39 does not say."""
    if not cluster.partitions:
        return True
    there = [cluster.partitions[one] for one in partitions if one in cluster.partitions]
    return any(not states or _OPEN in states for states in there)


def _closed(partitions: Sequence[str], cluster: Cluster) -> str:
    """What keeps jobs out of all of them: their states, or that they are not to be seen."""
    shut = [one for one in partitions if one in cluster.partitions]
    hidden = ", ".join(one for one in partitions if one not in cluster.partitions)
    why: list[str] = []
    if shut:
        said = ", ".join(f"{one} {' '.join(cluster.partitions[one])}" for one in shut)
        why.append(f"partition {said}")
    if hidden:
        why.append(f"partition {hidden} is not listed")
    return text("; ".join(why))


def _said(said: Numeric) -> float | None:
    """An amount; None if none is said, or one that cannot be."""
    found = number(said)
    return None if found is None or not 0 <= found < math.inf else amount(found)


def _amount(said: Numeric) -> float:
    return _said(said) or 0.0


def _gib(mib: float) -> float:
    return round(mib / _MIB_A_GIB, 3)
