"""Devices by DRA as cards: a card, its partitions and the other ways to have it are one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from gateway.systems.aggregation.adapters import models
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.kubernetes import objects
from gateway.systems.aggregation.adapters.kubernetes.quantities import quantity

KEEPS_AWAY: Final = frozenset({"NoSchedule", "NoExecute"})  # effects of taints
# Types that are whole cards; drivers that have nothing else say none (Intel). What else there is
# are parts (mig, amdgpu-partition), a second way to have a card (vfio), or is not known.
_WHOLE: Final = frozenset({"", "gpu", "amdgpu"})
_TYPE: Final = "type"
_MODEL: Final = ("productName", "model", "product")
# Attributes that are the same for a card and what else is made of it.
_SAME: Final = {
    "uuid": "uuid",
    "parentUUID": "uuid",
    "pciBusID": "bus",
    "pcieBusID": "bus",
    "pciAddr": "bus",
    "parentPciAddr": "bus",
    "pciAddress": "bus",
}
_MEMORY: Final = "memory"
_MARK_MAX: Final = 300  # characters


class Card(NamedTuple):
    """A card of a node."""

    model: str
    memory_gib: float
    free: bool


class Device(NamedTuple):
    """What is kept of a device.

    Attributes:
        kind: its type, as its driver has it; empty if it has none.
        marks: what it has in common with the others that are the same card: at least its name.
    """

    name: str
    kind: str
    model: str
    memory_gib: float
    marks: tuple[str, ...]
    is_tainted: bool

    @property
    def octets(self) -> int:
        """About how much is kept."""
        return 300 + sum(len(one) + 60 for one in self.marks)


def device(said: objects.Device, pool: str) -> Device:
    """A device of a pool.

    Raises:
        ReadingError: its memory is no amount.
    """
    facts = said.facts
    attributes: dict[str, str] = {}
    marks = [_mark(pool, "device", said.name or "")]
    for full, one in (facts.attributes or {}).items():
        name = full.rpartition("/")[2]
        if one is not None and one.string:
            attributes.setdefault(name, one.string)
            if name in _SAME:
                marks.append(_mark("", _SAME[name], one.string.lower()))
    for counters in facts.consumes_counters or ():
        marks.append(_mark(pool, "counters", counters.counter_set or ""))
    model = next((found for x in _MODEL if (found := attributes.get(x))), "")
    return Device(
        said.name or "",
        text(attributes.get(_TYPE), 60).casefold(),
        models.model(model)[:60],
        _memory(facts),
        tuple(dict.fromkeys(marks)),
        keeps_away(facts.taints),
    )


def cards(
    having: Iterable[tuple[Device, bool]],
) -> tuple[list[Card], Counter[str]]:
    """The cards that devices of a node are, each told with whether it is in use: a card is free if
    nothing of it is. What is of no card that is known to be whole is counted by type.
    """
    found: list[Card] = []
    others: Counter[str] = Counter()
    for group in _groups(having):
        whole = [one for one, _ in group if one.kind in _WHOLE]
        if whole:
            free = not any(in_use for _, in_use in group)
            free = free and not any(one.is_tainted for one in whole)
            found.append(Card(whole[0].model, whole[0].memory_gib, free))
        else:
            others.update(one.kind for one, _ in group)
    return found, others


def _groups(having: Iterable[tuple[Device, bool]]) -> Iterator[list[tuple[Device, bool]]]:
    """Those that have a mark in common, also by others between them."""
    devices = list(having)
    leads: dict[str, str] = {}
    for one, _ in devices:
        root = _root(leads, one.marks[0])
        for mark in one.marks[1:]:
            leads[_root(leads, mark)] = root
    groups: defaultdict[str, list[tuple[Device, bool]]] = defaultdict(list)
    for pair in devices:
        groups[_root(leads, pair[0].marks[0])].append(pair)
    yield from groups.values()


def _root(leads: dict[str, str], mark: str) -> str:
    """The mark that stands for all that this one is together with."""
    path = []
    while (next_ := leads.setdefault(mark, mark)) != mark:
        path.append(mark)
        mark = next_
    for one in path:
        leads[one] = mark
    return mark


def _mark(pool: str, kind: str, name: str) -> str:
    return f"{pool} {kind} {name[:_MARK_MAX]}"


def keeps_away(taints: Iterable[objects.Taint] | None) -> bool:
    """Does one of the taints keep away what does not tolerate it?"""
    return any(one.effect in KEEPS_AWAY for one in taints or ())


def _memory(facts: objects.DeviceFacts) -> float:
    for full, one in (facts.capacity or {}).items():
        if full.rpartition("/")[2] == _MEMORY and one is not None and one.value is not None:
            return round(quantity(one.value) / 2**30, 1)
    return 0
