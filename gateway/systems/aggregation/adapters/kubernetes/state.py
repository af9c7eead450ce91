"""What is known of a cluster, as lists and then single changes tell it."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.identity import machine_key
from gateway.systems.aggregation.adapters.kubernetes.objects import (
    Claim,
    Metadata,
    Node,
    Pod,
    Slice,
)
from gateway.systems.aggregation.adapters.kubernetes.pods import ENDED, requests
from gateway.systems.aggregation.adapters.kubernetes.pools import Pools
from gateway.systems.aggregation.adapters.kubernetes.quantities import Amounts
from gateway.systems.aggregation.adapters.kubernetes.units import Settings, is_virtual, unit_of
from gateway.systems.aggregation.readings import Reading, ReadingError, Unit

NODES, PODS, SLICES, CLAIMS = KINDS = ("nodes", "pods", "resourceslices", "resourceclaims")
OBJECTS_MAX: Final = 2_000_000


class State:
    """A cluster.

    Attributes:
        settings: of its source.
        version: of the server.
        listed: resourceVersion up to which each kind is known, so which kinds are looked at.
        paths: where each kind is.
        notes: of the poll that began it.
    """

    def __init__(self, settings: Settings, drivers: tuple[str, ...], version: str) -> None:
        self.settings = settings
        self.version = version
        self.listed: dict[str, str] = {}
        self.paths: dict[str, str] = {}
        self.notes: list[str] = []
        self._nodes: dict[str, Node] = {}
        self._node_of: dict[str, str] = {}  # pod → node
        self._pods: defaultdict[str, dict[str, Amounts]] = defaultdict(dict)  # node → pods
        self._pools = Pools(drivers)
        self._keys: dict[str, str] = {}  # node → what identifies it
        self._times: Counter[str] = Counter()  # how many nodes a key identifies
        self._virtual: set[str] = set()
        self._units: dict[str, Unit] = {}
        self._behind: set[str] = set()  # nodes with pools that are not whole
        self._changed: dict[str, None] = {}  # nodes, in the order in which they were told

    def take(self, one: Node | Pod | Slice | Claim, gone: bool = False) -> None:
        """Take in an object that is there, or is there no more.

        Raises:
            ReadingError: it has an amount that is none, or there are too many.
        """
        if isinstance(one, Pod):
            self._take_pod(one, gone)
        elif isinstance(one, Node):
            self._take_node(one, gone)
        elif isinstance(one, Slice):
            nodes = self._pools.drop(one.metadata.name) if gone else self._pools.put(one)
            self._changed.update(dict.fromkeys(nodes))
        else:
            key = _named(one.metadata)
            claimed = self._pools.drop_claim(key) if gone else self._pools.put_claim(key, one)
            self._changed.update(dict.fromkeys(claimed))
        if len(self._nodes) + len(self._node_of) > OBJECTS_MAX:
            raise ReadingError(f"more than {OBJECTS_MAX} nodes and pods; is this one cluster?")

    def forget(self, kind: str) -> None:
        """Forget all of a kind: its list is read from the beginning."""
        if kind == NODES:
            self._changed.update(dict.fromkeys(self._nodes))
            self._nodes = {}
        elif kind == PODS:
            self._changed.update(dict.fromkeys(self._pods))
            self._node_of, self._pods = {}, defaultdict(dict)
        elif kind == SLICES:
            self._pools.forget()
        else:
            self._pools.forget_claims()

    def reading(self, now: int) -> Reading:
        """What is known.

        Raises:
            ReadingError: an amount is none.
        """
        self.refresh()
        units, twice = self._with_keys()
        notes = list(self.notes)
        if self._virtual:
            notes.append(
                f"{len(self._virtual)} virtual nodes are not counted: they stand for other clusters"
            )
        if twice:
            notes.append(f"{twice} nodes say the UUID of another and go by the one of their object")
        if self._behind:
            notes.append(f"{len(self._behind)} nodes have pools of devices that are not whole")
        if elsewhere := self._pools.elsewhere():
            notes.append(f"{elsewhere} resource slices are of no one node and are not counted")
        return Reading(units, now, self.version, not self._behind, tuple(notes))

    def refresh(self) -> bool:
        """Work out the units of nodes of which something has changed; tells whether one of them is
        another now.
        """
        changed = False
        for name in self._changed:
            node = self._nodes.get(name)
            before = self._units.get(name)
            self._behind.discard(name)
            self._virtual.discard(name)
            if node is None or is_virtual(node):
                if node is not None:
                    self._virtual.add(name)
                self._identify(name, None)
                changed |= self._units.pop(name, None) is not None
                continue
            cards = self._pools.cards(name)
            if cards is None:  # it stays what it was until its driver is done
                self._behind.add(name)
                changed = True
                continue
            key = _identity(node)
            self._identify(name, key)
            pods = self._pods.get(name, {}).values()
            unit = unit_of(key, node, pods, cards, self.settings)
            self._units[name] = unit
            changed |= unit != before
        self._changed.clear()
        return changed

    def _identify(self, name: str, key: str | None) -> None:
        """Remember what identifies a node now, or that there is none."""
        before = self._keys.pop(name, None)
        if before is not None:
            self._times[before] -= 1
            if not self._times[before]:
                del self._times[before]
        if key is not None:
            self._keys[name] = key
            self._times[key] += 1

    def _with_keys(self) -> tuple[tuple[Unit, ...], int]:
        """The units with keys that are one's own, and how many had another's."""
        if len(self._times) == len(self._units):
            return tuple(self._units.values()), 0
        units = {}
        twice = 0
        for name, unit in self._units.items():
            if self._times[unit.key] > 1:
                twice += 1
                uid = _uid(self._nodes[name])
                units[uid] = unit._replace(key=uid)
            else:
                units[unit.key] = unit
        return tuple(units.values()), twice

    def _take_node(self, node: Node, gone: bool) -> None:
        self._changed[node.metadata.name] = None
        if gone:
            self._nodes.pop(node.metadata.name, None)
        else:
            self._nodes[node.metadata.name] = node

    def _take_pod(self, pod: Pod, gone: bool) -> None:
        key = _named(pod.metadata)
        before = self._node_of.pop(key, None)
        if before is not None:
            del self._pods[before][key]
            if not self._pods[before]:
                del self._pods[before]
            self._changed[before] = None
        node = pod.spec.node_name
        if node and not gone and pod.status.phase not in ENDED:
            self._pods[node][key] = requests(pod)
            self._node_of[key] = node
            self._changed[node] = None


def _named(metadata: Metadata) -> str:
    return f"{metadata.namespace}/{metadata.name}"


def _identity(node: Node) -> str:
    """What a node is however its object is made anew: its machine's UUID, which other sources say
    of it as well, or the identity of its system; else its own.
    """
    info = node.status.node_info
    if info is None:
        return _uid(node)
    system = text(info.machine_id, 100).lower()
    return machine_key(info.system_uuid, None, None) or (
        f"machine:{system}" if len(set(system)) > 1 else _uid(node)
    )


def _uid(node: Node) -> str:
    """What the object of a node is known by."""
    return text(node.metadata.uid, 100) or text(f"name {node.metadata.name}")
