# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: annotation_typing=False
"""The inner loops of `ways`: plain Python over flat arrays, which search.pxd gives C types where
Cython is there. What is compiled takes arrays with a buffer, what is interpreted takes lists.

An arc goes from `v` along line `line[arc]` to `head[arc]`, for arcs from `first[v]` on. Each line
has 1 + n values, whose sums count along a way: what is minimised, then what is limited; value j of
line l is `weight[j * lines + l]`, and a line that may not be used has an infinite value 0.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence

NONE = -1
CUT = -2  # there were too many labels
INFINITE = float("inf")
ROUNDING = 1e-9  # of sums in one order against another

Ints = MutableSequence[int]
Floats = MutableSequence[float]


def push(keys: Floats, items: Ints, size: int, key: float, item: int) -> int:
    """Put an item into a heap of `size`; returns the new size."""
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if keys[above] <= key:
            break
        keys[at] = keys[above]
        items[at] = items[above]
        at = above
    keys[at] = key
    items[at] = item
    return size + 1


def pop(keys: Floats, items: Ints, size: int) -> int:
    """Take the first item out of a heap of `size`, which is one less then; returns the item."""
    first = items[0]
    size -= 1
    key = keys[size]
    item = items[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and keys[below + 1] < keys[below]:
            below += 1
        if keys[below] >= key:
            break
        keys[at] = keys[below]
        items[at] = items[below]
        at = below
    keys[at] = key
    items[at] = item
    return first


def reach(
    first: Sequence[int],
    head: Sequence[int],
    line: Sequence[int],
    weight: Sequence[float],
    offset: int,
    lines: int,
    source: int,
    sums: Floats,
    sums_at: int,
    keys: Floats,
    items: Ints,
) -> None:
    """Write, for each node, the least sum of one value of lines from `source` (Dijkstra).

    Args:
        offset: of that value in `weight`; lines with an infinite value 0 are left out.
        sums: all infinite from `sums_at` on, for as many nodes as there are.
        keys, items: room for a heap: as many as there are arcs, and one.
    """
    unusable = INFINITE
    sums[sums_at + source] = 0.0
    size = push(keys, items, 0, 0.0, source)
    while size > 0:
        key = keys[0]
        node = pop(keys, items, size)
        size -= 1
        if key > sums[sums_at + node]:
            continue
        for arc in range(first[node], first[node + 1]):
            along = line[arc]
            if weight[along] == unusable:
                continue
            other = head[arc]
            value = key + weight[offset + along]
            if value < sums[sums_at + other]:
                sums[sums_at + other] = value
                size = push(keys, items, size, value, other)


def bound(
    first: Sequence[int],
    head: Sequence[int],
    line: Sequence[int],
    weight: Sequence[float],
    sums: Sequence[float],
    blocked: Sequence[int],
    banned: Sequence[int],
    start: int,
    base: float,
) -> float:
    """What a way costs at least that goes on from `start`, where it has cost `base`, to no node
    that is blocked, first along no line that is banned.
    """
    least = INFINITE
    for arc in range(first[start], first[start + 1]):
        along = line[arc]
        other = head[arc]
        if blocked[other] or banned[along]:
            continue
        value = base + weight[along] + sums[other]
        if value < least:
            least = value
    return least


def spur(
    first: Sequence[int],
    head: Sequence[int],
    line: Sequence[int],
    weight: Sequence[float],
    lines: int,
    sums: Sequence[float],
    nodes: int,
    limits: Sequence[float],
    values: int,
    blocked: Sequence[int],
    banned: Sequence[int],
    start: int,
    target: int,
    closed: Ints,
    best: Floats,
    label: Floats,
    at: Ints,
    parent: Ints,
    via: Ints,
    chain: Ints,
    room: int,
    keys: Floats,
    items: Ints,
    used: Ints,
) -> int:
    """The best way on from `start` to `target` within all limits: its last label, NONE or CUT.

    Labels are settled in the order of what they come to at least (A* with exact potentials). One
    that is worse in all values than another at its node is given up: if that one's way leads back
    through where it has been, the loop can be left out.

    Args:
        sums: least sums of each value from each node to `target`.
        limits: of each value.
        values: how many there are.
        closed: for each node NONE, or its label settled last, by `chain` those before; NONE before
            and after.
        best: for each node, if there is one value only, the least so far; infinite before and
            after.
        label: values of labels; those of label 0 are where the way stands at `start`.
        at, parent, via: of labels: node, label before, line.
        room: how many labels there may be.
        used: used[0] becomes how many labels there were.
    """
    none = NONE
    unusable = INFINITE
    slack = 1 + ROUNDING
    at[0] = start
    parent[0] = none
    via[0] = none
    count = 1
    found = none
    size = push(keys, items, 0, label[0] + sums[start], 0)
    while size > 0:
        one = pop(keys, items, size)
        size -= 1
        node = at[one]
        if node == target:
            for value in range(values):
                if label[one * values + value] > limits[value]:
                    break
            else:
                found = one
                break
            continue
        if values == 1:
            if closed[node] != none:
                continue
        else:
            other_label = closed[node]
            while other_label != none:
                for value in range(1, values):
                    if label[other_label * values + value] > label[one * values + value]:
                        break
                else:
                    break
                other_label = chain[other_label]
            if other_label != none:
                continue
        chain[one] = closed[node]
        closed[node] = one
        for arc in range(first[node], first[node + 1]):
            along = line[arc]
            other = head[arc]
            if weight[along] == unusable or blocked[other]:
                continue
            if one == 0 and banned[along]:
                continue
            if values == 1:
                cost = label[one] + weight[along]
                if cost >= best[other] or cost + sums[other] > limits[0] * slack:
                    continue
                best[other] = cost
            else:
                for value in range(values):
                    amount = label[one * values + value] + weight[value * lines + along]
                    if amount + sums[value * nodes + other] > limits[value] * slack:
                        break
                else:
                    value = values
                if value < values:
                    continue
            if count >= room:
                found = CUT
                size = 0
                break
            for value in range(values):
                amount = label[one * values + value] + weight[value * lines + along]
                label[count * values + value] = amount
            at[count] = other
            parent[count] = one
            via[count] = along
            key = label[count * values] + sums[other]
            size = push(keys, items, size, key, count)
            count += 1
    for one in range(count):
        closed[at[one]] = none
        best[at[one]] = unusable
    used[0] = count
    return found
