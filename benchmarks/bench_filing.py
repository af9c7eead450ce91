"""Identifiers filed with the national node: from their assignment until their receipts are taken.

Run from the checkout: `python -m benchmarks.bench_filing [--identifiers N] [--work DIR] [--keep]`.
A national node, its aggregate and a region node are `csid serve` on this machine, what they write
is durable. First N identifiers of 200 cuts are imported at the region node, and it is waited until
none is *filing* any more; then single ones are assigned, and the region node is asked over UDP
until it answers with an *active* one.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from benchmarks.bench_import import ADMINISTRATOR, COLUMNS, ON, SHAPES, csid, owner_codes
from benchmarks.bench_lag import ASK_SECONDS, PAUSES, serving
from benchmarks.processes import cpu_seconds, family
from benchmarks.report import Report, number, percentile
from benchmarks.server import CHECKOUT
from csid import codes, names
from csid.identifier import make
from csid.protocol import CSID
from csid.record import Record
from registry.rules.participants import Judgement
from registry.rules.requests import AddOwner, Assign, JudgeOwner, Request
from registry.service import Registry
from registry.tables import codec, transaction
from registry.tables.enums import WORDS, Kind, State
from registry.tables.naming import Names
from resolver.store.environment import Store

SUFFIX = "csid.internal."
SITES = 8  # of an owner: its cuts
INDUSTRY = "6450"
SCOPE = "33"
HOSTS = {"root": "127.0.0.1", "sum": "127.0.0.2", "zhejiang": "127.0.0.3"}
PATIENCE = 300.0
LOOK_SECONDS = 0.05
WARMING = 20
ACTIVE = b"\xa2st\xa6active"  # in the octets of a record
RECORD = Record({"state": "active", "endpoints": ["https://a.cloud.example:8443"], "vcpu": 8})


def free_port() -> int:
    """A port that nobody uses now at any of the addresses."""
    with contextlib.ExitStack() as opened:
        socks = [opened.enter_context(socket.create_server((HOSTS["root"], 0)))]
        port: int = socks[0].getsockname()[1]
        for host in [one for one in HOSTS.values() if one != HOSTS["root"]]:
            opened.enter_context(socket.create_server((host, port)))
        return port


def network(folder: Path, port: int, owners: list[str]) -> None:
    """The directories of the three nodes; the root and the region know the owners."""
    csid("init", "--data", folder / "root", "--role", "national", "--address", HOSTS["root"])
    for name, words in (
        ("sum", ("--role", "aggregate")),
        ("zhejiang", ("--role", "region", "--scope", SCOPE)),
    ):
        added = subprocess.run(
            [
                *(sys.executable, "-m", "gateway.cli", "node", "add", name, *words),
                *("--address", f"{HOSTS[name]}:{port}", "--root", f"{HOSTS['root']}:{port}"),
                *("--data", str(folder / "root")),
            ],
            cwd=CHECKOUT,
            check=True,
            capture_output=True,
            text=True,
        )
        line = added.stdout.splitlines()[-1].replace("--data DIR", f"--data {folder / name}")
        csid(*line.split()[1:])
    for name in ("root", "zhejiang"):
        with Registry.open(folder / name, writable=True) as registry:
            for code in owners:
                kinds = (Kind.RESOURCE_PROVIDER,)
                bodies = (
                    AddOwner(code, kinds, f"owner {code}", "noc@example.cn"),
                    JudgeOwner(code, Judgement.ACCREDIT),
                )
                registry.submit_all([Request(ADMINISTRATOR, body) for body in bodies])


def table(path: Path, count: int, owners: list[str]) -> None:
    """The table of an import: owner by owner, site by site."""
    divisions = codes.divisions()
    sites = [code for code in divisions if code.startswith(SCOPE) and divisions.at(code, ON.year)]
    sites = [code for code in sites if not code.endswith("00")][:SITES]
    each = -(-count // (len(owners) * SITES))
    source = Random(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for one in range(count):
            place, serial = divmod(one, each)
            shape, kind, *facts = SHAPES[source.randrange(len(SHAPES))]
            location = sites[place % SITES]
            code = make(owners[place // SITES], INDUSTRY, location, kind, shape, f"{serial:06d}")
            endpoint = f"https://r{one}.cloud.example:8443"
            writer.writerow([str(code), f"pool-{one}", "active", endpoint, *facts])


def wait_until_filed(data: Path) -> None:
    """Until no identifier waits for its receipt."""
    waiting = codec.state_key(WORDS[State.FILING].record, "")
    end = time.monotonic() + PATIENCE
    with Store.open(data) as store:
        transaction.open_tables(store)
        while time.monotonic() < end:
            with store.read() as read:
                seen = transaction.TransactionView(read)
                if next(iter(seen.scan(codec.BY_STATE, waiting)), None) is None:
                    return
            time.sleep(LOOK_SECONDS)
    raise SystemExit("there are identifiers that got no receipt")


def assigned(folder: Path, port: int, owner: str, count: int) -> Iterator[tuple[float, float]]:
    """Milliseconds until each of some identifiers is durable, and until it is active."""
    random, named = Random(1), Names(SUFFIX)
    with (
        Registry.open(folder / "zhejiang", writable=True) as registry,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        sock.connect((HOSTS["zhejiang"], port))
        sock.settimeout(0.5)
        for one in range(count + WARMING):
            code = make(owner, INDUSTRY, "330106", "GCV", "G15M05X6", f"Z{one:05d}")
            packet = b"\0\1\0\0\0\1\0\0\0\0\0\0" + names.wire_of_key(named.key(str(code)))
            packet += CSID.to_bytes(2, "big") + b"\0\1"
            time.sleep(random.uniform(*PAUSES))
            begun = time.perf_counter()
            decision = registry.submit(Request(ADMINISTRATOR, Assign(code, RECORD)))
            if not decision.status.success:
                raise SystemExit(f"{code}: {decision.detail}")
            durable = time.perf_counter()
            answered(sock, packet, begun + PATIENCE)
            if one >= WARMING:
                yield 1e3 * (durable - begun), 1e3 * (time.perf_counter() - begun)


def answered(sock: socket.socket, packet: bytes, end: float) -> None:
    """Ask until the answer has an active identifier."""
    while time.perf_counter() < end:
        sock.send(packet)
        with contextlib.suppress(OSError):
            if ACTIVE in sock.recv(4_096):
                return
        time.sleep(ASK_SECONDS)
    raise SystemExit("an identifier did not get active")


def used(pids: dict[str, int]) -> dict[str, float]:
    """CPU seconds of nodes until now."""
    return {name: cpu_seconds(family(pid)) for name, pid in pids.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--identifiers", type=int, default=100_000, help="that are imported")
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--single", type=int, default=300, help="that are assigned one by one")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="csid-filing-", dir=options.work))
    owners = owner_codes()[: -(-options.cuts // SITES)]
    port = free_port()
    report = Report("filing", {"identifiers": options.identifiers, "cuts": options.cuts})
    try:
        network(folder, port, owners)
        table(folder / "table.csv", options.identifiers, owners)
        with contextlib.ExitStack() as running:
            pids = {
                name: running.enter_context(serving(folder / name, port, host))
                for name, host in HOSTS.items()
            }
            if options.identifiers:
                report.add(*bulk(folder, pids, options.identifiers))
            found = list(zip(*assigned(folder, port, owners[0], options.single), strict=True))
            heads = ["assigned one by one", "p50 ms", "p90 ms", "p99 ms"]
            rows = [
                [what, *(number(percentile(sorted(waits), at)) for at in (50, 90, 99))]
                for what, waits in zip(("durable", "active"), found, strict=True)
            ]
            report.add("Receipts of single identifiers", heads, rows)
            report.raw["single"] = found
    finally:
        shutil.rmtree(folder)
    if options.keep:
        report.write()


def bulk(folder: Path, pids: dict[str, int], count: int) -> tuple[str, list[str], list[list[str]]]:
    """A table imported at the region node, and its receipts waited for."""
    begun = time.perf_counter()
    csid("import", folder / "table.csv", "--data", folder / "zhejiang", "--on", ON.isoformat())
    imported = time.perf_counter()
    before = used(pids)
    wait_until_filed(folder / "zhejiang")
    filed = time.perf_counter()
    spent = {name: after - before[name] for name, after in used(pids).items()}
    heads = ["identifiers", "import s", "then filed s", *(f"{name} CPU s" for name in spent)]
    row = [f"{count:,}", number(imported - begun), number(filed - imported)]
    return "Filing of an import", heads, [row + [number(one) for one in spent.values()]]


if __name__ == "__main__":
    main()
