"""Selection as it runs: a node, a gateway that is told statuses, and what is learnt of both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from csid.identifier import make
from tests.support.commands import Node
from tests.support.gateways import gateway_http
from tests.support.interface import offered
from tests.support.registering import OWNER, PLACE
from tests.support.servers import Server, eventually
from tests.support.systems import running_systems

CHEAP, DEAR, LARGE = (
    str(make(OWNER, "6450", "330106", "ACV", class_, serial))
    for class_, serial in (("H60M07N6", "A001"), ("H60M07N6", "A002"), ("H60M07A1", "A003"))
)
FACTS = {
    CHEAP: ("--chip", "H800", "--count", 16, "--price", "80", "--price-unit", "hour"),
    DEAR: ("--chip", "H800", "--count", 16, "--price", "160", "--price-unit", "hour"),
    LARGE: ("--chip", "910B", "--count", 64, "--price", "200", "--price-unit", "hour"),
}


class Selecting(NamedTuple):
    node: Node
    gateway: httpx.Client
    server: Server
    client: httpx.Client
    file: Path

    def tell(self, name: str, seconds: int = 60, **free: int) -> None:
        said = {"identifier": name, "free": free, "valid_seconds": seconds}
        assert self.gateway.post("/v1/status", json=said).status_code == 202

    def select(self, **demand: Any) -> list[dict[str, Any]]:
        answer = self.client.post("/v1/select", json=demand)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found

    def sources(self) -> list[dict[str, Any]]:
        """Where supply is learnt from."""
        found: list[dict[str, Any]] = self.client.get("/v1/selection").json()["sources"]
        return found

    def names(self, **demand: Any) -> list[str]:
        return [one["identifier"] for one in self.select(**demand)]


@contextlib.contextmanager
def selecting(folder: Path, *lines: str) -> Iterator[Selecting]:
    """All of it, on free ports, once all is known; ``lines``: more of the section."""
    node = Node(folder / "node")
    node.accredit(OWNER)
    for name, facts in FACTS.items():
        node.must("assign", name, "--currency", "CNY", *facts)
    key = folder / "key"
    key.write_text(node.must("gateway", "enrol", "gw-1", "--prefix", PLACE) + "\n")
    with contextlib.ExitStack() as opened:
        interface = opened.enter_context(offered(node, folder))
        options = ["--report-to", f"http://{interface.address}", "--report-key", str(key)]
        top = f"127.0.0.1:{interface.server.port}"
        gateway = opened.enter_context(gateway_http(folder / "gateway", top, *options))
        url = f"http://{gateway.address}"
        teller = opened.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=20))
        eventually("it takes reports", lambda: teller.post("/v1/status").status_code != 503)
        token = folder / "token"
        token.write_text(interface.token("read-only"))
        file = folder / "selection.toml"
        lines = [
            "[systems]",
            f'data = "{folder / "systems"}"',
            "[selection]",
            f'registry = "http://{interface.address}"',
            f'token = "{token}"',
            f'gateway = "{url}"',
            *lines,
        ]
        file.write_text("\n".join(lines))
        server, client = opened.enter_context(running_systems(file, "selection"))
        found = Selecting(node, teller, server, client, file)
        eventually("all is known", lambda: set(found.names()) == set(FACTS))
        eventually("both are followed", lambda: all(one["follows"] for one in found.sources()))
        yield found
