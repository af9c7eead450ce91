"""The JSON of commands that list: held against the schema of each by `run` itself."""

from __future__ import annotations

import pytest

from tests.support.commands import Node, run
from tests.support.registering import OTHER, OWNER

PLACE = f"{OWNER}/6450/330106/ACV"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node with something of all that is listed."""
    made = Node(tmp_path_factory.mktemp("json") / "node")
    made.accredit(OWNER)
    made.accredit(OTHER)
    made.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "200")
    made.must("assign", f"{PLACE}/H60M07A1", "--valid-until", "2090-12-31")
    first = made.must("list", OWNER).split()[0]
    made.must("lock", "add", first, "--lock", "update")
    made.must("transfer", "offer", first, "--to", OTHER)
    made.must("token", "add", "desk", "--role", "auditor")
    made.must("key", "add", "one.key.", "--until", "2090-01-01")
    made.must("zone", "follow", "example.test.", "--from", "192.0.2.1")
    return made


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("show", f"{PLACE}/H60M07A1-0001-FY"),
        ("history", f"{PLACE}/H60M07A1-0001-FY"),
        ("id", "explain", f"{PLACE}/H60M07A1-0001-FY"),
        ("owner", "show", OWNER),
        ("owner", "list"),
        ("pool", "list"),
        ("lock", "list"),
        ("transfer", "list"),
        ("token", "list"),
        ("key", "list"),
        ("sync", "status"),
        ("status",),
    ],
)
def test_what_is_listed_has_its_shape(node: Node, words: tuple[str, ...]) -> None:
    asked = run if words[0] == "id" else node.run
    assert asked(*words, "--json").json
