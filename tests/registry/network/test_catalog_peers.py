"""Catalogs between this node and others: theirs consumed here, ours consumed there."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from resolver.store.environment import Store
from resolver.sync.settings import EVERYWHERE, RIGHTS, TARGETS, Rights, Subject, Target, pack
from tests.support.commands import Node
from tests.support.peers import HOST, Bind, Knot, Peer, free_port, installed, running
from tests.support.servers import eventually, serving

CATALOG = "catalog.example."
MEMBER = """\
$TTL 60
@ SOA ns hostmaster {serial} 2 1 600 30
@ NS ns
ns A 192.0.2.53
www A 192.0.2.{serial}
"""
HEAD = '$TTL 0\n@ SOA invalid. invalid. {serial} 2 1 600 0\n@ NS invalid.\nversion TXT "2"\n'


def address_of(port: int, name: str) -> str:
    """What a server says is the address of a name; its response code if there is none."""
    query = dns.message.make_query(name, "A")
    try:
        reply = dns.query.udp(query, HOST, timeout=1, port=port)
    except (OSError, dns.exception.DNSException):
        return "silent"
    if reply.answer:
        return str(reply.answer[0][0])
    return dns.rcode.to_text(reply.rcode())


def becomes(port: int, name: str, expected: str) -> None:
    """Wait until a server says so."""
    eventually(f"{name} is {expected}", lambda: address_of(port, name) == expected)


# -- ours, consumed by others


class BindConsumer(Bind):
    """BIND as a secondary of a catalog of the server at port `followed`."""

    followed = 0

    def configuration(self) -> str:
        catalog = f"""\
zone "{CATALOG}" {{
  type secondary; file "{self.folder}/catalog.db"; allow-notify {{ {HOST}; }};
  primaries port {self.followed} {{ {HOST}; }};
}};
"""
        zones = (
            f'  catalog-zones {{ zone "{CATALOG}" default-primaries port {self.followed} '
            f'{{ {HOST}; }} zone-directory "{self.folder}" min-update-interval 1; }};\n}};\n'
            "controls"
        )
        return super().configuration().replace("};\ncontrols", zones) + catalog

    def answers(self) -> bool:
        return address_of(self.port, "ns.a.example.") == "192.0.2.53"


class KnotConsumer(Knot):
    """Knot as a secondary of a catalog of the server at port `followed`."""

    followed = 0

    def configuration(self) -> str:
        text = super().configuration().partition("template:")[0]
        return f"""{text}\
remote:
  - id: primary
    address: {HOST}@{self.followed}
acl:
  - id: notify
    address: {HOST}
    action: notify
template:
  - id: default
    storage: "{self.folder}"
  - id: member
    storage: "{self.folder}"
    master: primary
    acl: notify
zone:
  - domain: {CATALOG}
    master: primary
    acl: notify
    catalog-role: interpret
    catalog-template: member
"""

    def answers(self) -> bool:
        return address_of(self.port, "ns.a.example.") == "192.0.2.53"


class Pdns(Peer):
    """PowerDNS over LMDB, which is told of its zones before it starts."""

    program = "pdns_server"
    zones: tuple[tuple[str, ...], ...] = ()  # what pdnsutil is asked
    more = ""

    def configuration(self) -> str:
        return f"""\
