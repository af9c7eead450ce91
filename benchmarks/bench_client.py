"""The Python client: identifiers resolved a second, with validated records, beside dnspython.

Run from the checkout: `python -m benchmarks.bench_client [--names N] [--rounds N] [--keep]`.
A server with one UDP worker runs on core 0, the clients in one process on core 1. Each round asks
for the same names in random order, with the memory off: one after the other, all at once, over TCP,
under trio; and through dnspython, which reads the same record afterwards by the same validation.
One after the other is also measured with client and server on core 0 together, and both beside what
bare sockets do: a datagram of a question's size sent back and forth, on two cores and on one.
Cold: `csid resolve` as a command, from its start to its end, beside an interpreter that does
nothing, and 10,000 on its standard input.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import dns.message
import dns.query
import dns.rdatatype
import trio

import csid
from benchmarks.measure import LOADER_CORE
from benchmarks.report import Report, middle, number
from benchmarks.server import CHECKOUT, SERVER_CORE
from csid.client.answer import Result
from csid.identifier import Identifier, make
from csid.protocol import CSID
from csid.record import Record, decode, encode

SUFFIX: Final = "csid.internal."
SEQUENTIAL: Final = 4_000  # names of a round that are asked for one after the other
BY_DNSPYTHON: Final = 500
DATAGRAM: Final = 130  # octets, of a question with a cookie
COLD: Final = 15  # starts of the command
PIPED: Final = 10_000
COMMAND: Final = [sys.executable, "-m", "gateway.cli"]


def zone(count: int) -> tuple[list[Identifier], str]:
    """Identifiers, and a zone with a record of its own for each."""
    identifiers = []
    lines = [
        f"$ORIGIN {SUFFIX}",
        "$TTL 300",
        "@ SOA ns host 1 7200 900 1209600 60",
        "@ NS ns",
        "ns A 127.0.0.1",
    ]
    for n in range(count):
        identifier = make("91330106673959654P", "6450", "330106", "ACV", "H60M07A1", f"{n:06d}")
        record = encode(
            Record(
                {
                    "state": "active",
                    "name": f"m5-{n} cn-north-1a",
                    "chip": "x86-64",
                    "vcpu": 96,
                    "memory_gib": 384,
                    "endpoints": [f"https://r{n:07d}.cn-north-1a.cloud.example:8443"],
                }
            )
        )
        identifiers.append(identifier)
        lines.append(
            rf"{identifier.to_dns_name(SUFFIX)} TYPE{CSID} \# {len(record)} {record.hex()}"
        )
    return identifiers, "\n".join(lines) + "\n"


@contextlib.contextmanager
def serving(text: str) -> Iterator[str]:
    """A server of that zone on core 0; gives its address."""
    folder = Path(tempfile.mkdtemp(prefix="csid-bench-"))
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    (folder / "zone").write_text(text, encoding="utf-8")
    data = ["--data", str(folder / "data")]
    for words in (
        ["init", "--suffix", "elsewhere.internal.", *data],
        ["zone", "load", str(folder / "zone"), *data],
    ):
        subprocess.run([*COMMAND, *words], env=environment, check=True, stdout=subprocess.DEVNULL)
    server = subprocess.Popen(
        [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--workers", "1", *data],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split(",")[0].split()[2]
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def rate(count: int, work: Callable[[], object]) -> float:
    """How many a second."""
    begin = time.perf_counter()
    work()
    return count / (time.perf_counter() - begin)


def by_dnspython(address: str, identifiers: Sequence[Identifier]) -> None:
    host, _, port = address.rpartition(":")
    rrtype = dns.rdatatype.RdataType.make(CSID)
    for one in identifiers:
        query = dns.message.make_query(one.to_dns_name(SUFFIX), rrtype, use_edns=0)
        answer = dns.query.udp(query, host, 5.0, int(port)).resolve_chaining().answer
        assert answer is not None
        decode(answer[0].to_wire())


def bare_rate(count: int, cores: tuple[int, int]) -> float:
    """Datagrams a second that one process sends and another sends back, one after the other."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in cores]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    here, there = sockets
    here.connect(there.getsockname())
    there.connect(here.getsockname())
    child = os.fork()
    if not child:
        try:
            os.sched_setaffinity(0, {cores[1]})
            while (octets := there.recv(DATAGRAM)) != b"end":
                there.send(octets)
        finally:
            os._exit(0)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores[0]})
    octets = bytes(DATAGRAM)
    found = rate(count, lambda: [here.recv(here.send(octets)) for _ in range(count)])
    here.send(b"end")
    os.waitpid(child, 0)
    os.sched_setaffinity(0, before)
    for one in sockets:
        one.close()
    return found


