"""Processes as Linux shows them: the tree below one, CPU time, memory of their own."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
CPUCLOCK_SCHED = 2
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ (?P<permissions>\S{4}) ")
_SAMPLE_SECONDS = 0.01  # between two looks at a command that runs


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
    return sum(time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED) for pid in pids)


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one process in bytes, without files it maps shared.

    A shared map of a database file is page cache, which the kernel takes back at will, though
    with a single reader it would count as private.
    """

    own: int  # no other process has it
    proportional: int  # own, and its share of what it has in common with others (after a fork)


def memory(pid: int) -> Memory:
    """What /proc/PID/smaps says of a living process (proc(5))."""
    own = proportional = 0
    shared_map = False
    for line in (PROC / str(pid) / "smaps").read_text().splitlines():
        mapping = _MAPPING.match(line)
        if mapping:
            shared_map = mapping["permissions"].endswith("s")
        elif shared_map:
            continue
        elif line.startswith(("Private_Clean:", "Private_Dirty:")):
            own += _kibibytes(line)
        elif line.startswith("Pss:"):
            proportional += _kibibytes(line)
    return Memory(own, proportional)


@dataclass(frozen=True, slots=True)
class Cost:
    """What some work took: wall and CPU seconds, and the most memory it held, in bytes."""

    seconds: float
    cpu_seconds: float
    peak_octets: int


def cost_of(words: Sequence[str], folder: Path, environment: Mapping[str, str], core: int) -> Cost:
    """Run a command on a core to its end; CalledProcessError if it fails, with what it said.

    The peak counts the file maps it has touched. It is asked for while the command runs: what
    wait4(2) tells of a process begins with the size of the one that started it.
    """
    begin = time.monotonic()
    with (folder / "cost.log").open("w+b") as log:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        peak = ended = 0
        while not ended:
            peak = max(peak, _peak_octets(process.pid))
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if not ended:
                time.sleep(_SAMPLE_SECONDS)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise subprocess.CalledProcessError(process.returncode, words, log.read())
    return Cost(seconds, usage.ru_utime + usage.ru_stime, peak)


def _peak_octets(pid: int) -> int:
    """The most memory a process has had until now; 0 if it has ended."""
    with contextlib.suppress(OSError), Path(f"/proc/{pid}/status").open() as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return _kibibytes(line)
    return 0


def _kibibytes(line: str) -> int:
    return int(line.split()[1]) * 1024
