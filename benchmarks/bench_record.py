"""What a resource record costs a bulk import: CPU microseconds per row, stage by stage.

Run from the checkout: `python -m benchmarks.bench_record [--rows N]`. The rows have a host and a
name of their own each, which no cache can hold, and chips and sizes that repeat, as in a table of
real resources. The identifier is not part of it. The figures are the best of several passes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from csid.record import Record, decode, encode
from csid.record_csv import record_reader
from csid.record_rdata import svcb_rdatas, txt_rdata

COLUMNS = ["endpoints", "name", "chip", "count", "vcpu", "memory_gib", "fp16_gflops", "state"]
SHAPES = (  # chip, count, vCPU, GiB, FP16 GFLOPS
    ("x86-64", "", "2", "4", ""),
    ("x86-64", "", "96", "384", ""),
    ("arm64", "", "64", "128", ""),
    ("NVIDIA T4", "1", "4", "16", "65000"),
    ("NVIDIA H100", "8", "192", "2048", "7912000"),
)
PASSES = 5


def rows(count: int) -> list[list[str]]:
    """Rows whose cells are objects of their own, as a CSV reader makes them."""
    made = []
    for number in range(count):
        chip, chips, vcpu, memory, gflops = SHAPES[number % len(SHAPES)]
        made.append(
            f"https://r{number:07d}.cn-north-1a.cloud.example:8443,m5-{number} cn-north-1a,{chip},"
            f"{chips},{vcpu},{memory},{gflops},active".split(",")
        )
    return made


def best_us(stage: Callable[[list[str]], object], table: list[list[str]]) -> float:
    """CPU microseconds per row of the quickest pass."""
    fastest = float("inf")
    for _ in range(PASSES):
        started = time.process_time()
        for row in table:
            stage(row)
        fastest = min(fastest, time.process_time() - started)
    return fastest / len(table) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    table = rows(parser.parse_args().rows)
    read = record_reader(COLUMNS)

    def csid(row: list[str]) -> Record:
        record = read(row)
        encode(record)
        return record

    def svcb(row: list[str]) -> Record:
        record = csid(row)
        svcb_rdatas(record)
        return record

    def txt(row: list[str]) -> None:
        txt_rdata(svcb(row))

    print(f"{len(table):,} rows, best of {PASSES} passes, CPU µs per row")
    before = 0.0
    for name, stage in (("row -> record", read), ("CSID", csid), ("SVCB", svcb), ("TXT", txt)):
        total = best_us(stage, table)
        print(f"  {name:14} {total - before:6.2f}   together {total:6.2f}")
        before = total

    packed = encode(read(table[-1]))
    record = read(table[-1])
    print(f"decode {best_us(lambda _row: decode(packed), table):.2f} µs a record")
    print(
        f"octets of the last row: CSID {len(packed)}, "
        f"SVCB {len(svcb_rdatas(record)[0])}, TXT {len(txt_rdata(record))}"
    )


if __name__ == "__main__":
    main()
