"""What reading and writing master files costs: records a second on one core, and memory.

Run from the checkout: `python -m benchmarks.bench_masterfile [--names N] [--files N]`. Reading
includes the checks on the whole zone. The files are made in a temporary folder and removed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from resolver.zonefile.check import Zone, read_zone
from resolver.zonefile.writer import Row, dump

SMALL_ZONE = """\
$TTL 3600
z{0:05d}.example. IN SOA ns1 host ( {0} ; serial
    3600 900 604800 300 )
 IN NS ns1
ns1 IN A 192.0.2.1
a.b.c IN TXT "one of many" ; comment
"""
HEAD = "$ORIGIN big.example.\n$TTL 3600\n@ SOA ns1 host 1 3600 900 604800 300\n@ NS ns1\n"
CSID_DATA = "\\# 200 " + "a5" * 196  # with the number: a record of a usual size


def address_lines(name: int) -> str:
    return f"h{name:07d}.acv 300 IN A 10.{name >> 16 & 255}.{name >> 8 & 255}.{name & 255}\n"


def mixed_lines(name: int) -> str:
    return (
        f"h{name:07d}.acv IN AAAA 2001:db8::{name >> 16:x}:{name & 0xFFFF:x}\n"
        f' TXT "v=csid1" "name=m5-{name}" "vcpu=4"\n'
        f"d{name:07d} NS ns{name % 100}.example.\n"
        f"c{name:07d} CNAME h{name:07d}.acv\n"
    )


def identifier_lines(name: int) -> str:
    """A name as `dump` writes it: the record, one endpoint, the text."""
    owner = f"h60m07a1-{name:07d}-fy.acv.330106.6450.big.example. 300 IN"
    return (
        f"{owner} TYPE65347 {CSID_DATA}{name:08x}\n"
        f'{owner} SVCB 1 r{name}.cloud.example. alpn="h2" port="8443"\n'
        f'{owner} TXT "v=csid1" "name=m5-{name}" "vcpu=4" "memory_gib=16"\n'
    )


def careful_lines(name: int) -> str:
    """Lines that dnspython's tokenizer reads."""
    return f"h{name:07d} IN MX ( 10 ; preference\n  mail{name} )\n"


Shape = tuple[str, Callable[[int], str], int]  # name, lines of a name, records of a name
SHAPES: tuple[Shape, ...] = (
    ("addresses", address_lines, 1),
    ("mixed plain lines", mixed_lines, 4),
    ("identifiers", identifier_lines, 3),
    ("parentheses, comments", careful_lines, 1),
)


def rows(zone: Zone) -> Iterator[Row]:
    for owner, rrsets in zone.rrsets.items():
        for rrtype, rrset in rrsets.items():
            for rdata in rrset.rdatas:
                yield owner, rrtype, rrset.ttl, rdata


def measure(folder: Path, shape: Shape, names: int) -> None:
    """Write, read and dump a zone of one shape, and print its line."""
    title, lines, per_name = shape
    path = folder / "zone"
    with path.open("w") as file:
        file.write(HEAD)
        file.writelines(map(lines, range(names)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    zone = read_zone(path)
    read = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    size = sum(map(len, dump(zone.origin, rows(zone))))
    written = time.process_time()
    records = names * per_name
    print(
        f"  {title:24}{records:>10,}{records / (read - start):>12,.0f}/s"
        f"{records / (written - read):>12,.0f}/s{memory / 1024:>8,.0f} MiB{size / 1e6:>8,.0f} MB"
    )


def measure_small(folder: Path, files: int) -> None:
    """Read many small files."""
    paths = [folder / f"{number}.zone" for number in range(files)]
    for number, path in enumerate(paths):
        path.write_text(SMALL_ZONE.format(number))
    start = time.process_time()
    for path in paths:
        read_zone(path)
    print(f"  {files:,} files of 6 lines in {time.process_time() - start:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", type=int, default=200_000)
    parser.add_argument("--files", type=int, default=5_000)
    options = parser.parse_args()
    print(f"{'':26}{'records':>10}{'read':>14}{'written':>14}{'memory':>12}{'file':>11}")
    # A process each: memory is then that of one zone, and no cache is warm.
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        for shape in SHAPES:
            process = context.Process(target=measure, args=(Path(name), shape, options.names))
            process.start()
            process.join()
        measure_small(Path(name), options.files)


if __name__ == "__main__":
    main()
