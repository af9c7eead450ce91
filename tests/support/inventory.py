"""A node's inventory for the tests: identifiers in every state that a record can say."""

from __future__ import annotations

from tests.support.commands import Node
from tests.support.registering import OTHER, identifier

FIRST = str(identifier("0001"))
SECOND = str(identifier("0002"))  # suspended
THIRD = str(identifier("0003"))  # retired
OTHERS = str(identifier("0001", OTHER))
URI = "https://a.example:8443"


def fill(node: Node) -> None:
    """Assign them."""
    facts = ("--endpoint", URI, "--bf16-gflops", "1.5", "--price", "3.50", "--currency", "CNY")
    for code in (FIRST, SECOND, THIRD, OTHERS):
        node.must("assign", code, *facts, "--price-unit", "hour", "--name", '甲, "乙"')
    node.must("assign", identifier("0004"), "--state", "reserved")
    node.must("assign", identifier("0005"), "--state", "filing", "--green-share", "0.25")
    node.must("suspend", SECOND, "--reason", "检修")
    node.must("retire", THIRD, "--successor", FIRST, "--reason", "到期")
