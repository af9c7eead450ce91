"""Processes as Linux shows them: the tree below one, CPU time, memory of their own."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

PROC = Path("/proc")
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ (?P<permissions>\S{4}) ")


def family(pid: int) -> list[int]:
    """`pid` and all its living descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            parent = _parent(entry)
            if parent is not None:
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def _parent(entry: Path) -> int | None:
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # ended meanwhile
        return None
    return None if fields[0] == "Z" else int(fields[1])


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of the processes with all their threads, to the nanosecond.

    It asks the CPU-time clock of each process (clock_getcpuclockid(3)): /proc/PID/stat counts in
    hundredths of a second, too coarse for a short run.
    """
    return sum(time.clock_gettime(((~pid) << 3) | 2) for pid in pids)


def own_memory(pid: int) -> int:
    """Bytes of memory that this process alone has, without files it maps shared.

    A shared map of a database file is page cache, which the kernel takes back at will, though
    with a single reader it is counted as private.
    """
    total = 0
    shared = False
    for line in (PROC / str(pid) / "smaps").read_text().splitlines():
        mapping = _MAPPING.match(line)
        if mapping:
            shared = mapping["permissions"].endswith("s")
        elif not shared and line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1]) * 1024
    return total


def alive(pid: int, folder: Path) -> bool:
    """Whether `pid` still runs and works in `folder`: a number may have passed to a stranger."""
    try:
        return (PROC / str(pid) / "cwd").readlink() == folder
    except OSError:
        return False
