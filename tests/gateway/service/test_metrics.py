"""`[metrics] listen`: the state of a node for Prometheus, at a port of its own."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import dns.message
import dns.query
import pytest

from gateway.metrics.process import CONNECTIONS, HEAD_OCTETS
from tests.support.servers import PATIENCE, Server, make_data, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("metrics")
    file = folder / "csid.toml"
    file.write_text('[metrics]\nlisten = "127.0.0.1:0"\n')
    with serving(make_data(folder / "data"), "--config", str(file)) as running:
        yield running


def port(server: Server) -> int:
    """Where it tells."""
    words = server.ready.split(",")[0].split()
    return int(words[words.index("metrics") + 1].rpartition(":")[2])


def get(server: Server, path: str = "/metrics", method: str = "GET") -> tuple[int, str, str]:
    """Code, type and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=PATIENCE)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers["Content-Type"], body


def test_the_state_is_told_as_it_is_now(server: Server) -> None:
    query = dns.message.make_query("www.csid.internal.", "A")
    dns.query.udp(query, "127.0.0.1", port=server.port, timeout=PATIENCE)
    code, kind, text = get(server)
    assert (code, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "\ncsid_up 1\n" in text
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    subprocess.run([promtool, "check", "metrics"], input=text, text=True, check=True)


def test_nothing_else_is_there(server: Server) -> None:
    assert get(server, "/")[0] == 404
    assert get(server, "/metrics", "POST")[0] == 405
    code, _, body = get(server, "/metrics?x=1", "HEAD")
    assert (code, body) == (200, "")


def test_strangers_take_no_memory_and_no_place(server: Server) -> None:
    at = ("127.0.0.1", port(server))
    held = [socket.create_connection(at, PATIENCE) for _ in range(2 * CONNECTIONS)]
    for one in held[CONNECTIONS:]:
        assert one.recv(1) == b""
    for one in held:
        one.close()
    with socket.create_connection(at, PATIENCE) as long:
        long.sendall(b"GET /metrics HTTP/1.1\r\n" + b"x" * 4 * HEAD_OCTETS)
        long.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionResetError):
            assert long.recv(1) == b""
    begin = time.monotonic()
    for _ in range(20):
        try:
            assert get(server)[0] == 200
        except (ConnectionResetError, http.client.RemoteDisconnected):
            assert time.monotonic() - begin < PATIENCE
            time.sleep(0.1)
    assert get(server)[0] == 200
