"""No room on the disk of a node that runs: what it has is served on, and it goes on by itself."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import dns.query
import dns.rcode
import dns.update

from tests.registry.sync.test_servers import node, put
from tests.support.commands import run
from tests.support.peers import HOST, free_port
from tests.support.servers import Server, serving
from tests.support.syncing import KEYRING, ORIGIN, answer, follow, notify, state, until, zone_text

SYNC, WRITER = "registry.sync.process", "gateway.writing"
MANY = "".join(f"n{number} TXT {200 * 'x'}\n" for number in range(20_000))
TIMES = "2 1 600"  # refresh, retry, expire


@contextlib.contextmanager
def no_room(server: Server, module: str, data: Path) -> Iterator[None]:
    """Files do not grow any more where a child of the server writes."""
    (pid,) = server.workers(module)
    size = (data / "data.mdb").stat().st_size
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        assert server.workers(module) == [pid], "it was ended by that"


def test_a_transfer_that_finds_no_room(tmp_path: Path) -> None:
    first, second = node(tmp_path / "first"), node(tmp_path / "second")
    put(first, zone_text(times=TIMES))
    ports = free_port(), free_port()
    notify(first, ports[1])
    with (
        serving(first, listen=(f"{HOST}:{ports[0]}",)),
        serving(second, listen=(f"{HOST}:{ports[1]}",)) as server,
    ):
        follow(second, ports[0])
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1")
        with no_room(server, SYNC, second):
            put(first, zone_text(2, TIMES, MANY))
            until(lambda: "File too large" in server.log.read_text() + state(second).error)
            assert answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1"
            assert answer(ports[1], f"n1.{ORIGIN}", "TXT") == "NXDOMAIN"
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.2")
        until(lambda: state(second).serial == 2 and not state(second).error)
        assert answer(ports[1], f"n19999.{ORIGIN}", "TXT") == f'"{200 * "x"}"'


def test_changes_that_find_no_room(tmp_path: Path) -> None:
    data = node(tmp_path / "node")
    put(data, zone_text())
    assert run("zone", "allow", ORIGIN, "--update", "sync-key", "--data", data).code == 0

    def change(number: int) -> tuple[str, str]:
        update = dns.update.UpdateMessage(ORIGIN, keyring=KEYRING, keyalgorithm="hmac-sha256")
        update.use_edns(0, payload=65_535)
        for part in range(100):
            update.add(f"n{number}-{part}", 60, "TXT", 200 * "x")
        reply = dns.query.tcp(update, HOST, port=port, timeout=20)
        return dns.rcode.to_text(reply.rcode()), " ".join(map(str, reply.options))

    port = free_port()
    with serving(data, listen=(f"{HOST}:{port}",)) as server:
        assert change(0)[0] == "NOERROR"
        with no_room(server, WRITER, data):
            done = 0
            while (found := change(done + 1))[0] == "NOERROR":
                done += 1
                assert done < 1_000
            assert found[0] == "SERVFAIL"
            assert "File too large" in found[1]
            until(lambda: "File too large" in server.log.read_text())
            assert answer(port, f"n{done}-99.{ORIGIN}", "TXT") == f'"{200 * "x"}"'
            assert answer(port, f"n{done + 1}-0.{ORIGIN}", "TXT") == "NXDOMAIN"
        until(lambda: change(done + 1)[0] == "NOERROR")
        assert answer(port, f"n{done + 1}-0.{ORIGIN}", "TXT") == f'"{200 * "x"}"'
    assert run("audit", "verify", "--data", data).code == 0
