"""Nodes of a network for the tests: a region node, and the root zone of the national one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from csid import names
from registry import deployment
from registry.core import Core
from registry.network import joining
from registry.network.joining import Key, Membership
from registry.rules.requests import Body
from registry.rules.status import Status
from registry.service import Registry
from registry.tables.enums import NodeRole
from registry.writer.threads import Writer
from tests.support.books import ORIGIN, OWNERS, SUFFIX, accredit, ask

ROOT = ("127.0.0.1", 5300)
KEY = Key(names.from_text("zhejiang-1."), "hmac-sha256", bytes(range(32)))
REGION = Membership(NodeRole.REGION, "zhejiang", ("33",), ROOT, KEY, True)


def joined(path: Path, of: Membership = REGION, sync: bool = False) -> Registry:
    """A new node with the two providers of `tests.support.books`, open for writing."""
    joining.create(path, SUFFIX, "0.EXAMPLE", of, 1 << 30)
    registry = Registry.open(path, writable=True, sync=sync)
    if of.registers:
        accredit(registry, *OWNERS)
    return registry


def core_of(registry: Registry) -> Core:
    """What the writer in this process works on."""
    assert isinstance(registry.writer, Writer)
    return registry.writer._core


def national(path: Path, bodies: Sequence[Body]) -> list[tuple[bytes, bytes]]:
    """The nodes of the root zone of a national node that was asked these things."""
    deployment.create(path, SUFFIX, "0.EXAMPLE", map_octets=1 << 30, national=True)
    with Registry.open(path, writable=True, sync=False) as registry:
        accredit(registry, *OWNERS)
        for body in bodies:
            decision = ask(registry, body)
            assert decision.status is Status.DONE, decision
        with registry.store.read() as read:
            return list(read.nodes(read.zone(ORIGIN).generation))


def follow_root(registry: Registry, nodes: Sequence[tuple[bytes, bytes]]) -> None:
    """Let a node have this copy of the root zone, as a transfer would bring it."""

    with registry.store.write() as txn:
        txn.replace_zone(ORIGIN, nodes)
