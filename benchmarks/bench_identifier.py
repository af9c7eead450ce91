"""How many identifiers one process parses and validates per second.

    python benchmarks/bench_identifier.py [--count 200000] [--owners 20000]

Random identifiers over all industries, locations and chip families. The rate is that of the
best of several rounds; "first round" is the one that meets every owner and location anew.
"""

from __future__ import annotations

import argparse
import platform
import random
import time
from collections.abc import Callable, Iterable
from datetime import date

from rich.console import Console
from rich.table import Table

from csid import check, codes
from csid.identifier import Identifier, default_parser, make, parse

TARGET = 200_000  # identifiers per second
ON = date(2026, 1, 1)
SUFFIX_WIRE = b"\x04csid\x08internal\x00"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200_000, help="identifiers per round")
    parser.add_argument("--owners", type=int, default=20_000, help="different owners")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    random.seed(2260)
    segments = random_segments(args.count, args.owners)
    made = [make(*parts) for parts in segments]
    texts = [str(identifier) for identifier in made]
    names = [identifier.to_dns_name() for identifier in made]
    default_parser.cache_clear()
    cold = measure(lambda: each(parse, texts), args.count, 1)
    table = Table("step", "per second", "µs each", title=title(args))
    for step, run in {
        "parse and validate": lambda: each(parse, texts),
        "parse and validate, on a date": lambda: [parse(text, ON) for text in texts],
        "parse and validate, lower case": lambda: [parse(text) for text in map(str.lower, texts)],
        "parse and validate, DNS names": lambda: each(parse, names),
        "make from six columns": lambda: [make(*parts) for parts in segments],
        "to DNS wire name": lambda: [identifier.to_wire(SUFFIX_WIRE) for identifier in made],
    }.items():
        add(table, step, measure(run, args.count, args.rounds))
    add(table, "parse and validate, first round", cold)
    console = Console(width=100)
    console.print(table)
    console.print(f"target: parse and validate at {TARGET:,} per second")


def title(args: argparse.Namespace) -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{args.count:,} identifiers, {args.owners:,} owners, {python}, one process"


def each(function: Callable[[str], Identifier], texts: Iterable[str]) -> None:
    for text in texts:
        function(text)


def measure(run: Callable[[], object], count: int, rounds: int) -> float:
    """Return the best rate of the rounds, per second of CPU time of this process."""
    best = 0.0
    for _ in range(rounds):
        start = time.process_time()
        run()
        best = max(best, count / (time.process_time() - start))
    return best


def add(table: Table, step: str, rate: float) -> None:
    table.add_row(step, f"{rate:,.0f}", f"{1e6 / rate:.2f}")


def random_segments(count: int, owner_count: int) -> list[tuple[str, str, str, str, str, str]]:
    """Return owner, industry, location, type, capability class and serial of each."""
    choice = random.choice
    owners = [random_owner() for _ in range(owner_count)]
    industries = [code for code in codes.industries() if len(code) == 4]
    divisions = codes.divisions()
    locations = [code for code in divisions if divisions.at(code, ON.year)]
    families = list(codes.chip_families())
    return [
        (
            choice(owners),
            choice(industries),
            choice(locations),
            choice("GASQ") + choice("CED") + choice("PBVKFA"),
            f"{choice('DSHBENG')}{random.randrange(100):02d}M{random.randrange(20):02d}"
            + choice(families),
            f"{number:X}",
        )
        for number in range(count)
    ]


def random_owner() -> str:
    body = "91" + "".join(random.choices("0123456789", k=6))
    body += "".join(random.choices(check.GB32100_ALPHABET, k=9))
    return body + check.gb32100_check(body)


if __name__ == "__main__":
    main()
