"""Where the samples of metrics come from: parts of a state of `gateway.status.gather`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from csid.protocol import RCODES
from resolver.server.kinds import TCP_SERVER, UDP_WORKER

Labels = Mapping[str, str]
Samples = Iterator[tuple[Labels, float]]
Status = Mapping[str, Any]
Source = Callable[[Status], Samples]

UDP, TCP, WRITER, SYNC = UDP_WORKER, TCP_SERVER, "writer", "sync"  # kinds of process
_SYNC_STATES: Final = ("current", "behind", "ahead", "overdue", "expired", "waiting", "failing")
_MESSAGES: Final = ("signed", "notify", "update", "axfr", "ixfr")
# Which counters of a kind of process are of which transport.
_TALLIES: Final = (
    ("udp", UDP, "plain"),
    ("udp", UDP, "later"),
    ("tcp", TCP, "plain"),
    ("tls", TCP, "tls"),
)


def at(*path: str) -> Source:
    """One number of the state; none where there is nothing on the way to it."""

    def samples(status: Status) -> Samples:
        value: Any = status
        for part in path:
            value = value[part] if value is not None else None
        if value is not None:
            yield {}, value

    return samples


def of_process(value: Callable[[Status, Any], float]) -> Source:
    """A number of each process."""

    def samples(status: Status) -> Samples:
        for one in _processes(status):
            yield {"process": one["name"]}, value(status, one)

    return samples


def counted(kind: str, name: str) -> Source:
    """A counter of all processes of a kind together."""

    def samples(status: Status) -> Samples:
        found = [one["counters"] for one in _processes(status) if one["kind"] == kind]
        if found:
            yield {}, sum(counters.get(name, 0) for counters in found)

    return samples


def by_transport(status: Status) -> Iterator[tuple[str, Counter[str], int, int]]:
    """Of each transport: its name, answers by code, those truncated, octets."""
    processes = _processes(status)
    for transport in dict.fromkeys(one[0] for one in _TALLIES) if processes else ():
        codes: Counter[str] = Counter(dict.fromkeys(RCODES.values(), 0))
        truncated = octets = 0
        for name, kind, tally in _TALLIES:
            for one in processes:
                if name == transport and one["kind"] == kind and tally in one["counters"]:
                    found = one["counters"][tally]
                    codes.update(found["answers"])
                    truncated += found["truncated"]
                    octets += found["octets"]
        yield transport, codes, truncated, octets


def queries(status: Status) -> Samples:
    for one in _processes(status):
        if one["kind"] in (UDP, TCP):
            yield {"process": one["name"]}, one["counters"].get("queries", 0)


def answers(status: Status) -> Samples:
    for transport, codes, _, _ in by_transport(status):
        for code, count in codes.items():
            yield {"transport": transport, "rcode": code}, count


def truncated(status: Status) -> Samples:
    for transport, _, number, _ in by_transport(status):
        yield {"transport": transport}, number


def answer_octets(status: Status) -> Samples:
    for transport, _, _, octets in by_transport(status):
        yield {"transport": transport}, octets


def messages(status: Status) -> Samples:
    processes = [one for one in _processes(status) if one["kind"] in (UDP, TCP)]
    for name in _MESSAGES if processes else ():
        yield {"kind": name}, sum(one["counters"].get(name, 0) for one in processes)


def limited(status: Status) -> Samples:
    workers = [one for one in _processes(status) if one["kind"] == UDP]
    for word, name in (("drop", "limited"), ("slip", "slipped")) if workers else ():
        yield {"action": word}, sum(one["counters"].get(name, 0) for one in workers)


def untold(status: Status) -> Samples:
    processes = [one for one in _processes(status) if one["kind"] in (UDP, TCP)]
    if processes:
        yield {}, sum(one["counters"].get("untold", 0) for one in processes)


def build(status: Status) -> Samples:
    if status["server"] is not None:
        yield {"version": status["server"]["software"], "schema": str(status["schema"])}, 1


def up(status: Status) -> Samples:
    yield {}, int(status["server"] is not None)


def serials(status: Status) -> Samples:
    for zone in status["zones"]["first"]:
        if zone["serial"] is not None:
            yield {"zone": zone["origin"]}, zone["serial"]


def sync_zones(status: Status) -> Samples:
    for word in _SYNC_STATES:
        yield {"state": word}, status["sync"]["states"].get(word, 0)


def faults(status: Status) -> Samples:
    yield {}, len(status["registry"]["faults"])


def problems(status: Status) -> Samples:
    yield {}, len(status["problems"])


def log_holds(status: Status) -> Samples:
    yield {}, int(not status["log"]["fault"])


def oldest_filing(status: Status) -> Samples:
    if status["filing"] is not None and status["filing"]["oldest"]:
        yield {}, status["filing"]["oldest"]


def is_ready(_: Status, process: Any) -> float:
    return int(process["ready"])


def begun(status: Status, process: Any) -> float:
    return float(status["time"]) - float(process["up"])


def starts(_: Status, process: Any) -> float:
    return int(process["starts"])


def dropped(_: Status, process: Any) -> float:
    return int(process["dropped"])


def _processes(status: Status) -> list[dict[str, Any]]:
    server = status["server"]
    return [] if server is None else list(server["processes"])
