"""DNS over HTTPS of a gateway (RFC 8484), asked by kdig, dig, curl and dnspython."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dns.message
import dns.rcode
import httpx
import pytest

from gateway.resolving.dns_queries import DNS, freshness
from tests.support.certificates import certificate
from tests.support.gateways import GatewayHttp, gateway_http
from tests.support.resolved import ABSENT, ACTIVE, RETIRED, TTL, network

NAME = ACTIVE.to_dns_name()


class Both(NamedTuple):
    plain: GatewayHttp
    tls: GatewayHttp
    certificate: Path


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("doh")
    shown, key = certificate(folder, "gateway")
    options = ("--tls-cert", str(shown), "--tls-key", str(key))
    with (
        network(folder) as net,
        gateway_http(folder / "plain", net.top) as plain,
        gateway_http(folder / "tls", net.top, *options) as tls,
    ):
        yield Both(plain, tls, shown)


def ran(*words: object) -> str:
    found = subprocess.run([str(one) for one in words], capture_output=True, text=True, timeout=30)
    assert found.returncode == 0, found
    return found.stdout


@pytest.mark.skipif(shutil.which("kdig") is None, reason="no kdig")
@pytest.mark.parametrize("how", ["+https", "+https-get"])
def test_kdig_asks_over_tls(gateways: Both, how: str) -> None:
    tls = [f"+tls-ca={gateways.certificate}", "+tls-hostname=ns.test"]
    for name in (NAME, RETIRED.to_dns_name()):
        said = ran("kdig", "@127.0.0.1", "-p", gateways.tls.port, how, *tls, name, "TYPE65347")
        assert "status: NOERROR" in said
        assert "HTTP/2" in said
        assert "TYPE65347" in said.partition("ANSWER SECTION")[2]
    absent = ran("kdig", "@127.0.0.1", "-p", gateways.tls.port, how, *tls, ABSENT.to_dns_name())
    assert "status: NXDOMAIN" in absent


@pytest.mark.skipif(shutil.which("dig") is None, reason="no dig")
@pytest.mark.parametrize("how", ["+https", "+https-get", "+http-plain", "+http-plain-get"])
def test_dig_asks_with_and_without_tls(gateways: Both, how: str) -> None:
    where = gateways.plain if "plain" in how else gateways.tls
    said = ran("dig", "@127.0.0.1", "-p", where.port, how, NAME, "TYPE65347")
    assert "status: NOERROR" in said
    assert "(good)" in said  # the cookie
    assert "ANSWER: 1" in said
    refused = ran("dig", "@127.0.0.1", "-p", where.port, how, "www.example.com.", "A")
    assert "status: REFUSED" in refused
    assert "EDE: 18" in refused


def test_a_message_is_given_and_how_long_it_may_be_kept(gateways: Both) -> None:
    query = dns.message.make_query(NAME, "TYPE65347", id=0).to_wire()
    text = base64.urlsafe_b64encode(query).rstrip(b"=").decode()
    with gateways.plain.client() as client:
        got = client.get("/dns-query", params={"dns": text})
        posted = client.post("/dns-query", content=query, headers={"Content-Type": DNS})
        for answer in (got, posted):
            assert answer.headers["Content-Type"] == DNS
            read = dns.message.from_wire(answer.content)
            assert 0 < read.answer[0].ttl <= TTL
            assert answer.headers["Cache-Control"] == f"max-age={read.answer[0].ttl}"
        absent = dns.message.make_query(ABSENT.to_dns_name(), "TXT").to_wire()
        none = client.post("/dns-query", content=absent, headers={"Content-Type": DNS})
        read = dns.message.from_wire(none.content)
        assert read.rcode() == dns.rcode.NXDOMAIN
        assert none.headers["Cache-Control"] == f"max-age={read.authority[0].ttl}"
        other = dns.message.make_query("example.com.", "A").to_wire()
        refused = client.post("/dns-query", content=other, headers={"Content-Type": DNS})
        assert dns.message.from_wire(refused.content).rcode() == dns.rcode.REFUSED
        assert refused.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("params", "status"),
    [({}, 400), ({"dns": ""}, 400), ({"dns": "AAA*"}, 400), ({"dns": "AAAA"}, 400)],
)
def test_what_is_no_query_by_get_is_refused(
    gateways: Both, params: dict[str, str], status: int
) -> None:
    with gateways.plain.client() as client:
        assert client.get("/dns-query", params=params).status_code == status


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"", DNS, 400),
        (b"\0" * 12, DNS, 200),
        (b"\xff" * 12, DNS, 400),
        (b"\0" * 70_000, DNS, 413),
        (b"{}", "application/json", 415),
    ],
)
def test_what_is_no_query_by_post_is_refused(
    gateways: Both, body: bytes, media: str, status: int
) -> None:
    with gateways.plain.client() as client:
        answer = client.post("/dns-query", content=body, headers={"Content-Type": media})
        assert answer.status_code == status


def test_curl_and_httpx_choose_their_version(gateways: Both) -> None:
    url = f"/v1/identifiers/{ACTIVE}"
    ask = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{http_version}"]
    ask += ["--cacert", gateways.certificate]
    for option, version in (("--http1.1", "1.1"), ("--http2", "2")):
        assert ran(*ask, option, f"https://{gateways.tls.address}{url}") == f"200 {version}"
    plain = f"http://{gateways.plain.address}{url}"
    assert ran(*ask, "--http2-prior-knowledge", plain) == "200 2"
    assert ran(*ask, plain) == "200 1.1"
    made = httpx.Client(http2=True, verify=str(gateways.certificate), trust_env=False)
    with made as client:
        answer = client.get(f"https://{gateways.tls.address}{url}")
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")


def test_nothing_is_kept_of_what_is_no_answer() -> None:
    assert freshness(b"") is None
    assert freshness(b"\0" * 12) is None
    servfail = dns.message.make_response(dns.message.make_query(NAME, "A"))
    servfail.set_rcode(dns.rcode.SERVFAIL)
    assert freshness(servfail.to_wire()) is None
    assert freshness(dns.message.make_response(dns.message.make_query(NAME, "A")).to_wire()) is None
