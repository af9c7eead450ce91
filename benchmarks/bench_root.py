"""A national node with many cuts: its start, and the commands that list them.

Run from the checkout: `python -m benchmarks.bench_root [--cuts N] [--work DIR]`. The cuts are of
one node, filed as its requests are, many in a commit. The start is that of `csid serve` to its
first answer; of each command, the CPU time and the most memory it held.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

from benchmarks.bench_filing import INDUSTRY, SUFFIX
from benchmarks.bench_follow import started
from benchmarks.bench_import import ADMINISTRATOR, ON, csid, owner_codes
from benchmarks.processes import cost_of
from benchmarks.server import CHECKOUT
from csid import codes
from registry.rules.participants import Judgement
from registry.rules.requests import AddNode, AddOwner, Body, FileCut, JudgeOwner, Request
from registry.service import Registry
from registry.tables.enums import Kind

NODE = "region1"
AT_ONCE = 1_000  # requests in one commit
LISTINGS = {
    "the first page": (),
    "a page in the middle": ("--after",),
    "what waits": ("--state", "waiting"),
    "of one node": ("--node", NODE),
    "all of them": ("--limit",),
}


def cuts(count: int, owners: list[str]) -> Iterator[str]:
    """Some cuts, in order."""
    divisions = codes.divisions()
    places = [code for code in divisions if divisions.at(code, ON.year)]
    names = (f"{owner}/{INDUSTRY}/{place}" for owner, place in product(sorted(owners), places))
    return islice(names, count)


def made(path: Path, count: int) -> list[str]:
    """A national node with so many cuts; returns them."""
    csid("init", "--data", path, "--role", "national", "--address", "127.0.0.1")
    owners = owner_codes()[: 1 + count // 2_000]
    wanted = list(cuts(count, owners))
    kinds = (Kind.RESOURCE_PROVIDER,)
    bodies: list[Body] = [AddNode(NODE, "region", (), ("127.0.0.3:53",))]
    for code in owners:
        bodies += [
            AddOwner(code, kinds, f"owner {code}", "noc@example.cn"),
            JudgeOwner(code, Judgement.ACCREDIT),
        ]
    bodies += [FileCut(cut, NODE) for cut in wanted]
    with Registry.open(path, writable=True) as registry:
        for at in range(0, len(bodies), AT_ONCE):
            requests = [Request(ADMINISTRATOR, body) for body in bodies[at : at + AT_ONCE]]
            for decision in registry.submit_all(requests):
                if not decision.status.success:
                    raise SystemExit(f"{decision.subject}: {decision.detail}")
    return wanted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=100_000)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="csid-root-", dir=options.work))
    try:
        begun = time.process_time()
        found = made(folder / "data", options.cuts)
        spent = 1e6 * (time.process_time() - begun) / len(found)
        print(f"{len(found):,} cuts: {spent:.0f} µs of CPU to file one")
        first, octets = started(folder / "data", SUFFIX)
        print(f"first answer {first:.2f} s, sync process {octets:.0f} MiB")
        more = {"--after": (found[len(found) // 2],), "--limit": (str(len(found)),)}
        for what, words in LISTINGS.items():
            asked = (*words, *more.get(words[0] if words else "", ()))
            command = [sys.executable, "-m", "gateway.cli", "filing", "list", *asked, "--json"]
            command += ["--data", str(folder / "data")]
            environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
            cost = cost_of(command, folder, environment, 0)
            octets = cost.peak_octets / 2**20
            print(f"csid filing list, {what}: {cost.cpu_seconds:.2f} s of CPU, {octets:.0f} MiB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
