"""Servers of others that follow ours hand UPDATEs on to it; tools of others transfer and update."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.query
import dns.rcode
import dns.update
import pytest

from tests.registry.sync.test_servers import put
from tests.support.certificates import certificate
from tests.support.commands import Node
from tests.support.peers import HOST, Peer, free_port, installed
from tests.support.servers import Server, serving
from tests.support.syncing import (
    KEYRING,
    ORIGIN,
    SECRET_TEXT,
    answer,
    bind,
    give_key,
    knot,
    notify,
    pdns,
    secondary,
    until,
    zone_text,
)

MANY = "".join(f"n{number} A 192.0.2.{number % 250}\n" for number in range(3_000))


def bind_forwarding(port: int) -> type[Peer]:
    class Forwarding(bind(secondary_of=port)):  # type: ignore[misc]
        def configuration(self) -> str:
            text: str = super().configuration()
            return text.replace("allow-notify", "allow-update-forwarding { any; }; allow-notify")

    return Forwarding


def knot_forwarding(port: int) -> type[Peer]:
    return knot(secondary_of=port)  # whom its rights let update, it hands on for


def pdns_forwarding(port: int) -> type[Peer]:
    class Forwarding(pdns(secondary_of=port)):  # type: ignore[misc]
        def configuration(self) -> str:
            text: str = super().configuration()
            return f"{text}dnsupdate=yes\nforward-dnsupdate=yes\nallow-dnsupdate-from={HOST}\n"

    return Forwarding


FORWARDING: dict[str, Callable[[int], type[Peer]]] = {
    "bind": bind_forwarding,
    "knot": knot_forwarding,
    "pdns": pdns_forwarding,
}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path / "node")
    give_key(made.data)
    put(made.data, zone_text(more=MANY))
    return made


@pytest.mark.parametrize("kind", FORWARDING)
def test_an_update_handed_on_by_a_secondary(node: Node, tmp_path: Path, kind: str) -> None:
    port, theirs = free_port(), free_port()
    made = FORWARDING[kind](port)
    if not installed(made):
        pytest.skip(f"{made.program} is not installed")
    notify(node.data, theirs)
    node.must("zone", "allow", ORIGIN, "--update", "sync-key")
    folder = tmp_path / kind
    folder.mkdir()
    with serving(node.data, listen=(f"{HOST}:{port}",)), secondary(made, folder, theirs):
        until(lambda: answer(theirs, f"www.{ORIGIN}") == "192.0.2.1")
        update = dns.update.UpdateMessage(ORIGIN, keyring=KEYRING, keyalgorithm="hmac-sha256")
        update.add("new", 60, "A", "192.0.2.9")
        reply = dns.query.tcp(update, HOST, port=theirs, timeout=20)
        assert reply.rcode() == dns.rcode.NOERROR
        assert answer(port, f"new.{ORIGIN}") == "192.0.2.9"
        until(lambda: answer(theirs, f"new.{ORIGIN}") == "192.0.2.9")


# -- tools


class Tools:
    """Programs that ask a node, over UDP and TCP or TLS."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.port = server.port
        self.tls = int(server.ready.split(" tls ")[1].split(",")[0].rpartition(":")[2])
        self._folder = folder

    def run(self, *words: object, text: str = "") -> str:
        program = shutil.which(str(words[0]), path="/usr/bin:/usr/sbin")
        if program is None:
            pytest.skip(f"{words[0]} is not installed")
        done = subprocess.run(
            [program, *map(str, words[1:])], input=text, capture_output=True, text=True, timeout=30
        )
        return done.stdout + done.stderr

    def update(self, program: str, text: str) -> str:
        key = f"key hmac-sha256:sync-key {SECRET_TEXT}\n"
        head = f"server {HOST} {self.port}\nzone {ORIGIN}\n{key}"
        return self.run(program, "-v", text=f"{head}{text}\nsend\n")


