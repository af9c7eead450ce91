"""The address of this machine that other servers are asked from, and told from."""

from __future__ import annotations

from pathlib import Path

import pytest

from csid import names
from resolver.store.environment import Store
from resolver.sync.settings import FOLLOWS, Follow, Target, pack, where
from tests.registry.sync.test_servers import put
from tests.support.commands import Node
from tests.support.peers import HOST, Bind, free_port, installed, running
from tests.support.servers import serving
from tests.support.syncing import ORIGIN, answer, state, until, zone_text

OURS, THEIRS = "127.0.0.9", "127.0.0.8"
NOT_HERE = "192.0.2.77"


def test_it_asks_and_tells_from_there_only(tmp_path: Path) -> None:
    first, second = Node(tmp_path / "first"), Node(tmp_path / "second")
    put(first.data, zone_text())
    ports = free_port(), free_port()
    first.must("zone", "allow", ORIGIN, "--transfer", OURS)
    first.must("zone", "notify", ORIGIN, f"{HOST}:{ports[1]}", "--source", THEIRS)
    with (
        serving(first.data, listen=(f"{HOST}:{ports[0]}",)),
        serving(second.data, listen=(f"{HOST}:{ports[1]}",)),
    ):
        second.must("zone", "follow", ORIGIN, "--from", f"{HOST}:{ports[0]}")
        until(lambda: "REFUSED" in state(second.data).error)
        second.must("zone", "follow", ORIGIN, "--from", f"{HOST}:{ports[0]}", "--source", OURS)
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.1")
        second.must("zone", "allow", ORIGIN, "--notify-from", THEIRS)
        put(first.data, zone_text(2))
        until(lambda: answer(ports[1], f"www.{ORIGIN}") == "192.0.2.2", 5)
    (row,) = first.run("zone", "notify", ORIGIN, "--json").json
    assert row["source"] == THEIRS


def test_bind_gives_its_zone_to_that_address(tmp_path: Path) -> None:
    if not installed(Bind):
        pytest.skip("named is not installed")

    class Choosy(Bind):
        def configuration(self) -> str:
            only = f"  recursion no;\n  allow-transfer {{ {OURS}; }};\n"
            return super().configuration().replace("  recursion no;\n", only)

    node = Node(tmp_path / "node")
    with serving(node.data) as server, running(Choosy, tmp_path, {ORIGIN: zone_text()}) as peer:
        node.must("zone", "follow", ORIGIN, "--from", f"{HOST}:{peer.port}", "--source", OURS)
        until(lambda: answer(server.port, f"www.{ORIGIN}") == "192.0.2.1")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (NOT_HERE, "is no address of this machine"),
        (f"{OURS}:5300", "expected an IP address"),
        ("here", "expected an IP address"),
        ("::1", "is of IPv6"),
        ("0.0.0.0", "nothing can be sent from there"),
        ("224.0.0.1", "nothing can be sent from there"),
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        ("zone", "follow", ORIGIN, "--from", HOST),
        ("zone", "notify", "--all", HOST),
        ("zone", "catalog", "consume", ORIGIN, "--from", HOST),
    ],
    ids=lambda words: words[1],
)
def test_an_address_that_cannot_be_is_refused(
    tmp_path: Path, words: tuple[str, ...], source: str, said: str
) -> None:
    node = Node(tmp_path / "node")
    ran = node.run(*words, "--source", source)
    assert ran.code == 2
    assert "--source" in ran.err
    assert said in ran.err
    assert not node.run("sync", "status").lines[1:]


def test_one_that_went_away_is_told(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    apex = names.key_of(names.from_text(ORIGIN))
    node.must("zone", "follow", ORIGIN, "--from", HOST)
    with Store.open(node.data, writable=True) as store, store.write() as txn:
        row = Follow((Target(HOST, free_port(), source=NOT_HERE),))
        txn.table(FOLLOWS).put(where(apex), pack(row))
    with serving(node.data):
        until(lambda: f"{NOT_HERE} is no address of this machine" in state(node.data).error)


def test_how_a_catalog_is_reached_is_looked_at_too(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    words = ("zone", "catalog", "consume", "catalog.example")
    ran = node.run(*words, "--from", HOST, "--tls", "perhaps")
    assert ran.code == 2
    assert "perhaps" in ran.err
    node.must(*words, "--from", "[::1]:53")
    assert "[::1]:53" in node.run("zone", "catalog", "list").out
