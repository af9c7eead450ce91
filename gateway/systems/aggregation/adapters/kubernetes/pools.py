"""Devices by dynamic resource allocation (DRA): pools of devices, and which of them are allocated
(kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation).

What a change costs is in proportion to what it names, and to the nodes whose devices it changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final, NamedTuple

from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.kubernetes import objects
from gateway.systems.aggregation.adapters.kubernetes.cards import Card, Device, cards, device
from gateway.systems.aggregation.adapters.kubernetes.devices import is_driver
from gateway.systems.aggregation.adapters.kubernetes.pool import Part, Pool, PoolKey, count
from gateway.systems.aggregation.adapters.kubernetes.room import Room
from gateway.systems.aggregation.readings import ReadingError

# Kubernetes has 128 and 32 at most (resource.k8s.io: ResourceSliceMaxDevices,
# AllocationResultsMaxSize).
_DEVICES_MAX: Final = 256
_RESULTS_MAX: Final = 128


class Has(NamedTuple):
    """What a node has by DRA.

    Attributes:
        others: devices that are not known to be whole cards, by type.
        written: a pool of it is being written, or has more slices than are looked at, so that
            this is not all.
    """

    cards: list[Card]
    others: Counter[str]
    written: bool


class Pools:
    """All pools of a cluster whose devices are accelerators.

    Args:
        drivers: those that are meant; none for those that are known.
        room: that there is for them.
    """

    def __init__(self, drivers: Collection[str], room: Room) -> None:
        self._drivers = drivers
        self._room = room
        self._pools: dict[PoolKey, Pool] = {}
        self._of_slice: dict[str, PoolKey] = {}
        self._of_node: dict[str, dict[PoolKey, int]] = {}  # → slices
        self._claims: dict[str, tuple[tuple[PoolKey, str], ...]] = {}
        self._changed: dict[str, None] = {}  # nodes
        self._changed_pools: dict[PoolKey, None] = {}  # of which all nodes are
        self.elsewhere = 0  # slices with devices of no one node, which are not counted

    def put(self, name: str, one: objects.SliceSpec) -> None:
        """Take a slice in.

        Raises:
            ReadingError: an amount is none, or it has too many devices, or there is no room.
        """
        read = self._read(one) if is_driver(one.driver or "", self._drivers) else None
        self._replace(name, read)

    def drop(self, name: str) -> None:
        """Forget a slice."""
        self._replace(name, None)

    def put_claim(self, key: str, claim: objects.Claim) -> None:
        """Take a claim in.

        Raises:
            ReadingError: too much is allocated to it, or there is no room.
        """
        self.drop_claim(key)
        allocation = claim.status.allocation if claim.status else None
        results = (allocation.devices.results if allocation and allocation.devices else None) or ()
        if len(results) > _RESULTS_MAX:
            raise ReadingError(f"claim {text(key)}: {len(results):,} devices are allocated to it")
        # Who administrates a device has it beside others.
        devices = tuple(
            ((x.driver or "", x.pool or ""), x.device or "")
            for x in results
            if not x.admin_access and is_driver(x.driver or "", self._drivers)
        )
        if devices:
            self._claims[key] = devices
            self._room.take(_octets(key, devices))
            self._use(devices, 1)

    def drop_claim(self, key: str) -> None:
        """Forget a claim."""
        devices = self._claims.pop(key, ())
        if devices:
            self._room.leave(_octets(key, devices))
            self._use(devices, -1)

    def forget(self) -> None:
        """Forget all slices."""
        for name in list(self._of_slice):
            self.drop(name)

    def forget_claims(self) -> None:
        """Forget all claims."""
        for key in list(self._claims):
            self.drop_claim(key)

    def changed(self) -> Collection[str]:
        """The nodes whose devices, or what is free of them, may be others than when it was asked
        last.
        """
        nodes = self._changed
        for key in self._changed_pools:
            if key in self._pools:
                nodes.update(dict.fromkeys(self._pools[key].of_node))
        self._changed, self._changed_pools = {}, {}
        return nodes

    def has(self, node: str) -> Has:
        """What a node has."""
        devices: list[tuple[Device, bool]] = []
        written = False
        for key in self._of_node.get(node, ()):
            is_whole, newest = self._pools[key].is_whole()
            written |= not is_whole
            devices += self._pools[key].devices(node, newest)
        return Has(*cards(devices), written)

    def _read(self, one: objects.SliceSpec) -> Part:
        said = one.devices or ()
        if len(said) > _DEVICES_MAX:
            raise ReadingError(f"a resource slice of {len(said):,} devices")
        pool = one.pool or objects.Pool()
        key = (one.driver or "", pool.name or "")
        devices: dict[str, list[Device]] = {one.node_name: []} if one.node_name else {}
        octets = sum(map(len, key))
        elsewhere = False
        for x in said:
            node = one.node_name or x.facts.node_name
            if node:
                found = device(x, "/".join(key))
                devices.setdefault(node, []).append(found)
                octets += found.octets + len(node)
            elsewhere |= not node
        of = pool.resource_slice_count or 0
        return Part(key, pool.generation or 0, of, devices, elsewhere, octets)

    def _replace(self, name: str, one: Part | None) -> None:
        """Let a slice be this one, or be gone."""
        keys = dict.fromkeys(
            key for key in (self._of_slice.get(name), one.pool if one else None) if key
        )
        before = {key: self._pools[key].is_whole() for key in keys if key in self._pools}
        if name in self._of_slice:
            self._drop(name)
        if one is not None:
            self._put(name, one)
        for key in keys:
            pool = self._pools.get(key)
            is_whole = pool.is_whole() if pool is not None else None
            # Of a pool that was written and is still, nothing else is told.
            if is_whole != before.get(key) and (
                is_whole is None or is_whole[0] or before.get(key, (True, 0))[0]
            ):
                self._changed_pools[key] = None

    def _put(self, name: str, one: Part) -> None:
        pool = self._pools.setdefault(one.pool, Pool())
        if not pool.has_room(one):
            pool.is_cut = True
            return
        pool.put(name, one)
        self._of_slice[name] = one.pool
        self._room.take(one.octets + len(name))
        self.elsewhere += one.elsewhere
        for node in one.devices:
            count(self._of_node.setdefault(node, {}), one.pool, 1)
            self._changed[node] = None

    def _drop(self, name: str) -> None:
        key = self._of_slice.pop(name)
        pool = self._pools[key]
        one = pool.drop(name)
        self._room.leave(one.octets + len(name))
        self.elsewhere -= one.elsewhere
        for node in one.devices:
            of_node = self._of_node[node]
            count(of_node, key, -1)
            if not of_node:
                del self._of_node[node]
            self._changed[node] = None
        self._tidy(key, pool)

    def _use(self, devices: Collection[tuple[PoolKey, str]], by: int) -> None:
        """Count devices as in use, or not so any more."""
        for key, name in devices:
            pool = self._pools.setdefault(key, Pool())
            count(pool.in_use, name, by)
            self._changed.update(dict.fromkeys(pool.of_device.get(name, ())))
            self._tidy(key, pool)

    def _tidy(self, key: PoolKey, pool: Pool) -> None:
        if not pool.slices and not pool.in_use:
            del self._pools[key]


def _octets(key: str, devices: Collection[tuple[PoolKey, str]]) -> int:
    return len(key) + sum(len(x) + len(pool[0]) + len(pool[1]) + 100 for pool, x in devices)
