"""The TCP server as a process, over real sockets; on a clock that jumps: test_tcp_bounds.py."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import pytest

from csid.limits import TCP_IDLE_SECONDS
from csid.protocol import OPTION_COOKIE, OPTION_KEEPALIVE, OPTION_NSID
from resolver.server.tcp import MAX_HELD_OCTETS
from tests.support.servers import PATIENCE, Server, eventually, make_data, serving
from tests.support.streams import query


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = make_data(tmp_path_factory.mktemp("tcp") / "data")
    with serving(data, "--nsid", "gw-1") as running:
        yield running


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), PATIENCE)


def read_answer(sock: socket.socket) -> dns.message.Message:
    (length,) = struct.unpack(">H", read_exactly(sock, 2))
    return dns.message.from_wire(read_exactly(sock, length))


def read_exactly(sock: socket.socket, octets: int) -> bytes:
    got = b""
    while len(got) < octets:
        piece = sock.recv(octets - len(got))
        if not piece:
            raise EOFError(f"connection ended after {len(got)} of {octets} octets")
        got += piece
    return got


def closed_by_server(sock: socket.socket, seconds: float) -> bool:
    """Whether the server closes the connection within some seconds, sending nothing more."""
    sock.settimeout(seconds)
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def assert_served(server: Server) -> None:
    """A newcomer gets an answer."""
    with connect(server) as sock:
        sock.sendall(query(77))
        assert read_answer(sock).id == 77


def tcp_process(server: Server) -> int:
    (pid,) = server.workers("resolver.server.tcp")
    return pid


def memory(pid: int) -> int:
    """Octets of memory a process has to itself."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} shows no memory")


def test_one_connection_carries_many_queries_in_turn(server: Server) -> None:
    with connect(server) as sock:
        for number in range(50):
            sock.sendall(query(number))
            answer = read_answer(sock)
            assert answer.id == number
            assert str(answer.answer[0][0]) == "192.0.2.1"


def test_pipelined_queries_are_all_answered(server: Server) -> None:
    with connect(server) as sock:
        sock.sendall(b"".join(query(number) for number in range(2_000)))
        assert {read_answer(sock).id for _ in range(2_000)} == set(range(2_000))


def test_a_query_in_single_octets_is_answered(server: Server) -> None:
    with connect(server) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in query(5):
            sock.sendall(bytes([octet]))
        assert read_answer(sock).id == 5


def test_what_udp_truncates_comes_whole_over_tcp(server: Server) -> None:
    with connect(server) as sock:
        sock.sendall(query(1, "many.csid.internal.", "TXT"))
        answer = read_answer(sock)
    assert not answer.flags & dns.flags.TC
    assert sum(map(len, answer.answer[0][0].strings)) > 12_000


def test_a_peer_that_ends_its_side_still_gets_its_answers(server: Server) -> None:
    with connect(server) as sock:
        sock.sendall(query(1) + query(2))
        sock.shutdown(socket.SHUT_WR)
        assert [read_answer(sock).id, read_answer(sock).id] == [1, 2]
        assert closed_by_server(sock, PATIENCE)


def test_keepalive_nsid_and_cookie_are_told_over_tcp(server: Server) -> None:
    options: list[dns.edns.Option] = [
        dns.edns.GenericOption(dns.edns.OptionType.make(OPTION_KEEPALIVE), b""),
        dns.edns.GenericOption(dns.edns.OptionType.NSID, b""),
        dns.edns.CookieOption(b"12345678", b""),
    ]
    message = dns.message.make_query("www.csid.internal.", "A", use_edns=0, options=options)
    with connect(server) as sock:
        sock.sendall(message.to_wire(prepend_length=True))
        told = {int(option.otype): option for option in read_answer(sock).options}
    units = int(TCP_IDLE_SECONDS * 10)  # of 100 ms, RFC 7828 section 3.1
    assert told[OPTION_KEEPALIVE].to_wire() == units.to_bytes(2, "big")
    assert told[OPTION_NSID].to_wire() == b"gw-1"
    assert told[OPTION_COOKIE].to_wire().startswith(b"12345678")


@pytest.mark.parametrize("length", [0, 1, 11])
def test_a_length_below_a_header_closes_the_connection(server: Server, length: int) -> None:
    with connect(server) as sock:
        sock.sendall(length.to_bytes(2, "big") + bytes(length))
        assert closed_by_server(sock, PATIENCE)


