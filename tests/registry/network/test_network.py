"""A network with all its processes: national node, aggregate, region, industry; and others' servers
on either side.
"""

from __future__ import annotations

import base64
import csv
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from csid.address import Address
from csid.errors import CsidError
from csid.identifier import Identifier, make
from registry.service import Registry
from registry.tables.log_entry import decode
from registry.tables.naming import Names
from registry.zones import others
from resolver.client.blocking import Client
from resolver.client.settings import Settings
from resolver.store.environment import Store
from tests.support.network import FILED_SECONDS, Member, Network
from tests.support.peers import HOST, Bind, Knot, Peer, free_port, installed, running
from tests.support.registering import CLASS, OTHER, OWNER
from tests.support.servers import alive, eventually

MANY = 2_000


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    made = Network(tmp_path_factory.mktemp("network"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CSID_STATE", str(made.national.data.parent / "state"))
        made.make()
        with made.serving():
            yield made


def one_of(location: str, serial: str = "0001", owner: str = OWNER) -> Identifier:
    return make(owner, "6450", location, "ACV", CLASS, serial)


def test_whoever_is_asked_answers_or_refers(network: Network) -> None:
    ids = [one_of("330106"), one_of("330106", "0002"), one_of("330108", owner=OTHER)]
    for one in ids:
        network.zhejiang.must("assign", one)
    for one in ids:
        for node in network.running:
            node.becomes(one, "active")
    for one in ids:
        assert f"{one}  备案中 filing" not in network.zhejiang.must("list", "--all", one)
    # The industry node holds copies, and assigns nothing itself.
    cut = "330106.6450.91330106673959654p.csid.internal."
    eventually("it has a copy", lambda: network.internet.run("sync", "status", cut).code == 0)
    ran = network.internet.run("assign", one_of("330106", "0003"))
    assert ran.code == 1
    assert f"zhejiang, at {network.zhejiang.host}:{network.zhejiang.port}" in ran.err


def nsupdate(network: Network, key: str, *lines: str) -> subprocess.CompletedProcess[str]:
    name, algorithm, secret = key.split(":")
    text = f"server {network.national.host} {network.national.port}\nzone csid.internal.\n"
    text += f"key {algorithm}:{name} {secret}\n" + "".join(f"{line}\n" for line in lines)
    return subprocess.run(
        ["nsupdate"], input=text + "send\n", capture_output=True, text=True, timeout=30
    )


def test_any_program_files_a_cut_as_a_node_does(network: Network) -> None:
    cut = "130100.6450.91330106673959654p.csid.internal."
    server = "hebei.nodes.csid.internal."
    done = nsupdate(network, network.hebei.key, f"update add {cut} 3600 NS {server}")
    assert (done.returncode, done.stderr) == (0, "")
    listed = network.national.must("filing", "list", "--node", "hebei")
    assert f"{OWNER}/6450/130100" in listed and "已备案 filed" in listed
    ran = network.zhejiang.run("assign", one_of("130100"))
    assert ran.code == 1 and "OUT_OF_SCOPE" in ran.err
    refused = nsupdate(network, network.hebei.key, f"update add {cut.replace('13', '33')} 1 NS x.")
    assert refused.returncode and "REFUSED" in refused.stderr
    taken = nsupdate(network, network.hebei.key, f"update delete {cut} NS")
    assert (taken.returncode, taken.stderr) == (0, "")
    assert cut not in network.national.must("filing", "list", "--node", "hebei")


class KnotFollower(Knot):
    """Knot, which follows all zones from an aggregate by its catalog."""

    followed = ""  # ADDRESS@PORT
    secret = ""

    def configuration(self) -> str:
        head = super().configuration().partition("template:")[0]
        return f"""{head}\
key:
  - id: viewer
    algorithm: hmac-sha256
    secret: {self.secret}
remote:
  - id: sum
    address: {self.followed}
    key: viewer
acl:
  - id: notify
    key: viewer
    action: notify
template:
  - id: default
    storage: "{self.folder}"
    master: sum
    acl: notify
  - id: member
    storage: "{self.folder}"
    master: sum
    acl: notify
zone:
  - domain: csid.internal.
  - domain: _catalog.csid.internal.
    catalog-role: interpret
    catalog-template: member
"""


class BindFollower(Bind):
    """BIND, likewise."""

    followed = ""
    secret = ""

    def configuration(self) -> str:
        host, port = self.followed.split("@")
        primaries = f"port {port} {{ {host} key viewer; }}"
        zones = "".join(
            f'zone "{origin}" {{ type secondary; primaries {primaries}; '
            f'file "{self.folder}/{origin}db"; }};\n'
            for origin in ("csid.internal.", "_catalog.csid.internal.")
        )
        catalog = (
            "  allow-notify { key viewer; };\n"
            f'  catalog-zones {{ zone "_catalog.csid.internal." default-primaries {primaries} '
            f'zone-directory "{self.folder}" min-update-interval 1; }};\n}};\ncontrols'
        )
        key = f'key viewer {{ algorithm hmac-sha256; secret "{self.secret}"; }};\n'
        head = super().configuration().partition('zone "')[0]
        return key + head.replace("};\ncontrols", catalog) + zones


@pytest.mark.parametrize("kind", [KnotFollower, BindFollower])
def test_a_server_of_others_follows_all_zones_from_the_aggregate(
    network: Network, tmp_path: Path, kind: type[Peer]
) -> None:
    if not installed(kind):
        pytest.skip(f"{kind.program} is not installed")
    port = free_port()
    secret = base64.b64encode(bytes(range(32))).decode()
    network.sum.must("key", "add", "viewer", "--secret", secret)
    network.sum.must("zone", "allow", "--all", "--transfer", "viewer")
    for zone in ("csid.internal.", "_catalog.csid.internal.", "--all"):
        network.sum.must("zone", "notify", zone, f"{HOST}:{port}", "--key", "viewer")
    owner = OWNER if kind is KnotFollower else OTHER
    first = one_of("330182", owner=owner)
    network.zhejiang.must("assign", first)
    for node in network.running:
        node.becomes(first, "active")
    at = f"{network.sum.host}@{network.sum.port}"
    follower = type("Follower", (kind,), {"followed": at, "secret": secret})
    with running(follower, tmp_path, {"csid.internal.": ""}, port):
        its = Member(tmp_path, HOST, port)
        eventually("it has the cut", lambda: direct(its, first) == "active")
        second = one_of("330182", "0002", owner)
        network.zhejiang.must("assign", second)
        eventually("it follows the cut", lambda: direct(its, second) == "active")
        third = one_of("330122", owner=owner)  # a new cut
        network.zhejiang.must("assign", third)
        eventually("it follows the catalog", lambda: direct(its, third) == "active")
    network.sum.must("zone", "allow", "--all", "--transfer", "viewer", "--remove")
    for zone in ("csid.internal.", "_catalog.csid.internal.", "--all"):
        network.sum.must("zone", "notify", zone, f"{HOST}:{port}", "--remove")
    network.sum.must("key", "remove", "viewer")


def direct(at: Member, identifier: Identifier) -> str:
    """The state that a server itself answers with; empty if it has none."""
    server = Address(at.host, at.port)
    try:
        with Client(Settings((server,))) as client:
            found = client.resolve(identifier).record
    except CsidError:
        return ""
    return "" if found is None else found.state


def test_what_is_assigned_while_the_national_node_is_away_is_filed_afterwards(
    network: Network,
) -> None:
    here = [one_of("330109", f"{n:04d}") for n in range(8)]
    with network.national.away(), network.sum.away():
        for one in here:
            network.zhejiang.must("assign", one)
        assert all(network.zhejiang.must("list", "--all", one).count("filing") for one in here)
        status = network.zhejiang.must("filing", "status")
        assert f"{OWNER}/6450/330109" in status and "待回执 wait 8" in status
    for one in here:
        for node in network.running:
            node.becomes(one, "active")
    assert "待回执 wait 0" in network.zhejiang.must("filing", "status")


def key_in(said: str) -> str:
    """The key in what `csid node rekey` prints."""
    (line,) = (line for line in said.splitlines() if line.startswith("csid node use-key"))
    return line.split()[3]


def test_a_node_takes_its_new_key_while_both_hold(network: Network) -> None:
    root = f"{network.national.host}:{network.national.port}"
    said = network.national.must("node", "rekey", "zhejiang", "--overlap", "1h", "--root", root)
    one = one_of("330110")  # a new cut: filed, transferred, notified and receipted under the old
    network.zhejiang.must("assign", one)
    for node in network.running:
        node.becomes(one, "active")
    network.zhejiang.must("node", "use-key", key_in(said))
    # The old one ends; all goes on.
    third = network.national.must("node", "rekey", "zhejiang", "--overlap", "1h", "--root", root)
    two = one_of("330112")
    network.zhejiang.must("assign", two)
    for node in network.running:
        node.becomes(two, "active")
    network.zhejiang.must("node", "use-key", key_in(third))
    listed = network.zhejiang.must("key", "list")
    assert "zhejiang-3." in listed and "zhejiang-2." in listed and "zhejiang-1." not in listed
    three = one_of("330113")
    network.zhejiang.must("assign", three)
    for node in network.running:
        node.becomes(three, "active")
    for node in network.running:
        eventually("all is well", lambda: node.run("sync", "status").code == 0)  # noqa: B023


def test_a_suspended_node_is_told_so_in_words(network: Network) -> None:
    seen, unseen = one_of("330106", "0100"), one_of("330111")
    network.national.must("node", "suspend", "zhejiang", "--reason", "整改")
    eventually("the aggregate knows", lambda: suspended(network), FILED_SECONDS)
    network.zhejiang.must("assign", seen)
    network.zhejiang.must("assign", unseen)
    network.zhejiang.becomes(seen, "refused")
    network.zhejiang.becomes(unseen, "refused")
    status = network.zhejiang.must("filing", "status")
    assert "NODE_SUSPENDED" in status and "node zhejiang is suspended" in status
    assert network.sum.state(one_of("330106")) == "active"  # what was filed goes on resolving
    network.national.must("node", "reinstate", "zhejiang")
    eventually("the aggregate knows", lambda: not suspended(network), FILED_SECONDS)
    network.zhejiang.must("file", seen)
    network.zhejiang.must("filing", "request", f"{OWNER}/6450/330111", "--wait", "20")
    for one in (seen, unseen):
        network.sum.becomes(one, "active")


def suspended(network: Network) -> bool:
    with Store.open(network.sum.data) as store, store.read() as read:
        node = others.node(read, Names("csid.internal."), "zhejiang")
        return node is not None and node.state == "suspended"


def test_each_of_thousands_has_one_receipt_though_the_aggregate_is_killed(
    network: Network, tmp_path: Path
) -> None:
    many = [one_of("330205", f"{n:04d}") for n in range(MANY)]
    table = tmp_path / "many.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["identifier", "state"])
        rows.writerows([str(one), "active"] for one in many)
    network.zhejiang.must("import", table)
    for share in (0.1, 0.4, 0.8):
        wanted = int(MANY * share)
        eventually("some have receipts", lambda: waits(network.zhejiang) <= MANY - wanted, 60.0)  # noqa: B023
        kill_sync(network.sum)
    eventually("all have receipts", lambda: waits(network.zhejiang) == 0, 60.0)
    said = Counter(leaf_kinds(network.sum, "filed.receipt"))
    taken = Counter(leaf_kinds(network.zhejiang, "receipt"))
    for one in many:
        assert (said[str(one)], taken[str(one)]) == (1, 1), one
    for node in (many[0], many[-1]):
        for member in network.running:
            member.becomes(node, "active")


def waits(node: Member) -> int:
    """How many identifiers wait for receipts."""
    last = node.must("filing", "status").splitlines()[-1]
    return int(last.split("wait ")[1].split(",  ")[0].split(", ")[0].replace(",", ""))


def kill_sync(node: Member) -> None:
    server = node.server
    assert server is not None
    eventually("it runs", lambda: bool(server.workers("registry.sync.process")))
    [pid] = server.workers("registry.sync.process")
    os.kill(pid, signal.SIGKILL)
    eventually("it is gone", lambda: not alive(pid))


def leaf_kinds(node: Member, kind: str) -> Iterator[str]:
    """The identifiers that leaves of a kind are about."""
    with Registry.open(node.data) as registry, registry.view() as seen:
        for index in range(seen.leaves()):
            leaf = seen.leaf(index)
            assert leaf is not None
            entry = decode(leaf)
            if entry.kind == kind:
                yield entry.on


@pytest.mark.parametrize("at", ["national", "sum", "zhejiang", "internet"])
def test_what_all_nodes_have_done_is_sound(network: Network, at: str) -> None:
    node: Member = getattr(network, at)
    ran = node.run("audit", "verify")
    assert ran.code == 0, ran
