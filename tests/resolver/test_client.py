"""`csid resolve` and the client below it: what is believed, asked again and printed."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from csid.address import Address
from csid.errors import CsidError
from csid.identifier import parse
from csid.protocol import CSID, SOA
from csid.record import Record, encode
from gateway.cli import main
from resolver import client
from resolver.client import AskError
from tests.support.identifiers import PRINTED
from tests.support.peers import free_port
from tests.support.records import FULL
from tests.support.servers import Server as RunningServer
from tests.support.servers import eventually, make_data, run, serving

PATIENCE = 10.0  # seconds
POOL, BARE, MOVED, ABSENT = map(parse, PRINTED)
LARGE = Record(
    {
        "state": "active",
        "name": "大" * 60,
        "endpoints": [f"https://h{n}.example/{'x' * 60}" for n in range(8)],
    }
)
NAME = POOL.to_dns_name()
SECRET = 8  # octets of a client cookie

# What a fake server does with a query: the datagrams, or the stream messages, it sends back.
Behaviour = Callable[[dns.message.Message, int], list[bytes]]


def zone_text() -> str:
    record = encode(Record(FULL))
    moved_to = POOL.to_dns_name()
    return f"""\
$TTL 300
@ SOA ns hostmaster 1 7200 900 1209600 60
  NS ns
ns A 192.0.2.53
{POOL.to_dns_name()} TYPE65347 \\# {len(record)} {record.hex()}
{BARE.to_dns_name()} TXT "no record"
{MOVED.to_dns_name()} CNAME {moved_to}
alias CNAME outside.example.
elsewhere NS ns.elsewhere
ns.elsewhere A 192.0.2.54
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = make_data(tmp_path_factory.mktemp("client") / "data", zone_text())
    with serving(data) as running:
        yield running


def at(server: RunningServer) -> str:
    return f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_an_identifier_resolves_over_both_transports(server: RunningServer, transport: str) -> None:
    found = client.resolve(NAME, Address("127.0.0.1", server.port), transport == "tcp")
    assert found.record == Record(FULL)
    assert found.reply.transport == transport
    assert (found.rcode, found.ttl, found.canonical) == ("NOERROR", 300, NAME)
    assert 0 < found.reply.seconds < 1


