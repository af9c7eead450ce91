"""Status reports taken by a node: their CPU time, when they are seen in its answers, and what other
answers cost meanwhile.

Run from the checkout: `python -m benchmarks.bench_status [--rate N] [--rounds N] [--keep]`.
A gateway sends batches as `gateway.reporting.sender` does, one each 10 ms, over a connection that
stays open. Three kinds of rounds take turns: without reports, with them, with them while somebody
looks for each. In the first two the same questions are asked of the one UDP worker, of names that
have nothing to do with statuses.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import dns.message

from benchmarks.bench_import import accredit, owner_codes
from benchmarks.measure import LOADER_CORE
from benchmarks.processes import cpu_seconds, family
from benchmarks.report import Report, number, ratio
from benchmarks.server import CHECKOUT, SERVER_CORE
from csid import status
from csid.identifier import Identifier, parse
from csid.status import Told
from gateway.http.media import MSGPACK
from gateway.reporting import upward
from gateway.reporting.sender import PACE_SECONDS
from gateway.reporting.statuses import Sent
from gateway.reporting.upward import pack_status, packed
from registry.service import Registry

IDENTIFIERS = 5_000
CLASS = "G15M05X6"
QUESTIONS_PER_SECOND = 8_000
BURST = 32
PROBE_SECONDS = 0.002  # between two looks for what was sent last
VALID_MILLISECONDS = 600_000
MODULES = {"interface": b"gateway.http.process", "worker": b"resolver.server.worker"}


class Node(NamedTuple):
    """A running node."""

    pids: dict[str, int]
    dns: int  # its port
    host: str
    port: int  # of its interface
    key: str  # of the gateway
    names: list[Identifier]


class Round(NamedTuple):
    """What one round came to."""

    reports: int
    seconds: float
    interface: float  # CPU seconds
    worker_us: float  # CPU µs of an answer
    seen: list[float]  # seconds


@contextmanager
def running(folder: Path) -> Iterator[Node]:
    """A node with identifiers, and a gateway that may report of them."""
    data = folder / "node"
    owner = owner_codes()[0]
    csid("init", "--data", data)
    with Registry.open(data, writable=True) as registry:
        accredit(registry)
    place = f"{owner}/6450/330106/GCV"
    csid("pool", "add", place, "--class", CLASS, "--count", IDENTIFIERS, "--data", data)
    csid("pool", "mint", f"{place}/{CLASS}", "--number", IDENTIFIERS, "--data", data)
    key = csid("gateway", "enrol", "gw-1", "--prefix", place, "--data", data).split()[-1]
    listed = csid("list", place, "--limit", IDENTIFIERS, "--json", "--data", data)
    names = [parse(json.loads(line)["identifier"]) for line in listed.splitlines()]
    (folder / "csid.toml").write_text('[http]\nlisten = "127.0.0.1:0"\nper-second = 1_000_000\n')
    words = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(data), "--workers", "1"]
    words += ["--listen", "127.0.0.1:0", "--config", str(folder / "csid.toml")]
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        ready = serving.stdout.readline()
        host, _, port = ready.partition(" http ")[2].partition(",")[0].rpartition(":")
        udp = int(ready.split(",")[0].split()[2].rpartition(":")[2])
        time.sleep(1.0)
        pids = {
            name: pid
            for pid in family(serving.pid)
            for name, module in MODULES.items()
            if module in Path(f"/proc/{pid}/cmdline").read_bytes()
        }
        # So that only what they have in common slows one down when the other works.
        os.sched_setaffinity(pids["worker"], {SERVER_CORE})
        os.sched_setaffinity(pids["interface"], {LOADER_CORE})
        os.sched_setaffinity(0, {LOADER_CORE})
        yield Node(pids, udp, host, int(port), key, names)
        serving.terminate()


def csid(*words: str | int | Path) -> str:
    """What a command prints."""
    run = [sys.executable, "-m", "gateway.cli", *map(str, words)]
    return subprocess.run(run, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True).stdout


class Gateway(multiprocessing.Process):
    """Reports, so many a second: a process of its own, so that whoever asks keeps his pace.

    Attributes:
        sent: when each number was handed in; `wrong`: batches that were not taken. Once it is over.
    """

    def __init__(self, node: Node, rate: int, seconds: float, first: int) -> None:
        super().__init__()
        self.size = round(rate * PACE_SECONDS)
        self.first = first
        self.sent: dict[int, float] = {}
        self.wrong = 0
        self._ours, self._theirs = multiprocessing.Pipe()
        self._node = node
        count = round(seconds / PACE_SECONDS)
        self._bodies = [self._body(one) for one in range(count)]  # before anything is measured

    def run(self) -> None:
        node = self._node
        connection = http.client.HTTPConnection(node.host, node.port)
        headers = {"Authorization": f"Bearer {node.key}", "Content-Type": MSGPACK}
        headers["Content-Encoding"] = "gzip"
        begun = time.monotonic()
        for one, (last, body) in enumerate(self._bodies):
            time.sleep(max(0.0, begun + one * PACE_SECONDS - time.monotonic()))
            self.sent[last] = time.monotonic()  # one clock for all processes of the machine
            connection.request("POST", upward.PATH, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            self.wrong += answer.status != 200 or b'"outcome":"taken"' not in said
        self._theirs.send((self.sent, self.wrong))

    def join(self, timeout: float | None = None) -> None:
        self.sent, self.wrong = self._ours.recv()
        super().join(timeout)

    def _body(self, one: int) -> tuple[int, bytes]:
        now = time.time_ns() // 1_000_000
        made = []
        begin = self.first + one * self.size
        for at in range(begin, begin + self.size):
            name = self._node.names[
                0 if at == begin + self.size - 1 else 1 + at % (IDENTIFIERS - 1)
            ]
            told = Told(
                load=at % 100 / 100, free={"chips": float(at % 64), "vcpu": float(at % 999)}
            )
            sent = Sent(str(name), at, now + one, now + one + VALID_MILLISECONDS, told)
            made.append(pack_status(sent))
        return begin + self.size - 1, packed(made, [])


class Prober(threading.Thread):
    """Looks at the status of one name, and when each number of it was there."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.found: list[tuple[float, int]] = []
        self.over = False
        name = f"_status.{node.names[0].to_dns_name('csid.internal.')}"
        self._query = dns.message.make_query(name, "TXT").to_wire()
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.settimeout(1.0)
        self._sock.connect(("127.0.0.1", node.dns))

    def run(self) -> None:
        while not self.over:
            self._sock.send(self._query)
            answer = dns.message.from_wire(self._sock.recv(4_096))
            at = time.monotonic()
            said = status.read(part.decode() for part in answer.answer[0][0].strings)
            self.found.append((at, (said or {}).get("number", -1)))
            time.sleep(PROBE_SECONDS)
        self._sock.close()


