"""A node with a registry, a gateway that reports to it, a source: what aggregation works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from gateway.systems.aggregation.settings import Aggregation
from tests.support.commands import Node
from tests.support.gateways import GatewayHttp, gateway_http
from tests.support.interface import Interface, offered
from tests.support.registering import OTHER, OWNER
from tests.support.servers import eventually
from tests.support.sources import Played, played, saying


class Net(NamedTuple):
    """What there is.

    Attributes:
        office: an administrator's client of the registry.
        settings: of the system, with the token of a registrar of OWNER.
        source: one that is played.
    """

    interface: Interface
    gateway: GatewayHttp
    office: httpx.Client
    settings: Aggregation
    source: Played


@contextmanager
def aggregating(folder: Path, grace: int) -> Iterator[Net]:
    """Such a net, whose owners OWNER and OTHER are accredited."""
    node = Node(folder / "node")
    for owner in (OWNER, OTHER):
        node.accredit(owner)
    key = folder / "key"
    key.write_text(node.must("gateway", "enrol", "gw-1", "--prefix", OWNER) + "\n")
    with ExitStack() as opened:
        interface = opened.enter_context(offered(node, folder))
        options = ["--report-to", f"http://{interface.address}", "--report-key", str(key)]
        top = f"127.0.0.1:{interface.server.port}"
        gateway = opened.enter_context(gateway_http(folder / "gateway", top, *options))
        office = opened.enter_context(interface.client("administrator"))
        with gateway.client() as client:
            eventually("it takes reports", lambda: client.post("/v1/status").status_code != 503)
        token = folder / "token"
        token.write_text(interface.token("registrar", "--for-owner", OWNER) + "\n")
        settings = Aggregation(
            registry=f"http://{interface.address}",
            registry_token=token,
            gateway=f"http://{gateway.address}",
            grace=grace,
        )
        yield Net(interface, gateway, office, settings, opened.enter_context(played(saying(b""))))
