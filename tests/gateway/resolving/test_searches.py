"""A search by a gateway, passed on to the interface of a real node."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Node
from tests.support.gateways import gateway_http
from tests.support.interface import offered
from tests.support.registering import OWNER, identifier

PATH = "/v1/identifiers"


def test_a_search_is_passed_on_page_by_page(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.accredit(OWNER)
    codes = [str(identifier(f"A00{n}")) for n in range(5)]
    for code in codes:
        node.must("assign", code, "--endpoint", "https://a.example:8443")
    with offered(node, tmp_path) as interface:
        token = tmp_path / "token"
        token.write_text(interface.token("read-only") + "\n")
        options = ("--registry", f"http://{interface.address}", "--registry-token", str(token))
        with (
            gateway_http(tmp_path / "gateway", "127.0.0.1:9", *options) as gateway,
            gateway.client() as client,
        ):
            found: list[str] = []
            after = None
            while True:
                params = {"prefix": OWNER, "limit": 2} | ({"after": after} if after else {})
                page = client.get(PATH, params=params).json()
                found += [one["identifier"] for one in page["items"]]
                after = page["next"]
                if after is None:
                    break
            assert found == codes
            wrong = client.get(PATH, params={"prefix": "?"})
            assert wrong.status_code == 422
            assert wrong.headers["Content-Type"] == "application/problem+json"
            assert client.get(PATH, params={"prefix": "a" * 3_000}).status_code == 413
            interface.server.stop()
            gone = client.get(PATH, params={"prefix": OWNER})
            assert (gone.status_code, gone.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize("token", [None, "csid_t1_wrong"])
def test_who_may_not_search_says_so(tmp_path: Path, token: str | None) -> None:
    node = Node(tmp_path / "node")
    options: tuple[str, ...] = ()
    with offered(node, tmp_path) as interface:
        if token is not None:
            (tmp_path / "token").write_text(token)
            options = ("--registry", f"http://{interface.address}")
            options += ("--registry-token", str(tmp_path / "token"))
        with (
            gateway_http(tmp_path / "gateway", "127.0.0.1:9", *options) as gateway,
            gateway.client() as client,
        ):
            answer = client.get(PATH, params={"prefix": OWNER})
            assert answer.status_code == 503
            assert ("configured" if token is None else "401") in answer.json()["detail"]
