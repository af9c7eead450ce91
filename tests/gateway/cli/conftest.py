"""The nodes that the commands are tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import inventory
from tests.support.commands import Node
from tests.support.registering import OTHER, OWNER


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with two accredited resource providers."""
    made = Node(tmp_path / "node")
    made.accredit(OWNER)
    made.accredit(OTHER, "Fujian Compute")
    return made


@pytest.fixture
def data(node: Node) -> Path:
    """The data directory of that node."""
    return node.data


@pytest.fixture
def filled(node: Node) -> Node:
    """That node with an inventory."""
    inventory.fill(node)
    return node


@pytest.fixture
def copy(tmp_path: Path) -> Node:
    """A node with the same owners and no identifiers."""
    made = Node(tmp_path / "copy")
    made.accredit(OWNER)
    made.accredit(OTHER)
    return made
