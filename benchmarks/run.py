"""The benchmarks: our server beside its peers, on the same machine, data and questions.

    python -m benchmarks.run all                     UDP, start, memory, TCP: about 12 minutes
    python -m benchmarks.run udp --questions hits    only CPU per query, of existing names
    python -m benchmarks.run wide --rounds 3         hits and mix from 64 sockets
    python -m benchmarks.run load                    reading the zone's text
    python -m benchmarks.run start | memory | tcp | scale
    python -m benchmarks.run udp --names 100000 --rounds 1 --seconds 1 --servers ours,nsd

Servers run one at a time on core 0, the load on core 1; figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from benchmarks.data import build
from benchmarks.measure import (
    LOADER_CORE,
    TCP_CONNECTIONS,
    Figures,
    Visits,
    in_rounds,
    median_of,
    progress,
    tcp_visit,
    visit,
)
from benchmarks.peers import PEERS, make
from benchmarks.questions import SETS
from benchmarks.report import RESULTS, Report, mebibytes, middle, number, ratio, ratio_rows
from benchmarks.server import Peer, PeerError

BASES = ("echo", "nsd", "knot")
TCP_SERVERS = ("ours", "ours-pure", "nsd", "knot", "bind")
START_ROUNDS = 3
WIDE_SOCKETS = 64
WIDE_SETS = ("hits", "mix")
WIDE_SERVERS = ("ours", "nsd", "knot")
LOAD_SERVERS = ("ours", "nsd", "knot")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks named on the command line; 0 when all of them ran."""
    options = _parser().parse_args(arguments)
    if (os.cpu_count() or 1) <= LOADER_CORE:
        print("two cores are needed: one for the server, one for the load", file=sys.stderr)
        return 2
    # As an exception it passes through `finally`, which ends the server under test.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    kept = ("names", "rounds", "seconds", "servers")
    report = Report(options.what, {name: getattr(options, name) for name in kept})
    options.work = options.work.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        with (options.work / "lock").open("w") as lock:
            _take_turn(lock)
            for command in COMMANDS[options.what]:
                command(options, report)
    except PeerError as error:
        print(error, file=sys.stderr)
        return 1
    if not options.no_write:
        report.write(options.results)
    return 0


