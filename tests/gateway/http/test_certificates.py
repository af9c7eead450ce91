"""Actors by the certificate that they show, in place of a token."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.http.connections import Places, names_of
from tests.support.certificates import certificate
from tests.support.commands import Node, run
from tests.support.interface import Interface, offered
from tests.support.registering import OTHER, OWNER, identifier
from tests.support.servers import eventually

RECORD = {"state": "active", "endpoints": ["https://a.example:8443"]}


def names(file: Path) -> tuple[str, ...]:
    return names_of(ssl.PEM_cert_to_DER_cert(file.read_text()))


@pytest.fixture
def holder(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path, "holder")


@pytest.fixture
def interface(tmp_path: Path, holder: tuple[Path, Path]) -> Iterator[Interface]:
    node = Node(tmp_path / "node")
    for code in (OWNER, OTHER):
        node.accredit(code)
    lines = [
        f'client-ca = "{holder[0]}"',
        "[[actor]]",
        'name = "调度"',
        f'certificate = "{names(holder[0])[0]}"',
        'role = "registrar"',
        f'owner = "{OWNER}"',
        "[[actor]]",
        'name = "管理员"',
        'user = "root"',
        'role = "administrator"',
    ]
    with offered(node, tmp_path, tls=True, more="\n".join(lines)) as found:
        yield found


def client(interface: Interface, shown: tuple[Path, Path] | None, token: str = "") -> httpx.Client:
    context = ssl.create_default_context(cafile=str(interface.certificate))
    if shown is not None:
        context.load_cert_chain(*shown)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"https://{interface.address}"
    return httpx.Client(base_url=url, verify=context, headers=headers, timeout=20, trust_env=False)


def test_the_holder_of_a_certificate_is_the_actor_that_is_configured(
    interface: Interface, holder: tuple[Path, Path]
) -> None:
    with client(interface, holder) as caller:
        mine = {"identifier": str(identifier("A001")), "record": RECORD}
        assert caller.post("/v1/identifiers", json=mine).status_code == 201
        others = {"identifier": str(identifier("A001", OTHER)), "record": RECORD}
        refused = caller.post("/v1/identifiers", json=others)
        assert (refused.status_code, refused.json()["name"]) == (403, "OWNER_NOT_YOURS")
        (change,) = caller.get(f"/v1/identifiers/{mine['identifier']}/history").json()["items"]
    assert (change["by"], change["role"], change["for"]) == ("调度", "registrar", OWNER)


def test_a_token_goes_before_a_certificate_and_none_of_both_is_nobody(
    interface: Interface, holder: tuple[Path, Path]
) -> None:
    config = ("--config", interface.node.data.with_name("csid.toml"))
    token = interface.node.must("token", "add", "reader", "--role", "read-only", *config)
    body = {"identifier": str(identifier("A002")), "record": RECORD}
    with client(interface, holder, token) as caller:
        assert caller.post("/v1/identifiers", json=body).status_code == 403
    with client(interface, None) as caller:
        assert caller.post("/v1/identifiers", json=body).status_code == 401
        assert caller.get("/rdap/help").status_code == 200


def test_a_certificate_of_another_authority_is_not_taken(
    interface: Interface, tmp_path: Path
) -> None:
    stranger = certificate(tmp_path, "stranger")
    with client(interface, stranger) as caller, pytest.raises(httpx.TransportError):
        caller.get("/v1/owners")


def test_whose_certificate_it_is_changes_while_the_connection_stays(
    interface: Interface, holder: tuple[Path, Path]
) -> None:
    file = interface.node.data.with_name("csid.toml")
    with client(interface, holder) as caller:
        assert caller.get(f"/v1/owners/{OWNER}").status_code == 200
        digest = names(holder[0])[0]
        file.write_text(file.read_text().replace(digest, "dns:another.test"))
        eventually("it is nobody's", lambda: caller.get(f"/v1/owners/{OWNER}").status_code == 401)
        told = caller.get(f"/v1/owners/{OWNER}").json()
        assert digest in told["detail"] and "dns:ns.test" in told["detail"]
        file.write_text(file.read_text().replace("dns:another.test", "dns:NS.test"))
        eventually("by a name", lambda: caller.get(f"/v1/owners/{OWNER}").status_code == 200)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('[[actor]]\nname = "a"\ncertificate = "sha256:12"', "sha256: and 64 hexadecimal digits"),
        ('[[actor]]\nname = "a"\ncertificate = "cn:a"', "sha256: and 64 hexadecimal digits"),
        ('[[actor]]\ncertificate = "dns:a.example"', "give a name"),
        (
            '[[actor]]\nname = "a"\ncertificate = "dns:a.example"\n'
            '[[actor]]\nname = "b"\ncertificate = ["uri:b", "dns:A.example"]',
            "number 2: is the user, group or certificate of number 1",
        ),
    ],
)
def test_a_certificate_that_cannot_be_meant_is_told_of(
    tmp_path: Path, lines: str, said: str
) -> None:
    file = tmp_path / "csid.toml"
    file.write_text(lines)
    ran = run("config", "check", "--config", file)
    assert (ran.code, said in ran.err) == (2, True), ran.err


def test_certificates_of_clients_need_tls(tmp_path: Path, holder: tuple[Path, Path]) -> None:
    node = Node(tmp_path / "node")
    file = tmp_path / "csid.toml"
    file.write_text(f'[http]\nlisten = "127.0.0.1:0"\nclient-ca = "{holder[0]}"\n')
    ran = node.run("serve", "--config", file, "--listen", "127.0.0.1:0")
    assert (ran.code, "client-ca without tls-cert" in ran.err) == (2, True)


def test_a_site_has_so_many_places_and_others_have_theirs() -> None:
    places = Places(2, most=3)
    assert [places.take("a"), places.take("a"), places.take("a")] == [True, True, False]
    assert [places.take("b"), places.take("b")] == [True, False]  # all are taken
    places.leave("a")
    assert places.take("b")
    assert not places.take("c")
    for one in "abb":
        places.leave(one)
    assert places._count == 0 and not places._of
