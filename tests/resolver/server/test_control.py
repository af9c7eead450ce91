"""What a running server tells over `control.sock`, and who may hear it."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import msgpack
import pytest

from csid.protocol import RCODES
from resolver.server import cdatagrams, control, counters
from resolver.server.counters import RCODE, Tally, rcode_of
from tests.support.servers import eventually, make_data
from tests.support.supervised import supervised


def counted(data: Path, kind: str) -> dict[str, object]:
    """The counters of the first process of a kind."""
    told = control.ask(data)
    assert told is not None
    found: dict[str, object] = next(
        one["counters"] for one in told["processes"] if one["kind"] == kind
    )
    return found


def test_answers_are_told_by_transport_and_code(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with supervised(data) as server:
        at = ("127.0.0.1", server.port)
        for name, rrtype in (("www", "A"), ("www", "A"), ("absent", "A")):
            query = dns.message.make_query(f"{name}.csid.internal.", rrtype)
            dns.query.udp(query, at[0], port=at[1], timeout=5)
        big = dns.message.make_query("many.csid.internal.", "TXT")
        assert dns.query.udp(big, at[0], port=at[1], timeout=5).flags & dns.flags.TC
        dns.query.tcp(big, at[0], port=at[1], timeout=5)
        other = dns.message.make_query("www.csid.internal.", "A", use_edns=1)
        dns.query.udp(other, at[0], port=at[1], timeout=5)
        transfer = dns.message.make_query("csid.internal.", "AXFR")
        dns.query.tcp(transfer, at[0], port=at[1], timeout=5)

        udp = counted(data, "UDP worker")
        assert udp["queries"] == 5
        plain = udp["plain"]
        assert isinstance(plain, dict)
        assert plain["answers"] == {"NOERROR": 3, "NXDOMAIN": 1, "BADVERS": 1}
        assert plain["truncated"] == 1
        tcp = counted(data, "TCP server")
        assert tcp["axfr"] == 1
        assert isinstance(tcp["plain"], dict)
        assert tcp["plain"]["answers"] == {"NOERROR": 1, "REFUSED": 1}
        eventually(
            "connections are told",
            lambda: int(str(counted(data, "TCP server").get("accepted", 0))) >= 2,
        )


def test_what_a_process_has_counted_outlives_it(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with supervised(data) as server:
        query = dns.message.make_query("www.csid.internal.", "A")
        dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
        (worker,) = server.workers("resolver.server.worker")
        os.kill(worker, signal.SIGKILL)
        eventually("it is replaced", lambda: server.workers("resolver.server.worker") != [worker])
        dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
        plain = counted(data, "UDP worker")["plain"]
        assert isinstance(plain, dict)
        assert plain["answers"] == {"NOERROR": 2}


def test_strangers_hold_nothing_up(tmp_path: Path) -> None:
    """They do not read, and there are more of them than are accepted at once."""
    data = make_data(tmp_path / "data")
    with supervised(data):
        path = data / control.SOCKET
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        idle = []
        for _ in range(50):
            idle.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            idle[-1].connect(str(path))
        assert control.ask(data) is not None
        for one in idle:
            one.close()


def test_without_a_server_nobody_tells(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    assert control.ask(data) is None
    with supervised(data) as server:
        assert control.ask(data) is not None
        server.process.kill()
        server.process.wait()
    assert (data / control.SOCKET).exists()  # left over by the one that was killed
    assert control.ask(data) is None
    with supervised(data) as server:
        assert control.ask(data) is not None
        server.stop()
    assert not (data / control.SOCKET).exists()


def test_a_socket_that_was_removed_is_there_again(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with supervised(data):
        (data / control.SOCKET).unlink()
        eventually("it listens anew", lambda: control.ask(data) is not None)


def test_a_second_server_takes_over_and_gives_back(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")

    def pid() -> object:
        told = control.ask(data)
        return told and told["pid"]

    with supervised(data, log=tmp_path / "first") as first:
        with supervised(data, log=tmp_path / "second") as second:
            assert pid() == second.process.pid
            second.stop()
        eventually("the first tells again", lambda: pid() == first.process.pid)


def test_what_tells_no_snapshot_is_an_error(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(data / control.SOCKET))
        sock.listen()
        for octets in (b"", b"\x80", b"\xc1", msgpack.packb([1]), msgpack.packb({"version": 99})):
            child = os.fork()
            if not child:
                peer, _ = sock.accept()
                peer.sendall(octets)
                os._exit(0)
            with pytest.raises(control.ControlError, match="does not tell"):
                control.ask(data)
            os.waitpid(child, 0)


@pytest.mark.parametrize("kind", [Tally, cdatagrams.Tally])
def test_answers_are_counted_by_the_code_that_dnspython_reads(kind: type) -> None:
    for name in ("csid.internal.", ".", "a." * 120):
        for rcode in RCODES:
            query = dns.message.make_query(name, "A", use_edns=0)
            answer = dns.message.make_response(query)
            answer.set_rcode(rcode)
            cells = counters.unread()
            message = answer.to_wire()
            kind(cells, counters.TLS).count(message)
            assert rcode_of(message) == rcode
            assert cells[counters.TLS + RCODE + rcode] == 1
            assert cells[counters.TLS + counters.OCTETS_SENT] == len(message)
            assert sum(cells) == 1 + len(message)


@pytest.mark.parametrize("kind", [Tally, cdatagrams.Tally])
def test_a_tally_stays_within_its_memory(kind: type) -> None:
    """A header alone that says there is more, and one whose question is cut short."""
    for tail in (b"", b"\x3f", b"\x01a", bytes(4), b"\0" * 5):
        cells = counters.unread()
        kind(cells, 0).count(bytes.fromhex("0000 8000 0001 0000 0000 0001") + tail)
        assert cells[RCODE] == 1
