"""Registrations over HTTPS by one client on one connection that stays open: singly, and in batches.

Run from the checkout: `python -m benchmarks.bench_http [--seconds N] [--rounds N] [--keep]`. Each is
durable when it is answered. The two take turns; requests are made before their slice begins.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.bench_import import accredit, csid, owner_codes
from benchmarks.report import Report, number
from benchmarks.server import CHECKOUT
from csid.identifier import make
from gateway.http.writing import BATCH_MAX
from registry.rules.serials import text
from registry.service import Registry

ROUNDS = 5
SINGLE, BATCHES = "singly", f"batches of {BATCH_MAX:,}"
RECORD = {"state": "active", "endpoints": ["https://a.cloud.example:8443"], "vcpu": 8}
MADE_BEFORE = {SINGLE: 4_000, BATCHES: 40}  # bodies for a second


def registrations() -> Iterator[dict[str, object]]:
    """Registrations of codes that nobody else asks for."""
    owner = owner_codes()[0]
    for one in count():
        code = make(owner, "6450", "330106", "GCV", "G15M05X6", text(one, 8))
        yield {"identifier": str(code), "record": RECORD}


@contextmanager
def offered(data: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """A running node with its interface; gives host and port."""
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
        yield host, int(port)
        serving.terminate()


def slice_of(
    connection: http.client.HTTPSConnection,
    token: str,
    kind: str,
    some: Iterator[dict[str, object]],
    seconds: float,
) -> float:
    """Registrations a second."""
    path, size = ("/v1/identifiers", 1) if kind == SINGLE else ("/v1/batches", BATCH_MAX)
    bodies = []
    for _ in range(int(MADE_BEFORE[kind] * seconds)):
        items = [next(some) for _ in range(size)]
        given = items[0] if size == 1 else {"items": [{"op": "assign", **one} for one in items]}
        bodies.append(json.dumps(given).encode())
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
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
    return done / (time.perf_counter() - started)


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
    rates: dict[str, list[float]] = {SINGLE: [], BATCHES: []}
    with offered(data, folder) as (host, port):
        context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        connection = http.client.HTTPSConnection(host, port, context=context)
        for _ in range(options.rounds):
            for kind, found in rates.items():
                connection.close()  # it has waited for longer than it may while bodies were made
                found.append(slice_of(connection, token.strip(), kind, some, options.seconds))
    shutil.rmtree(folder)
    report.raw = dict(rates)
    rows = [
        [kind, *(number(of(found), 0) for of in (median, min, max))]
        for kind, found in rates.items()
    ]
    heads = ("registrations", "a second, median", "least", "most")
    report.add("registrations over HTTPS, one client", heads, rows)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
