"""What a zone that is replaced as a whole held before, so that its journal goes on.

The two generations are walked side by side. That takes as long as reading them, so it is done
before the transaction that publishes the new one (`ReadTransaction.difference`); what others have
changed meanwhile is looked at again then (`settled`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from csid.limits import JOURNAL_ENTRY_NAMES, JOURNAL_ENTRY_OCTETS
from csid.protocol import SOA
from resolver.store import node

Nodes = dict[bytes, bytes | None]  # by key below the apex; None for a name without records
Get = Callable[[bytes], bytes | None]


class Difference(NamedTuple):
    """Between a zone at one moment and the generation that is to take its place.

    Attributes:
        generation: of the zone as it was.
        number: that its journal's next entry was to have: with `generation`, says which moment.
        nodes: what each name that differs had; None if they are too many to be noted.
    """

    generation: bytes
    number: int
    nodes: Nodes | None


def difference(
    old: Iterator[tuple[bytes, bytes]], new: Iterator[tuple[bytes, bytes]], most: int | None = None
) -> Nodes | None:
    """What the names that differ between two trees had in the old one.

    Args:
        old, new: nodes in key order.
        most: nodes to look at; beyond them they count as too many.
    """
    nodes: Nodes = {}
    octets = looked_at = 0
    for key, before, after in _side_by_side(old, new):
        looked_at += 1
        if most is not None and looked_at > most:
            return None
        if is_same(key, before, after):
            continue
        nodes[key] = had(before)
        octets += len(key) + len(before or b"")
        if len(nodes) > JOURNAL_ENTRY_NAMES or octets > JOURNAL_ENTRY_OCTETS:
            return None
    return nodes


def settled(nodes: Nodes, keys: Iterable[bytes], old: Get, new: Get) -> Nodes:
    """A difference with some names looked at again."""
    for key in keys:
        before = old(key)
        if is_same(key, before, new(key)):
            nodes.pop(key, None)
        else:
            nodes[key] = had(before)
    return nodes


def is_same(key: bytes, before: bytes | None, after: bytes | None) -> bool:
    """Whether two nodes, or their absence, are the same records; at the apex (the empty key)
    whatever the serial is.
    """
    if before == after:
        return True
    before, after = had(before), had(after)
    if before is None or after is None:
        return before is after
    before, after = node.bare(before), node.bare(after)
    if not key:
        before, after = with_serial(before, 0), with_serial(after, 0)
    return before == after


def had(blob: bytes | None) -> bytes | None:
    """A node, None if it has no records."""
    return None if blob is None or len(blob) == len(node.EMPTY) else blob


def serial_in(blob: bytes) -> int:
    """The serial in the node of an apex (RFC 1035 section 3.3.13).

    Raises:
        ValueError: it has no SOA.
    """
    at = _serial_at(blob)
    return int.from_bytes(blob[at : at + 4], "big")


def with_serial(blob: bytes, serial: int) -> bytes:
    """The node of an apex under another serial; as it is if it has no SOA."""
    if not node.find_entry(blob, SOA):
        return blob
    at = _serial_at(blob)
    return blob[:at] + serial.to_bytes(4, "big") + blob[at + 4 :]


def _serial_at(blob: bytes) -> int:
    at = node.find_entry(blob, SOA)
    if not at:
        raise ValueError("the node of an apex has no SOA")
    return at + 10 + len(node.records_at(blob, at)) - 20


def _side_by_side(
    old: Iterator[tuple[bytes, bytes]], new: Iterator[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    """The keys of both, in order, with the node that each has."""
    one, other = next(old, None), next(new, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            yield one[0], one[1], None
            one = next(old, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, other[1]
            other = next(new, None)
        else:
            yield one[0], one[1], other[1]
            one, other = next(old, None), next(new, None)
