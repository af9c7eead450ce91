"""What LMDB says, in words an administrator can act on.

Its errors are told apart by the names of their classes, so that this module needs no LMDB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from csid.errors import StoreError
from csid.limits import MAX_READERS

_NOTHING: Final = "nothing of this step was written"
_DISK_FULL: Final = f"the disk is full; {_NOTHING}. Free some space and run the command again"
_NOT_ALLOWED: Final = "may not be used as asked: {}"

# The class of an error (any, if empty), a part of its text, and what both together mean.
_MEANINGS: Final = (
    (
        "MapFullError",
        "",
        f"the map is full; {_NOTHING}. Make a directory with a larger --map-size, or remove what "
        f"is no longer needed",
    ),
    ("DiskError", "", f"the disk is full or fails ({{}}); {_NOTHING}"),
    (
        "ReadersFullError",
        "",
        f"all {MAX_READERS} reader slots are taken; end some of the processes that have it open",
    ),
    ("LockError", "", _NOT_ALLOWED),
    ("ReadonlyError", "", _NOT_ALLOWED),
    ("PermissionError", "", _NOT_ALLOWED),
    ("", "No space left", _DISK_FULL),
    ("", "ENOSPC", _DISK_FULL),
    (
        "",
        "Input/output error",  # what LMDB makes of a write that was cut short
        f"the disk is full or fails; {_NOTHING}. Free some space and run the command again",
    ),
    (
        "",
        "Permission denied",
        "permission denied; run as the user that owns it, or change its mode",
    ),
)


def plain(path: Path, error: Exception) -> StoreError:
    """The error to raise for one that LMDB raised at a data directory."""
    text = str(error)
    for kind, part, meaning in _MEANINGS:
        if kind in ("", type(error).__name__) and part in text:
            return StoreError(f"{path}: {meaning.format(error)}")
    return StoreError(f"{path}: {text}")
