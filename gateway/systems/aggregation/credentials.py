"""What is sent along with requests to a source, as a file has it. It is read at each poll, so that
it can be renewed, and kept nowhere else.

    eyJhbGciOi…                     a token, sent as its kind of source wants it
    X-SLURM-USER-NAME: operator     header fields, one a line
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from csid.errors import CsidError

OCTETS_MAX: Final = 65_536
_FIELD: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([\x21-\x7e][\x20-\x7e]*)")
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
# How a bare token is sent to a kind of source; otherwise as Authorization: Bearer.
_FIELDS: Final = {
    "slurm": "X-SLURM-USER-TOKEN",
    "placement": "X-Auth-Token",
    "redfish": "X-Auth-Token",
}


class CredentialsError(CsidError):
    """A file has no token and no header fields."""


def read(file: Path, kind: str) -> dict[str, str]:
    """The header fields that a file says.

    Raises:
        CredentialsError: it says none, or cannot be read. The message has nothing of what is in it.
    """
    try:
        with file.open("rb") as opened:
            octets = opened.read(OCTETS_MAX + 1)
    except OSError as error:
        raise CredentialsError(f"{file}: {error.strerror or error}") from None
    try:
        lines = octets.decode("ascii").splitlines() if len(octets) <= OCTETS_MAX else []
    except UnicodeDecodeError:
        lines = []
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, lines)):
        field = _FIELD.fullmatch(line)
        if field is not None:
            found[field[1]] = field[2]
        elif _TOKEN.fullmatch(line) and kind in _FIELDS:
            found[_FIELDS[kind]] = line
        elif _TOKEN.fullmatch(line):
            found["Authorization"] = f"Bearer {line}"
        else:
            found.clear()
            break
    if not found:
        raise CredentialsError(
            f"{file}: expected a token on one line, or header fields, one a line (Name: value)"
        )
    return found