def test_a_message_that_deserves_silence_gets_it_and_the_next_its_answer(server: Server) -> None:
    response = bytearray(query(1))
    response[4] |= 0x80  # QR
    with connect(server) as sock:
        sock.sendall(bytes(response) + query(2))
        assert read_answer(sock).id == 2


def test_hostile_octets_end_at_most_their_own_connection(server: Server) -> None:
    source = random.Random(7)
    pid = tcp_process(server)
    for _ in range(100):
        with connect(server) as sock:
            for _ in range(source.randrange(1, 6)):
                body = source.randbytes(source.randrange(12, 200))
                head = query(1)[2 : 2 + source.randrange(0, 30)]
                sock.sendall(struct.pack(">H", len(head) + len(body)) + head + body)
            sock.sendall(source.randbytes(source.randrange(0, 400)))
    assert_served(server)
    assert tcp_process(server) == pid
    assert server.log.read_text() == ""


def test_a_peer_that_resets_is_forgotten(server: Server) -> None:
    for _ in range(50):
        with connect(server) as sock:
            sock.sendall(query(1) * 20)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert_served(server)
    assert server.log.read_text() == ""


def test_peers_that_take_no_answers_cost_little(server: Server) -> None:
    pid = tcp_process(server)
    before = memory(pid)
    asked = query(1, "many.csid.internal.", "TXT") * 1_000  # 12 MB of answers each
    with contextlib.ExitStack() as greedy:
        for _ in range(20):
            sock = greedy.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(asked)
        assert_served(server)
        assert memory(pid) - before < 32 << 20


def test_unfinished_queries_of_many_peers_are_held_within_bounds(server: Server) -> None:
    """Past the cap on octets held in all, those who hold longest are closed."""
    piece = b"\xff\xff" + bytes(65_000)
    count = MAX_HELD_OCTETS // len(piece) + 100
    pid = tcp_process(server)
    before = memory(pid)
    holding = []
    for _ in range(count):
        sock = connect(server)
        sock.sendall(piece)
        holding.append(sock)
    assert closed_by_server(holding[0], PATIENCE)
    assert_served(server)
    assert memory(pid) - before < 1.5 * MAX_HELD_OCTETS
    assert not closed_by_server(holding[-1], 0.05)
    for sock in holding:
        sock.close()


def test_when_descriptors_run_out_newcomers_are_served_and_the_idle_closed(
    tmp_path: Path,
) -> None:
    data = make_data(tmp_path / "data")
    with serving(data) as scarce:
        (pid,) = scarce.workers("resolver.server.tcp")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64))
        idle = []
        for _ in range(200):
            idle.append(connect(scarce))
            idle[-1].sendall(query(3))
            assert read_answer(idle[-1]).id == 3
        assert closed_by_server(idle[0], PATIENCE)
        assert_served(scarce)
        assert scarce.workers("resolver.server.tcp") == [pid]
        for sock in idle:
            sock.close()


def test_thousands_of_idle_connections_are_held_while_others_are_served(server: Server) -> None:
    count = 10_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 200:
        pytest.skip(f"{hard} open files are allowed, {count + 200} are needed")
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pid = tcp_process(server)
    before = memory(pid)
    idle = []
    try:
        for number in range(count):
            idle.append(connect(server))
            if number % 2_500 == 0:
                assert_served(server)
        assert_served(server)
        assert (memory(pid) - before) / count < 16_384
    finally:
        for sock in idle:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert_served(server)
    assert tcp_process(server) == pid


def test_sighup_changes_nothing_and_sigusr1_tells_the_counters(tmp_path: Path) -> None:
    with serving(make_data(tmp_path / "data")) as told:
        (pid,) = told.workers("resolver.server.tcp")
        with connect(told) as sock:
            sock.sendall(query(1) + query(2) + query(3)[:7])
            assert [read_answer(sock).id, read_answer(sock).id] == [1, 2]
            os.kill(pid, signal.SIGHUP)
            os.kill(pid, signal.SIGUSR1)
            eventually("the counters are told", lambda: "\n" in told.log.read_text())
            sock.sendall(query(3)[7:])
            assert read_answer(sock).id == 3
        assert told.workers("resolver.server.tcp") == [pid]
        (line,) = told.log.read_text().splitlines()
        assert line.endswith(
            " info TCP-server report: TCP server: accepted 1 refused 0 shed 0 expired 0 failed 0"
            " queries 2 transfers 0 transferred 0 spooled 0 open 1 held 7"
        )