@pytest.mark.parametrize("form", [str(POOL), str(POOL).lower(), NAME, POOL.to_handle()])
def test_every_form_of_an_identifier_is_taken(
    server: RunningServer, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resolve", form, "--server", at(server), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["identifier"] == str(POOL)
    assert printed["record"] == Record(FULL).json()
    assert printed["ttl"] == 300
    assert printed["transport"] == "udp"


def test_the_table_says_it_in_both_languages(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CSID_SERVER", at(server))
    assert main(["resolve", str(POOL), "--tcp"]) == 0
    printed = capsys.readouterr().out
    for text in (
        str(POOL),
        "https://a.example:8443/v1  192.0.2.1  2001:db8::1",
        "grpcs://b.example:443",
        "昇腾 910B",
        "状态 State",
        "终止 retired",
        "12.50 CNY / hour",
        "算力 BF16, GFLOPS",
        "300 s",
        f"tcp {at(server)}",
    ):
        assert text in printed


def test_an_alias_leads_to_its_record_and_is_told(
    server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resolve", str(MOVED), "--server", at(server), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["alias_of"] == NAME
    assert printed["record"] == Record(FULL).json()


@pytest.mark.parametrize(
    ("identifier", "rcode", "words"),
    [(ABSENT, "NXDOMAIN", "标识不存在"), (BARE, "NOERROR", "holds no record")],
)
def test_what_is_not_there_gives_exit_code_1(
    server: RunningServer,
    identifier: object,
    rcode: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["resolve", str(identifier), "--server", at(server)]
    assert main(arguments) == 1
    assert words in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["rcode"] == rcode


def test_what_cannot_be_asked_gives_exit_code_2_and_one_line(server: RunningServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = taken.getsockname()[1] ^ 1
    for words, reason in (
        (["nonsense"], "identifier"),
        ([str(POOL), "--server", "host:port"], "expected HOST:PORT"),
        ([str(POOL), "--server", "\u202e"], "is no name of a host"),
        ([str(POOL), "--server", "x" * 300], "is no name of a host"),
        ([str(POOL), "--server", f"127.0.0.1:{nobody}"], "no server listens"),
        ([str(POOL), "--server", f"127.0.0.1:{nobody}", "--tcp"], "no server listens"),
        ([str(POOL), "--server", at(server), "--suffix", "example.org."], "does not hold"),
    ):
        done = run("resolve", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_referral_names_whom_to_ask(server: RunningServer) -> None:
    with pytest.raises(AskError, match=r"refers to ns\.elsewhere\.csid\.internal\."):
        client.resolve("a.elsewhere.csid.internal.", Address("127.0.0.1", server.port))


def test_an_alias_to_a_name_not_held_is_no_statement_about_it(server: RunningServer) -> None:
    with pytest.raises(AskError, match=r"does not hold outside\.example\."):
        client.resolve("alias.csid.internal.", Address("127.0.0.1", server.port))


@contextmanager
def fake_server(behaviour: Behaviour) -> Iterator[Address]:
    """A server on UDP and TCP that sends back just what the behaviour says."""
    tcp = socket.create_server(("127.0.0.1", 0))
    port = tcp.getsockname()[1]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", port))

    def over_udp() -> None:
        while True:
            octets, peer = udp.recvfrom(65_535)
            if not octets:
                return
            for datagram in behaviour(dns.message.from_wire(octets), socket.IPPROTO_UDP):
                udp.sendto(datagram, peer)

    def over_tcp() -> None:
        while True:
            sock, _ = tcp.accept()
            with sock:
                head = sock.recv(2, socket.MSG_WAITALL)
                if not head:
                    return
                octets = sock.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
                for message in behaviour(dns.message.from_wire(octets), socket.IPPROTO_TCP):
                    sock.sendall(len(message).to_bytes(2, "big") + message)

    threads = [threading.Thread(target=target, daemon=True) for target in (over_udp, over_tcp)]
    for thread in threads:
        thread.start()
    try:
        yield Address("127.0.0.1", port)
    finally:
        udp.sendto(b"", ("127.0.0.1", port))
        socket.create_connection(("127.0.0.1", port)).close()
        for thread in threads:
            thread.join(PATIENCE)
        udp.close()
        tcp.close()


def good_answer(query: dns.message.Message, record: Record = LARGE) -> dns.message.Message:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.AA
    rdata = encode(record)
    answer.answer.append(
        dns.rrset.from_text(
            query.question[0].name, 60, "IN", "TYPE65347", rf"\# {len(rdata)} {rdata.hex()}"
        )
    )
    return answer


def truncated(query: dns.message.Message) -> bytes:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.TC
    return answer.to_wire()


def with_cookie(message: dns.message.Message, cookie: bytes) -> bytes:
    message.use_edns(0, options=[dns.edns.CookieOption(cookie, b"12345678")])
    return message.to_wire()


def cookie_of(query: dns.message.Message) -> bytes:
    octets: bytes = query.options[0].to_wire()
    return octets[:SECRET]


def test_a_truncated_answer_is_fetched_over_tcp() -> None:
    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        if protocol == socket.IPPROTO_UDP:
            return [truncated(query)]
        return [good_answer(query).to_wire()]

    with fake_server(behaviour) as server:
        found = client.resolve(NAME, server)
    assert found.record == LARGE
    assert found.reply.transport == "tcp"


def test_only_the_answer_to_this_query_is_believed() -> None:
    """Before the right answer come others: junk, another id, another question, another cookie."""

    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        forged = Record({"state": "active", "name": "forged"})
        other_id = good_answer(query, forged)
        other_id.id ^= 1
        other_question = good_answer(
            dns.message.make_query("other.csid.internal.", "TYPE65347", id=query.id), forged
        )
        return [
            b"",
            b"junk",
            query.to_wire(),
            other_id.to_wire(),
            other_question.to_wire(),
            with_cookie(good_answer(query, forged), b"87654321"),
            with_cookie(good_answer(query), cookie_of(query)),
        ]

    with fake_server(behaviour) as server:
        assert client.resolve(NAME, server).record == LARGE


def test_a_lost_datagram_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "UDP_SECONDS", (0.05, 0.05, PATIENCE))
    asked: list[int] = []

    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        asked.append(query.id)
        return [good_answer(query).to_wire()] if len(asked) == 3 else []

    with fake_server(behaviour) as server:
        assert client.resolve(NAME, server).record == LARGE
    assert len(asked) == 3


def test_silence_ends_in_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "UDP_SECONDS", (0.05, 0.05))
    monkeypatch.setattr(client, "TCP_SECONDS", 0.1)
    for over_tcp in (False, True):
        # Over TCP the fake server closes without an answer.
        with fake_server(lambda query, protocol: []) as server, pytest.raises(AskError):
            client.resolve(NAME, server, over_tcp)


def test_an_answer_that_is_no_record_is_an_error() -> None:
    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        answer.answer.append(
            dns.rrset.from_text(query.question[0].name, 60, "IN", "TYPE65347", r"\# 2 ffff")
        )
        return [answer.to_wire()]

    with fake_server(behaviour) as server, pytest.raises(CsidError):
        client.resolve(NAME, server)


def test_a_server_that_fails_is_told_by_its_code() -> None:
    def behaviour(query: dns.message.Message, protocol: int) -> list[bytes]:
        answer = dns.message.make_response(query)
        answer.set_rcode(dns.rcode.SERVFAIL)
        return [answer.to_wire()]

    with fake_server(behaviour) as server, pytest.raises(AskError, match="SERVFAIL"):
        client.resolve(NAME, server)


def test_commands_are_listed_and_unknown_ones_refused() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in ("id", "import", "zone", "serve", "resolve"):
        assert f"\n  {command} " in done.stdout
    assert run("nonsense").returncode == 2
    assert run().returncode == 2


def test_output_nobody_reads_is_no_error(tmp_path: Path, server: RunningServer) -> None:
    from tests.support.servers import start

    with (tmp_path / "log").open("w") as log:
        process = start(["resolve", str(POOL), "--server", at(server), "--json"], log)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 141
    assert (tmp_path / "log").read_text() == ""


# -- through a resolver


@pytest.fixture(scope="module")
def resolver(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """An Unbound that asks our server for what is below csid.internal."""
    if shutil.which("unbound") is None:
        pytest.skip("unbound is not installed")
    folder = tmp_path_factory.mktemp("unbound")
    port = free_port()
    file = folder / "unbound.conf"
    file.write_text(f"""\
server:
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  do-daemonize: no
  use-syslog: no
  logfile: ""
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  module-config: "iterator"
  num-threads: 1
remote-control:
  control-enable: no
stub-zone:
  name: "csid.internal."
  stub-addr: 127.0.0.1@{server.port}
""")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["unbound", "-d", "-c", str(file)], stderr=log, stdout=log)
    where = Address("127.0.0.1", port)
    try:
        eventually("unbound answers", lambda: answers(where))
        yield where
    finally:
        process.terminate()
        process.wait(PATIENCE)


def answers(server: Address) -> bool:
    try:
        client.ask("csid.internal.", SOA, server)
    except AskError:
        return False
    return True


def test_a_query_asks_for_recursion() -> None:
    asked = []

    def answer(query: dns.message.Message, number: int) -> list[bytes]:
        asked.append(bool(query.flags & dns.flags.RD))
        return [dns.message.make_response(query).to_wire()]

    with fake_server(answer) as where:
        client.ask(NAME, CSID, where)
    assert asked == [True]


@pytest.mark.parametrize("over_tcp", [False, True])
def test_a_resolver_gives_what_the_server_behind_it_has(
    server: RunningServer, resolver: Address, over_tcp: bool
) -> None:
    behind = Address("127.0.0.1", server.port)
    for identifier in (POOL, BARE, MOVED, ABSENT):
        name = identifier.to_dns_name()
        direct = client.resolve(name, behind, over_tcp)
        through = client.resolve(name, resolver, over_tcp)
        assert through[:4] == direct[:4]
        assert through.reply.message.flags & dns.flags.RA
        assert not through.reply.message.flags & dns.flags.AA
