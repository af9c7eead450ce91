"""The benchmarks: our server beside its peers, on the same machine, data and questions.

    python -m benchmarks.run udp --names 1000000 --questions hits,mix,flood
    python -m benchmarks.run start | memory | tcp | scale | all

Servers run one at a time on core 0, the load on core 1. Each round starts every server once, so
that a slow minute of the machine falls on all of them; the figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import processes
from benchmarks.names import SETS, Data, build
from benchmarks.peers import CHECKOUT, LOADER_CORE, Peer, PeerError, make
from benchmarks.report import Report, middle, number, ratio, ratio_rows

DEFAULT_SERVERS = "echo,ours,ours-pure,nsd,knot,bind,pdns,pdns-cached"
BASES = ("echo", "nsd", "knot")
TCP_CONNECTIONS = 4
TCP_OUTSTANDING = 400  # over all connections
WARM = 0.5  # seconds
Measurements = dict[str, dict[str, list[dict[str, float]]]]  # question set, server, rounds


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if (os.cpu_count() or 1) <= LOADER_CORE:
        print("two cores are needed: one for the server, one for the load", file=sys.stderr)
        return 2
    settings = {
        "names": options.names,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "servers": options.servers,
    }
    report = Report(options.what, settings)
    options.work.mkdir(parents=True, exist_ok=True)
    commands = COMMANDS if options.what == "all" else {options.what: COMMANDS[options.what]}
    try:
        for command in commands.values():
            command(options, report)
    except PeerError as error:
        print(error, file=sys.stderr)
        return 1
    if not options.no_write:
        report.write(options.results)
    return 0


def _parser() -> argparse.ArgumentParser:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "csid-bench"
    parser = argparse.ArgumentParser(prog="benchmarks.run", description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=[*COMMANDS, "all"])
    parser.add_argument("--names", type=int, default=1_000_000, help="size of the zone")
    parser.add_argument("--more-names", type=int, default=10_000_000, help="the other, of scale")
    parser.add_argument("--servers", default=DEFAULT_SERVERS, help="comma-separated")
    parser.add_argument("--questions", default=",".join(SETS), help="of udp: hits,mix,flood")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="measured, a set and round")
    parser.add_argument("--work", type=Path, default=cache, help="folder kept from run to run")
    parser.add_argument("--results", type=Path, default=CHECKOUT / "benchmarks" / "results")
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser


def _peers(options: argparse.Namespace, count: int, but: Sequence[str] = ()) -> list[Peer]:
    names = [name for name in options.servers.split(",") if name and name not in but]
    return make(names, _data(options, count), options.work)


def _data(options: argparse.Namespace, count: int) -> Data:
    print(f"names and questions: {count:,} under {options.work}", file=sys.stderr)
    return build(options.work.resolve(), count)


def _load(peer: Peer, questions: str, seconds: float) -> dict[str, float]:
    """One run of the load generator, in a process of its own on the other core."""
    words = ["--questions", peer.data.questions(questions), "--port", peer.port]
    words += ["--seconds", seconds, "--warm", WARM, "--core", LOADER_CORE]
    words += ["--pids", ",".join(str(pid) for pid in peer.pids)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *(str(word) for word in words)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise PeerError(f"the load on {peer.name} failed: {done.stderr.strip()[-1500:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    if figures["wrong"]:
        print(f"{peer.name}: {figures['wrong']} answers did not match", file=sys.stderr)
    return figures


def _rounds(
    peers: Sequence[Peer], sets: Sequence[str], rounds: int, seconds: float
) -> Measurements:
    found: Measurements = {name: {peer.label: [] for peer in peers} for name in sets}
    for turn in range(rounds):
        for peer in peers:
            print(f"round {turn + 1} of {rounds}: {peer.label}", file=sys.stderr)
            with peer.started():
                for name in sets:
                    found[name][peer.label].append(_load(peer, name, seconds))
    return found


def _median(rounds: Sequence[dict[str, float]], figure: str) -> float | None:
    return middle([measured[figure] for measured in rounds])


def udp(options: argparse.Namespace, report: Report) -> None:
    """CPU time per query and rate over UDP, a table for each set of questions."""
    sets = options.questions.split(",")
    if unknown := set(sets) - set(SETS):
        raise PeerError(f"no questions {', '.join(unknown)}: choose among {', '.join(SETS)}")
    peers = _peers(options, options.names)
    found = _rounds(peers, sets, options.rounds, options.seconds)
    report.raw["udp"] = found
    heads = ["server", "CPU µs/query", *(f"× {base}" for base in BASES)]
    heads += ["queries/s", "server busy", "lost", "p99 ms", "rcodes"]
    for name, servers in found.items():
        cpu = {label: _median(rounds, "server_cpu_us") for label, rounds in servers.items()}
        rows = ratio_rows(cpu, BASES)
        for row, rounds in zip(rows, servers.values(), strict=True):
            row += _udp_details(rounds)
        report.add(f"UDP {name}, {options.names:,} names", heads, rows)
    _flood_against_hits(found, report)


def _udp_details(rounds: Sequence[dict]) -> list[str]:  # type: ignore[type-arg]
    latencies = [run["latency_us"]["p99"] / 1000 for run in rounds if run["latency_us"]["p99"]]
    busy = _median(rounds, "server_busy")
    codes = rounds[-1]["rcodes"] if rounds else {}
    total = sum(codes.values()) or 1
    return [
        number(_median(rounds, "rate"), 0),
        "–" if busy is None else f"{busy:.0%}",
        str(sum(run["lost"] for run in rounds)),
        number(middle(latencies)),
        " ".join(f"{code}:{count / total:.0%}" for code, count in codes.items()),
    ]


def _flood_against_hits(found: Measurements, report: Report) -> None:
    if not {"hits", "flood"} <= set(found):
        return
    rows = []
    for label, rounds in found["hits"].items():
        hits, flood = (
            _median(rounds, "server_cpu_us"),
            _median(found["flood"][label], "server_cpu_us"),
        )
        rows.append([label, number(hits), number(flood), ratio(flood, hits)])
    report.add("Flood against hits", ["server", "hits µs", "flood µs", "flood / hits"], rows)


def start(options: argparse.Namespace, report: Report) -> None:
    """From starting the process to the first answer with a record."""
    peers = _peers(options, options.names, but=("echo",))
    seconds: dict[str, list[float]] = {peer.label: [] for peer in peers}
    for _ in range(min(3, options.rounds)):
        for peer in peers:
            with peer.started():
                seconds[peer.label].append(peer.start_seconds)
    report.raw["start_seconds"] = seconds
    medians = {label: middle(values) for label, values in seconds.items()}
    title = f"Start to first answer, {options.names:,} names"
    report.add(title, ["server", "seconds", "× nsd", "× knot"], ratio_rows(medians, BASES[1:]))


def memory(options: argparse.Namespace, report: Report) -> None:
    """Memory of their own of the serving processes, after they have answered all over the zone."""
    rows = []
    kept: dict[str, list[int]] = {}
    for peer in _peers(options, options.names, but=("echo",)):
        with peer.started():
            for name in SETS:
                _load(peer, name, options.seconds)
            sizes = sorted((processes.own_memory(pid) for pid in peer.pids), reverse=True)
        kept[peer.label] = sizes
        megabytes = [f"{size / 2**20:.1f}" for size in sizes]
        rows.append([peer.label, f"{sum(sizes) / 2**20:.1f}", megabytes[0], " ".join(megabytes)])
    report.raw["own_memory_bytes"] = kept
    heads = ["server", "all MiB", "largest process MiB", "each process MiB"]
    report.add(f"Own memory, {options.names:,} names", heads, rows)


def tcp(options: argparse.Namespace, report: Report) -> None:
    """Rate over TCP, pipelined, by dnsperf."""
    peers = _peers(options, options.names, but=("echo", "pdns", "pdns-cached"))
    found: dict[str, list[dict[str, float]]] = {peer.label: [] for peer in peers}
    for turn in range(options.rounds):
        for peer in peers:
            print(f"round {turn + 1} of {options.rounds}: {peer.label}", file=sys.stderr)
            with peer.started():
                _dnsperf(peer, WARM)
                found[peer.label].append(_dnsperf(peer, options.seconds))
    report.raw["tcp"] = found
    rates = {label: _median(rounds, "rate") for label, rounds in found.items()}
    rows = ratio_rows(rates, ("nsd", "knot"), places=0)
    for row, rounds in zip(rows, found.values(), strict=True):
        row += [number(_median(rounds, "server_cpu_us")), number(_median(rounds, "lost"), 0)]
    heads = ["server", "queries/s", "× nsd", "× knot", "CPU µs/query", "lost"]
    report.add(f"TCP, {TCP_CONNECTIONS} connections, pipelined", heads, rows)


def _dnsperf(peer: Peer, seconds: float) -> dict[str, float]:
    words = ["-m", "tcp", "-s", "127.0.0.1", "-p", peer.port, "-d", peer.data.dnsperf]
    words += ["-c", TCP_CONNECTIONS, "-T", 1, "-q", TCP_OUTSTANDING, "-l", max(1, round(seconds))]
    before = processes.cpu_seconds(peer.pids)
    done = subprocess.run(
        ["taskset", "-c", str(LOADER_CORE), "dnsperf", *(str(word) for word in words)],
        capture_output=True,
        text=True,
    )
    cpu = processes.cpu_seconds(peer.pids) - before
    if done.returncode != 0:
        raise PeerError(f"dnsperf on {peer.name} failed: {(done.stderr or done.stdout)[-1500:]}")
    return dnsperf_figures(done.stdout, cpu)


def dnsperf_figures(output: str, cpu: float) -> dict[str, float]:
    """Rate, lost queries and CPU time per answer, out of dnsperf's closing statistics."""

    def figure(name: str) -> float:
        match = re.search(rf"{name}:\s+([0-9.]+)", output)
        if not match:
            raise PeerError(f"dnsperf printed no {name!r}: {output[-500:]}")
        return float(match[1])

    answers = figure("Queries completed")
    return {
        "rate": figure("Queries per second"),
        "lost": figure("Queries lost"),
        "server_cpu_us": cpu / max(answers, 1) * 1e6,
    }


