"""In what state identifiers begin where there is a national node to file with (备案)."""

from __future__ import annotations

from csid.record import Record, decode, encode
from registry.tables.enums import WORDS, State
from registry.tables.rows import Assignment, Root


def begun(row: Assignment, root: Root | None) -> Assignment:
    """An identifier that begins anew under another code, which is to be filed anew."""
    if root is None or row.state not in (State.ACTIVE, State.REFUSED):
        return row
    record = decode(row.record).changed(state=WORDS[State.FILING].record)
    return row._replace(state=State.FILING, record=encode(record))


def asked(record: Record, root: Root | None) -> Record:
    """A record with which an identifier is to begin: asked to be active, it is filed first where
    there is somebody to file with.
    """
    if root is None or record.state != WORDS[State.ACTIVE].record:
        return record
    return record.changed(state=WORDS[State.FILING].record)
