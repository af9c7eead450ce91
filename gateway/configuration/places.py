"""Where the configuration is looked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

FILE_VARIABLE: Final = "CSID_CONFIG"
DEFAULT_FILE: Final = "/etc/csid/csid.toml"


def file_here(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file that holds: the one given, that of $CSID_CONFIG, DEFAULT_FILE if it is there."""
    if given is not None:
        return given
    named = environ.get(FILE_VARIABLE) or (DEFAULT_FILE if _is_there(DEFAULT_FILE) else "")
    if not named:
        return None
    from pathlib import Path  # which a client without a configuration does without

    return Path(named)


def _is_there(file: str) -> bool:
    try:
        os.stat(file)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
