"""The gateway's cache alone: inserts with eviction, what readers pay meanwhile, and what share of
honest questions it answers under a flood of absent names.

    python -m benchmarks.bench_remember
"""

from __future__ import annotations

import argparse
import mmap
import multiprocessing
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.report import Report, number
from csid import names
from resolver.cache import entry as entries
from resolver.cache.entry import Section
from resolver.cache.sieve import ASKED
from resolver.cache.source import key_of_question
from resolver.cache.store import TYPICAL_OCTETS, Cache, Readable

NAMES: Final = 50_000
SLOTS: Final = 10_000  # of the cache; three quarters are for what is there
BATCH: Final = 64
QUESTIONS: Final = 300_000
FLOOD: Final = 4  # absent names to an honest question
SKEW: Final = 0.9  # of Zipf's law
NXDOMAIN: Final = 3
TXT: Final = 16
RECORD: Final = bytes.fromhex("c00c 0010 0001 0000012c 0078") + b"\x77" + b"x" * 119
_SOA: Final = b"\0" + bytes.fromhex("0006 0001 0000003c 0016") + b"\0\0" + bytes(20)


def key(number_: int, label: str = "n") -> bytes:
    name = f"{label}{number_:07d}.gcv.110000.6450.x0000000000000101t.csid.internal."
    return key_of_question(names.key_of(names.from_text(name)), TXT)


def present(now: int) -> bytes:
    return entries.encode(0, -1, 300, now, Section(RECORD, 1))


def absent(now: int) -> bytes:
    return entries.encode(NXDOMAIN, -1, 60, now, authority=Section(_SOA, 1))


def inserts(folder: Path) -> float:
    """CPU µs of an insert into a cache that is full, in batches."""
    now = int(time.time())
    entry = present(now)
    with closing(Cache(folder, SLOTS * TYPICAL_OCTETS)) as cache:
        keys = [key(at) for at in range(4 * SLOTS)]
        for at in range(0, len(keys), BATCH):
            cache.put([(one, entry) for one in keys[at : at + BATCH]])
        more = [key(at, "m") for at in range(8 * SLOTS)]
        begun = time.process_time()
        for at in range(0, len(more), BATCH):
            cache.put([(one, entry) for one in more[at : at + BATCH]])
        return (time.process_time() - begun) / len(more) * 1e6


def write_on(folder: Path, begun: Event, ended: Event) -> None:
    """Insert without pause until told to end."""
    now = int(time.time())
    entry = present(now)
    at = 0
    with closing(Cache(folder, SLOTS * TYPICAL_OCTETS)) as cache:
        begun.set()
        while not ended.is_set():
            cache.put([(key(at + one, "w"), entry) for one in range(BATCH)])
            at += BATCH


def read(folder: Path, seconds: float = 2.0) -> float:
    """CPU µs of a look into the cache, a moment for 16 of them."""
    with closing(Readable(folder)) as cache:
        keys = [one for one, _ in cache.entries()]
        rng = random.Random(1)
        looked = 0
        begun, end = time.process_time(), time.monotonic() + seconds
        while time.monotonic() < end:
            some = rng.choices(keys, k=16)
            with cache.moment() as txn:
                for one in some:
                    txn.get(one)
            looked += 16
        return (time.process_time() - begun) / looked * 1e6


def honest(rng: random.Random) -> Iterator[int]:
    weights = list(accumulate(1 / (at + 1) ** SKEW for at in range(NAMES)))
    while True:
        yield from rng.choices(range(NAMES), cum_weights=weights, k=10_000)


def hit_share(folder: Path, flood: int) -> float:
    """The share of honest questions that find an answer, with so many absent names to each."""
    now = int(time.time())
    there, not_there = present(now), absent(now)
    rng = random.Random(7)
    asked = honest(rng)
    hits = 0
    pending: list[tuple[bytes, bytes]] = []
    with closing(Cache(folder, SLOTS * TYPICAL_OCTETS)) as cache:
        with (folder / "cache.marks").open("r+b") as file:  # as a worker has them
            marks = mmap.mmap(file.fileno(), 0)
        for at in range(QUESTIONS):
            one = key(next(asked))
            found = cache.get(one)
            if found is not None:
                hits += at >= QUESTIONS // 3
                marks[entries.slot_of(found)] |= ASKED
            else:
                pending.append((one, there))
            pending += [(key(rng.randrange(10**7), "f"), not_there) for _ in range(flood)]
            if len(pending) >= BATCH:
                cache.put(pending)
                pending = []
    return hits / (QUESTIONS - QUESTIONS // 3)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="csid-remember-"))
    try:
        cost = median([inserts(folder / f"insert{at}") for at in range(options.rounds)])
        alone, beside = [], []
        for at in range(options.rounds):
            own = folder / f"read{at}"
            inserts(own)
            alone.append(read(own))
            begun, ended = multiprocessing.Event(), multiprocessing.Event()
            writer = multiprocessing.Process(target=write_on, args=(own, begun, ended))
            writer.start()
            begun.wait()
            beside.append(read(own))
            ended.set()
            writer.join()
        shares = [hit_share(folder / f"flood{flood}", flood) for flood in (0, FLOOD)]
    finally:
        shutil.rmtree(folder)
    rows = [
        ["an insert with eviction, CPU µs", number(cost), f"{1e6 / cost:,.0f}/s"],
        ["a look, nobody writing, CPU µs", number(median(alone)), ""],
        [
            "a look, beside a writer without pause",
            number(median(beside)),
            f"× {median(beside) / median(alone):.2f}",
        ],
        ["hit share, no flood", number(shares[0], 3), ""],
        [
            f"hit share, {FLOOD} absent names a question",
            number(shares[1], 3),
            f"× {shares[1] / shares[0]:.2f}",
        ],
    ]
    report = Report("remember", {"rounds": options.rounds})
    report.add("the cache", ["what", "figure", ""], rows)


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