def on_one_core(address: str, few: Sequence[str]) -> float:
    """As one after the other, where the server's core is ours, so that none has to be woken up."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        with csid.Client(address, cache=0) as client:
            client.resolve(few[0])
            return rate(len(few), lambda: [client.resolve(one) for one in few])
    finally:
        os.sched_setaffinity(0, before)


def round_of(address: str, identifiers: Sequence[Identifier]) -> dict[str, float]:
    """Rates of one round, by what was done."""
    order = [str(one) for one in random.Random(1).sample(identifiers, len(identifiers))]
    few, fewest = order[:SEQUENTIAL], identifiers[:BY_DNSPYTHON]

    async def awaited() -> None:
        async with csid.AsyncClient(address, cache=0) as client:
            _require(await client.resolve_many(order))

    with csid.Client(address, cache=0) as client:
        client.resolve(order[0])
        return {
            "one after the other": rate(len(few), lambda: [client.resolve(one) for one in few]),
            "one after the other, on the server's core": on_one_core(address, few),
            "bare datagrams": bare_rate(len(few), (LOADER_CORE, SERVER_CORE)),
            "bare datagrams, on one core": bare_rate(len(few), (SERVER_CORE, SERVER_CORE)),
            "many": rate(len(order), lambda: _require(client.resolve_many(order))),
            "many over TCP": rate(
                len(order), lambda: _require(client.resolve_many(order, over_tcp=True))
            ),
            "many under trio": rate(len(order), lambda: trio.run(awaited)),
            "dnspython": rate(len(fewest), lambda: by_dnspython(address, fewest)),
        }


def _require(results: Sequence[Result]) -> None:
    for one in results:
        assert one.require().record is not None


def command_seconds(address: str, words: Sequence[str], text: str = "") -> float:
    """How long `csid resolve` takes as a command."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "CSID_SERVERS": address}
    begin = time.perf_counter()
    subprocess.run(
        [*COMMAND, "resolve", *words],
        env=environment,
        input=text,
        text=True,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begin


def interpreter_seconds() -> float:
    """How long the interpreter takes that the command is run by, for nothing."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - begin


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args(words)
    report = Report("client", {"names": options.names, "rounds": options.rounds})
    identifiers, text = zone(options.names)
    with serving(text) as address:
        os.sched_setaffinity(0, {LOADER_CORE})
        rounds = [round_of(address, identifiers) for _ in range(options.rounds)]
        cold = [command_seconds(address, [str(identifiers[0])]) for _ in range(COLD)]
        idle = [interpreter_seconds() for _ in range(COLD)]
        listed = "".join(f"{one}\n" for one in identifiers[:PIPED])
        piped = [command_seconds(address, ["-"], listed) for _ in range(options.rounds)]
    report.raw |= {"rounds": rounds, "cold": cold, "idle": idle, "piped": piped}
    found = {what: middle([one[what] for one in rounds]) for what in rounds[0]}
    report.add(
        "identifiers a second, median",
        ("how", "a second"),
        [[what, number(value, 0)] for what, value in found.items()],
    )
    report.add(
        "csid resolve, milliseconds, median",
        ("what", "ms"),
        [
            ["one identifier, cold", number((middle(cold) or 0) * 1e3, 1)],
            ["python -c pass", number((middle(idle) or 0) * 1e3, 1)],
            [f"{len(identifiers[:PIPED]):,} on stdin", number((middle(piped) or 0) * 1e3, 1)],
        ],
    )
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
