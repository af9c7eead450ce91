"""The JSON of commands: `run` itself holds what each prints against its schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Node, run
from tests.support.registering import CLASS, OTHER, OWNER, PLACE

FIRST = f"{PLACE}/{CLASS}-0001-FY"
LISTING = (
    ("list",),
    ("show", FIRST),
    ("history", FIRST),
    ("owner", "show", OWNER),
    ("owner", "list"),
    ("pool", "show", f"{PLACE}/{CLASS}"),
    ("pool", "list"),
    ("lock", "list"),
    ("transfer", "list"),
    ("token", "list"),
    ("key", "list"),
    ("scope", "show"),
    ("validity", "show"),
    ("sync", "status"),
    ("zone", "list"),
    ("status",),
)
# Done in this order, at a node by itself and at a national one.
ALONE = (
    ("owner", "update", OTHER, "--name", "another"),
    ("pool", "mint", f"{PLACE}/{CLASS}", "--number", "2"),
    ("assign", f"{PLACE}/{CLASS}"),
    ("lock", "remove", FIRST, "--lock", "update"),
    ("transfer", "offer", FIRST, "--to", OTHER, "--new-code"),
    ("transfer", "cancel", FIRST),
    ("alias", FIRST, f"{PLACE}/{CLASS}-0002-F9"),
    ("validity", "sweep"),
    ("token", "add", "panel", "--role", "read-only"),
    ("gateway", "enrol", "gw-1", "--prefix", PLACE),
    ("gateway", "list"),
    ("gateway", "remove", "gw-1"),
    ("key", "add", "two.key."),
    ("zone", "allow", "csid.internal.", "--transfer", "two.key."),
    ("zone", "allow", "csid.internal."),
    ("zone", "allow", "--all", "--transfer", "192.0.2.0/24"),
    ("zone", "allow", "--all"),
    ("zone", "notify", "--all", "192.0.2.9"),
    ("zone", "notify", "csid.internal."),
    ("zone", "zonemd", "csid.internal."),
    ("zone", "zonemd", "csid.internal.", "--verify"),
    ("zone", "catalog", "produce", "own.catalog.", "--add", "csid.internal."),
    ("zone", "catalog", "list", "own.catalog."),
    ("zone", "catalog", "consume", "its.catalog.", "--from", "192.0.2.1"),
    ("zone", "catalog", "list"),
    ("zone", "catalog", "stop", "its.catalog."),
    ("zone", "unfollow", "example.test."),
    ("id", "check", FIRST),
    (
        *("id", "make", "--owner", OWNER, "--industry", "6450", "--location", "330106"),
        *("--type", "ACV", "--spec", CLASS, "--serial", "0001"),
    ),
    ("audit", "verify"),
    ("audit", "resume"),
    ("backup", "copies"),
    ("restore-node", "copies", "--data", "again"),
    ("zone", "drop", "own.catalog.", "--yes"),
)
NATIONAL = (
    ("node", "add", "zj", "--role", "region", "--scope", "33", "--address", "192.0.2.1:53"),
    ("node", "change", "zj", "--contact", "noc"),
    ("node", "rekey", "zj"),
    ("node", "key", "zj"),
    ("node", "suspend", "zj"),
    ("node", "reinstate", "zj"),
    ("node", "show", "zj"),
    ("node", "list"),
    ("filing", "mode", "manual"),
    ("filing", "hold", f"{OWNER}/6450"),
    ("filing", "release", f"{OWNER}/6450"),
    ("node", "remove", "zj"),
)
# What is refused, or is not there, tells of it as well.
REFUSED = (
    ("filing", "approve", OWNER),
    ("filing", "reject", OWNER),
    ("filing", "withdraw", OWNER),
    ("filing", "move", OWNER, "--to", "zj"),
    ("filing", "receipts"),
    ("filing", "request", OWNER),
    ("filing", "show", OWNER),
    ("id", "check", "x"),
    ("key", "remove", "two.key."),
    ("zone", "refresh", "csid.internal."),
    ("node", "use-key", "x"),
    ("resolve", "x"),
    ("resolve", "x", "--root", "127.0.0.1:1"),
    ("migrate",),
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node with something of all that is listed."""
    made = Node(tmp_path_factory.mktemp("json") / "node")
    made.accredit(OWNER)
    made.accredit(OTHER)
    made.must("pool", "add", PLACE, "--class", CLASS, "--count", "200")
    made.must("assign", f"{PLACE}/{CLASS}", "--valid-until", "2090-12-31")
    made.must("lock", "add", FIRST, "--lock", "update")
    made.must("transfer", "offer", FIRST, "--to", OTHER)
    made.must("token", "add", "desk", "--role", "auditor")
    made.must("key", "add", "one.key.", "--until", "2090-01-01")
    made.must("zone", "follow", "example.test.", "--from", "192.0.2.1")
    return made


@pytest.mark.parametrize("words", LISTING, ids=" ".join)
def test_what_is_listed_has_its_shape(node: Node, words: tuple[str, ...]) -> None:
    assert node.run(*words, "--json").json


@pytest.mark.parametrize(
    ("role", "commands"), [((), ALONE), (("--role", "national"), NATIONAL)], ids=["alone", "root"]
)
def test_what_is_done_has_its_shape(
    tmp_path: Path,
    node: Node,
    role: tuple[str, ...],
    commands: tuple[tuple[str, ...], ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if role:
        assert run("init", "--data", "node", *role).code == 0
    else:
        node.copy(tmp_path / "node", monkeypatch)
    for words in commands:
        has_data = words[0] in ("id", "restore-node")
        ran = run(*words, "--json", *(() if has_data else ("--data", "node")))
        assert ran.json, (words, ran)


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_is_refused_has_its_shape(node: Node, words: tuple[str, ...]) -> None:
    asked = run if words[0] in ("id", "resolve") else node.run
    ran = asked(*words, "--json")
    assert ran.out + ran.err, ran
