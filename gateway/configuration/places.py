"""Where the configuration is looked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

FILE_VARIABLE: Final = "CSID_CONFIG"
DEFAULT_FILE: Final = Path("/etc/csid/csid.toml")


def file_here(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file that holds: the one given, that of $CSID_CONFIG, DEFAULT_FILE if it is there."""
    if given is None and environ.get(FILE_VARIABLE):
        return Path(environ[FILE_VARIABLE])
    if given is None and DEFAULT_FILE.exists():
        return DEFAULT_FILE
    return given
