"""Zones that are transferred over TLS (RFC 9103), as strictly as it was asked for."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from tests.registry.sync.test_servers import node, put
from tests.support.peers import HOST, Bind, Nsd, free_port, installed, running
from tests.support.servers import serving
from tests.support.syncing import (
    ORIGIN,
    SECRET_TEXT,
    answer,
    follow,
    notify,
    state,
    until,
    zone_text,
)

NAME = "primary.example"


class Certificates(NamedTuple):
    """Files of a CA and of a server that it vouches for, and the pin of the server's key."""

    ca: Path
    certificate: Path
    key: Path
    pin: str


def made(folder: Path) -> Certificates:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a CA")])
    now = datetime.datetime.now(datetime.UTC)

    def signed(subject: str, public: ec.EllipticCurvePublicKey, is_ca: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if not is_ca:
            alternatives = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address(HOST))]
            names = x509.SubjectAlternativeName(alternatives)
            builder = builder.add_extension(names, critical=False)
        return builder.sign(ca_key, hashes.SHA256())

    files = [folder / name for name in ("ca.pem", "server.pem", "server.key")]
    files[0].write_bytes(signed("a CA", ca_key.public_key(), True).public_bytes(Encoding.PEM))
    files[1].write_bytes(signed(NAME, key.public_key(), False).public_bytes(Encoding.PEM))
    files[2].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Certificates(*files, base64.b64encode(hashlib.sha256(spki).digest()).decode())


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return made(tmp_path)


@pytest.fixture
def primary(tmp_path: Path, certificates: Certificates) -> Iterator[int]:
    """The TLS port of a node that has the zone."""
    data = node(tmp_path / "primary")
    put(data, zone_text())
    notify(data)
    port = free_port()
    words = ["--listen-tls", f"{HOST}:{port}"]
    words += ["--tls-cert", str(certificates.certificate), "--tls-key", str(certificates.key)]
    with serving(data, *words):
        yield port


@pytest.mark.parametrize("how", ["opportunistic", "pin:{pin}", "ca:{name}@{ca}"])
def test_a_zone_comes_over_tls(
    tmp_path: Path, primary: int, certificates: Certificates, how: str
) -> None:
    data = node(tmp_path / "node")
    with serving(data) as server:
        tls = how.format(pin=certificates.pin, name=NAME, ca=certificates.ca)
        follow(data, primary, tls=tls)
        until(lambda: answer(server.port, f"www.{ORIGIN}") == "192.0.2.1")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("pin:" + base64.b64encode(bytes(32)).decode(), "has the pin"),
        ("ca:another.example@{ca}", "certificate is not accepted"),
        ("ca:{name}", "certificate is not accepted"),
        ("ca:{name}@/nowhere", "cannot be read"),
    ],
)
def test_who_does_not_prove_who_it_is_gives_nothing(
    tmp_path: Path, primary: int, certificates: Certificates, how: str, said: str
) -> None:
    data = node(tmp_path / "node")
    with serving(data) as server:
        follow(data, primary, tls=how.format(name=NAME, ca=certificates.ca))
        until(lambda: said in state(data).error)
        assert answer(server.port, f"www.{ORIGIN}") == "SERVFAIL"


def test_what_is_to_be_strict_never_goes_without_tls(tmp_path: Path) -> None:
    first, data = node(tmp_path / "first"), node(tmp_path / "node")
    put(first, zone_text())
    notify(first)
    with serving(first) as plain, serving(data) as server:
        follow(data, plain.port, tls="pin:" + base64.b64encode(bytes(32)).decode())
        until(lambda: state(data).failures)
        assert answer(server.port, f"www.{ORIGIN}") == "SERVFAIL"
        follow(data, plain.port, tls="opportunistic")
        until(lambda: answer(server.port, f"www.{ORIGIN}") == "192.0.2.1")


def test_bind_is_followed_over_tls(tmp_path: Path, certificates: Certificates) -> None:
    if not installed(Bind):
        pytest.skip("named is not installed")
    port = free_port()

    class Tls(Bind):
        def configuration(self) -> str:
            return (
                f'tls xot {{ cert-file "{certificates.certificate}"; '
                f'key-file "{certificates.key}"; }};\n'
                f'key "sync-key" {{ algorithm hmac-sha256; secret "{SECRET_TEXT}"; }};\n'
                + super()
                .configuration()
                .replace(
                    "  listen-on-v6",
                    f"  listen-on port {port} tls xot {{ {HOST}; }};\n  listen-on-v6",
                )
                .replace("type primary; ", "type primary; allow-transfer { key sync-key; }; ")
            )

    folder = tmp_path / "bind"
    folder.mkdir()
    data = node(tmp_path / "node")
    with running(Tls, folder, {ORIGIN: zone_text()}), serving(data) as server:
        follow(data, port, tls=f"pin:{certificates.pin}")
        until(lambda: answer(server.port, f"www.{ORIGIN}") == "192.0.2.1")


@pytest.mark.parametrize("how", ["pin:{pin}", "ca:{name}@{ca}"])
def test_nsd_is_followed_over_tls(tmp_path: Path, certificates: Certificates, how: str) -> None:
    if not installed(Nsd):
        pytest.skip("nsd is not installed")
    port = free_port()

    class Tls(Nsd):
        def configuration(self) -> str:
            service = (
                f"server:\n  ip-address: {HOST}@{port}\n  tls-port: {port}\n"
                f'  tls-service-key: "{certificates.key}"\n'
                f'  tls-service-pem: "{certificates.certificate}"\n'
            )
            key = f'key:\n  name: sync-key\n  algorithm: hmac-sha256\n  secret: "{SECRET_TEXT}"\n'
            text = super().configuration().replace("server:\n", service, 1)
            text = text.replace("zone:\n", f"{key}zone:\n", 1)
            return text.replace('zone"\n', f'zone"\n  provide-xfr: {HOST} sync-key\n')

    folder = tmp_path / "nsd"
    folder.mkdir()
    data = node(tmp_path / "node")
    with running(Tls, folder, {ORIGIN: zone_text()}), serving(data) as server:
        follow(data, port, tls=how.format(pin=certificates.pin, name=NAME, ca=certificates.ca))
        until(lambda: answer(server.port, f"www.{ORIGIN}") == "192.0.2.1")
