"""When a zone expires, told along (RFC 7314): by us, to us, and what a secondary makes of it."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import dns.rdatatype
import pytest

from csid import names
from csid.protocol import OPTION_EXPIRE
from resolver.store.environment import Store
from resolver.sync import checks, expire
from resolver.sync.settings import (
    EVERYWHERE,
    FOLLOWS,
    RIGHTS,
    STATES,
    Follow,
    Rights,
    Subject,
    Target,
    pack,
    where,
)
from resolver.sync.states import StateRow
from resolver.sync.transfer.fetch import Fetch
from tests.support.peers import HOST, Bind, Knot, Nsd, Peer, installed, running
from tests.support.servers import SUFFIX, Server, make_data, serving

NOW = 1_800_000_000
APEX = names.key_of(names.from_text(SUFFIX))
NSID = dns.edns.GenericOption(3, b"x")
ASKED = dns.edns.GenericOption(OPTION_EXPIRE, b"")


def told(message: dns.message.Message) -> int | None:
    values = [one.to_wire() for one in message.options if int(one.otype) == OPTION_EXPIRE]
    assert len(values) <= 1
    return int.from_bytes(values[0], "big") if values else None


def query(name: str, rrtype: str, with_option: bool = True) -> dns.message.QueryMessage:
    return dns.message.make_query(name, rrtype, use_edns=0, options=[ASKED] if with_option else [])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = make_data(tmp_path_factory.mktemp("expire") / "data")
    allow(data)
    with serving(data) as running_server:
        yield running_server


def allow(data: Path) -> None:
    """Let this machine transfer all zones."""
    with Store.open(data, writable=True) as store, store.write() as txn:
        txn.table(RIGHTS).put(EVERYWHERE, pack(Rights((Subject(bytes((127, 0, 0, 1)), 32),))))


@pytest.mark.parametrize("exchange", [dns.query.udp, dns.query.tcp])
def test_a_primary_tells_what_its_soa_says(server: Server, exchange: object) -> None:
    assert callable(exchange)

    def ask(name: str, rrtype: str, with_option: bool = True) -> dns.message.Message:
        made = query(name, rrtype, with_option)
        answer: dns.message.Message = exchange(made, HOST, timeout=10, port=server.port)
        return answer

    answer = ask(SUFFIX, "SOA")
    assert told(answer) == 1209600
    assert answer.answer
    assert told(ask(SUFFIX, "SOA", with_option=False)) is None
    assert told(ask(f"www.{SUFFIX}", "SOA")) is None
    assert told(ask(f"www.{SUFFIX}", "A")) is None
    assert told(ask("example.", "SOA")) is None


def test_a_transfer_tells_it_with_its_first_message(server: Server) -> None:
    reply = dns.query.tcp(query(SUFFIX, "AXFR"), HOST, timeout=10, port=server.port)
    assert told(reply) == 1209600


def test_a_secondary_tells_what_is_left(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    now = int(time.time())
    with Store.open(data, writable=True) as store, store.write() as txn:
        txn.table(FOLLOWS).put(where(APEX), pack(Follow((Target(HOST, 1),))))
        state = StateRow(due=now + 10_000, refreshed=now, expires=now + 5_000)
        txn.table(STATES).put(where(APEX), pack(state))
    with serving(data) as server:
        answer = dns.query.udp(query(SUFFIX, "SOA"), HOST, timeout=10, port=server.port)
    left = told(answer)
    assert left is not None and 4_900 < left <= 5_000


def test_what_is_left_is_worked_out_of_rows(tmp_path: Path) -> None:
    with Store.open(make_data(tmp_path / "data"), writable=True) as store, store.write() as txn:
        assert expire.left(txn, APEX, NOW) == 1209600
        assert expire.left(txn, b"no\0", NOW) is None
        txn.table(FOLLOWS).put(where(APEX), pack(Follow(())))
        assert expire.left(txn, APEX, NOW) is None
        for expires, expected in ((NOW + 7, 7), (NOW - 7, 0), (NOW + 9_999_999, 1209600)):
            txn.table(STATES).put(where(APEX), pack(StateRow(expires=expires)))
            assert expire.left(txn, APEX, NOW) == expected


@pytest.mark.parametrize(
    ("said", "before", "is_new", "expected"),
    [
        (None, 50, False, 600),  # without the option as ever
        (100, 50, False, 100),
        (100, 300, False, 300),  # the greater of the two (section 4)
        (100, 300, True, 100),  # but what was left of the old zone says nothing of the new one
        (9_999, 50, False, 600),  # the SOA is the most
        (9_999, 9_999, False, 600),
        (0, -1, True, 0),
    ],
)
def test_when_a_zone_expires(said: int | None, before: int, is_new: bool, expected: int) -> None:
    assert expire.until(NOW, 600, said, NOW + before, is_new) == NOW + expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([dns.edns.GenericOption(OPTION_EXPIRE, b"\0\0\0\5")], 5),
        ([NSID, dns.edns.GenericOption(OPTION_EXPIRE, b"\1\0\0\0")], 1 << 24),
        ([dns.edns.GenericOption(OPTION_EXPIRE, b"")], None),
        ([dns.edns.GenericOption(OPTION_EXPIRE, b"\0\0\5")], None),
        ([], None),
    ],
)  # fmt: skip
def test_the_option_is_read_out_of_answers(
    options: list[dns.edns.Option], expected: int | None
) -> None:
    message = dns.message.make_response(query(SUFFIX, "SOA"))
    message.use_edns(0, options=options)
    wire = message.to_wire()
    assert expire.told(wire) == expected
    for size in range(len(wire)):
        expire.told(wire[:size])


ZONE = "$TTL 60\n@ SOA ns hostmaster 5 60 60 4321 30\n@ NS ns\nns A 192.0.2.53\n"


class Open(Bind):
    def configuration(self) -> str:
        return super().configuration().replace("notify no;", "notify no; allow-transfer { any; };")


class OpenKnot(Knot):
    def configuration(self) -> str:
        text = (
            super()
            .configuration()
            .replace("\ntemplate:", "\nacl:\n  - id: all\n    action: transfer\ntemplate:")
        )
        return text.replace("  - id: default\n", "  - id: default\n    acl: all\n")


class OpenNsd(Nsd):
    def configuration(self) -> str:
        return (
            super()
            .configuration()
            .replace("  zonefile:", "  provide-xfr: 127.0.0.1 NOKEY\n  zonefile:")
        )


@pytest.mark.parametrize(
    ("kind", "checked", "transferred"),
    [(Open, 4321, None), (OpenKnot, 4321, 4321), (OpenNsd, None, None)],
)
def test_other_primaries_are_asked(
    tmp_path: Path, kind: type[Peer], checked: int | None, transferred: int | None
) -> None:
    if not installed(kind):
        pytest.skip(f"{kind.program} is not installed")
    origin = names.from_text("other.")
    store = Store.create(tmp_path / "data", SUFFIX, "0.EXAMPLE")
    with store, running(kind, tmp_path, {"other.": ZONE}) as peer:
        check = checks.query(7, origin)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            sock.sendto(check, (HOST, peer.port))
            answer = sock.recv(4096)
        assert checks.serial_in(answer, origin) == 5
        assert expire.told(answer) == checked
        fetch = Fetch(store, origin, None, NOW)
        exchange(fetch, peer.port)
        assert fetch.result is not None
        assert fetch.result.kind == "AXFR"
        assert fetch.result.expire == transferred
        fetch = Fetch(store, origin, None, NOW)
        exchange(fetch, peer.port)
        assert fetch.result is not None and fetch.result.kind == "CURRENT"


def exchange(fetch: Fetch, port: int) -> None:
    with socket.create_connection((HOST, port), timeout=10) as sock:
        sock.sendall(struct.pack(">H", len(fetch.request)) + fetch.request)
        stream = sock.makefile("rb")
        while True:
            (size,) = struct.unpack(">H", stream.read(2))
            if fetch.receive(stream.read(size), NOW):
                return
