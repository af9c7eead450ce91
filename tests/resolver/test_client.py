"""`csid resolve` and the client below it: what is believed, asked again and printed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import pytest

import csid
from csid.address import Address
from csid.client.answer import Answer, Authority
from csid.errors import RefusedError, ResolutionError, UnreachableError
from csid.identifier import Identifier, make, parse
from csid.protocol import CSID, SOA
from csid.record import Record, encode
from gateway.cli import main
from resolver.client.blocking import Client
from resolver.client.settings import Settings
from resolver.client.walking import ask
from tests.support import commands
from tests.support.fake_server import PATIENCE, fake_server
from tests.support.identifiers import PRINTED
from tests.support.peers import free_port
from tests.support.records import FULL
from tests.support.servers import CHECKOUT, eventually, make_data, run, serving
from tests.support.servers import Server as RunningServer
from tests.support.shapes import require_shape

POOL, BARE, MOVED, ABSENT = map(parse, PRINTED)
ALIAS = make(POOL.owner, "6450", "330106", "ACV", "H60M07A1", "ALIAS")
ACTIVE = make(POOL.owner, "6450", "330106", "ACV", "H60M07A1", "ACTIVE")
CUT = make(POOL.owner, "6450", "330106", "SCP", "H60M07A1", "CUT")
NAME = POOL.to_dns_name()


def zone_text() -> str:
    record, active = encode(Record(FULL)), encode(Record({"state": "active"}))
    moved_to = POOL.to_dns_name()
    return f"""\
$TTL 300
@ SOA ns hostmaster 1 7200 900 1209600 60
  NS ns
ns A 192.0.2.53
{POOL.to_dns_name()} TYPE65347 \\# {len(record)} {record.hex()}
{ACTIVE.to_dns_name()} TYPE65347 \\# {len(active)} {active.hex()}
{BARE.to_dns_name()} TXT "no record"
{MOVED.to_dns_name()} CNAME {moved_to}
{ALIAS.to_dns_name()} CNAME outside.example.
{CUT.to_dns_name().partition(".")[2]} NS ns.elsewhere.csid.internal.
ns.elsewhere A 192.0.2.54
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = make_data(tmp_path_factory.mktemp("client") / "data", zone_text())
    with serving(data) as running:
        yield running


def at(server: RunningServer) -> str:
    return f"127.0.0.1:{server.port}"


def one(identifier: str | Identifier, server: Address, over_tcp: bool = False) -> Answer:
    """What a client with one server says."""
    with Client(Settings((server,))) as client:
        return client.resolve(identifier, over_tcp=over_tcp)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_an_identifier_resolves_over_both_transports(server: RunningServer, transport: str) -> None:
    where = Address("127.0.0.1", server.port)
    found = one(POOL, where, transport == "tcp")
    assert found.record == Record(FULL)
    assert found.transport == transport
    assert (found.rcode, found.exists, found.ttl, found.alias_of) == ("NOERROR", True, 300, None)
    assert (found.identifier, found.state, found.is_active) == (POOL, "retired", False)
    assert found.authority == Authority(where, True, None)
    assert 0 < found.seconds < 1


@pytest.mark.parametrize("form", [str(POOL), str(POOL).lower(), NAME, POOL.to_handle()])
def test_every_form_of_an_identifier_is_taken(server: RunningServer, form: str) -> None:
    (printed,) = commands.run("resolve", form, "--server", at(server), "--json").json
    assert printed["identifier"] == str(POOL)
    assert printed["record"] == Record(FULL).json()
    assert printed["ttl"] == 300
    assert printed["transport"] == "udp"


def test_the_table_says_it_in_both_languages(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CSID_SERVERS", at(server))
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
    server: RunningServer,
) -> None:
    (printed,) = commands.run("resolve", MOVED, "--server", at(server), "--json").json
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
    ran = commands.run(*arguments, "--json")
    assert (ran.code, ran.json[0]["rcode"]) == (1, rcode)


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
    with pytest.raises(RefusedError, match=r"refers to ns\.elsewhere\.csid\.internal\."):
        one(CUT, Address("127.0.0.1", server.port))


def test_an_alias_to_a_name_not_held_is_no_statement_about_it(server: RunningServer) -> None:
    with pytest.raises(RefusedError, match=r"does not hold outside\.example\."):
        one(ALIAS, Address("127.0.0.1", server.port))


MANY = f"{POOL}\n\n# none\n{BARE}\r\n\ufeffnonsense\n{ABSENT}"


