"""Which names below the suffix a zone answers for, and the rows of the registry about them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from csid import names
from registry.tables.naming import Names
from registry.tables.registered import SEGMENTS, begins_shaped, is_shaped
from registry.tables.view import View

_SWAPPED: Final = bytes.maketrans(b"\0/", b"/\0")
_BEFORE_SEPARATOR: Final = re.compile(rb"[\0-/]").search


class Territory:
    """What one zone answers for of the names below the suffix.

    Attributes:
        apex: canonical key of the zone's apex.
        above: the suffix below the apex, where the zone stands above it; else empty.
        below: the apex below the suffix, where the zone stands below it; else empty.
        deeper: keys below the apex of the zones that are held below this one and have names below
            the suffix, the topmost alone, in order: those names are theirs.
    """

    def __init__(
        self, named: Names, apex: bytes, held: Iterable[bytes], within: bytes = b""
    ) -> None:
        """Of a zone at or below the suffix, or above it.

        Args:
            apex: canonical key.
            held: canonical keys of the apexes of all zones that are held below it, and of others
                if need be, in order.
            within: a key below the apex: what does not lie below it is left out.
        """
        suffix = names.key_of(named.wire)
        self.apex = apex
        self.above = suffix[len(apex) :]
        self.below = apex[len(suffix) :]
        self.within = within
        self.deeper: list[bytes] = []
        for one in held:
            if len(one) <= len(apex) or not one.startswith(apex):
                continue
            key = one[len(apex) :]
            if self.deeper and key.startswith(self.deeper[-1]):
                continue
            if key.startswith(self.above) or self.above.startswith(key):
                self.deeper.append(key)

    @property
    def is_empty(self) -> bool:
        """Whether other zones answer for all names below the suffix."""
        return any(self.above.startswith(key) for key in self.deeper)

    def is_hidden(self, key: bytes) -> bool:
        """Whether a name lies in a deeper zone, so that nothing here answers for it."""
        at = bisect_right(self.deeper, key)
        return at > 0 and key.startswith(self.deeper[at - 1])

    def prefixes(self) -> list[bytes]:
        """The rows that prefixes above the apex and below the suffix would have, topmost first."""
        segments = self.below.upper().split(b"\0")[:-1]
        return [b"/".join(segments[:end]) for end in range(1, min(len(segments), SEGMENTS))]

    def key_of_row(self, row: bytes) -> bytes:
        """The key below the apex of an identifier or prefix as it is in the key of a row."""
        below = row.lower().replace(b"/", b"\0") + b"\0"
        return self.above + below[len(self.below) :]

    def key_of_name(self, row: bytes) -> bytes | None:
        """`key_of_row` of a name that this zone answers for; None of any other."""
        below = row.lower().replace(b"/", b"\0") + b"\0"
        if not below.startswith(self.below):
            return None
        key = self.above + below[len(self.below) :]
        return None if self.is_hidden(key) else key

    def row_of_key(self, key: bytes) -> bytes:
        """The inverse of `key_of_row`, for names below the suffix. A name that has the separator
        of rows in a label (RFC 2317) is none of a row.
        """
        return (self.below + key[len(self.above) :])[:-1].translate(_SWAPPED).upper()

    def name_of_key(self, key: bytes) -> str:
        """A name as it stands in messages: an identifier or the beginning of one if it is that."""
        if key.startswith(self.above):
            below = self.below + key[len(self.above) :]
            if below and (is_shaped(below) or begins_shaped(below)):
                return self.row_of_key(key).decode("ascii")
        try:
            return names.to_text(names.wire_of_key(self.apex + key))
        except ValueError:  # a row or a node whose key is damaged
            return f"the key {(self.apex + key).hex()}"

    def _behind(self, key: bytes) -> bytes:
        """Where the rows begin whose names come behind a name below the suffix, any that it is.

        A label ends by an octet that is less than all others, a segment by one that is greater
        than some; segments but the last hold none of those.
        """
        row = self.row_of_key(key)
        segments = row.split(b"/")
        for number, segment in enumerate(segments[: SEGMENTS - 1]):
            if odd := _BEFORE_SEPARATOR(segment):
                return b"/".join([*segments[:number], segment[: odd.start()] + b"0"])
        return row + b"\0"

    def rows(
        self, view: View, table: str, after: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """The rows of a table (identifiers, prefixes) that this zone is the deepest one around.

        Args:
            after: a key below the apex; rows at or before it are left out.

        Returns:
            (key below the apex, value), in order.
        """
        if self.is_empty:
            return
        top = self.below
        if self.within.startswith(self.above):
            top += self.within[len(self.above) :]
        prefix = top.replace(b"\0", b"/").upper()
        start = b""
        if after is not None and after.startswith(self.above):
            start = self._behind(after)
        elif after is not None and after > self.above:
            return
        if top:
            # The topmost name itself, whose row, if it has one, does not end by the separator.
            value = view.get(table, prefix[:-1])
            if value is not None and after is None:
                yield self.key_of_row(prefix[:-1]), value
            if top.count(0) >= SEGMENTS:
                return
        deeper = iter(self.deeper)
        skip = next(deeper, None)
        while True:
            for row, value in view.scan(table, prefix, start):
                key = self.key_of_row(row)
                while skip is not None and key >= skip and not key.startswith(skip):
                    skip = next(deeper, None)
                if skip is not None and key.startswith(skip):
                    break
                yield key, value
            else:
                return
            start = self.row_of_key(skip) + b"0"  # what comes next after the separator
            skip = next(deeper, None)
