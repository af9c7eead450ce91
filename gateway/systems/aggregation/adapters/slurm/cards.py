"""Which cards a node of Slurm has, and how many of them a new job could get."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.slurm import gres
from gateway.systems.aggregation.adapters.slurm.forms import Node


class Cards(NamedTuple):
    """Those of the kind that a node has most of.

    Attributes:
        chip: their type; empty without one.
        total: how many there are.
        free: how many are not in use, wholly or in part; None if that is not known.
        has_instances: there are instances of cards besides, which are not counted.
    """

    chip: str = ""
    total: int = 0
    free: int | None = 0
    has_instances: bool = False


class _Kind(NamedTuple):
    name: str
    type: str
    alone: bool  # there is no other type of that name

    def among(self, items: list[gres.Item]) -> list[gres.Item]:
        """Which of these are of that type, or may be."""
        return [
            one
            for one in items
            if not one.is_instance and (self.alone or one.type in (self.type, ""))
        ]


_NONE: Final = Cards()


def cards_of(node: Node, names: frozenset[str], notes: list[str]) -> Cards:
    """The cards of a node; what cannot be read or is left out is noted."""
    if not node.gres:
        return _NONE
    there: Counter[tuple[str, str]] = Counter()
    has_instances = False
    for item in gres.items(node.gres, names, 1):
        if item.number is None:
            notes.append(f"{text(node.name)}: {text(item.said)} is no number of cards")
        elif item.is_instance:
            has_instances = True
        else:
            there[item.name, item.type] += item.number
    if not there:
        return Cards(has_instances=has_instances)
    name, chip = max(there, key=lambda kind: (there[kind], kind[1], kind[0]))
    if len(there) > 1:
        notes.append(_several(node, there, (name, chip)))
    kind = _Kind(name, chip, sum(other == name for other, _ in there) == 1)
    total = there[name, chip]
    used = _used(node, kind, notes)
    return Cards(chip, total, None if used is None else max(0, total - used), has_instances)


def _several(node: Node, there: Counter[tuple[str, str]], kind: tuple[str, str]) -> str:
    """A note of the kinds that are not counted, by their types, and by names if those differ."""
    of_one_name = len({name for name, _ in there}) == 1
    shown = {
        one: (one[1] or "untyped") if of_one_name else ":".join(filter(None, one)) for one in there
    }
    chip = text(shown.pop(kind))
    others = text(", ".join(f"{word}:{there[one]}" for one, word in sorted(shown.items())))
    return f"{text(node.name)}: of several types of card only {chip} is counted, not {others}"


def _used(node: Node, kind: _Kind, notes: list[str]) -> int | None:
    """How many cannot be had as a whole; None if that is not known."""
    whole = _told(node, kind, kind.name)
    drained = kind.among(gres.items(node.gres_drained, (kind.name,)))
    in_parts: list[gres.Item] = []
    for name in gres.PARTS if kind.name == gres.IN_PARTS else ():
        told = _told(node, kind, name)
        if not told and kind.among(gres.items(node.gres, (name,), 1)):
            return None
        in_parts += told
    for one in (*whole, *drained, *in_parts):
        if one.number is None:
            notes.append(f"{text(node.name)}: {text(one.said)} is no number of cards in use")
            return None
    if not whole:
        return None
    return sum(one.number or 0 for one in (*whole, *drained)) + sum(one.cards for one in in_parts)


def _told(node: Node, kind: _Kind, name: str) -> list[gres.Item]:
    """What is said to be in use under a name; nothing if none of it is named.

    An idle node names it as well, with 0: `gpu:h100:0(IDX:N/A)`. In `tres_used` what is not in use
    is not named, and neither is what is not tracked.
    """
    told = gres.items(node.gres_used, (name,))
    if any(one.number is None for one in told):
        return [one for one in told if one.number is None]
    return kind.among(told) or kind.among(gres.items_of_tres(node.tres_used, (name,)))
