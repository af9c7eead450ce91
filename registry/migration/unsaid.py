"""What rows hold that a replay of leaves of version 1 does not give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from registry.tables import codec
from registry.tables.view import View
from registry.verify.rows import differences

INDEXES: Final = frozenset({codec.COUNTS, codec.PLACES, codec.BY_STATE})  # made of other rows
Differing = tuple[str, bytes, bytes | None, bytes | None]  # table, key, as it is, as the log says


def differing(held: View, wanted: View) -> Iterator[Differing]:
    """The rows of all tables that are not as they should be, in the order of tables and keys."""
    for table in codec.TABLES:
        pairs = differences(held.scan(table, b""), wanted.scan(table, b""))
        for key, value, other in pairs:
            yield table, key, value, other


def may_go_unsaid(row: Differing) -> bool:
    """Whether a row differs in what leaves of version 1 do not say, and in nothing else: keys under
    which something was done, whether the first inventory is under way, and TTLs.
    """
    table, key, value, wanted = row
    if table == codec.REPLAYS:
        return wanted is None
    if table == codec.SETTINGS:
        return key == codec.INVENTORY_KEY
    if table == codec.ASSIGNMENTS and value is not None and wanted is not None:
        held = codec.decode_assignment(value)
        return held == codec.decode_assignment(wanted)._replace(ttl=held.ttl)
    return False
