"""`csid.Client` at a gateway over HTTP says what it says over UDP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgpack
import pytest
import trio

import csid
from csid.address import AddressError
from csid.client.answer import Result
from csid.errors import CsidError, IdentifierError, UnreachableError
from tests.gateway.resolving.test_gateway import ABSENT, MOVED, POOL, Net
from tests.gateway.resolving.test_gateway import net as net
from tests.support.peers import free_port
from tests.support.servers import resolving

GIVEN = [str(POOL), POOL, POOL.to_dns_name(), str(MOVED), str(ABSENT), "no identifier"]


@pytest.fixture
def url(net: Net, tmp_path: Path) -> Iterator[str]:
    words = ["--http", "127.0.0.1:0"]
    with resolving(tmp_path / "http", *words, root=[net.root_address]) as gateway:
        yield f"http://{gateway.ready.split(' http ')[1].split(',')[0]}"


def facts(results: list[Result]) -> list[object]:
    """What both say."""
    return [
        type(one.error)
        if one.answer is None
        else (one.given, one.answer.identifier, one.record, one.answer.exists, one.answer.alias_of)
        for one in results
    ]


def test_it_says_what_it_says_over_udp(net: Net, url: str) -> None:
    with csid.Client(f"127.0.0.1:{net.gateway.port}") as over_udp, csid.Client(url) as over_http:
        expected, found = over_udp.resolve_many(GIVEN), over_http.resolve_many(GIVEN)
        assert facts(found) == facts(expected)
        assert found[0].require().transport == "http"
        assert 0 < found[0].require().ttl <= 300
        with pytest.raises(IdentifierError):
            over_http.resolve("no identifier")


def test_many_come_in_the_order_they_were_given(url: str) -> None:
    many = [POOL, ABSENT] * 2_500
    with csid.Client(url) as client:
        results = list(client.resolve_each(iter(many)))
    assert [one.given for one in results] == many
    assert all((one.record is not None) == (one.given == POOL) for one in results)


@pytest.mark.parametrize("run", [asyncio.run, lambda task: trio.run(lambda: task)])
def test_it_is_awaited(url: str, run: object) -> None:
    async def resolve() -> list[Result]:
        async with csid.AsyncClient(url) as client:
            return await client.resolve_many(GIVEN)

    assert callable(run)
    with csid.Client(url) as client:
        assert facts(run(resolve())) == facts(client.resolve_many(GIVEN))


def test_where_nobody_listens_each_has_the_reason() -> None:
    with csid.Client(f"http://127.0.0.1:{free_port()}") as client:
        results = client.resolve_many([POOL, ABSENT])
    assert all(isinstance(one.error, UnreachableError) for one in results)


@pytest.mark.parametrize("wrong", ["http://", "https://:8080", "http://a:b", "http://a:1?x=1"])
def test_what_is_no_url_is_told(wrong: str) -> None:
    with pytest.raises(AddressError, match="no URL of a gateway"):
        csid.Client(wrong)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>not found</html>",
        msgpack.packb(7),
        msgpack.packb({"status": "ok"}),
        msgpack.packb({"status": 200}),
        3 * msgpack.packb({"status": 404, "ttl": 1}),
        b"\xc1",
        b"",
    ],
)
def test_each_has_the_reason_whatever_else_answers(body: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with csid.Client(f"http://127.0.0.1:{server.server_port}") as client:
                results = client.resolve_many([POOL, ABSENT])
        finally:
            server.shutdown()
            thread.join()
    assert [one.given for one in results] == [POOL, ABSENT]
    assert all(one.error is not None or not one.require().exists for one in results)


def test_what_is_no_gateway_is_told(net: Net) -> None:
    with csid.Client(f"http://127.0.0.1:{net.gateway.port}", timeout=1) as client:
        (result,) = client.resolve_many([POOL])
    assert isinstance(result.error, CsidError)