def _take_turn(lock: TextIO) -> None:
    """Wait for another run over the same folder: both would measure each other."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress("another run is under way; this one begins when it has ended")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _parser() -> argparse.ArgumentParser:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "csid-bench"
    parser = argparse.ArgumentParser(
        prog="benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=list(COMMANDS))
    parser.add_argument("--names", type=int, default=1_000_000, help="size of the zone")
    parser.add_argument("--more-names", type=int, default=10_000_000, help="the other, of scale")
    parser.add_argument("--servers", default=",".join(PEERS), help="comma-separated")
    parser.add_argument("--questions", default=",".join(SETS), help="of udp: hits,mix,flood")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="measured, a set and round")
    parser.add_argument("--work", type=Path, default=cache, help="folder kept from run to run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser


def _peers(options: argparse.Namespace, count: int, among: Sequence[str] = ()) -> list[Peer]:
    names = [name for name in options.servers.split(",") if name]
    progress(f"names and questions: {count:,} under {options.work}")
    data = build(options.work, count)
    peers = make([name for name in names if not among or name in among], data, options.work)
    if not peers:
        raise PeerError(f"none of the servers {options.servers} can be run here")
    return peers


def udp(options: argparse.Namespace, report: Report) -> None:
    """CPU time per query and rate over UDP; what the visits show besides comes with it."""
    sets = options.questions.split(",")
    if unknown := set(sets) - set(SETS):
        raise PeerError(f"no questions {', '.join(unknown)}: choose among {', '.join(SETS)}")
    peers = _peers(options, options.names)
    visits = in_rounds(peers, options.rounds, lambda peer: visit(peer, sets, options.seconds))
    _keep(report, "udp", visits)
    heads = ["server", "CPU µs/query", *(f"× {base}" for base in BASES)]
    heads += ["queries/s", "server busy", "lost", "p99 ms", "rcodes"]
    for name in sets:
        runs = {label: [seen.loads[name] for seen in made] for label, made in visits.items()}
        cpu = {label: median_of(figures, "server_cpu_us") for label, figures in runs.items()}
        rows = ratio_rows(cpu, BASES)
        for row, figures in zip(rows, runs.values(), strict=True):
            row += _udp_details(figures)
        report.add(f"UDP {name}, {options.names:,} names", heads, rows)
    if {"hits", "flood"} <= set(sets):
        _flood_table(visits, report)
    _start_table(visits, options.names, report)
    _memory_table(visits, options.names, report)


def wide(options: argparse.Namespace, report: Report) -> None:
    """CPU time per query where 64 sockets ask, so that few answers to one can leave together."""
    peers = _peers(options, options.names, among=WIDE_SERVERS)
    visits = in_rounds(
        peers, options.rounds, lambda peer: visit(peer, WIDE_SETS, options.seconds, WIDE_SOCKETS)
    )
    _keep(report, "wide", visits)
    heads = ["server", "CPU µs/query", "× better of NSD and Knot", "queries/s", "server busy"]
    heads += ["lost", "p99 ms", "rcodes"]
    for name in WIDE_SETS:
        runs = {label: [seen.loads[name] for seen in made] for label, made in visits.items()}
        cpu = {label: median_of(figures, "server_cpu_us") for label, figures in runs.items()}
        others = [cost for label, cost in cpu.items() if label in BASES and cost is not None]
        better = min(others, default=None)
        rows = [
            [label, number(cpu[label]), ratio(cpu[label], better), *_udp_details(figures)]
            for label, figures in runs.items()
        ]
        report.add(f"UDP {name}, {WIDE_SOCKETS} sockets, {options.names:,} names", heads, rows)


def load(options: argparse.Namespace, report: Report) -> None:
    """From a zone's text to what the server answers from; of NSD and Knot, their start."""
    peers = _peers(options, options.names, among=LOAD_SERVERS)
    rounds = min(START_ROUNDS, options.rounds)
    runs = in_rounds(peers, rounds, lambda peer: peer.load_zone())
    report.raw["load"] = {label: [asdict(cost) for cost in made] for label, made in runs.items()}
    seconds = {label: middle([cost.seconds for cost in made]) for label, made in runs.items()}
    rows = ratio_rows(seconds, BASES[1:])
    for row, made in zip(rows, runs.values(), strict=True):
        row.append(number(middle([cost.cpu_seconds for cost in made])))
        row.append(mebibytes(max(cost.peak_octets for cost in made)))
    heads = ["server", "seconds", *(f"× {base}" for base in BASES[1:]), "CPU seconds", "peak MiB"]
    report.add(f"Loading the text of a zone, {options.names:,} names", heads, rows)


def _udp_details(runs: Sequence[Figures]) -> list[str]:
    latencies = [run["latency_us"]["p99"] / 1000 for run in runs if run["latency_us"]["p99"]]
    codes = runs[-1]["rcodes"]
    total = sum(codes.values()) or 1
    return [
        number(median_of(runs, "rate"), 0),
        f"{median_of(runs, 'server_busy') or 0:.0%}",
        str(sum(run["lost"] for run in runs)),
        number(middle(latencies)),
        " ".join(f"{code}:{count / total:.0%}" for code, count in codes.items()),
    ]


def _keep(report: Report, name: str, visits: Visits) -> None:
    report.raw[name] = {label: [asdict(seen) for seen in made] for label, made in visits.items()}


def _flood_table(visits: Visits, report: Report) -> None:
    rows = []
    for label, made in visits.items():
        hits = median_of([seen.loads["hits"] for seen in made], "server_cpu_us")
        flood = median_of([seen.loads["flood"] for seen in made], "server_cpu_us")
        rows.append([label, number(hits), number(flood), ratio(flood, hits)])
    report.add("Flood against hits", ["server", "hits µs", "flood µs", "flood / hits"], rows)


