"""Whether serials have lost leading zeros, seen from those beside them.

A spreadsheet makes 7 of 0007, and both are serials, so nothing in a cell tells. But codes of one
place and capability class are of one width where they are counted: those of a pool always. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from registry.rules.serials import WIDTH_MAX

GROUPS_MAX: Final = 1_000_000  # places and classes of one table; each takes about 150 octets
_KEPT: Final = WIDTH_MAX + 1  # widths of serials that have lost nothing are counted from here on


class Known(NamedTuple):
    """What is registered of a place and a class: widths of its pools, and serials of it (some)."""

    pools: frozenset[int]
    serials: Iterable[str]


def is_bare(serial: str) -> bool:
    """Whether a serial may have had zeros before it."""
    return serial.isdecimal() and serial[0] != "0"


class Widths:
    """The widths of the serials of a table, by place and class."""

    def __init__(self) -> None:
        self._masks: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._masks)

    def add(self, group: str, serial: str) -> None:
        """One more serial of OWNER/INDUSTRY/LOCATION/TYPE/CLASS."""
        self._masks[group] = self._masks.get(group, 0) | _bit(serial)

    def doubts(self, known: Callable[[str], Known]) -> dict[str, Doubt]:
        """The groups some of whose serials are doubtful.

        Args:
            known: what is registered of a group.
        """
        found = {}
        for group, mask in self._masks.items():
            pools, serials = known(group)
            for serial in serials:
                mask |= _bit(serial)
            doubt = Doubt(pools, mask)
            if doubt.is_any:
                found[group] = doubt
        return found


class Doubt(NamedTuple):
    """Which serials of a group are doubtful.

    Attributes:
        pools: widths of its pools.
        mask: bits of the widths of its serials, those that may have lost zeros and the others.
    """

    pools: frozenset[int]
    mask: int

    @property
    def is_any(self) -> bool:
        """Whether there may be any."""
        widths = {n % _KEPT for n in range(1, 2 * _KEPT) if self.mask >> n & 1}
        return bool(self.pools and widths - self.pools) or len(widths) > 1

    def of(self, serial: str) -> bool:
        """Whether a serial is: it is of no pool's width; or, where there is no pool, it may have
        had zeros, and others like it have other widths, or another is wider.
        """
        width = len(serial)
        if self.pools:
            return width not in self.pools
        if not is_bare(serial):
            return False
        bare = self.mask & ((1 << _KEPT) - 1)
        return bool(bare & ~(1 << width)) or self.mask >> (_KEPT + width + 1) > 0


def _bit(serial: str) -> int:
    """The bit of the width of a serial; of one that is none, the widest."""
    width = min(len(serial), WIDTH_MAX)
    return 1 << (width if is_bare(serial) else width + _KEPT)
