"""All rows of a registry, for tests that compare two."""

from __future__ import annotations

from registry.tables import codec
from registry.tables.view import View


def rows_of(seen: View) -> dict[str, dict[bytes, bytes]]:
    """All rows, by table."""
    return {table: dict(seen.scan(table, b"")) for table in codec.TABLES}
