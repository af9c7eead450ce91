"""In what state identifiers begin where there is a national node to file with (备案)."""

from __future__ import annotations

from typing import Final

from csid.record import Record, decode, encode
from registry.tables.enums import WORDS, State
from registry.tables.rows import Assignment, Root

_ACTIVE, _FILING = WORDS[State.ACTIVE].record, WORDS[State.FILING].record
# The state in a record's octets, and in the TXT record of its node: words of one length.
_PACKED: Final = b"\xa2st\xa6"
_TEXT: Final = b"\x0cstate="


def begun(row: Assignment, root: Root | None) -> Assignment:
    """An identifier that begins anew under another code, which is to be filed anew."""
    if root is None or row.state not in (State.ACTIVE, State.REFUSED):
        return row
    record = decode(row.record).changed(state=_FILING)
    return row._replace(state=State.FILING, record=encode(record))


def asked(record: Record, root: Root | None) -> Record:
    """A record with which an identifier is to begin: asked to be active, it is filed first where
    there is somebody to file with.
    """
    if root is None or record.state != _ACTIVE:
        return record
    return record.changed(state=_FILING)


def as_filing(packed: bytes, blob: bytes) -> tuple[str, bytes, bytes]:
    """State, record and node of an active identifier as it is filed, from its record and node; no
    state where that is not plain to be seen in the octets.
    """
    turned = _turned(packed, blob, _ACTIVE, _FILING)
    return ("", packed, blob) if turned is None else (_FILING, *turned)


def as_active(packed: bytes, blob: bytes) -> tuple[bytes, bytes] | None:
    """Record and node of an identifier that waits as it is once it is active; None as above."""
    return _turned(packed, blob, _FILING, _ACTIVE)


def _turned(packed: bytes, blob: bytes, before: str, after: str) -> tuple[bytes, bytes] | None:
    old, new = before.encode(), after.encode()
    around = blob[: -len(packed)]
    if (
        packed.count(_PACKED + old) != 1
        or around.count(_TEXT + old) != 1
        or not blob.endswith(packed)
    ):
        return None
    packed = packed.replace(_PACKED + old, _PACKED + new)
    return packed, around.replace(_TEXT + old, _TEXT + new) + packed
