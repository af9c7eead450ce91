"""The files of the benchmarks, written once and kept: the zone and the questions asked of it."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

from benchmarks.names import SEED, Namespace, zone_lines
from benchmarks.questions import LENGTH, SETS, encode, hits

QUESTIONS = 400_000  # a set; a server sees few of them twice in one measurement
# The kept files are named after this: a change of what is written must change it.
FORMAT = "v1"


@dataclass(frozen=True, slots=True)
class Data:
    """Where the files of one size are; `hosted` is a name every server of the zone answers."""

    folder: Path
    count: int

    @property
    def zone(self) -> Path:
        return self.folder / "csid.internal.zone"

    def questions(self, name: str) -> Path:
        return self.folder / f"{name}.questions"

    @property
    def dnsperf(self) -> Path:
        """The `hits` in dnsperf's text form."""
        return self.folder / "hits.dnsperf"

    @property
    def hosted(self) -> bytes:
        with self.questions("hits").open("rb") as stream:
            (length,) = LENGTH.unpack(stream.read(LENGTH.size))
            return stream.read(length)


def build(work: Path, count: int) -> Data:
    """Write the zone and its questions under `work`, or find them there from a former run."""
    key = hashlib.sha256(f"{FORMAT}/{SEED}/{count}/{QUESTIONS}".encode()).hexdigest()[:8]
    data = Data(work / f"names-{count}-{key}", count)
    finished = data.folder / "finished"
    if finished.exists():
        return data
    data.folder.mkdir(parents=True, exist_ok=True)
    space = Namespace(count)
    with data.zone.open("w", encoding="ascii", buffering=1 << 20) as stream:
        stream.writelines(zone_lines(space))
    for name in SETS:
        random_source = random.Random(f"{SEED}/{name}")
        with data.questions(name).open("wb") as packets:
            for _ in range(QUESTIONS):
                packet = encode(SETS[name](space, random_source))
                packets.write(LENGTH.pack(len(packet)) + packet)
    random_source = random.Random(f"{SEED}/dnsperf")
    with data.dnsperf.open("w", encoding="ascii") as stream:
        stream.writelines(f"{hits(space, random_source).name} TXT\n" for _ in range(QUESTIONS))
    finished.touch()
    return data
