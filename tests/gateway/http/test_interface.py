"""The registry over HTTP: what a service centre does there, on a real node."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.commands import Node
from tests.support.interface import Interface, offered
from tests.support.registering import CLASS, OTHER, OWNER, PLACE, POOL, identifier

ONE = str(identifier("A001"))
RECORD = {"state": "active", "endpoints": ["https://a.example:8443"], "count": 8}


@pytest.fixture(scope="module")
def interface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interface]:
    folder = tmp_path_factory.mktemp("interface")
    node = Node(folder / "node")
    for owner in (OWNER, OTHER):
        node.accredit(owner)
    node.must("pool", "add", PLACE, "--class", CLASS, "--count", 100)
    node.must("assign", ONE, "--endpoint", "https://a.example:8443")
    node.must("audit", "key", "--new", "example.cn/log")
    node.must("audit", "checkpoint")
    with offered(node, folder) as found:
        yield found


@pytest.fixture(scope="module")
def desk(interface: Interface) -> Iterator[httpx.Client]:
    """A registrar of OWNER."""
    with interface.client("registrar", "--for-owner", OWNER) as client:
        yield client


@pytest.fixture(scope="module")
def office(interface: Interface) -> Iterator[httpx.Client]:
    with interface.client("administrator") as client:
        yield client


def test_registration(desk: httpx.Client) -> None:
    code = str(identifier("B001"))
    body = {"identifier": code, "record": RECORD, "reason": "首批"}
    answer = desk.post("/v1/identifiers", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["subject"] == code
    found = desk.get(answer.headers["Location"])
    assert found.status_code == 200, found.text
    assert found.json()["record"] == RECORD
    assert found.headers["ETag"] == f'"{found.json()["leaf"]}"'
    assert desk.get(f"/v1/identifiers/{code}").json() == found.json()
    tag = {"If-None-Match": found.headers["ETag"]}
    assert desk.get(f"/v1/identifiers/{code}", headers=tag).status_code == 304
    again = desk.post("/v1/identifiers", json=body)
    assert (again.status_code, again.json()["code"], again.json()["title_zh"]) == (
        409,
        200,
        "已存在",
    )
    assert again.headers["Content-Type"] == "application/problem+json"
