"""A registry in a data directory for the tests: one zone, two accredited providers."""

from __future__ import annotations

from pathlib import Path

from csid import names
from csid.identifier import parse
from csid.protocol import CSID, SOA
from csid.record import Record, decode
from registry import deployment
from registry.rules.decision import Decision
from registry.rules.participants import Judgement
from registry.rules.requests import Actor, AddOwner, Body, JudgeOwner, Request
from registry.rules.status import Status
from registry.service import Registry
from registry.tables.enums import Kind
from resolver.answer import lookup
from resolver.store import node
from resolver.store.build import serial_of
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER

SUFFIX = "csid.internal."
ORIGIN = names.from_text(SUFFIX)
OWNERS = (OWNER, OTHER)


def create(path: Path, map_octets: int = 1 << 30) -> Path:
    """A data directory as `csid init` makes it."""
    deployment.create(path, SUFFIX, "0.EXAMPLE", map_octets=map_octets)
    return path


def accredit(registry: Registry, *owners: str) -> None:
    """Register and accredit resource providers."""
    bodies: list[Body] = []
    for code in owners:
        bodies.append(AddOwner(code, (Kind.RESOURCE_PROVIDER,), f"主体 {code}", "noc@example.cn"))
        bodies.append(JudgeOwner(code, Judgement.ACCREDIT))
    for decision in registry.submit_all([Request(ADMINISTRATOR, body) for body in bodies]):
        assert decision.status.success, decision


def opened(path: Path, map_octets: int = 1 << 30, sync: bool = False) -> Registry:
    """A new directory with the two providers, open for writing."""
    registry = Registry.open(create(path, map_octets), writable=True, sync=sync)
    accredit(registry, *OWNERS)
    return registry


def ask(registry: Registry, body: Body, actor: Actor = ADMINISTRATOR, key: str = "") -> Decision:
    """One request."""
    return registry.submit(Request(actor, body, "test", key))


def status(registry: Registry, body: Body) -> Status:
    """One request; the status alone."""
    return ask(registry, body).status


def node_of(registry: Registry, name: str) -> tuple[int, bytes]:
    """What a look-up of an identifier's name comes to: the outcome and the blob."""
    key = names.key_of(parse(name).to_wire(ORIGIN))
    with registry.store.snapshot() as snapshot:
        found = snapshot.zone_of(key)
        assert found is not None
        outcome, blob, _ = lookup.find(snapshot, found, key)
        return outcome, blob


def resolved(registry: Registry, name: str) -> Record | None:
    """The record that an identifier resolves to, None if it does not."""
    outcome, blob = node_of(registry, name)
    rrsets = dict(node.rrsets_of(blob)) if outcome == lookup.EXACT else {}
    return decode(rrsets[CSID].rdatas[0]) if CSID in rrsets else None


def serial(registry: Registry) -> int:
    """The serial of the zone."""
    with registry.store.read() as read:
        blob = dict(read.nodes(read.zone(ORIGIN).generation))[b""]
        return serial_of(dict(node.rrsets_of(blob))[SOA])
