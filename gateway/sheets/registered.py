"""What the registry says of the codes of a table: the widths of serials, and what is registered."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from csid.columns import SEGMENT_COLUMNS
from csid.errors import IdentifierError
from csid.identifier import make
from gateway.sheets.serials import Known
from registry.tables import codec, view
from registry.tables.view import View

NEIGHBOURS: Final = 64  # identifiers of a place and class whose widths are looked at
_NOTHING: Final = Known(frozenset(), ())


class Registered:
    """What is registered at a moment."""

    def __init__(self, seen: View) -> None:
        self._seen = seen

    def known(self, group: str) -> Known:
        """What there is of OWNER/INDUSTRY/LOCATION/TYPE/CLASS; of one that is none, nothing."""
        place, _, capability = group.rpartition("/")
        if _name((*place.split("/"), capability, "1")) is None:
            return _NOTHING
        pools = frozenset(len(pool.first) for pool in view.pools_of(self._seen, place, capability))
        prefix = f"{group}-".encode("ascii")
        names = islice(self._seen.scan(codec.ASSIGNMENTS, prefix), NEIGHBOURS)
        return Known(pools, [key[len(prefix) :].partition(b"-")[0].decode() for key, _ in names])

    def has(self, segments: Sequence[str]) -> bool:
        """Whether the segments of a row, the serial last, are an identifier that was assigned."""
        name = _name(segments)
        return name is not None and view.get_assignment(self._seen, name) is not None


def _name(segments: Sequence[str]) -> str | None:
    """The identifier of six segments, None if they are of none."""
    if len(segments) != len(SEGMENT_COLUMNS):
        return None
    owner, industry, location, kind, capability, serial = segments
    try:
        return str(make(owner, industry, location, kind, capability, serial))
    except IdentifierError:
        return None
