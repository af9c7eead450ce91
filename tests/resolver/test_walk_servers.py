"""`csid resolve --root` through a hierarchy of real servers, each on an address of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from csid.identifier import parse
from csid.record import Record, encode
from gateway.cli import main
from resolver.store.environment import Store
from tests.support import commands
from tests.support.identifiers import PRINTED
from tests.support.peers import HOST, Bind, Knot, Nsd, Peer, free_port, installed, running
from tests.support.records import FULL
from tests.support.servers import put_zone, serving

POOL, OTHER, MOVED, ABSENT = map(parse, PRINTED)
SUFFIX = "csid.internal."
NAME = POOL.to_dns_name()
PLACE = NAME.split(".", 2)[2]  # location.industry.owner.suffix
OWNER = PLACE.split(".", 2)[2]
SECOND = OTHER.to_dns_name().split(".", 4)[4]  # the cut of another owner
HOSTS = ["127.0.0.21", "127.0.0.22", "127.0.0.23"]  # but BIND answers at the interface's alone
PLACE_HOST, DEAD_HOST = "127.0.0.24", "127.0.0.25"
HEAD = "$TTL 60\n@ SOA ns hostmaster 1 60 60 60 30\n"
LARGE = Record(FULL).json() | {"name": "大" * 60}


def record(name: str, value: Record) -> str:
    data = encode(value)
    return f"{name} TYPE65347 \\# {len(data)} {data.hex()}\n"


def zones(hosts: list[str], registered: int) -> dict[str, str]:
    """The zones of the root, of an owner and of another one, by origin."""
    root_host, owner_host, second_host = hosts
    root = f"""{HEAD}@ NS ns
ns A {root_host}
{OWNER} NS dead.nodes
{OWNER} NS zj.nodes
dead.nodes A {DEAD_HOST}
zj.nodes A {owner_host}
{SECOND} NS bj.nodes
bj.nodes A {second_host}
{MOVED.to_dns_name()} CNAME {NAME}
"""
    if registered:
        root += f"_sync._tcp.zj.nodes SRV 0 0 {registered} zj.nodes\n"
    owner = f"{HEAD}@ NS zj.nodes.{SUFFIX}\n{PLACE} NS ns.far.{SECOND}\n"
    second = f"{HEAD}@ NS bj.nodes.{SUFFIX}\nns.far A {PLACE_HOST}\n" + record(
        OTHER.to_dns_name(), Record(FULL)
    )
    return {SUFFIX: root, OWNER: owner, SECOND: second}


class Net(NamedTuple):
    hosts: list[str]
    port: int

    @property
    def root(self) -> str:
        return f"{self.hosts[0]}:{self.port}"


@pytest.fixture(
    scope="module",
    params=[(Knot, Bind, Nsd, False), (Bind, Nsd, Knot, True), (Nsd, Knot, Bind, False)],
    ids=lambda param: "-".join(str(getattr(one, "program", one)) for one in param),
)
def net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """A root, two owners' servers and a node of ours; the owner's at a registered port or not."""
    *kinds, is_registered = request.param
    for kind in kinds:
        if not installed(kind):
            pytest.skip(f"{kind.program} is not installed")
    port = free_port()
    owner_port = free_port() if is_registered else port
    data = tmp_path_factory.mktemp("node") / "data"
    with Store.create(data, SUFFIX, "0.EXAMPLE") as store:
        put_zone(store, f"{HEAD}@ NS ns.far.{SECOND}\n{record(NAME, Record(LARGE))}", PLACE)
    hosts = [HOST if kind is Bind else host for kind, host in zip(kinds, HOSTS, strict=True)]
    texts = zones(hosts, owner_port if is_registered else 0)
    ports = (port, owner_port, port)
    with ExitStack() as stack:
        for kind, origin, host, at in zip(kinds, texts, hosts, ports, strict=True):
            folder = tmp_path_factory.mktemp(kind.program)
            peer: Peer = stack.enter_context(
                running(kind, folder, {origin: texts[origin]}, at, host)
            )
            assert peer.port == at
        stack.enter_context(serving(data, listen=[f"{PLACE_HOST}:{port}"]))
        yield Net(hosts, port)


def resolve(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["resolve", *words])
    return code, capsys.readouterr().out


def test_an_identifier_is_walked_to(net: Net) -> None:
    ran = commands.run("resolve", POOL, "--root", net.root, "--trace", "--json")
    (found,) = ran.json
    assert ran.code == 0
    assert found["record"] == LARGE
    assert found["server"] == f"{PLACE_HOST}:{net.port}"
    assert found["server_name"] == f"ns.far.{SECOND}"
    servers = [step["server"].split(":")[0] for step in found["trace"]]
    walked = [host for host in servers if host != DEAD_HOST]
    said = [step for step in found["trace"] if step["outcome"] != "no answer"]
    outcomes = [step["outcome"] for step in said if not step["depth"]]
    assert outcomes == ["referral", "referral", "answer"]
    far = [step["outcome"] for step in said if step["name"] == f"ns.far.{SECOND}"]
    assert far == ["referral", "answer"]
    assert walked[0] == net.hosts[0]
    assert walked[-1] == PLACE_HOST
    assert {*net.hosts, PLACE_HOST} == set(walked)


def test_the_root_of_a_gateway_s_configuration_will_do(net: Net, tmp_path: Path) -> None:
    file = tmp_path / "csid.toml"
    file.write_text(f'[gateway]\nroot = ["{net.root}"]\n')
    ran = commands.run("resolve", POOL, "--trace", "--json", "--config", file)
    assert ran.code == 0
    assert ran.json[0]["trace"][0]["server"] == net.root
    assert commands.run("resolve", POOL, "--trace").code == 2


def test_an_alias_across_zones_is_followed(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = resolve(capsys, str(MOVED), "--root", net.root, "--json")
    assert code == 0
    assert json.loads(out)["alias_of"] == NAME
    assert json.loads(out)["record"] == LARGE


def test_an_identifier_that_is_not_there_is_told(
    net: Net, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = resolve(capsys, str(ABSENT), "--root", net.root, "--trace")
    assert code == 1
    assert "NXDOMAIN" in out
    assert net.root in out


def test_the_table_shows_each_step(net: Net, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = resolve(capsys, str(OTHER), "--root", net.root, "--trace", "--tcp")
    assert code == 0
    assert f"referral to {SECOND}: bj.nodes.{SUFFIX}" in out
    assert f"bj.nodes.{SUFFIX} ({net.hosts[2]}:{net.port})" in out
    assert "tcp bj.nodes" in out


def test_a_walk_that_leads_nowhere_shows_how_far_it_came(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = f"{HOST}:{free_port()}"
    code = main(["resolve", str(POOL), "--root", root, "--trace", "--json"])
    printed = capsys.readouterr()
    assert code == 2
    assert json.loads(printed.out)["trace"][0]["outcome"] == "no answer"
    assert "no server listens" in printed.err
    assert main(["resolve", str(POOL), "--trace"]) == 2
    assert "--root" in capsys.readouterr().err
