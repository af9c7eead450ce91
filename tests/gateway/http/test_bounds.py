"""What strangers and hasty callers can bring about at the interface is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Message

from gateway.http import app
from gateway.http.connections import HEAD_SECONDS, TAKE_SECONDS
from gateway.http.limits import MOST_CALLERS, Limits
from gateway.http.problems import Problem
from tests.support.commands import Node
from tests.support.interface import Interface, offered
from tests.support.registering import OWNER, identifier
from tests.support.servers import eventually

PLACES = 5
MARGIN = 5.0  # seconds, on a busy machine
LONG_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000
DOCUMENT = b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
MANY = 300  # more than the buffers on the way hold
HEADS = (b"", b"G", b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\nX: ")


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def interface(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Interface]:
    node = Node(tmp_path / "node")
    node.accredit(OWNER)
    with offered(node, tmp_path, tls=request.param, more=f"per-address = {PLACES}") as found:
        yield found


def connected(interface: Interface, opened: contextlib.ExitStack) -> socket.socket:
    host, _, port = interface.address.rpartition(":")
    sock = opened.enter_context(socket.create_connection((host, int(port)), 20))
    if interface.certificate is None:
        return sock
    context = ssl.create_default_context(cafile=str(interface.certificate))
    return opened.enter_context(context.wrap_socket(sock, server_hostname=host))


def test_who_takes_answers_little_by_little_does_not_get_all(interface: Interface) -> None:
    with contextlib.ExitStack() as opened:
        sock = connected(interface, opened)
        sock.settimeout(TAKE_SECONDS + MARGIN)
        taken = 0
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            sock.sendall(DOCUMENT * MANY)
            until = time.monotonic() + TAKE_SECONDS + 1
            while time.monotonic() < until:
                taken += len(sock.recv(100))
                time.sleep(0.05)
            while octets := sock.recv(1 << 20):
                taken += len(octets)
        with interface.client("read-only") as client:
            whole = len(client.get("/v1/openapi.json").content)
        assert 0 < taken < MANY * whole


def test_who_is_slow_with_a_head_is_left_and_others_are_served(interface: Interface) -> None:
    with contextlib.ExitStack() as opened:
        began = time.monotonic()
        slow = [connected(interface, opened) for _ in HEADS]
        for sock, octets in zip(slow, HEADS, strict=True):
            sock.sendall(octets)
        host, _, port = interface.address.rpartition(":")
        silent = opened.enter_context(socket.create_connection((host, int(port)), 20))
        with interface.client("read-only") as client:
            assert client.get(f"/v1/owners/{OWNER}").status_code == 200
        for sock in (*slow, silent):
            sock.settimeout(HEAD_SECONDS + MARGIN)
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                while sock.recv(4_096):
                    pass
        assert time.monotonic() - began < HEAD_SECONDS + MARGIN


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (LONG_HEAD, b"431"),
        (b"hello\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_head_is_a_problem_and_the_end(
    interface: Interface, octets: bytes, status: bytes
) -> None:
    with contextlib.ExitStack() as opened:
        sock = connected(interface, opened)
        sock.sendall(octets)
        said = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while part := sock.recv(65_536):
                said += part
    assert said.split(b" ", 2)[1] == status
    assert b"application/problem+json" in said


def test_the_head_of_an_answer_and_its_body_come_together(interface: Interface) -> None:
    ask = f"GET /v1/owners/{OWNER} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    with contextlib.ExitStack() as opened:
        sock = connected(interface, opened)
        for _ in range(3):  # each answer is one record of TLS, which is what recv gives at most
            sock.sendall(f"{ask}{interface.token('read-only')}\r\n\r\n".encode())
            head, _, body = sock.recv(65_536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert OWNER.encode() in body


def test_an_address_has_so_many_connections_over_tls_alone(interface: Interface) -> None:
    with contextlib.ExitStack() as opened:
        socks = [connected(interface, opened) for _ in range(PLACES)]
        if interface.certificate is None:
            with interface.client("read-only") as client:  # behind a server that ends TLS
                assert client.get(f"/v1/owners/{OWNER}").status_code == 200
            return
        for sock in socks:
            sock.sendall(b"GET /rdap/help HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(20).startswith(b"HTTP/1.1 200")
        with interface.client() as client, pytest.raises(httpx.TransportError):
            client.get("/rdap/help")
        socks[0].close()
        eventually("there is room again", lambda: can_ask(interface))


def can_ask(interface: Interface) -> bool:
    with interface.client() as client, contextlib.suppress(httpx.TransportError):
        return client.get("/rdap/help").status_code == 200
    return False


def test_it_ends_with_the_node_and_is_replaced_when_it_dies(interface: Interface) -> None:
    (pid,) = interface.server.workers("gateway.http.process")
    with interface.client("registrar", "--for-owner", OWNER) as client:
        os.kill(pid, signal.SIGKILL)
        eventually(
            "another process serves",
            lambda: interface.server.workers("gateway.http.process") not in ([], [pid]),
        )
        body = {"identifier": str(identifier("A001"))}
        assert client.post("/v1/identifiers", json=body).status_code == 201
        assert interface.server.stop() == 0


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_writer_that_ends_keeps_nobody_from_registering(
    interface: Interface, end: signal.Signals
) -> None:
    with interface.client("registrar", "--for-owner", OWNER) as client:
        for number in range(4):  # once the interface is connected to it, too
            body = {"identifier": str(identifier(f"A01{number}"))}
            assert client.post("/v1/identifiers", json=body).status_code == 201
        (pid,) = interface.server.workers("gateway.writing")
        os.kill(pid, end)
        body = {"identifier": str(identifier("A020"))}
        key = {"Idempotency-Key": "once"}

        def registered() -> bool:
            answer = client.post("/v1/identifiers", json=body, headers=key)
            assert answer.status_code in (200, 201, 503), answer.text
            return answer.status_code != 503

        eventually("the next writer has it", registered)
        assert client.get(f"/v1/identifiers/{body['identifier']}").status_code == 200


def test_a_caller_has_a_rate_and_a_burst() -> None:
    now = 0.0
    limits = Limits(10, 20, 2, lambda: now)
    limits.take("a")
    limits.charge("a", 30)  # as of a batch: that goes below, and the next one waits
    with pytest.raises(Problem) as refused:
        limits.take("a")
    assert refused.value.http == 429
    limits.take("b")
    now = float(refused.value.headers["Retry-After"])
    limits.take("a")
    now += 60.0
    for _ in range(20):
        limits.take("a")
    with pytest.raises(Problem):
        limits.take("a")


def test_a_caller_has_so_many_calls_at_a_time() -> None:
    limits = Limits(10, 20, 2, lambda: 0.0)
    limits.enter("a")
    limits.enter("a")
    with pytest.raises(Problem):
        limits.enter("a")
    limits.leave("a")
    limits.enter("a")


def test_no_number_of_callers_grows_the_memory_and_none_that_is_served_is_forgotten() -> None:
    limits = Limits(10, 20, 1, lambda: 0.0)
    limits.enter("served")
    for number in range(2 * MOST_CALLERS):
        limits.take(f"a{number}")
    assert len(limits._buckets) == MOST_CALLERS
    with pytest.raises(Problem):
        limits.enter("served")


def test_tokens_are_not_sent_in_the_clear(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    file = tmp_path / "csid.toml"
    file.write_text('[http]\nlisten = "0.0.0.0:0"\n')
    ran = node.run("serve", "--config", file, "--listen", "127.0.0.1:0")
    assert ran.code == 2
    assert "give tls-cert" in ran.err


def test_one_caller_alone_has_to_wait(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.accredit(OWNER)
    with (
        offered(node, tmp_path, more="per-second = 2") as found,
        found.client("read-only") as hasty,
        found.client("read-only") as other,
    ):
        answers = [hasty.get(f"/v1/owners/{OWNER}") for _ in range(20)]
        assert {200, 429} == {one.status_code for one in answers}
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert other.get(f"/v1/owners/{OWNER}").status_code == 200
        with found.client() as stranger:
            codes = [stranger.get("/v1/owners").status_code for _ in range(80)]
        assert codes[0] == 401
        assert codes[-1] == 429
        assert found.client("auditor").get(f"/v1/owners/{OWNER}").status_code == 200


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.01)

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    asked = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(Problem) as refused:
        asyncio.run(app._body(asked))
    assert refused.value.http == 408


def test_a_body_is_read_no_further_than_it_is_taken() -> None:
    parts = 0

    async def receive() -> Message:
        nonlocal parts
        parts += 1
        return {"type": "http.request", "body": bytes(1 << 20), "more_body": True}

    asked = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(Problem) as refused:
        asyncio.run(app._body(asked))
    assert (refused.value.http, parts) == (413, 5)