def scale(options: argparse.Namespace, report: Report) -> None:
    """Our own server with more names against fewer, hits only."""
    sizes = (options.names, options.more_names)
    servers = [name for name in options.servers.split(",") if name in ("ours", "nsd", "knot")]
    if options.servers == DEFAULT_SERVERS:
        servers = ["ours"]
    peers = [make(servers, _data(options, size), options.work) for size in sizes]
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for turn in range(options.rounds):
        for size, group in zip(sizes, peers, strict=True):
            print(f"round {turn + 1} of {options.rounds}: {size:,} names", file=sys.stderr)
            for label, rounds in _rounds(group, ["hits"], 1, options.seconds)["hits"].items():
                found.setdefault(label, {}).setdefault(str(size), []).extend(rounds)
    report.raw["scale"] = found
    rows = []
    for label, by_size in found.items():
        small, large = (_median(by_size[str(size)], "server_cpu_us") for size in sizes)
        rows.append([label, number(small), number(large), ratio(large, small)])
    heads = ["server", *(f"{size:,} names µs" for size in sizes), "ratio"]
    report.add("Hits as the zone grows", heads, rows)


COMMANDS: dict[str, Callable[[argparse.Namespace, Report], None]] = {
    "udp": udp,
    "start": start,
    "memory": memory,
    "tcp": tcp,
    "scale": scale,
}


if __name__ == "__main__":
    raise SystemExit(main())