launch=lmdb
lmdb-filename={self.folder}/pdns.lmdb
local-address={self.host}:{self.port}
socket-dir={self.folder}
guardian=no
daemon=no
xfr-cycle-interval=1
setuid=
setgid=
{self.more}"""

    def command(self, file: Path) -> list[str]:
        file.rename(self.folder / "pdns.conf")
        for words in self.zones:
            subprocess.run(
                ["/usr/bin/pdnsutil", "--config-dir", str(self.folder), *words],
                check=True,
                capture_output=True,
            )
        return ["pdns_server", f"--config-dir={self.folder}"]

    def answers(self) -> bool:
        return address_of(self.port, "ns.a.example.") == "192.0.2.53"


class PdnsConsumer(Pdns):
    """PowerDNS as a secondary of a catalog of the server at port `followed`."""

    followed = 0
    more = f"secondary=yes\nallow-notify-from={HOST}\n"

    def command(self, file: Path) -> list[str]:
        self.zones = (
            ("create-secondary-zone", CATALOG, f"{HOST}:{self.followed}"),
            ("set-kind", CATALOG, "consumer"),
        )
        return super().command(file)


CONSUMERS: list[type[Peer]] = [BindConsumer, KnotConsumer, PdnsConsumer]


def load(node: Node, origin: str, serial: int) -> None:
    file = node.data.with_name(f"{origin}zone")
    file.write_text(f"$ORIGIN {origin}\n{MEMBER.format(serial=serial)}")
    ran = node.run("zone", "load", str(file), "--yes")
    assert ran.code == 0, ran.err


def produce(node: Node, *words: str) -> None:
    ran = node.run("zone", "catalog", "produce", CATALOG, *words)
    assert ran.code == 0, ran.err


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node")


@pytest.mark.parametrize("kind", CONSUMERS)
def test_a_catalog_of_ours_is_consumed(node: Node, tmp_path: Path, kind: type[Peer]) -> None:
    if not installed(kind):
        pytest.skip(f"{kind.program} is not installed")
    for origin in ("a.example.", "b.example."):
        load(node, origin, 1)
    produce(node, "--add", "a.example", "--group", "some")
    folder = tmp_path / "peer"
    folder.mkdir()
    port = free_port()
    with Store.open(node.data, writable=True) as store, store.write() as txn:
        here = Subject(bytes((127, 0, 0, 1)), 32)
        txn.table(RIGHTS).put(EVERYWHERE, pack(Rights((here,))))
        txn.table(TARGETS).put(EVERYWHERE, pack([Target(HOST, port)]))
    with serving(node.data) as server:
        consumer = type(kind.__name__, (kind,), {"followed": server.port})
        with running(consumer, folder, {}, port):
            produce(node, "--add", "b.example")
            becomes(port, "www.b.example.", "192.0.2.1")
            load(node, "b.example.", 7)
            becomes(port, "www.b.example.", "192.0.2.7")
            produce(node, "--remove", "a.example")
            becomes(port, "www.a.example.", "REFUSED")
            assert address_of(port, "www.b.example.") == "192.0.2.7"


# -- theirs, consumed by us


class BindProducer(Bind):
    """BIND with a catalog as one of its zones."""

    target = 0

    def configuration(self) -> str:
        text = super().configuration()
        return text.replace(
            "  notify no;\n",
            f"  notify explicit; also-notify port {self.target} {{ {HOST}; }};\n"
            "  allow-transfer { any; };\n",
        )


class KnotProducer(Knot):
    """Knot that makes a catalog of all its zones."""

    target = 0
    members: tuple[str, ...] = ()

    def configuration(self) -> str:
        text = super().configuration().partition("template:")[0]
        zones = "".join(
            f"  - domain: {origin}\n    catalog-role: member\n    catalog-zone: {CATALOG}\n"
            f"    catalog-group: some\n"
            for origin in self.members
        )
        return f"""{text}\
remote:
  - id: secondary
    address: {HOST}@{self.target}
acl:
  - id: transfer
    address: {HOST}
    action: transfer