@pytest.fixture
def tools(node: Node, tmp_path: Path) -> Iterator[Tools]:
    node.must("zone", "allow", ORIGIN, "--transfer", HOST, "--update", "sync-key")
    chain, key = certificate(tmp_path, "node")
    words = ["--listen-tls", f"{HOST}:0", "--tls-cert", str(chain), "--tls-key", str(key)]
    with serving(node.data, *words) as server:
        yield Tools(server, tmp_path)


@pytest.mark.parametrize("program", ["dig", "kdig"])
@pytest.mark.parametrize("way", ["plain", "signed", "TLS", "padded"])
def test_a_transfer_by_hand(tools: Tools, program: str, way: str) -> None:
    over_tls = way in ("TLS", "padded")
    port = tools.tls if over_tls else tools.port
    words = [program, f"@{HOST}", "-p", port, *(["+tls"] if over_tls else [])]
    words += ["+padding=128"] if way == "padded" else []
    words += ["-y", f"hmac-sha256:sync-key:{SECRET_TEXT}"] if way == "signed" else []
    said = tools.run(*words, ORIGIN, "AXFR")
    assert said.count("SOA") >= 2, said[-500:]
    assert f"n2999.{ORIGIN}" in said
    assert "failed" not in said.lower()


@pytest.mark.parametrize("program", ["nsupdate", "knsupdate"])
def test_updates_with_what_must_hold_before(tools: Tools, program: str) -> None:
    new, www = f"new.{ORIGIN}", f"www.{ORIGIN}"
    said = tools.update(program, f"prereq nxdomain {new}\nupdate add {new} 60 A 192.0.2.9")
    assert answer(tools.port, new) == "192.0.2.9", said
    said = tools.update(program, f"prereq nxdomain {new}\nupdate delete {new} A")
    assert "YXDOMAIN" in said
    said = tools.update(program, f"prereq yxrrset {www} AAAA\nupdate delete {www} A")
    assert "NXRRSET" in said
    said = tools.update(program, f"prereq nxrrset {www} A\nupdate delete {www} A")
    assert "YXRRSET" in said
    assert answer(tools.port, www) == "192.0.2.1"
    said = tools.update(
        program, f"prereq yxrrset {www} IN A 192.0.2.1\nupdate delete {www} A\n"
        f"update add {www} 60 A 192.0.2.8"
    )  # fmt: skip
    assert answer(tools.port, www) == "192.0.2.8", said
    tools.update(program, f"update delete {new}")
    assert answer(tools.port, new) == "NXDOMAIN"


def test_changes_over_udp_and_what_does_not_fit(tools: Tools, node: Node) -> None:
    for number in range(3):
        tools.update("nsupdate", f"update add new{number}.{ORIGIN} 60 A 192.0.2.9")
    asked = ("dig", f"@{HOST}", "-p", tools.port, "+notcp", "+ignore", ORIGIN)
    said = tools.run(*asked, "IXFR=1")
    assert f"new2.{ORIGIN}" in said
    for number in range(100):
        tools.update("nsupdate", f"update add more{number}.{ORIGIN} 60 TXT {100 * 'x'}")
    said = tools.run(*asked, "IXFR=1")
    assert "more" not in said
    assert said.count("SOA") >= 1
    assert f"more99.{ORIGIN}" in tools.run(*asked[:4], ORIGIN, "IXFR=1", "+tcp")


def test_a_load_of_queries(tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "queries"
    file.write_text("".join(f"n{number}.{ORIGIN} A\n" for number in range(3_000)))
    words = ("dnsperf", "-s", HOST, "-p", tools.port, "-d", file, "-n", 2)
    for more in ((), ("-m", "tcp")):
        said = tools.run(*words, *more)
        assert "NOERROR 6000 (100.00%)" in said, said
    said = tools.run(*words[:4], tools.tls, *words[5:], "-m", "dot")
    assert "NOERROR 6000 (100.00%)" in said, said
