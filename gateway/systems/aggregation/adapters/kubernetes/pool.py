"""One pool of devices by DRA."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final, NamedTuple, TypeVar

from gateway.systems.aggregation.adapters.kubernetes.cards import Device

# Kubernetes has no bounds for these: a driver that goes beyond them harms its own pool only.
_SLICES_MAX: Final = 10_000
_SLICES_OF_A_NODE_MAX: Final = 128

PoolKey = tuple[str, str]  # driver, pool
Key = TypeVar("Key", bound=Hashable)


class Part(NamedTuple):
    """What is kept of a slice.

    Attributes:
        of: how many slices its generation is said to have.
        devices: by the nodes that have them.
        elsewhere: it has devices of no one node.
        octets: about how much is kept.
    """

    pool: PoolKey
    generation: int
    of: int
    devices: dict[str, list[Device]]
    elsewhere: bool
    octets: int


class Pool:
    """A pool: its slices by name, and how often what they tell of is there.

    Attributes:
        in_use: how many claims have each device, by its name.
        is_cut: it has more slices than are looked at.
    """

    def __init__(self) -> None:
        self.slices: dict[str, Part] = {}
        # → how many slices it is said to have → how many say so
        self.generations: dict[int, dict[int, int]] = {}
        self.of_node: dict[str, dict[str, None]] = {}  # → names of slices
        self.of_device: dict[str, dict[str, int]] = {}  # → nodes → slices
        self.in_use: dict[str, int] = {}
        self.is_cut = False

    def has_room(self, one: Part) -> bool:
        """May a slice come in?"""
        return len(self.slices) < _SLICES_MAX and all(
            len(self.of_node.get(node, ())) < _SLICES_OF_A_NODE_MAX for node in one.devices
        )

    def is_whole(self) -> tuple[bool, int]:
        """Whether all slices of its newest generation are there, and which one that is."""
        newest = max(self.generations, default=0)
        said = self.generations.get(newest, {})
        is_whole = len(said) <= 1 and all(of == there for of, there in said.items())
        return is_whole and not self.is_cut, newest

    def put(self, name: str, one: Part) -> None:
        """Take a slice in."""
        self.slices[name] = one
        count(self.generations.setdefault(one.generation, {}), one.of, 1)
        for node, devices in one.devices.items():
            self.of_node.setdefault(node, {})[name] = None
            for x in devices:
                count(self.of_device.setdefault(x.name, {}), node, 1)

    def drop(self, name: str) -> Part:
        """Forget a slice that is there."""
        one = self.slices.pop(name)
        count(self.generations[one.generation], one.of, -1)
        if not self.generations[one.generation]:
            del self.generations[one.generation]
        for node, devices in one.devices.items():
            del self.of_node[node][name]
            if not self.of_node[node]:
                del self.of_node[node]
            for x in devices:
                count(self.of_device[x.name], node, -1)
                if not self.of_device[x.name]:
                    del self.of_device[x.name]
        return one

    def devices(self, node: str, generation: int) -> Iterator[tuple[Device, bool]]:
        """The devices of a node, and whether they are in use."""
        for name in self.of_node.get(node, ()):
            one = self.slices[name]
            if one.generation == generation:
                for x in one.devices[node]:
                    yield x, x.name in self.in_use


def count(counts: dict[Key, int], key: Key, by: int) -> None:
    """Count; what is there no more leaves nothing behind."""
    number = counts.get(key, 0) + by
    if number:
        counts[key] = number
    else:
        del counts[key]
