"""Digests of zones that are transferred in: one that is wrong keeps the zone from being taken."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import dns.zone
import dns.zonetypes
import pytest

from csid import names
from resolver.store.environment import Store
from resolver.sync import states
from tests.registry.network.test_catalog_peers import address_of, becomes
from tests.support.commands import Node
from tests.support.peers import HOST, Bind, installed, running
from tests.support.servers import eventually, serving

ORIGIN = "some.example."
APEX = names.key_of(names.from_text(ORIGIN))
WRONG = "0" * 96


class Primary(Bind):
    def configuration(self) -> str:
        open_ = "notify no; allow-transfer { any; }; ixfr-from-differences yes;"
        return super().configuration().replace("notify no;", open_)


def zone(serial: int, digest: str = "") -> str:
    """A zone with its digest, or with another one."""
    text = (
        f"$TTL 60\n@ SOA ns hostmaster {serial} 1 1 600 30\n@ NS ns\nns A 192.0.2.53\n"
        f"www A 192.0.2.{serial}\nOther 5 MX 10 Mail.Elsewhere.\n"
    )
    if not digest:
        made = dns.zone.from_text(text, origin=ORIGIN, relativize=False)
        sha = made.compute_digest(dns.zonetypes.DigestHashAlgorithm.SHA384)
        digest = sha.digest.hex()
    return f"{text}@ ZONEMD {serial} 1 1 {digest}\n"


def test_a_zone_whose_digest_is_wrong_is_not_taken(tmp_path: Path) -> None:
    if not installed(Bind):
        pytest.skip("named is not installed")
    node = Node(tmp_path / "node")
    folder = tmp_path / "peer"
    folder.mkdir()

    def error() -> str:
        with Store.open(node.data) as store, store.read() as read:
            state = states.state_of(read, APEX)
        return "" if state is None else state.error

    with running(Primary, folder, {ORIGIN: zone(1, WRONG)}) as peer:

        def change(text: str) -> None:
            (folder / f"{ORIGIN}zone").write_text(f"$ORIGIN {ORIGIN}\n{text}")
            os.kill(peer.pid, signal.SIGHUP)

        ran = node.run("zone", "follow", ORIGIN, "--from", f"{HOST}:{peer.port}")
        assert ran.code == 0, ran.err
        with serving(node.data) as server:
            eventually("it is refused", lambda: "ZONEMD" in error())
            assert address_of(server.port, f"www.{ORIGIN}") == "SERVFAIL"
            change(zone(2))
            becomes(server.port, f"www.{ORIGIN}", "192.0.2.2")
            change(zone(3))  # by IXFR
            becomes(server.port, f"www.{ORIGIN}", "192.0.2.3")
            change(zone(4, WRONG))
            eventually("it is refused", lambda: "ZONEMD" in error())
            assert address_of(server.port, f"www.{ORIGIN}") == "192.0.2.3"
            change(zone(5))
            becomes(server.port, f"www.{ORIGIN}", "192.0.2.5")
    assert node.run("zone", "zonemd", ORIGIN, "--verify").code == 0