def resolved(words: list[str], text: str) -> subprocess.CompletedProcess[str]:
    """`csid resolve -`, given a text."""
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", "resolve", "-", *words],
        input=text,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        timeout=PATIENCE,
    )


def test_many_on_standard_input_each_have_a_line(server: RunningServer) -> None:
    done = resolved(["--server", at(server)], MANY)
    assert (done.returncode, done.stderr) == (2, "")
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [
        [str(POOL), "retired"],
        [str(BARE), "no-record"],
        ["nonsense", "error"],
        [str(ABSENT), "absent"],
    ]
    uris = done.stdout.splitlines()[0].split("\t")[2]
    assert uris == "https://a.example:8443/v1 grpcs://b.example:443"
    as_json = resolved(["--server", at(server), "--json"], MANY)
    require_shape(["resolve", "-", "--json"], 2, as_json.stdout, as_json.stderr)
    first, second, third, fourth = map(json.loads, as_json.stdout.splitlines())
    assert first["record"] == Record(FULL).json()
    assert [one["identifier"] for one in (first, second, third, fourth)] == [
        str(POOL),
        str(BARE),
        "nonsense",
        str(ABSENT),
    ]
    assert [one["rcode"] for one in (first, second, fourth)] == ["NOERROR", "NOERROR", "NXDOMAIN"]
    assert "expected 5 segments" in third["error"]


def test_what_comes_in_pieces_is_answered_piece_by_piece(server: RunningServer) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "resolve", "-", "--server", at(server)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert process.stdin is not None and process.stdout is not None
    for identifier in (POOL, ABSENT):
        process.stdin.write(f"{identifier}\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(str(identifier))  # before the next is given
    process.stdin.close()
    assert process.wait(PATIENCE) == 1


def test_a_line_without_end_is_refused() -> None:
    done = resolved([], "x" * 200_000)
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected one identifier a line" in done.stderr


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ([POOL], 3),
        ([ACTIVE], 0),
        ([BARE], 1),
        ([ACTIVE, POOL], 3),
        ([POOL, ABSENT], 1),
        ([ABSENT, "nonsense", POOL], 2),
    ],
)
def test_who_requires_an_active_one_has_an_exit_code_for_it(
    server: RunningServer, texts: list[object], code: int
) -> None:
    words = ["--server", at(server), "--require-active"]
    assert resolved(words, "".join(f"{text}\n" for text in texts)).returncode == code
    if len(texts) == 1:
        assert main(["resolve", str(texts[0]), *words]) == code
        assert main(["resolve", str(texts[0]), "--root", at(server), "--require-active"]) == code


def test_the_configuration_says_whom_to_ask(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "csid.toml"
    file.write_text(f'[client]\nservers = ["127.0.0.1:1", "{at(server)}"]\ntimeout = 7\n')
    assert main(["resolve", str(POOL), "--config", str(file)]) == 0
    monkeypatch.setenv("CSID_CONFIG", str(file))
    with csid.Client(cache=0) as client:
        assert client.settings.timeout == 7.0
        assert client.resolve(POOL).state == "retired"
    monkeypatch.setenv("CSID_SERVERS", "127.0.0.1:1")
    with (
        csid.Client() as client,
        pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1: no server"),
    ):
        client.resolve(POOL)
    with csid.Client(at(server)) as client:
        assert client.resolve(POOL).state == "retired"


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
        ask("csid.internal.", SOA, server)
    except ResolutionError:
        return False
    return True


def test_a_query_asks_for_recursion() -> None:
    asked = []

    def answer(query: dns.message.Message, number: int) -> list[bytes]:
        asked.append(bool(query.flags & dns.flags.RD))
        return [dns.message.make_response(query).to_wire()]

    with fake_server(answer) as where:
        ask(NAME, CSID, where)
    assert asked == [True]


@pytest.mark.parametrize("over_tcp", [False, True])
def test_a_resolver_gives_what_the_server_behind_it_has(
    server: RunningServer, resolver: Address, over_tcp: bool
) -> None:
    behind = Address("127.0.0.1", server.port)
    for identifier in (POOL, BARE, MOVED, ABSENT):
        direct = one(identifier, behind, over_tcp)
        through = one(identifier, resolver, over_tcp)
        assert (through[:3], through.alias_of) == (direct[:3], direct.alias_of)
        assert direct.ttl - 10 <= through.ttl <= direct.ttl  # it remembers, and counts down
        assert through.authority == Authority(resolver, False, direct.authority.zone)
