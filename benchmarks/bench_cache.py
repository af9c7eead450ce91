"""The gateway's cache and what lies behind it, beside Unbound: CPU per question.

    python -m benchmarks.bench_cache                       hits, hits with EDNS and a cookie, misses
    python -m benchmarks.bench_cache --rounds 3 --seconds 2 --questions hits

Each resolver runs alone on core 0, with one UDP process (or thread) and a cache that holds all; the
load, and the server of the zone behind it, on core 1. Of `fifth`, one question in five is for a
name that nobody has asked for before.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.data import Data, build
from benchmarks.measure import LOADER_CORE, Figures, in_rounds, load, median_of, progress
from benchmarks.peers import CSID, FIRST_PORT, ORIGIN, Ours
from benchmarks.questions import LENGTH, Question, encode, read_packets
from benchmarks.report import Report, middle, number, ratio
from benchmarks.server import Peer

NAMES: Final = 200_000  # of the zone
POPULAR: Final = 20_000  # of its names that are asked for again and again
ROOT_PORT: Final = FIRST_PORT + 40
RD: Final = 1  # of the third octet
COOKIE: Final = bytes(range(8))
SETS: Final = {"hits": 4, "hits, 64 sockets": 64, "edns": 4, "fifth": 4}  # from so many sockets
WARM_SECONDS: Final = 2.0


class Wanted(Data):
    """The same names, asked of a resolver."""

    def questions(self, name: str) -> Path:
        return self.folder / f"{name.partition(',')[0]}.resolved"

    @property
    def hosted(self) -> bytes:
        with self.questions("hits").open("rb") as stream:
            return next(read_packets(stream))


def wanted(data: Data) -> Wanted:
    """Write the questions, or find them there from a former run."""
    found = Wanted(data.folder, data.count)
    with data.questions("hits").open("rb") as stream:
        packets = [_resolved(one) for one in read_packets(stream)]
    names = list(dict.fromkeys(packets))
    popular, rare = names[:POPULAR], names[POPULAR:]
    hits = [popular[number % POPULAR] for number in range(len(packets))]
    fresh = iter(rare)
    sets = {
        "hits": hits,
        "edns": [_with_cookie(one) for one in hits],
        "fifth": [next(fresh, b"") if number % 5 == 4 else one for number, one in enumerate(hits)],
    }
    for name, made in sets.items():
        with found.questions(name).open("wb") as file:
            for one in made:
                if one:
                    file.write(LENGTH.pack(len(one)) + one)
    return found


def _resolved(packet: bytes) -> bytes:
    return packet[:2] + bytes((packet[2] | RD,)) + packet[3:]


def _with_cookie(packet: bytes) -> bytes:
    whole = encode(Question("a.", 1, COOKIE))
    opt = whole[len(encode(Question("a.", 1))) :]
    return packet[:11] + b"\1" + packet[12:] + opt


class Gateway(Peer):
    """This project's gateway with one UDP worker."""

    name = "gateway"
    program = sys.executable

    def prepare(self) -> None:
        super().prepare()
        if not list((Path(__file__).parents[1] / "resolver" / "recursion").glob("*.so")):
            self.label = f"{self.name} (interpreted)"

    def command(self) -> Sequence[str | Path]:
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        words = ["gateway", "--data", self.folder / "data", "--workers", "1"]
        words += ["--listen", f"127.0.0.1:{self.port}", "--root", f"127.0.0.1:{ROOT_PORT}"]
        return [*CSID, *words, "--suffix", ORIGIN]


class Unbound(Peer):
    """Unbound with one thread, which asks the same server."""

    name = "unbound"
    program = "unbound"

    def files(self) -> dict[str, str]:
        settings = {
            "num-threads": "1",
            "interface": "127.0.0.1",
            "port": str(self.port),
            "do-ip6": "no",
            "username": '""',
            "chroot": '""',
            "directory": f'"{self.folder}"',
            "pidfile": '""',
            "use-syslog": "no",
            "do-daemonize": "no",
            "do-not-query-localhost": "no",
            "module-config": '"iterator"',
            "msg-cache-size": "64m",
            "rrset-cache-size": "128m",
            "outgoing-range": "4096",
            "num-queries-per-thread": "2048",
            "minimal-responses": "yes",
            "qname-minimisation": "yes",
            "use-caps-for-id": "yes",
            "prefetch": "yes",
            "serve-expired": "yes",
            "local-zone": f'"{ORIGIN}." nodefault',
        }
        lines = ["server:", *(f"  {name}: {value}" for name, value in settings.items())]
        lines += ["stub-zone:", f"  name: {ORIGIN}", f"  stub-addr: 127.0.0.1@{ROOT_PORT}"]
        lines += ["remote-control:", "  control-enable: no"]
        return {"unbound.conf": "\n".join(lines) + "\n"}

    def command(self) -> Sequence[str | Path]:
        return ["unbound", "-d", "-c", self.folder / "unbound.conf"]


@contextmanager
def root(data: Data, work: Path) -> Iterator[None]:
    """The server of the zone, on the core of the load."""
    server = Ours(data, work, ROOT_PORT)
    server.prepare()
    with server.started():
        for pid in server.pids:
            os.sched_setaffinity(pid, {LOADER_CORE})
        yield


def visit(peer: Peer, sets: Sequence[str], seconds: float) -> dict[str, Figures]:
    """Start a resolver, let it learn the popular names, then ask each set."""
    with peer.started():
        known = 0.0
        while known < 1.5 * POPULAR:  # of what is lost on the way some is never asked again
            known += load(peer, "hits", WARM_SECONDS, warm=0.0)["answers"]
        found = {}
        for name in sets:
            warm = 0.0 if name == "fifth" else 0.5
            found[name] = load(peer, name, seconds, SETS[name], warm=warm)
        return found


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "csid-bench"
    parser.add_argument("--names", type=int, default=NAMES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--questions", default=";".join(SETS))
    parser.add_argument("--work", type=Path, default=cache)
    options = parser.parse_args()
    sets = options.questions.split(";")
    options.work.mkdir(parents=True, exist_ok=True)
    progress(f"names and questions: {options.names:,} under {options.work}")
    data = build(options.work, options.names)
    asked = wanted(data)
    kinds = [kind for kind in (Gateway, Unbound) if not kind.missing()]
    peers = [kind(asked, options.work, FIRST_PORT + 41 + at) for at, kind in enumerate(kinds)]
    for peer in peers:
        peer.prepare()
    with root(data, options.work):
        visits = in_rounds(peers, options.rounds, lambda peer: visit(peer, sets, options.seconds))
    report = Report("cache", {"names": options.names, "rounds": options.rounds})
    rows = []
    for name in sets:
        cpu = {label: _median(made, name, "server_cpu_us") for label, made in visits.items()}
        for label, made in visits.items():
            runs = [one[name] for one in made]
            p99 = middle([run["latency_us"]["p99"] / 1000 for run in runs])
            rows.append(
                [
                    f"{name}: {label}",
                    number(cpu[label]),
                    ratio(cpu[label], cpu.get("unbound")),
                    number(_median(made, name, "rate"), 0),
                    number(_median(made, name, "lost"), 0),
                    number(p99),
                    " ".join(runs[-1]["rcodes"]),
                ]
            )
    heads = ["server", "CPU µs/question", "× Unbound", "/s", "lost", "p99 ms", "rcodes"]
    report.add("resolvers", heads, rows)


def _median(made: Sequence[dict[str, Figures]], name: str, figure: str) -> float | None:
    return median_of([one[name] for one in made], figure)


if __name__ == "__main__":
    main()
