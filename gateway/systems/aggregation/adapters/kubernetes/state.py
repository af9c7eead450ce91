"""What is known of a cluster, as lists and then single changes tell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.systems.aggregation.adapters.kubernetes.cards import Card
from gateway.systems.aggregation.adapters.kubernetes.keys import Keys, Remembered
from gateway.systems.aggregation.adapters.kubernetes.nodes import Kept, Settings, kept
from gateway.systems.aggregation.adapters.kubernetes.notes import (
    BOTH,
    PARTS,
    SECOND,
    VIRTUAL,
    WRITTEN,
)
from gateway.systems.aggregation.adapters.kubernetes.notes import notes as noted
from gateway.systems.aggregation.adapters.kubernetes.objects import (
    Claim,
    Metadata,
    Node,
    Pod,
    Slice,
)
from gateway.systems.aggregation.adapters.kubernetes.pods import ENDED, requests
from gateway.systems.aggregation.adapters.kubernetes.pools import Pools
from gateway.systems.aggregation.adapters.kubernetes.room import Room
from gateway.systems.aggregation.adapters.kubernetes.taken import Taken
from gateway.systems.aggregation.adapters.kubernetes.units import unit_of
from gateway.systems.aggregation.readings import Reading, Unit

NODES, PODS, SLICES, CLAIMS = KINDS = ("nodes", "pods", "resourceslices", "resourceclaims")
_NAME_MAX: Final = 253  # characters of a name, as Kubernetes has them
_UID_MAX: Final = 100
_IS_WRITTEN: Final = "its pool of devices is being written"
_IS_REFUSED: Final = "its devices by DRA may not be read any more"


class State:
    """A cluster.

    Attributes:
        settings: of its source.
        version: of the server.
        listed: resourceVersion up to which each kind is known, so which kinds are looked at.
        paths: where each kind is.
        notes: of the poll that began it.
        remembered: of polls before.
    """

    def __init__(
        self,
        settings: Settings,
        drivers: tuple[str, ...],
        version: str,
        remembered: Remembered,
        room: Room | None = None,
    ) -> None:
        self.settings = settings
        self.version = version
        self.remembered = remembered
        self.listed: dict[str, str] = {}
        self.paths: dict[str, str] = {}
        self.notes: list[str] = []
        self._room = room or Room()
        self._nodes: dict[str, Kept] = {}
        self._names: dict[str, str] = {}  # UID → node
        self._pods = Taken(self._room)
        self._pools = Pools(drivers, self._room)
        self._keys = Keys(remembered)
        self._units: dict[str, Unit] = {}
        self._changed: dict[str, None] = {}  # nodes, in the order in which they were told
        self._found: dict[str, Counter[str]] = {}  # node → what is to be noted of it
        self._sums: Counter[str] = Counter()  # of all nodes
        self._left_out = False  # there are objects that cannot be told from others
        self._besides = (0, False)  # what was noted last that is of no node
        self._is_refused = False

    def take(self, one: Node | Pod | Slice | Claim, gone: bool = False) -> None:
        """Take in an object that is there, or is there no more.

        Raises:
            ReadingError: it has an amount that is none, or there are too many.
        """
        metadata = one.metadata or Metadata()
        name = metadata.name or ""
        if not 0 < len(name) <= _NAME_MAX or len(metadata.namespace or "") > _NAME_MAX:
            self._left_out = True
            return
        key = f"{metadata.namespace or ''}/{name}"
        if isinstance(one, Pod):
            self._take_pod(key, one, gone)
        elif isinstance(one, Node):
            self._take_node(name, one, gone)
        elif isinstance(one, Slice):
            if gone or one.spec is None:
                self._pools.drop(name)
            else:
                self._pools.put(name, one.spec)
        elif gone:
            self._pools.drop_claim(key)
        else:
            self._pools.put_claim(key, one)

    def forget(self, kind: str) -> None:
        """Forget all of a kind: its list is read from the beginning."""
        if kind == NODES:
            for name in list(self._nodes):
                self._drop_node(name)
        elif kind == PODS:
            self._changed.update(dict.fromkeys(self._pods.forget()))
        elif kind == SLICES:
            self._pools.forget()
        else:
            self._pools.forget_claims()

    def refuse(self, why: str) -> None:
        """Devices by DRA may not be read. Where they were read before, nodes keep their cards, of
        which none is free.
        """
        self._is_refused = self.remembered.had_devices
        self.notes.append(
            f"devices by DRA are not free any more: {why}"
            if self._is_refused
            else f"devices by DRA are not counted: {why}"
        )

    def settle(self) -> None:
        """All lists have been read."""
        self.remembered.keep(self._names.keys())
        self._keys = Keys(self.remembered)
        self.remembered.had_devices |= SLICES in self.listed

    def reading(self, now: int) -> Reading:
        """What is known.

        Raises:
            ReadingError: an amount is none.
        """
        self.refresh()
        notes = noted(self._sums, self._pools.elsewhere, self._left_out)
        return Reading(
            tuple(self._units.values()),
            now,
            self.version,
            not self._is_refused and not self._left_out,
            (*self.notes, *notes),
        )

    def refresh(self) -> bool:
        """Work out the units of nodes of which something has changed; tells whether one of them is
        another now, or something is to be noted that was not.
        """
        self._changed.update(dict.fromkeys(self._pools.changed()))
        nodes = {name: self._nodes.get(name) for name in self._changed}
        self._changed = {}
        self._keys.give(
            node.identity for node in nodes.values() if node is not None and not node.is_virtual
        )
        besides = (self._pools.elsewhere, self._left_out)
        changed = besides != self._besides
        self._besides = besides
        for name, node in nodes.items():
            if node is None or node.is_virtual:
                changed |= self._units.pop(name, None) is not None
                changed |= self._note(name, {VIRTUAL: 1} if node is not None else {})
            else:
                unit, found = self._unit(name, node)
                changed |= unit != self._units.get(name)
                self._units[name] = unit
                changed |= self._note(name, found)
        return changed

    def _unit(self, name: str, node: Kept) -> tuple[Unit, dict[str, int]]:
        """The unit of a node, and what is to be noted of it."""
        uid = node.identity.uid
        has = self._pools.has(name)
        cards: Iterable[Card] = has.cards
        why = _IS_REFUSED if self._is_refused else _IS_WRITTEN if has.written else ""
        before = self.remembered.cards.get(uid)
        if why:  # what it was known to have it has still; what of that is free is not known
            cards = [one._replace(free=False) for one in before or has.cards]
        elif cards:
            self.remembered.cards[uid] = tuple(cards)
        elif before:
            del self.remembered.cards[uid]
        pods, taken = self._pods.of(name)
        made = unit_of(
            self._keys.of(uid), node, pods, taken, cards, why if cards or has.written else ""
        )
        found = dict(has.others)
        found |= {WRITTEN: int(has.written), BOTH: int(made.is_both)}
        found |= {SECOND: int(self._keys.is_second(uid)), PARTS: has.others.total()}
        return made.unit, found

    def _note(self, name: str, found: Mapping[str, int]) -> bool:
        """Remember what is to be noted of a node; tells whether that is something else now."""
        now = Counter({what: number for what, number in found.items() if number})
        before = self._found.pop(name, Counter())
        if now:
            self._found[name] = now
        if now == before:
            return False
        self._sums.subtract(before)
        self._sums.update(now)
        for what in before:
            if not self._sums[what]:
                del self._sums[what]
        return True

    def _take_node(self, name: str, node: Node, gone: bool) -> None:
        before = self._nodes.get(name)
        if gone:
            self._drop_node(name)
            if before is not None:
                self._gone(before)
            return
        one = kept(node, self.settings)
        uid = one.identity.uid
        # A colon is in keys that are of machines only.
        is_uid = 0 < len(uid) <= _UID_MAX and uid.isprintable() and ":" not in uid
        self._drop_node(name)
        if not is_uid or uid in self._names:
            self._left_out = True
            return
        if before is not None and before.identity.uid != uid:
            self._gone(before)
        self._room.take(one.octets)
        self._nodes[name] = one
        self._names[uid] = name
        self._changed[name] = None

    def _drop_node(self, name: str) -> None:
        node = self._nodes.pop(name, None)
        if node is not None:
            self._room.leave(node.octets)
            del self._names[node.identity.uid]
            self._changed[name] = None

    def _gone(self, node: Kept) -> None:
        """The object of a node is there no more, and will not be again."""
        self._keys.drop(node.identity.uid)
        self.remembered.cards.pop(node.identity.uid, None)

    def _take_pod(self, key: str, pod: Pod, gone: bool) -> None:
        if before := self._pods.drop(key):
            self._changed[before] = None
        node = (pod.spec and pod.spec.node_name) or ""
        ended = pod.status is not None and pod.status.phase in ENDED
        if not gone and not ended and 0 < len(node) <= _NAME_MAX:
            counts = self.settings.counts
            self._pods.put(
                key, node, {name: one for name, one in requests(pod).items() if counts(name)}
            )
            self._changed[node] = None
