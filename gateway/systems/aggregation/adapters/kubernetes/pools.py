"""Devices by dynamic resource allocation (DRA): pools of devices, and which of them are allocated
(kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from gateway.systems.aggregation.adapters import models
from gateway.systems.aggregation.adapters.kubernetes.devices import is_driver
from gateway.systems.aggregation.adapters.kubernetes.objects import (
    Claim,
    Device,
    DeviceFacts,
    Slice,
    Taint,
)
from gateway.systems.aggregation.adapters.kubernetes.quantities import quantity

KEEPS_AWAY: Final = frozenset({"NoSchedule", "NoExecute"})  # effects of taints
_PARTITIONS: Final = frozenset({"mig", "vgpu", "partition"})  # types that are no whole card
_MODEL: Final = ("productName", "model", "product")
_MEMORY: Final = "memory"

PoolKey = tuple[str, str]  # driver, pool


class Card(NamedTuple):
    """A card of a node."""

    model: str
    memory_gib: float
    free: bool


class Pools:
    """All pools of a cluster whose devices are accelerators.

    Args:
        drivers: those that are meant; none for those that are known.
    """

    def __init__(self, drivers: Collection[str]) -> None:
        self._drivers = drivers
        self._slices: dict[str, Slice] = {}
        self._of_pool: defaultdict[PoolKey, dict[str, Slice]] = defaultdict(dict)
        self._of_node: defaultdict[str, dict[PoolKey, int]] = defaultdict(dict)
        self._claims: dict[str, tuple[tuple[PoolKey, str], ...]] = {}
        self._allocated: defaultdict[PoolKey, dict[str, int]] = defaultdict(dict)

    def put(self, one: Slice) -> Collection[str]:
        """Take a slice in; the nodes whose devices may be others now."""
        nodes = set(self.drop(one.metadata.name))
        if is_driver(one.spec.driver, self._drivers):
            pool = (one.spec.driver, one.spec.pool.name)
            self._slices[one.metadata.name] = one
            self._of_pool[pool][one.metadata.name] = one
            for node in _nodes(one):
                of_node = self._of_node[node]
                of_node[pool] = of_node.get(pool, 0) + 1
            nodes |= self._nodes_of(pool)
        return nodes

    def drop(self, name: str) -> Collection[str]:
        """Forget a slice; the nodes whose devices may be others now."""
        one = self._slices.pop(name, None)
        if one is None:
            return ()
        pool = (one.spec.driver, one.spec.pool.name)
        nodes = self._nodes_of(pool)
        del self._of_pool[pool][name]
        for node in _nodes(one):
            of_node = self._of_node[node]
            of_node[pool] -= 1
            if not of_node[pool]:
                del of_node[pool]
        return nodes

    def put_claim(self, key: str, claim: Claim) -> Collection[str]:
        """Take a claim in; the nodes whose devices may be free or not now."""
        nodes = set(self.drop_claim(key))
        allocation = claim.status.allocation
        results = (allocation.devices.results if allocation else None) or ()
        # Who administrates a device has it beside others.
        devices = tuple(((x.driver, x.pool), x.device) for x in results if not x.admin_access)
        if devices:
            self._claims[key] = devices
        for pool, device in devices:
            in_use = self._allocated[pool]
            in_use[device] = in_use.get(device, 0) + 1
            nodes |= self._nodes_of(pool)
        return nodes

    def drop_claim(self, key: str) -> Collection[str]:
        """Forget a claim; the nodes whose devices may be free now."""
        nodes: set[str] = set()
        for pool, device in self._claims.pop(key, ()):
            in_use = self._allocated[pool]
            in_use[device] -= 1
            if not in_use[device]:
                del in_use[device]
            nodes |= self._nodes_of(pool)
        return nodes

    def forget(self) -> None:
        """Forget all slices."""
        for name in list(self._slices):
            self.drop(name)

    def forget_claims(self) -> None:
        """Forget all claims."""
        for key in list(self._claims):
            self.drop_claim(key)

    def cards(self, node: str) -> list[Card] | None:
        """The cards of a node; None while a pool of it is not whole: its driver is writing it."""
        found: list[Card] = []
        for pool in self._of_node.get(node, ()):
            slices = self._newest(pool)
            if slices is None:
                return None
            found += _cards(slices, node, self._allocated.get(pool, {}))
        return found

    def elsewhere(self) -> int:
        """Slices with devices of no one node, which are not counted."""
        return sum(not _nodes(one) for one in self._slices.values())

    def _newest(self, pool: PoolKey) -> list[Slice] | None:
        """The slices of the newest generation of a pool; None if they are not all there."""
        slices = self._of_pool[pool].values()
        newest = max(one.spec.pool.generation for one in slices)
        current = [one for one in slices if one.spec.pool.generation == newest]
        return current if len(current) == current[0].spec.pool.resource_slice_count else None

    def _nodes_of(self, pool: PoolKey) -> set[str]:
        return {node for one in self._of_pool[pool].values() for node in _nodes(one)}


def _nodes(one: Slice) -> set[str]:
    if one.spec.node_name:
        return {one.spec.node_name}
    return {x.facts.node_name for x in one.spec.devices or () if x.facts.node_name}


def _cards(slices: Iterable[Slice], node: str, in_use: Mapping[str, int]) -> Iterator[Card]:
    """The cards that slices say of a node. What takes from the same counters is one card and its
    partitions: it is free if none of them is in use.
    """
    for one in slices:
        groups: defaultdict[tuple[str, str], list[Device]] = defaultdict(list)
        for device in one.spec.devices or ():
            facts = device.facts
            if node not in (one.spec.node_name, facts.node_name):
                continue
            counters = facts.consumes_counters
            name = ("of", counters[0].counter_set) if counters else ("", device.name)
            groups[name].append(device)
        for group in groups.values():
            whole = next((x for x in group if not _is_partition(x.facts)), None)
            if whole is not None:
                free = not any(x.name in in_use for x in group) and not keeps_away(
                    whole.facts.taints
                )
                yield Card(_model(whole.facts), _memory(whole.facts), free)


def keeps_away(taints: Iterable[Taint] | None) -> bool:
    """Does one of the taints keep away what does not tolerate it?"""
    return any(one.effect in KEEPS_AWAY for one in taints or ())


def _attribute(facts: DeviceFacts, name: str) -> str:
    for full, one in (facts.attributes or {}).items():
        if one.string is not None and full.rpartition("/")[2] == name:
            return one.string
    return ""


def _is_partition(facts: DeviceFacts) -> bool:
    return _attribute(facts, "type").casefold() in _PARTITIONS


def _model(facts: DeviceFacts) -> str:
    return models.model(next((said for x in _MODEL if (said := _attribute(facts, x))), ""))[:60]


def _memory(facts: DeviceFacts) -> float:
    for full, one in (facts.capacity or {}).items():
        if full.rpartition("/")[2] == _MEMORY:
            return round(quantity(one.value) / 2**30, 1)
    return 0
