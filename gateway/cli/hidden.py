"""Words of the command line that no list of processes is to show."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path
from typing import Final

_STAT: Final = Path("/proc/self/stat")
_ARG_START: Final = 48 - 3  # the field arg_start (proc(5)), counted behind the name of the program


def hide(word: str) -> None:
    """Have a word of this process's command line shown as asterisks from now on (Linux), as
    secrets are to be that could not be given otherwise.
    """
    octets = word.encode()
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = _STAT.read_bytes().rpartition(b")")[2].split()
        start, end = (int(field) for field in fields[_ARG_START : _ARG_START + 2])
        if not (octets and start):
            return
        shown = ctypes.string_at(start, end - start)
        at = shown.find(octets)
        while at >= 0:
            ctypes.memset(start + at, ord("*"), len(octets))
            at = shown.find(octets, at + len(octets))
