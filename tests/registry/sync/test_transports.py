"""Rights that hold over TLS alone, and messages over TLS whose size says little (RFC 9103)."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.update
import pytest

from resolver.store.environment import Store
from tests.registry.sync.test_servers import put
from tests.support.certificates import certificate
from tests.support.commands import Node
from tests.support.peers import HOST
from tests.support.servers import Server, make_data, put_zone, serving
from tests.support.syncing import KEYRING, ORIGIN, follow, give_key, until, zone_text

MANY = "".join(f"n{number} A 192.0.2.{number % 250}\n" for number in range(2_000))
PADDING = dns.edns.OptionType.PADDING
BLOCK = 468  # octets (RFC 8467 section 4.1)
QUERY_BLOCK = 128


class Ours(NamedTuple):
    """A node with its zone, and how it is reached."""

    node: Node
    server: Server
    certificate: Path

    @property
    def ports(self) -> dict[str, int]:
        """By transport."""
        tls = int(self.server.ready.split(" tls ")[1].split(",")[0].rpartition(":")[2])
        return {"tcp": self.server.port, "tls": tls}

    def ask(self, query: dns.message.Message, transport: str) -> dns.message.Message:
        port = self.ports[transport]
        if transport == "tcp":
            return dns.query.tcp(query, HOST, port=port, timeout=10, one_rr_per_rrset=True)
        return dns.query.tls(
            query, HOST, port=port, timeout=10, ssl_context=unproven(), one_rr_per_rrset=True
        )


def unproven() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Ours]:
    node = Node(tmp_path / "node")
    give_key(node.data)
    put(node.data, zone_text(more=MANY))
    chain, key = certificate(tmp_path, "node")
    words = ["--listen-tls", f"{HOST}:0", "--tls-cert", str(chain), "--tls-key", str(key)]
    with serving(node.data, *words) as server:
        yield Ours(node, server, chain)


def transfer(**given: object) -> dns.message.Message:
    query = dns.message.make_query(ORIGIN, "AXFR", **given)  # type: ignore[arg-type]
    query.use_tsig(KEYRING, "sync-key.", algorithm="hmac-sha256")
    return query


def notice() -> dns.message.Message:
    query = dns.message.make_query("followed.test.", "SOA")
    query.set_opcode(dns.opcode.NOTIFY)
    query.flags = (query.flags | dns.flags.AA) & ~dns.flags.RD
    return query


def change() -> dns.update.UpdateMessage:
    update = dns.update.UpdateMessage(ORIGIN, keyring=KEYRING, keyalgorithm="hmac-sha256")
    update.add("new", 60, "A", "192.0.2.9")
    return update


ASKED = {
    "--transfer": (ORIGIN, "sync-key", transfer),
    "--update": (ORIGIN, "sync-key", change),
    "--notify-from": ("followed.test.", HOST, notice),
}


@pytest.mark.parametrize("right", ASKED)
def test_a_right_over_tls_alone(ours: Ours, right: str) -> None:
    origin, who, ask = ASKED[right]
    node = ours.node
    node.must("zone", "follow", "followed.test.", "--from", "127.0.0.99")
    code = dns.rcode.from_text

    def codes() -> dict[str, int]:
        return {transport: ours.ask(ask(), transport).rcode() for transport in ("tcp", "tls")}

    node.must("zone", "allow", origin, right, who, "--transport", "tls")
    until(lambda: codes() == {"tcp": code("REFUSED"), "tls": code("NOERROR")})
    (row,) = node.run("zone", "allow", origin, "--json").json
    assert row["transport"] == "tls"
    # What is said last holds: two rights of one asker would make the strict one be none.
    node.must("zone", "allow", origin, right, who)
    until(lambda: codes() == {"tcp": code("NOERROR"), "tls": code("NOERROR")})
    node.must("zone", "allow", origin, right, who, "--transport", "tls")
    until(lambda: codes() == {"tcp": code("REFUSED"), "tls": code("NOERROR")})
    node.must("zone", "allow", origin, right, who, "--remove")
    until(lambda: codes() == {"tcp": code("REFUSED"), "tls": code("REFUSED")})


def over_tls(port: int, query: dns.message.Message) -> list[bytes]:
    """The messages that answer a query; to that for a transfer, until the SOA comes again."""
    wire = query.to_wire()
    with (
        socket.create_connection((HOST, port), 10) as plain,
        unproven().wrap_socket(plain) as connection,
        connection.makefile("rwb") as stream,
    ):
        stream.write(len(wire).to_bytes(2, "big") + wire)
        stream.flush()
        found: list[bytes] = []
        awaited = 2 if query.question[0].rdtype == dns.rdatatype.AXFR else 0
        while not found or awaited > 0:
            found.append(stream.read(int.from_bytes(stream.read(2), "big")))
            awaited -= sum(one.rdtype == dns.rdatatype.SOA for one in parsed(found[-1]).answer)
        return found


def parsed(message: bytes) -> dns.message.Message:
    """A message, whose signature is not looked at."""
    return dns.message.from_wire(message, keyring=False, one_rr_per_rrset=True)


QUERIES = ((f"www.{ORIGIN}", "A"), (f"none.{ORIGIN}", "A"), (ORIGIN, "SOA"), (ORIGIN, "AXFR"))


@pytest.mark.parametrize("is_signed", [False, True], ids=["plain", "signed"])
@pytest.mark.parametrize(("name", "rrtype"), QUERIES)
def test_answers_over_tls_are_padded_if_that_is_asked(
    ours: Ours, name: str, rrtype: str, is_signed: bool
) -> None:
    ours.node.must("zone", "allow", ORIGIN, "--transfer", HOST)

    def query(**given: int) -> dns.message.Message:
        made = dns.message.make_query(name, rrtype, **given)  # type: ignore[arg-type]
        if is_signed:
            made.use_tsig(KEYRING, "sync-key.", algorithm="hmac-sha256")
        return made

    padded = over_tls(ours.ports["tls"], query(use_edns=0, pad=QUERY_BLOCK))
    assert len(padded) > 1 or rrtype != "AXFR"
    for message in padded:
        assert len(message) % BLOCK == 0
        assert [one.otype for one in parsed(message).options] == [PADDING]
    # Who reads along sees all of it otherwise, and padding is of no use (RFC 7830 section 6).
    for message in over_tls(ours.ports["tls"], query(use_edns=0)):
        assert not parsed(message).options
    if rrtype != "AXFR":
        assert not ours.ask(query(use_edns=0, pad=QUERY_BLOCK), "tcp").options


@pytest.mark.parametrize("is_held", [False, True], ids=["AXFR", "SOA"])
def test_what_we_ask_over_tls_is_padded(tmp_path: Path, is_held: bool) -> None:
    chain, key = certificate(tmp_path, "listener")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    data = make_data(tmp_path / "secondary")
    give_key(data)
    with socket.create_server((HOST, 0)) as listener, serving(data):
        listener.settimeout(20)
        follow(data, listener.getsockname()[1], tls="opportunistic")
        if is_held:
            with Store.open(data, writable=True) as store:
                put_zone(store, zone_text(), ORIGIN)
        while True:
            plain, _ = listener.accept()
            with plain, contextlib.suppress(OSError):
                connection = context.wrap_socket(plain, server_side=True)
                message = connection.recv(int.from_bytes(connection.recv(2), "big"))
                connection.close()
                query = parsed(message)
                if is_held == (query.question[0].rdtype == dns.rdatatype.SOA):
                    break
    assert len(message) % QUERY_BLOCK == 0
    assert [one.otype for one in query.options] == [dns.edns.OptionType(9), PADDING]
    assert query.keyname is not None