def asked(node: Node, seconds: float) -> int:
    """Ask for records at an even pace; how many answers came."""
    queries = [
        dns.message.make_query(one.to_dns_name("csid.internal."), "TXT").to_wire()
        for one in node.names[:1_000]
    ]
    answers = at = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", node.dns))
        sock.settimeout(1.0)
        begun = time.monotonic()
        while (now := time.monotonic()) < begun + seconds:
            time.sleep(max(0.0, begun + answers / QUESTIONS_PER_SECOND - now))
            for one in range(BURST):
                sock.send(queries[(at + one) % len(queries)])
            at += BURST
            for _ in range(BURST):
                sock.recv(4_096)
            answers += BURST
    return answers


def round_of(node: Node, rate: int, seconds: float, first: int, looks: bool = False) -> Round:
    """One round; with no rate nothing is reported, and nobody looks for it unless it ``looks``."""
    gateway = Gateway(node, rate, seconds, first) if rate else None
    prober = Prober(node) if looks else None
    before = {name: cpu_seconds([pid]) for name, pid in node.pids.items()}
    begun = time.monotonic()
    for thread in (gateway, prober):
        if thread is not None:
            thread.start()
    answers = 1
    if looks:
        time.sleep(seconds)
    else:
        answers = asked(node, seconds)
    spent = {name: cpu_seconds([pid]) - before[name] for name, pid in node.pids.items()}
    if gateway is None:
        return Round(0, seconds, spent["interface"], spent["worker"] / answers * 1e6, [])
    gateway.join()
    took = time.monotonic() - begun
    interface = cpu_seconds([node.pids["interface"]]) - before["interface"]
    if prober is not None:
        prober.over = True
        prober.join()
    if gateway.wrong:
        print(f"{gateway.wrong} batches were not taken", file=sys.stderr)
    reports = gateway.size * len(gateway.sent)
    found = [] if prober is None else prober.found
    worker = spent["worker"] / answers * 1e6
    return Round(reports, took, interface, worker, _seen(gateway.sent, found))


def _seen(sent: dict[int, float], found: Sequence[tuple[float, int]]) -> list[float]:
    """How long each number took to be there, for those that were the newest when it was looked."""
    first: dict[int, float] = {}
    for at, number_ in found:
        first.setdefault(number_, at)
    return [first[one] - at for one, at in sent.items() if one in first]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=int, default=20_000, help="reports a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="csid-bench-"))
    quiet: list[Round] = []
    busy: list[Round] = []
    looked: list[Round] = []
    try:
        with running(folder) as node:
            round_of(node, options.rate, 1.0, 1)
            for one in range(options.rounds):
                quiet.append(round_of(node, 0, options.seconds, 0))
                first = (one + 1) * 20_000_000
                busy.append(round_of(node, options.rate, options.seconds, first))
                first += 10_000_000
                looked.append(round_of(node, options.rate, options.seconds, first, looks=True))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report = Report("status", {"rate": options.rate, "seconds": options.seconds})
    report.raw |= {
        name: [one._asdict() for one in made]
        for name, made in (("quiet", quiet), ("busy", busy), ("looked", looked))
    }
    taken = median(one.reports / one.seconds for one in busy)
    cores = median(one.interface / one.seconds for one in busy)
    seen = [one for made in looked for one in made.seen]
    calm, meanwhile = (median(one.worker_us for one in made) for made in (quiet, busy))
    rows = [
        ["reports taken a second", number(taken)],
        ["cores of the process that takes them", f"{cores:.3f}"],
        ["CPU µs a report", number(cores / taken * 1e6)],
        ["seen in answers, ms: median", number(median(seen) * 1e3)],
        ["seen in answers, ms: p99", number(quantiles(seen, n=100)[98] * 1e3)],
        ["CPU µs of another answer, quiet", number(calm)],
        ["the same meanwhile", number(meanwhile)],
        ["× quiet", ratio(meanwhile, calm)],
    ]
    report.add("Status reports", ["", ""], rows)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