template:
  - id: default
    storage: "{self.folder}"
    file: "%s.zone"
    notify: secondary
    acl: transfer
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: {CATALOG}
    catalog-role: generate
{zones}"""

    def answers(self) -> bool:
        return address_of(self.port, f"ns.{self.members[0]}") == "192.0.2.53"


def write_members(folder: Path, *origins: str) -> None:
    for origin in origins:
        text = f"$ORIGIN {origin}\n{MEMBER.format(serial=1)}"
        (folder / f"{origin}zone").write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "peer"
    made.mkdir()
    return made


def consume(node: Node, port: int, *words: str) -> None:
    ran = node.run("zone", "catalog", "consume", CATALOG, "--from", f"{HOST}:{port}", *words)
    assert ran.code == 0, ran.err


def listed(node: Node) -> dict[str, str]:
    ran = node.run("zone", "catalog", "list", CATALOG, "--json")
    return {one["origin"]: one["state"] for one in ran.json}


def reload(peer: Peer, configuration: str | None = None) -> None:
    """Have a server read its files again."""
    if configuration is not None:
        (peer.folder / f"{peer.program}.conf").write_text(configuration)
    os.kill(peer.pid, signal.SIGHUP)


def test_a_catalog_of_bind_is_consumed(node: Node, folder: Path) -> None:
    if not installed(Bind):
        pytest.skip("named is not installed")
    write_members(folder, "a.example.", "b.example.")
    target = free_port()
    kind = type("Producer", (BindProducer,), {"target": target})
    catalog = HEAD.format(serial=1) + "m1.zones PTR a.example.\ngroup.m1.zones TXT some\n"
    zones = {origin: MEMBER.format(serial=1) for origin in ("a.example.", "b.example.")}
    with running(kind, folder, {**zones, CATALOG: catalog}) as peer:
        consume(node, peer.port)
        with serving(node.data, listen=[f"{HOST}:{target}"]):
            becomes(target, "www.a.example.", "192.0.2.1")
            assert listed(node) == {"a.example.": "held"}
            both = HEAD.format(serial=2) + "m1.zones PTR a.example.\nm2.zones PTR b.example.\n"
            both += "m8.zones PTR csid.internal.\nm9.zones PTR sub.csid.internal.\n"
            (folder / f"{CATALOG}zone").write_text(f"$ORIGIN {CATALOG}\n{both}")
            reload(peer)
            becomes(target, "www.b.example.", "192.0.2.1")
            assert {zone: state[:4] for zone, state in listed(node).items()} == {
                "a.example.": "held",
                "b.example.": "held",
                "csid.internal.": "pass",
                "sub.csid.internal.": "held",
            }
            (folder / f"{CATALOG}zone").write_text(
                f"$ORIGIN {CATALOG}\n{HEAD.format(serial=3)}m2.zones PTR b.example.\n"
            )
            reload(peer)
            becomes(target, "www.a.example.", "REFUSED")
            assert address_of(target, "www.b.example.") == "192.0.2.1"


def test_a_catalog_of_knot_is_consumed(node: Node, folder: Path) -> None:
    if not installed(Knot):
        pytest.skip("knotd is not installed")
    write_members(folder, "a.example.", "b.example.", "c.example.")
    target = free_port()
    names = {"target": target, "members": ("a.example.", "b.example.")}
    kind = type("Producer", (KnotProducer,), names)
    with running(kind, folder, {}) as peer:
        consume(node, 1, "--group", f"some={HOST}:{peer.port}")
        consume(node, peer.port, "--group", f"some={HOST}:{peer.port}")
        with serving(node.data, listen=[f"{HOST}:{target}"]):
            for origin in ("a.example.", "b.example."):
                becomes(target, f"www.{origin}", "192.0.2.1")
            other = type(
                "Producer", (KnotProducer,), {**names, "members": ("b.example.", "c.example.")}
            )
            reload(peer, other(folder, [], peer.port).configuration())
            becomes(target, "www.c.example.", "192.0.2.1")
            becomes(target, "www.a.example.", "REFUSED")
            assert listed(node) == {"b.example.": "held", "c.example.": "held"}
            assert node.run("zone", "catalog", "stop", CATALOG).code == 0
            becomes(target, "www.b.example.", "REFUSED")
    assert node.run("audit", "verify").code == 0


def test_a_catalog_of_powerdns_is_consumed(node: Node, folder: Path) -> None:
    if not installed(Pdns):
        pytest.skip("pdns_server is not installed")
    write_members(folder, "a.example.", "b.example.")
    target = free_port()
    zones = [("load-zone", one, str(folder / f"{one}zone")) for one in ("a.example.", "b.example.")]
    zones += [("set-kind", one, "primary") for one in ("a.example.", "b.example.")]
    zones += [
        ("create-zone", CATALOG),
        ("set-kind", CATALOG, "producer"),
        ("set-catalog", "a.example.", CATALOG),
    ]
    more = f"primary=yes\nallow-axfr-ips={HOST}\nalso-notify={HOST}:{target}\n"
    kind = type("Producer", (Pdns,), {"zones": tuple(zones), "more": more})
    with running(kind, folder, {}) as peer:
        consume(node, peer.port)
        with serving(node.data, listen=[f"{HOST}:{target}"]):
            becomes(target, "www.a.example.", "192.0.2.1")
            assert listed(node) == {"a.example.": "held"}
