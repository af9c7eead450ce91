"""One visit to one server: started, asked, looked at, ended; and its rate over TCP by dnsperf."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from benchmarks import processes
from benchmarks.load import WINDOW
from benchmarks.report import middle
from benchmarks.server import CHECKOUT, Peer, PeerError

LOADER_CORE = 1
SOCKETS = 4  # of the load generator, unless a benchmark says otherwise
WARM = 0.5  # seconds of load before anything is measured
TCP_CONNECTIONS = 4
TCP_OUTSTANDING = 400  # over all connections
Measured = TypeVar("Measured")
Figures = dict[str, Any]  # as the load generator prints them


@dataclass(frozen=True, slots=True)
class Visit:
    """What one start of a server showed: by question set, and of itself."""

    start_seconds: float
    loads: dict[str, Figures]
    memory: list[processes.Memory]  # a process each, in the order they were started


Visits = dict[str, list[Visit]]  # by the label of the server, a visit each round


def visit(peer: Peer, sets: Sequence[str], seconds: float, sockets: int = SOCKETS) -> Visit:
    """Start the server alone, ask it each set of questions for `seconds` from so many sockets."""
    with peer.started():
        loads = {name: load(peer, name, seconds, sockets) for name in sets}
        memory = [processes.memory(pid) for pid in peer.pids]
    return Visit(peer.start_seconds, loads, memory)


def in_rounds(
    peers: Sequence[Peer], rounds: int, measurement: Callable[[Peer], Measured]
) -> dict[str, list[Measured]]:
    """Measure every server once a round: a slow minute of the machine falls on all of them.

    A server that fails is left out from then on; the others are measured to the end.
    """
    found: dict[str, list[Measured]] = {}
    left = list(peers)
    for turn in range(rounds):
        for peer in list(left):
            progress(f"round {turn + 1} of {rounds}: {peer.label}")
            try:
                found.setdefault(peer.label, []).append(measurement(peer))
            except PeerError as error:
                progress(f"{peer.label} left out from here on: {error}")
                left.remove(peer)
    return {label: made for label, made in found.items() if made}


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def load(
    peer: Peer,
    questions: str,
    seconds: float,
    sockets: int = SOCKETS,
    warm: float = WARM,
    window: int = WINDOW,
) -> Figures:
    """One run of the load generator, in a process of its own on the other core."""
    words = ["--questions", peer.data.questions(questions), "--port", peer.port]
    words += ["--seconds", seconds, "--warm", warm, "--core", LOADER_CORE]
    words += ["--sockets", sockets, "--window", window]
    words += ["--pids", ",".join(str(pid) for pid in peer.pids)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *(str(word) for word in words)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise PeerError(f"the load on {peer.name} failed: {done.stderr.strip()[-1500:]}")
    figures: Figures = json.loads(done.stdout)
    if figures["wrong"]:
        progress(f"{peer.name}: {figures['wrong']} of {figures['checked']} answers did not match")
    return figures


def tcp_visit(peer: Peer, seconds: float) -> Figures:
    """Start the server alone, ask it over TCP for `seconds`."""
    with peer.started():
        tcp_load(peer, WARM)
        return tcp_load(peer, seconds)


def tcp_load(peer: Peer, seconds: float) -> Figures:
    """One run of dnsperf over TCP with the `hits`, pipelined over `TCP_CONNECTIONS`."""
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


def dnsperf_figures(output: str, cpu: float) -> Figures:
    """Rate, lost queries and CPU µs per answer, out of dnsperf's closing statistics."""

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


def median_of(runs: Sequence[Figures], figure: str) -> float | None:
    return middle([run[figure] for run in runs])