def start(options: argparse.Namespace, report: Report) -> None:
    """From starting the process to the first answer with a record."""
    peers = _peers(options, options.names)
    rounds = min(START_ROUNDS, options.rounds)
    visits = in_rounds(peers, rounds, lambda peer: visit(peer, [], 0))
    _keep(report, "start", visits)
    _start_table(visits, options.names, report)


def _start_table(visits: Visits, names: int, report: Report) -> None:
    medians = {
        label: middle([seen.start_seconds for seen in made]) for label, made in visits.items()
    }
    heads = ["server", "seconds", *(f"× {base}" for base in BASES[1:])]
    report.add(f"Start to first answer, {names:,} names", heads, ratio_rows(medians, BASES[1:], 3))


def memory(options: argparse.Namespace, report: Report) -> None:
    """Memory of their own of the serving processes, after answers from all over the zone."""
    peers = _peers(options, options.names)
    visits = in_rounds(peers, 1, lambda peer: visit(peer, list(SETS), options.seconds))
    _keep(report, "memory", visits)
    _memory_table(visits, options.names, report)


def _memory_table(visits: Visits, names: int, report: Report) -> None:
    """The round with the most memory of each server counts: memory is a bound, not a mean."""
    rows = []
    for label, made in visits.items():
        each = max((seen.memory for seen in made), key=lambda m: sum(part.own for part in m))
        largest = max(part.own for part in each)
        whole = sum(part.proportional for part in each)
        processes_own = " + ".join(mebibytes(part.own) for part in each)
        rows.append([label, mebibytes(largest), processes_own, mebibytes(whole)])
    heads = ["server", "largest process", "own of each process", "all, common parts once"]
    report.add(f"Memory after the load in MiB, {names:,} names", heads, rows)


def tcp(options: argparse.Namespace, report: Report) -> None:
    """Rate over TCP, pipelined, by dnsperf."""
    peers = _peers(options, options.names, among=TCP_SERVERS)
    runs = in_rounds(peers, options.rounds, lambda peer: tcp_visit(peer, options.seconds))
    report.raw["tcp"] = runs
    rates = {label: median_of(figures, "rate") for label, figures in runs.items()}
    rows = ratio_rows(rates, BASES[1:], places=0)
    for row, figures in zip(rows, runs.values(), strict=True):
        row += [
            number(median_of(figures, "server_cpu_us")),
            f"{sum(f['lost'] for f in figures):.0f}",
        ]
    heads = ["server", "queries/s", *(f"× {base}" for base in BASES[1:]), "CPU µs/query", "lost"]
    title = f"TCP hits, {TCP_CONNECTIONS} connections, pipelined, {options.names:,} names"
    report.add(title, heads, rows)


def scale(options: argparse.Namespace, report: Report) -> None:
    """More names against fewer, hits only; of our own server unless others are named."""
    sizes = (options.names, options.more_names)
    among = ("ours",) if options.servers == ",".join(PEERS) else ()
    groups = [_peers(options, size, among) for size in sizes]
    runs: dict[str, dict[int, list[Figures]]] = {}
    for _ in range(options.rounds):
        for size, peers in zip(sizes, groups, strict=True):
            made = in_rounds(peers, 1, lambda peer: visit(peer, ["hits"], options.seconds))
            for label, visits in made.items():
                by_size = runs.setdefault(label, {size: [] for size in sizes})
                by_size[size] += [seen.loads["hits"] for seen in visits]
    report.raw["scale"] = runs
    rows = []
    for label, by_size in runs.items():
        few, many = (median_of(by_size[size], "server_cpu_us") for size in sizes)
        rows.append([label, number(few), number(many), ratio(many, few)])
    heads = ["server", *(f"{size:,} names, µs" for size in sizes), "ratio"]
    report.add("Hits as the zone grows", heads, rows)


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace, Report], None], ...]] = {
    "udp": (udp,),
    "start": (start,),
    "memory": (memory,),
    "tcp": (tcp,),
    "scale": (scale,),
    "wide": (wide,),
    "load": (load,),
    "all": (udp, tcp),
}


if __name__ == "__main__":
    raise SystemExit(main())
