"""Registrations over HTTPS by one client, on a connection that stays open: singly, in batches.

Run from the checkout: `python -m benchmarks.bench_http [--seconds N] [--rounds N] [--keep]`.
Each is durable when it is answered. The two take turns; requests are made before their slice
begins. With the CPU time that the processes of the interface and of the writer took for one.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.bench_import import accredit, csid, owner_codes
from benchmarks.processes import cpu_seconds, family
from benchmarks.report import Report, number
from benchmarks.server import CHECKOUT
from csid.identifier import make
from gateway.http.writing import BATCH_MAX
from registry.rules.serials import text
from registry.service import Registry

ROUNDS = 5
SINGLE, BATCHES = "singly", f"batches of {BATCH_MAX:,}"
MODULES = {"interface": b"gateway.http.process", "writer": b"gateway.writing"}
RECORD = {"state": "active", "endpoints": ["https://a.cloud.example:8443"], "vcpu": 8}
MADE_BEFORE = {SINGLE: 4_000, BATCHES: 40}  # bodies for a second


class Slice(NamedTuple):
    """What one slice came to: registrations a second, CPU µs of one."""

    rate: float
    interface_us: float
    writer_us: float


def registrations() -> Iterator[dict[str, object]]:
    """Registrations of codes that nobody else asks for."""
    owner = owner_codes()[0]
    for one in count():
        code = make(owner, "6450", "330106", "GCV", "G15M05X6", text(one, 8))
        yield {"identifier": str(code), "record": RECORD}


@contextmanager
def offered(data: Path, folder: Path) -> Iterator[tuple[str, int, dict[str, int]]]:
    """A running node with its interface; gives host, port, and who serves it."""
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=bench",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    words += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(words, check=True, capture_output=True)
    lines = ['listen = "127.0.0.1:0"', "per-second = 1_000_000"]
    lines += [f'tls-cert = "{folder}/cert.pem"', f'tls-key = "{folder}/key.pem"']
    (folder / "csid.toml").write_text("\n".join(["[http]", *lines]))
    words = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(data), "--workers", "1"]
    words += ["--listen", "127.0.0.1:0", "--config", str(folder / "csid.toml")]
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        ready = serving.stdout.readline()
        host, _, port = ready.partition(" http ")[2].partition(",")[0].rpartition(":")
        yield host, int(port), found_in(serving.pid)
        serving.terminate()


def found_in(server: int) -> dict[str, int]:
    """The processes that registrations go through, by what they are."""
    found: dict[str, int] = {}
    until = time.monotonic() + 10
    while len(found) < len(MODULES) and time.monotonic() < until:
        for pid in family(server):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            found |= {name: pid for name, module in MODULES.items() if module in line}
    return found


def slice_of(
    connection: http.client.HTTPSConnection,
    token: str,
    kind: str,
    some: Iterator[dict[str, object]],
    seconds: float,
    pids: Mapping[str, int],
) -> Slice:
    """What a slice comes to."""
    path, size = ("/v1/identifiers", 1) if kind == SINGLE else ("/v1/batches", BATCH_MAX)
    bodies = []
    for _ in range(int(MADE_BEFORE[kind] * seconds)):
        items = [next(some) for _ in range(size)]
        given = items[0] if size == 1 else {"items": [{"op": "assign", **one} for one in items]}
        bodies.append(json.dumps(given).encode())
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    before = [cpu_seconds([pid]) for pid in pids.values()]
    done, started = 0, time.perf_counter()
    for body in bodies:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status in (200, 201), said
        assert size == 1 or b"urn:" not in said, said[:500]
        done += size
        if time.perf_counter() - started >= seconds:
            break
    rate = done / (time.perf_counter() - started)
    spent = [cpu_seconds([pid]) - one for pid, one in zip(pids.values(), before, strict=True)]
    return Slice(rate, *(one / done * 1e6 for one in spent))


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each slice")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args(words)
    report = Report("http", {"rounds": options.rounds, "seconds": options.seconds})
    folder = options.work / "http"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = folder / "data"
    csid("init", "--data", data)
    with Registry.alone(data) as registry:
        accredit(registry)
    add = [sys.executable, "-m", "gateway.cli", "token", "add", "bench"]
    add += ["--role", "administrator", "--data", str(data)]
    token = subprocess.run(add, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    some = registrations()
    rates: dict[str, list[Slice]] = {SINGLE: [], BATCHES: []}
    with offered(data, folder) as (host, port, pids):
        context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        connection = http.client.HTTPSConnection(host, port, context=context)
        for _ in range(options.rounds):
            for kind, found in rates.items():
                connection.close()  # it has waited for longer than it may while bodies were made
                found.append(slice_of(connection, token.strip(), kind, some, options.seconds, pids))
    shutil.rmtree(folder)
    report.raw = {kind: [one._asdict() for one in found] for kind, found in rates.items()}
    rows = [
        [
            kind,
            *(number(of(one.rate for one in found), 0) for of in (median, min, max)),
            *(number(median(column), 0) for column in list(zip(*found, strict=True))[1:]),
        ]
        for kind, found in rates.items()
    ]
    heads = (
        "registrations",
        "a second, median",
        "least",
        "most",
        "CPU µs of the interface",
        "CPU µs of the writer",
    )
    report.add("registrations over HTTPS, one client", heads, rows)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
