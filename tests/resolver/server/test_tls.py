"""DNS over TLS: what is shown, what is refused, and what is said of files that cannot be used."""

from __future__ import annotations

import signal
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dns.message
import dns.query
import pytest

from resolver.server.credentials import Credentials, CredentialsError
from tests.support.certificates import certificate
from tests.support.servers import PATIENCE, Server, eventually, make_data, run, serving
from tests.support.streams import query

HOST = "127.0.0.1"


class Tls(NamedTuple):
    """A server that listens for TLS."""

    server: Server
    chain: Path
    key: Path
    client: tuple[Path, Path] | None

    @property
    def port(self) -> int:
        return int(self.server.ready.split(" tls ")[1].split(",")[0].rpartition(":")[2])

    def context(self) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=self.chain)
        made.set_alpn_protocols(["dot"])
        return made

    def connect(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        sock = socket.create_connection((HOST, self.port), PATIENCE)
        return context.wrap_socket(sock, server_hostname="ns.test")


@pytest.fixture(scope="module", params=["any client", "clients of an authority"])
def tls(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Tls]:
    folder = tmp_path_factory.mktemp("tls")
    chain, key = certificate(folder, "server")
    client = certificate(folder, "client") if "authority" in request.param else None
    options = ["--listen-tls", f"{HOST}:0", "--tls-cert", str(chain), "--tls-key", str(key)]
    options += ["--tls-client-ca", str(client[0])] if client else []
    with serving(make_data(folder / "data"), *options) as server:
        yield Tls(server, chain, key, client)


def ask(sock: ssl.SSLSocket, number: int) -> dns.message.Message:
    sock.sendall(query(number))
    (length,) = struct.unpack(">H", sock.recv(2))
    answer = b""
    while len(answer) < length:
        answer += sock.recv(length - len(answer))
    return dns.message.from_wire(answer)


def test_queries_are_answered_over_tls_1_3_with_the_token_of_dns(tls: Tls) -> None:
    context = tls.context()
    if tls.client is not None:
        with pytest.raises((ssl.SSLError, ConnectionError, struct.error)):
            ask(tls.connect(context), 1)  # the alert comes behind the handshake (RFC 8446 4.4.2.4)
        context.load_cert_chain(*tls.client)
    with tls.connect(context) as sock:
        assert (sock.version(), sock.selected_alpn_protocol()) == ("TLSv1.3", "dot")
        for number in (1, 2):
            answer = ask(sock, number)
            assert (answer.id, len(answer.answer)) == (number, 1)


def test_earlier_versions_and_what_is_no_tls_are_refused(tls: Tls) -> None:
    context = tls.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls.connect(context)
    with socket.create_connection((HOST, tls.port), PATIENCE) as plain:
        plain.sendall(query(1))
        assert b"csid" not in plain.recv(100)
    reply = dns.query.tcp(
        dns.message.make_query("www.csid.internal.", "A"), HOST, PATIENCE, tls.server.port
    )
    assert reply.answer


def test_a_renewed_certificate_is_shown_after_sighup(tls: Tls) -> None:
    def shown() -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if tls.client is not None:
            context.load_cert_chain(*tls.client)
        with tls.connect(context) as sock:
            return sock.getpeercert(binary_form=True) or b""

    before = shown()
    tls.chain.write_text("nothing of use")
    tls.server.process.send_signal(signal.SIGHUP)
    eventually(
        "it is said", lambda: "what was read before is shown on" in tls.server.log.read_text()
    )
    assert shown() == before
    certificate(tls.chain.parent, "server")
    tls.server.process.send_signal(signal.SIGHUP)
    eventually("the new one is shown", lambda: shown() != before)


def test_files_that_cannot_be_used_are_told_of(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, "one")
    other = certificate(tmp_path, "other")[1]
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    for files, words in (
        ((chain, other), "no certificate with its private key"),
        ((junk, key), "no certificate with its private key"),
        ((chain, junk), "no certificate with its private key"),
        ((tmp_path / "absent", key), "absent: No such file"),
        ((chain, key, junk), "no certificates of authorities"),
    ):
        with pytest.raises(CredentialsError, match=words):
            Credentials(*files)
    Credentials(chain, key, chain).close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--listen-tls", "127.0.0.1:0"], "needs --tls-cert"),
        (["--tls-cert", "x"], "without --listen-tls"),
        (["--listen-tls", "127.0.0.1:0", "--tls-cert", "absent.pem"], "absent.pem: No such file"),
        (["--listen-tls", "nowhere", "--tls-cert", "absent.pem"], "no address to listen on"),
    ],
)
def test_options_that_do_not_go_together_are_told_of(
    tmp_path: Path, words: list[str], said: str
) -> None:
    done = run(
        "serve", "--data", str(make_data(tmp_path / "data")), "--listen", "127.0.0.1:0", *words
    )
    assert done.returncode == 2 and said in done.stderr and not done.stdout
