"""The JSON of all commands: one name for one thing, and moments that say their zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.support.commands import Node, run
from tests.support.registering import OTHER, OWNER

PLACE = f"{OWNER}/6450/330106/ACV"
DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")  # the last one that something is valid
MOMENTS = {
    "changed",
    "covered_at",
    "expires",
    "last_seen",
    "offered",
    "oldest",
    "previous_key_until",
    "refreshed",
    "since",
    "started",
    "time",
    "transferred",
    "uncovered_since",
    "until",
}


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


def values(found: Any) -> Iterator[tuple[str, Any]]:
    """All members of all objects in a JSON value."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield name, value
            yield from values(value)
    elif isinstance(found, list):
        for one in found:
            yield from values(one)


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
def test_an_identifier_is_called_so_and_moments_have_a_zone(node: Node, words: list[str]) -> None:
    asked = run if words[0] == "id" else node.run
    ran = asked(*words, "--json")
    said = list(values(ran.json))
    assert said, ran
    assert "id" not in dict(said)
    for name, value in said:
        if name in MOMENTS and value is not None and not DAY.fullmatch(value):
            assert datetime.fromisoformat(value).tzinfo is not None, (name, value)
