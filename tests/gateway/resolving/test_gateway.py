"""`csid gateway` before real servers: what it answers, remembers, refuses, and outlives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from csid.identifier import parse
from csid.record import Record, encode
from tests.support.identifiers import PRINTED
from tests.support.records import FULL
from tests.support.servers import (
    PATIENCE,
    Server,
    make_data,
    resolving,
    serving,
)

POOL, BARE, MOVED, ABSENT = map(parse, PRINTED)
NAME = POOL.to_dns_name()
OWNER = NAME.split(".", 4)[4]
ZONE = f"""\
$TTL 300
@ SOA ns hostmaster 1 7200 900 1209600 60
  NS ns
ns A 127.0.0.1
brief 1 TXT "not for long"
{OWNER} NS ns.{OWNER}
ns.{OWNER} A 127.0.0.31
{MOVED.to_dns_name()} CNAME {NAME}
"""


def record(name: str, value: Record) -> str:
    data = encode(value)
    return f"{name} TYPE65347 \\# {len(data)} {data.hex()}\n"


class Net(NamedTuple):
    root: Server
    owner: Server
    gateway: Server


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    """A root, the server of a delegated owner at its port, and a gateway."""
    below = (
        f"$TTL 300\n@ SOA ns h 1 1 1 1 60\n@ NS ns\nns A 127.0.0.31\n{record(NAME, Record(FULL))}"
    )
    with (
        serving(make_data(tmp_path / "root", ZONE)) as root,
        serving(
            make_data(tmp_path / "owner", below, OWNER), listen=[f"127.0.0.31:{root.port}"]
        ) as owner,
        resolving(
            tmp_path / "gateway", root=[f"127.0.0.1:{root.port}"], listen=["127.0.0.1:0"]
        ) as gateway,
    ):
        yield Net(root, owner, gateway)


def ask(
    gateway: Server,
    name: str,
    rrtype: str = "TYPE65347",
    send: Callable[..., dns.message.Message] = dns.query.udp,
    recursive: bool = True,
) -> dns.message.Message:
    query = dns.message.make_query(name, rrtype, use_edns=0)
    if not recursive:
        query.flags &= ~dns.flags.RD
    return send(query, "127.0.0.1", port=gateway.port, timeout=PATIENCE)


@pytest.mark.parametrize("send", [dns.query.udp, dns.query.tcp])
def test_an_identifier_is_found_below_a_delegation_and_remembered(
    net: Net, send: Callable[..., dns.message.Message]
) -> None:
    first = ask(net.gateway, NAME, send=send)
    assert first.rcode() == dns.rcode.NOERROR
    assert first.flags & dns.flags.RA
    assert not first.flags & dns.flags.AA
    net.owner.stop()
    net.root.stop()
    again = ask(net.gateway, NAME, send=send)
    assert again.answer[0].to_rdataset() == first.answer[0].to_rdataset()
    assert 0 < again.answer[0].ttl <= first.answer[0].ttl <= 300


def test_an_alias_is_followed_across_zones(net: Net) -> None:
    found = ask(net.gateway, MOVED.to_dns_name())
    assert [one.name.to_text() for one in found.answer] == [MOVED.to_dns_name(), NAME]


def test_what_is_not_there_is_told_with_the_soa(net: Net) -> None:
    for _ in range(2):
        found = ask(net.gateway, ABSENT.to_dns_name())
        assert found.rcode() == dns.rcode.NXDOMAIN
        assert found.authority
