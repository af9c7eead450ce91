"""From Slurm's nodes to units: what each has, what of it can be had, and why not the rest.

Free is what a new job of anybody could begin on now. A node that is drained, down, reserved,
planned for another job, switched off, or had by one user alone, has nothing free, whatever its
counters say; one without an idle processor or without memory has no free card either.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from csid.moments import iso
from csid.status import Health
from gateway.systems.aggregation.adapters import gres
from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.adapters.hostlist import hosts
from gateway.systems.aggregation.adapters.slurm_forms import (
    Node,
    Numeric,
    Reservation,
    number,
    words,
)
from gateway.systems.aggregation.adapters.units import UNITS_MAX, labels
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
_HOSTS_MAX: Final = 10 * UNITS_MAX  # in all reservations together
_MIB_A_GIB: Final = 1_024


class Held(NamedTuple):
    """A reservation that keeps its nodes now.

    Attributes:
        name: of it, with its beginning where that is still to come.
        why: the same, with what it is.
    """

    name: str
    why: str
    health: Health


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


def reserved(reservations: Sequence[Reservation], now: int, soon: float) -> Mapping[str, Held]:
    """What keeps nodes, by their names: reservations of now and of the next seconds.

    Raises:
        ReadingError: a list of nodes is none.
    """
    held: dict[str, Held] = {}
    left = _HOSTS_MAX
    for one in reservations:
        begin, end = number(one.start_time) or 0, number(one.end_time)
        if not one.node_list or begin > now + soon or (end is not None and end <= now):
            continue
        maintenance = "MAINT" in words(one.flags)
        since = f", from {iso(amount(begin))}" if begin > now else ""
        title = text(f"{one.name}{since}")
        why = text(f"{'MAINT' if maintenance else 'RESERVED'}: {title}")
        health: Health = _MAINTENANCE if maintenance and begin <= now else _WELL
        names = hosts(one.node_list, min(left, UNITS_MAX))
        left -= len(names)
        for name in names:
            if maintenance or name not in held:
                held[name] = Held(title, why, health)
    return held


def units(nodes: Sequence[Node], cluster: Cluster, notes: list[str]) -> Iterator[Unit]:
    """A unit of each node that exists; what is left out is noted."""
    future = 0
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
            yield _unit(node, states, partitions, cluster, notes)
    if future:
        notes.append(f"{future:,} nodes that do not exist yet (FUTURE) are left out")


def _unit(
    node: Node, states: set[str], partitions: list[str], cluster: Cluster, notes: list[str]
) -> Unit:
    chip, count, used = _cards(node, cluster, notes)
    processors = _amount(node.effective_cpus) or _amount(node.cpus)
    memory = max(0.0, _amount(node.real_memory) - _amount(node.specialized_memory))
    total = {VCPU: processors, MEMORY_GIB: _gib(memory)}
    idle = node.alloc_idle_cpus if node.alloc_idle_cpus is not None else node.idle_cpus
    free = {
        VCPU: min(_amount(idle), processors),
        MEMORY_GIB: _gib(max(0.0, memory - _amount(node.alloc_memory))),
    }
    if count:
        total[CHIPS] = count
        free[CHIPS] = max(0, count - used)
    health, why = _hindered(node, states, partitions, cluster)
    if not why and (used_up := [kind for kind in (VCPU, MEMORY_GIB) if not free[kind]]):
        why = f"allocated: all {' and '.join(used_up)}"
    model, size = cluster.chips.get(chip, ("", 0)) if count else ("", 0)
    return Unit(
        key=f"{text(cluster.name)}/{text(node.name)}",
        name=text(node.name),
        total=total,
        free=dict.fromkeys(free, 0) if why else free,
        health=health,
        why=why,
        chip=(model or text(chip).upper()) if count else "",
        chip_memory_gib=size,
        group=text(next((one for one in partitions if one in cluster.only), None))
        or text(partitions[0] if partitions else ""),
        labels=labels(
            {
                "cluster": cluster.said_name,
                "partitions": ",".join(partitions[:16]),
                "features": ",".join(words(node.active_features)[:32]),
                "architecture": node.architecture or "",
                "os": node.operating_system or "",
                "gres": node.gres or "",
            }
        ),
    )


def _cards(node: Node, cluster: Cluster, notes: list[str]) -> tuple[str, int, int]:
    """Of the type that the node has most of: its name, how many, how many of them are in use."""
    there = gres.cards(node.gres, cluster.gres)
    if not there:
        return "", 0, 0
    chip, count = max(there.items(), key=lambda item: (item[1], item[0]))
    if node.gres_used:
        used = gres.cards(node.gres_used, cluster.gres)
    else:
        used = gres.cards_of_tres(node.tres_used, cluster.gres)
    used += gres.cards(node.gres_drained, cluster.gres)
    if len(there) == 1:
        return chip, count, used.total()
    others = ", ".join(
        f"{kind or 'untyped'}:{there[kind]}" for kind in sorted(there.keys() - {chip})
    )
    notes.append(
        f"{text(node.name)}: of several types of card only {chip} is counted, not {others}"
    )
    return chip, count, used[chip] + used[""]


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
    closed = [one for one in read if not _is_open(cluster.partitions.get(one, ()))]
    if len(closed) == len(read):
        said = ", ".join(f"{one} {' '.join(cluster.partitions[one])}" for one in closed)
        return _WELL, text(f"partition {said}")
    return _WELL, ""


def _is_open(states: Sequence[str]) -> bool:
    return not states or _OPEN in states  # v0.0.39 does not say it


def _amount(said: Numeric) -> float:
    found = number(said)
    return 0.0 if found is None or math.isinf(found) else amount(found)


def _gib(mib: float) -> float:
    return round(mib / _MIB_A_GIB, 3)
