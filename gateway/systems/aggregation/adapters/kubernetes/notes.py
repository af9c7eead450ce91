"""What is noted of a cluster: what was left out, and why."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

# What is found of nodes; besides these, types of devices that are not counted, in lower case.
VIRTUAL: Final = "VIRTUAL"
SECOND: Final = "SECOND"
WRITTEN: Final = "WRITTEN"
BOTH: Final = "BOTH"
PARTS: Final = "PARTS"
_FOUND: Final = {
    VIRTUAL: "{number} virtual nodes are not counted: they stand for other clusters",
    SECOND: "{number} nodes say the UUID of another and go by the one of their object",
    WRITTEN: "{number} nodes have pools of devices that are not whole",
    BOTH: "{number} nodes offer cards by a plugin and by DRA, which are taken to be the same",
    PARTS: "{number} devices by DRA are not known to be whole cards and are not counted",
}
_TYPES_SHOWN: Final = 3
_TYPES_LOOKED_AT: Final = 50


def notes(found: Mapping[str, int], elsewhere: int, left_out: bool) -> list[str]:
    """The notes.

    Args:
        found: how many nodes there are of each sort, and how many devices of each type that is not
            known to be one of whole cards.
        elsewhere: slices of no one node.
        left_out: there are objects that cannot be told from others.
    """
    said = {
        what: text.format(number=found[what]) for what, text in _FOUND.items() if found.get(what)
    }
    if PARTS in said:
        types = [what for what in islice(found, _TYPES_LOOKED_AT) if what not in _FOUND]
        said[PARTS] += f": {', '.join(sorted(types)[:_TYPES_SHOWN])}"
    shown = list(said.values())
    if elsewhere:
        shown.append(f"{elsewhere} resource slices are of no one node and are not counted")
    if left_out:
        shown.append("objects without a name or a UID of their own are left out")
    return shown
