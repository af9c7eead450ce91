"""The audit log in figures: append, proofs, verification, in memory and in LMDB.

    python -m benchmarks.bench_audit [--leaves 1000000] [--json FILE]

Leaves have 160 bytes, about the size of one change. Times are wall clock, CPU beside them.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import lmdb

from registry.audit import (
    Log,
    MemoryStore,
    SigningKey,
    Store,
    check,
    open_checkpoint,
    prove,
    verify,
)
from registry.audit.store import leaf_key

LEAF_BYTES = 160
BATCH = 1_000  # leaves of one bulk transaction
PROOFS = 500
SINGLES = 5_000
TEXT = b"x" * (LEAF_BYTES - 8)


class LmdbStore:
    """The log in one sub-database of the caller's transaction."""

    def __init__(self, transaction: Any, database: Any) -> None:
        self._transaction = transaction
        self._database = database

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._transaction.get(key, db=self._database)
        return value

    def put_many(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        self._transaction.cursor(self._database).putmulti(items)

    def leaves(self) -> Iterator[bytes]:
        cursor = self._transaction.cursor(self._database)
        cursor.set_range(leaf_key(0))
        for key, value in cursor.iternext():
            if key[:1] != b"l":
                return
            yield value


def leaf(index: int) -> bytes:
    return index.to_bytes(8) + TEXT


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall clock and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def append_memory(count: int) -> tuple[float, float]:
    log = Log(MemoryStore())
    return timed(lambda: log.append(leaf(index) for index in range(count)))


def append_lmdb(environment: Any, database: Any, count: int) -> tuple[float, float]:
    def work() -> None:
        for start in range(0, count, BATCH):
            with environment.begin(write=True) as transaction:
                log = Log(LmdbStore(transaction, database))
                log.append([leaf(index) for index in range(start, min(start + BATCH, count))])

    return timed(work)


def append_singles(environment: Any, database: Any, count: int) -> float:
    """Seconds of one append of one leaf, without the commit; the transaction is given up."""
    transaction = environment.begin(write=True)
    try:
        log = Log(LmdbStore(transaction, database))
        wall = timed(lambda: [log.append([leaf(index)]) for index in range(count)])[0]
    finally:
        transaction.abort()
    return wall / count


def quantiles(work: Callable[[], Any], times: int) -> dict[str, float]:
    """Milliseconds of many runs: wall clock, and CPU, which other programs do not disturb."""
    runs = [timed(work) for _ in range(times)]
    wall, cpu = (sorted(run[which] * 1e3 for run in runs) for which in (0, 1))
    late = int(0.99 * (times - 1))
    return {
        "median_ms": round(statistics.median(wall), 3),
        "p99_ms": round(wall[late], 3),
        "cpu_p99_ms": round(cpu[late], 3),
        "cpu_max_ms": round(cpu[-1], 3),
    }


def measure_proofs(store: Store, key: SigningKey) -> dict[str, Any]:
    log = Log(store)
    size = log.size
    note = log.checkpoint(key)
    chance = random.Random(1)
    text = prove(log, size // 3, note).text()
    return {
        "inclusion": quantiles(lambda: log.inclusion(chance.randrange(size)), PROOFS),
        "consistency": quantiles(lambda: log.consistency(chance.randrange(size)), PROOFS),
        "prove": quantiles(lambda: prove(log, chance.randrange(size), note).text(), PROOFS),
        "check": quantiles(lambda: check(text, key.verifier), PROOFS),
        "checkpoint": quantiles(lambda: log.checkpoint(key), PROOFS),
    }


def measure(count: int, folder: str) -> dict[str, Any]:
    key = SigningKey.generate("example.cn/csid")
    wall, cpu = append_memory(count)
    figures: dict[str, Any] = {
        "append_memory_s": round(wall, 2),
        "append_memory_cpu_s": round(cpu, 2),
    }
    with lmdb.open(folder, max_dbs=1, map_size=1 << 36, sync=False) as environment:
        database = environment.open_db(b"audit")
        wall, cpu = append_lmdb(environment, database, count)
        figures |= {"append_lmdb_s": round(wall, 2), "append_lmdb_cpu_s": round(cpu, 2)}
        single = append_singles(environment, database, SINGLES)
        figures["append_single_us"] = round(single * 1e6, 1)
        with environment.begin() as transaction:
            store = LmdbStore(transaction, database)
            figures |= measure_proofs(store, key)
            head = open_checkpoint(Log(store).checkpoint(key), key.verifier)
            before = time.perf_counter(), time.process_time()
            report = verify(store, store.leaves(), [head])
            figures["verify_s"] = round(time.perf_counter() - before[0], 2)
            figures["verify_cpu_s"] = round(time.process_time() - before[1], 2)
            figures["verified_leaves"] = report.size if report.sound else 0
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(arguments.leaves, folder)
    result = {
        "leaves": arguments.leaves,
        "leaf_bytes": LEAF_BYTES,
        "batch": BATCH,
        "python": platform.python_version(),
        **figures,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
