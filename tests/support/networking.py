"""A national node in memory for the tests: its register of nodes, and two accredited owners."""

from __future__ import annotations

from registry.deployment import BEGIN
from registry.rules.case import entry_writer
from registry.rules.requests import Actor, AddNode, FileCut, Role, Server
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.enums import NodeRole
from registry.tables.log_entry import decode
from registry.tables.naming import Names
from registry.tables.rows import NO_LEAF, Place
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER, Book, book

SUFFIX = "csid.internal."
NAMED = Names(SUFFIX)
CUT = f"{OWNER}/6450/330106"
BEIJING_CUT = f"{OTHER}/6450/110105"
ZHEJIANG = AddNode("zhejiang", "region", ("33",), ("127.0.0.3:5300", "[::1]:5300"), "noc")
BEIJING = AddNode("beijing", "region", ("11",), ("127.0.0.4:5300",))
GRID = AddNode("grid", "industry", ("64",), ("127.0.0.5:5300",))
ANYWHERE = AddNode("anywhere", "region", (), ("127.0.0.6:5300",))
AGGREGATE = AddNode("sum", "aggregate", (), ("127.0.0.2:5300",))


def national(*nodes: AddNode) -> Book:
    """The registry of a national node with these nodes."""
    new = book()
    row = codec.encode(Place(NodeRole.NATIONAL, "", new.view.leaves(), new.now, SUFFIX))
    leaf = entry_writer(ADMINISTRATOR, BEGIN, new.now, "").entry(
        SUFFIX, row, NO_LEAF, "", Status.DONE.number
    )
    new.view.put(codec.SETTINGS, codec.PLACE_KEY, row)
    new.leaves.append(leaf)
    new.log.append(decode(leaf))
    new.view.set_leaves(len(new.leaves))
    for node in nodes:
        new.must(node)
    return new


def filing(cut: str, node: str = "zhejiang", *servers: Server) -> FileCut:
    """The filing of a cut."""
    return FileCut(cut, node, servers)


def acting(node: str) -> Actor:
    """A node of the network."""
    return Actor(node, Role.NODE, node)
