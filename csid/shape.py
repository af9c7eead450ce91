"""The shape of what is free in a pool: how many of its units have how much (free capacity of a
status, `csid.status.Told.free`).

Four free chips on one node are not four nodes with one each. So a status says, besides the sum,
`nodes_N`: the number of units with exactly N free chips; of units without chips `vcpu_N`, the same
of free virtual processors. At most SHAPES_MAX different N are told; a unit with another N counts
under the largest told one below it, so that a shape never promises what cannot be had.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

SHAPES_MAX: Final = 8  # different N; with the sums a status still has room (csid.status.FREE_MAX)
NODES, VCPU = KINDS = ("nodes", "vcpu")  # what the kinds of a shape begin with
_KIND: Final = re.compile(r"([a-z]+)_([1-9][0-9]{0,11})")
_LOOKED_AT_MAX: Final = 64  # different N that are weighed one by one
_BITS_KEPT: Final = 3  # of N, where there are more


class Units(NamedTuple):
    """A number of units with the same capacity free, in whole chips or virtual processors."""

    free: int
    number: int


Shape = tuple[Units, ...]  # the roomiest first, no two alike


def write(free_of_units: Iterable[float], kind: str = NODES) -> dict[str, int]:
    """The kinds of a status that say the shape.

    Args:
        free_of_units: what each unit has free: finite; parts of a chip and what is below one
            are left out.
        kind: NODES for chips, VCPU for virtual processors of units without chips.
    """
    counts = Counter(int(free) for free in free_of_units if free >= 1)
    if len(counts) > _LOOKED_AT_MAX:
        counts = _rounded_down(counts)
    while len(counts) > SHAPES_MAX:
        _leave_one_out(counts)
    return {f"{kind}_{free}": counts[free] for free in sorted(counts, reverse=True)}


def _rounded_down(counts: Counter[int]) -> Counter[int]:
    """The same with so few different N that each can be weighed."""
    rounded: Counter[int] = Counter()
    for free, count in counts.items():
        unkept = max(0, free.bit_length() - _BITS_KEPT)
        rounded[free >> unkept << unkept] += count
    return rounded


def _leave_one_out(counts: Counter[int]) -> None:
    """Count the units of one N under the next smaller one: of that where the least is lost."""
    ascending = sorted(counts)
    below = dict(zip(ascending, [0, *ascending], strict=False))
    lost = min(ascending, key=lambda free: (counts[free] * (free - below[free]), free))
    count = counts.pop(lost)
    if below[lost]:
        counts[below[lost]] += count


def read(free: Mapping[str, float], kind: str = NODES) -> Shape:
    """The shape that the kinds of a status say; empty where they say none. Whoever posts a status
    chooses them: what is no kind of a shape is passed over.
    """
    found = []
    for name, amount in free.items():
        match = _KIND.fullmatch(name)
        if match is not None and match[1] == kind and amount >= 1:
            found.append(Units(int(match[2]), int(amount)))
    return tuple(sorted(found, reverse=True))


def blocks(shape: Shape, size: int) -> int:
    """How many blocks of `size` chips (or virtual processors), each within one unit, can be had."""
    return sum(units.number * (units.free // size) for units in shape)
