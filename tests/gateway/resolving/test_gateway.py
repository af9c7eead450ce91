"""`csid gateway` before real servers: what it answers, remembers, refuses, and outlives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdataclass
import httpx
import pytest

from csid.identifier import parse
from csid.record import Record, encode
from resolver.server import control
from tests.support.certificates import certificate as make_certificate
from tests.support.identifiers import PRINTED
from tests.support.peers import free_port
from tests.support.records import FULL
from tests.support.servers import (
    PATIENCE,
    Server,
    eventually,
    make_data,
    resolving,
    run,
    serving,
)

POOL, BARE, MOVED, ABSENT = map(parse, PRINTED)
NAME = POOL.to_dns_name()
OWNER = NAME.split(".", 4)[4]
OWNER_HOST, DEAD_HOST = "127.0.0.31", "127.0.0.32"
DEAD = "dead.csid.internal."
LARGE = " ".join(f'"{number:03}{"x" * 200}"' for number in range(150))
ZONE = f"""\
$TTL 300
@ SOA ns hostmaster 1 7200 900 1209600 60
  NS ns
ns A 127.0.0.1
brief 1 TXT "not for long"
lasting TXT "for longer"
large TXT {LARGE}
{OWNER} NS ns.{OWNER}
ns.{OWNER} A {OWNER_HOST}
dead NS ns.dead
ns.dead A {DEAD_HOST}
{MOVED.to_dns_name()} CNAME {NAME}
"""
BELOW = "$TTL 300\n@ SOA ns h 1 1 1 1 60\n@ NS ns\nns A 127.0.0.31\n"
OTHER_ZONE = "$TTL 300\n@ SOA ns h 1 1 1 1 60\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.7\n"
RECURSION = "recursive.process"
WORKER = "recursive.worker"
EDE_STALE, EDE_PROHIBITED, EDE_NOT_AUTHORITATIVE, EDE_NO_AUTHORITY = 3, 18, 20, 22


def record(name: str, value: Record) -> str:
    data = encode(value)
    return f"{name} TYPE65347 \\# {len(data)} {data.hex()}\n"


class Net(NamedTuple):
    root: Server
    owner: Server
    gateway: Server
    folder: Path

    @property
    def root_address(self) -> str:
        return f"127.0.0.1:{self.root.port}"


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    """A root, the server of a delegated owner at its port, and a gateway."""
    below = make_data(tmp_path / "owner", BELOW + record(NAME, Record(FULL)), OWNER)
    with (
        serving(make_data(tmp_path / "root", ZONE)) as root,
        serving(below, listen=[f"{OWNER_HOST}:{root.port}"]) as owner,
        resolving(tmp_path / "gateway", root=[f"127.0.0.1:{root.port}"]) as gateway,
    ):
        yield Net(root, owner, gateway, tmp_path / "gateway")


Send = Callable[..., dns.message.Message]


def ask(
    gateway: Server,
    name: str,
    rrtype: str = "TYPE65347",
    send: Send = dns.query.udp,
    flags: int = dns.flags.RD,
    host: str = "127.0.0.1",
) -> dns.message.Message:
    query = dns.message.make_query(name, rrtype, use_edns=0)
    query.flags = dns.flags.Flag(flags)
    return send(query, host, port=gateway.port, timeout=PATIENCE)


def ede(message: dns.message.Message) -> list[int]:
    return [int(one.code) for one in message.options if isinstance(one, dns.edns.EDEOption)]


@pytest.mark.parametrize("send", [dns.query.udp, dns.query.tcp])
def test_an_identifier_is_found_below_a_delegation_and_remembered(net: Net, send: Send) -> None:
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


def test_a_large_answer_goes_over_tcp(net: Net) -> None:
    name = "large.csid.internal."
    for _ in range(2):
        assert ask(net.gateway, name, "TXT").flags & dns.flags.TC
        found = ask(net.gateway, name, "TXT", dns.query.tcp)
        assert found.answer[0] == ask(net.root, name, "TXT", dns.query.tcp).answer[0]


@pytest.mark.parametrize("send", [dns.query.udp, dns.query.tcp])
def test_what_it_is_not_for_is_refused_with_the_reason(net: Net, send: Send) -> None:
    for name, rrtype, flags, code in (
        ("www.example.org.", "A", dns.flags.RD, EDE_PROHIBITED),
        ("internal.", "SOA", dns.flags.RD, EDE_PROHIBITED),
        (NAME, "TYPE65347", 0, EDE_NOT_AUTHORITATIVE),
        (NAME, "ANY", dns.flags.RD, EDE_NOT_AUTHORITATIVE),
    ):
        found = ask(net.gateway, name, rrtype, send, flags)
        assert (found.rcode(), ede(found)) == (dns.rcode.REFUSED, [code])


def test_who_is_not_allowed_is_refused(tmp_path: Path, net: Net) -> None:
    file = tmp_path / "csid.toml"
    file.write_text('[gateway]\nallow = ["192.0.2.0/24"]\n')
    words = ["--config", str(file)]
    with resolving(tmp_path / "other", *words, root=[net.root_address]) as gateway:
        for send in (dns.query.udp, dns.query.tcp):
            found = ask(gateway, NAME, send=send)
            assert (found.rcode(), ede(found)) == (dns.rcode.REFUSED, [EDE_PROHIBITED])


def test_other_zones_are_asked_for_as_the_configuration_says(tmp_path: Path, net: Net) -> None:
    """A zone with servers of its own, and all else of a resolver: here another gateway."""
    file = tmp_path / "csid.toml"
    with serving(make_data(tmp_path / "elsewhere", OTHER_ZONE, "other.test.")) as server:
        zone = f'[[upstream]]\nname = "other.test."\nservers = ["127.0.0.1:{server.port}"]\n'
        file.write_text(zone)
        words = ["--config", str(file)]
        with resolving(tmp_path / "near", *words, root=[net.root_address]) as near:
            assert ask(near, "www.other.test.", "A").answer
            assert ask(near, NAME).answer
            file.write_text(
                f'[[upstream]]\nname = "."\nservers = ["127.0.0.1:{near.port}"]\nforward = true\n'
            )
            with resolving(tmp_path / "far", *words) as far:
                assert ask(far, "www.other.test.", "A").answer
                assert ask(far, NAME).answer
                assert ask(far, "www.example.org.", "A").rcode() == dns.rcode.SERVFAIL


def test_the_configuration_is_read_again(tmp_path: Path, net: Net) -> None:
    file = tmp_path / "csid.toml"
    file.write_text(f'[gateway]\nroot = ["{net.root_address}"]\nallow = ["192.0.2.0/24"]\n')
    with resolving(tmp_path / "other", "--config", str(file)) as gateway:
        assert ask(gateway, NAME).rcode() == dns.rcode.REFUSED
        file.write_text(f'[gateway]\nroot = ["{net.root_address}"]\n')
        gateway.process.send_signal(signal.SIGHUP)
        eventually("it answers", lambda: ask(gateway, NAME).answer)
        eventually("all are new", lambda: "have opened it anew" in gateway.log.read_text())
        assert ask(gateway, "lasting.csid.internal.", "TXT").answer


def _is_gone(gateway: Server, module: str, pid: int) -> bool:
    return pid not in gateway.workers(module)


def test_a_process_that_dies_is_replaced_and_what_was_known_is_known(net: Net) -> None:
    first = ask(net.gateway, NAME)
    for number, module in enumerate((RECURSION, WORKER)):
        (pid,) = net.gateway.workers(module)
        os.kill(pid, signal.SIGKILL)
        # A datagram that it has taken already is lost with it.
        eventually("it is gone", partial(_is_gone, net.gateway, module, pid))
        again = ask(net.gateway, NAME)
        assert again.answer[0].to_rdataset() == first.answer[0].to_rdataset()
        assert ask(net.gateway, f"fresh{number}.csid.internal.", "TXT").authority


def test_what_is_known_outlives_the_gateway(tmp_path: Path, net: Net) -> None:
    first = ask(net.gateway, NAME)
    assert net.gateway.stop() == 0
    net.root.stop()
    net.owner.stop()
    with resolving(net.folder, root=[net.root_address]) as gateway:
        again = ask(gateway, NAME)
        assert again.answer[0].to_rdataset() == first.answer[0].to_rdataset()


def test_a_folder_is_of_one_gateway(net: Net) -> None:
    ran = run(
        "gateway", "--data", str(net.folder), "--root", net.root_address, "--listen", "127.0.0.1:0"
    )
    assert ran.returncode == 2
    assert "another process" in ran.stderr


def test_when_nobody_answers_what_was_known_is_given_marked_as_stale(net: Net) -> None:
    first = ask(net.gateway, "brief.csid.internal.", "TXT")
    net.root.stop()
    time.sleep(1.5)
    begun = time.monotonic()
    found = ask(net.gateway, "brief.csid.internal.", "TXT")
    assert time.monotonic() - begun < 2.0
    assert found.answer[0].to_rdataset() == first.answer[0].to_rdataset()
    assert ede(found) == [EDE_STALE]
    begun = time.monotonic()
    assert ede(ask(net.gateway, "brief.csid.internal.", "TXT")) == [EDE_STALE]
    assert time.monotonic() - begun < 0.1


def test_what_nobody_says_is_a_failure_in_time_which_is_remembered(net: Net) -> None:
    for most in (PATIENCE, 0.5):
        begun = time.monotonic()
        found = ask(net.gateway, f"a.{DEAD}", "A")
        assert time.monotonic() - begun < most
        assert (found.rcode(), ede(found)) == (dns.rcode.SERVFAIL, [EDE_NO_AUTHORITY])


def test_over_tcp_what_is_known_does_not_wait_for_what_is_not(net: Net) -> None:
    ask(net.gateway, NAME)
    slow = dns.message.make_query(f"b.{DEAD}", "A", use_edns=0)
    fast = dns.message.make_query(NAME, "TYPE65347", use_edns=0)
    with socket.create_connection(("127.0.0.1", net.gateway.port), timeout=PATIENCE) as sock:
        for one in (slow, fast, fast):
            wire = one.to_wire()
            sock.sendall(len(wire).to_bytes(2) + wire)
        sock.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: sock.recv(65_536), b""))
    identities = []
    while got:
        size = int.from_bytes(got[:2])
        identities.append(int.from_bytes(got[2:4]))
        got = got[2 + size :]
    assert identities == [fast.id, fast.id, slow.id]


def test_it_answers_from_the_address_it_was_asked_at(tmp_path: Path, net: Net) -> None:
    port = free_port()
    listen = [f"0.0.0.0:{port}", f"[::]:{port}"]
    with resolving(tmp_path / "wide", root=[net.root_address], listen=listen) as gateway:
        for host in ("127.0.0.7", "127.0.0.8", "::1"):
            for _ in range(2):  # missed, and remembered
                assert ask(gateway, NAME, host=host).answer


def test_over_tls(tmp_path: Path, net: Net) -> None:
    certificate, key = make_certificate(tmp_path, "gateway")
    words = ["--tls", str(certificate), str(key), "--listen-tls", "127.0.0.1:0"]
    with resolving(tmp_path / "tls", *words, root=[net.root_address]) as gateway:
        port = int(gateway.ready.split(" tls ")[1].split(",")[0].rpartition(":")[2])
        context = ssl.create_default_context(cafile=str(certificate))
        context.check_hostname = False
        query = dns.message.make_query(NAME, "TYPE65347", use_edns=0)
        for _ in range(2):
            found = dns.query.tls(
                query, "127.0.0.1", port=port, timeout=PATIENCE, ssl_context=context
            )
            assert found.answer
        if shutil.which("kdig"):
            ran = subprocess.run(
                ["kdig", "@127.0.0.1", "-p", str(port), "+tls", NAME, "TYPE65347"],
                capture_output=True,
                text=True,
            )
            assert "status: NOERROR" in ran.stdout


def test_what_is_known_can_be_looked_at_and_forgotten(net: Net) -> None:
    words = ["--data", str(net.folder), "--json"]
    ask(net.gateway, NAME)
    ask(net.gateway, ABSENT.to_dns_name())
    ask(net.gateway, "lasting.csid.internal.", "TXT")
    shown = [json.loads(line) for line in run("cache", "show", *words).stdout.splitlines()]
    assert {NAME, "lasting.csid.internal."} <= {one["name"] for one in shown}
    assert all(0 < one["ttl"] <= 300 and one["good"] for one in shown)
    stats = json.loads(run("cache", "stats", *words).stdout)
    assert stats["running"]
    assert stats["present"] + stats["absent"] == len(shown)
    assert stats["octets"] == sum(one["octets"] for one in shown) <= stats["octets_max"]
    assert stats["queries"] >= stats["missed"] == 3
    assert stats["upstream"] >= 4

    for what in (NAME, str(POOL), str(POOL).rpartition("/")[0]):
        ask(net.gateway, NAME)
        assert json.loads(run("cache", "flush", what, *words).stdout) == {"forgotten": 1}
        names = [
            json.loads(one)["name"] for one in run("cache", "show", *words).stdout.splitlines()
        ]
        assert NAME not in names
        assert "lasting.csid.internal." in names
    assert run("cache", "flush", *words).returncode == 2
    ask(net.gateway, NAME)
    net.gateway.stop()
    left = len(run("cache", "show", *words).stdout.splitlines())
    assert json.loads(run("cache", "flush", "--all", *words).stdout) == {"forgotten": left}
    assert json.loads(run("cache", "stats", *words).stdout)["octets"] == 0


def test_over_http(tmp_path: Path, net: Net) -> None:
    chain, key = make_certificate(tmp_path, "http")
    for words, scheme, verify in (
        ([], "http", None),
        (["--tls", str(chain), str(key)], "https", str(chain)),
    ):
        options = ["--http", "127.0.0.1:0", "--http", "127.0.0.1:0", *words]
        with resolving(tmp_path / scheme, *options, root=[net.root_address]) as gateway:
            found = gateway.ready.split(" http ")[1].split(",")[0].split()
            assert len(found) == 2
            for address in found:
                context = ssl.create_default_context(cafile=verify) if verify else False
                with httpx.Client(verify=context, trust_env=False) as client:
                    answer = client.get(f"{scheme}://{address}/v1/identifiers/{POOL}")
                    said = answer.json()
                    assert (answer.status_code, said.get("state")) == (410, "retired"), said


def test_http_for_others_needs_tls(tmp_path: Path) -> None:
    words = ["--data", str(tmp_path / "g"), "--root", "127.0.0.1:1", "--http", "0.0.0.0:8080"]
    ran = run("gateway", *words)
    assert ran.returncode == 2
    assert "--tls CERT KEY" in ran.stderr


def test_what_is_lost_with_the_process_that_asks_is_asked_again(net: Net) -> None:
    (pid,) = net.gateway.workers(RECURSION)
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor() as others:
        waiting = others.submit(ask, net.gateway, NAME, send=dns.query.tcp)
        eventually("it was missed", lambda: _missed(net) >= 1)
        os.kill(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGCONT)
        assert waiting.result().answer


def _missed(net: Net) -> int:
    told = control.ask(net.folder)
    assert told is not None
    return sum(one["counters"].get("missed", 0) for one in told["processes"])


def test_it_says_so_where_others_can_reach_it_and_none_is_answered(
    tmp_path: Path, net: Net
) -> None:
    listen = ["0.0.0.0:0"]
    with resolving(tmp_path / "wide", root=[net.root_address], listen=listen) as gateway:
        assert "none of them is answered" in gateway.log.read_text()
