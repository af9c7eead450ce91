"""Digests of this node's zones (ZONEMD, RFC 8976): made by who reads, put in by who writes."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from csid import names
from csid.errors import ZoneError
from csid.protocol import ZONEMD
from registry.zones import updates
from registry.zones.asked import Asked
from registry.zones.update_cases import Core
from resolver.store.build import next_serial
from resolver.store.difference import serial_in
from resolver.store.node import RRset
from resolver.store.read import ReadTransaction
from resolver.sync import zonemd
from resolver.sync.update.tentative import Zone


def made(read: ReadTransaction, origin: bytes, hashes: Collection[int]) -> tuple[int, RRset | None]:
    """The serial that a zone (wire form) will have with a digest, and that digest; None where no
    hash is asked for. Reads all of the zone.

    Raises:
        ZoneError: it is not held here.
    """
    zone = read.zone(origin)
    serial = next_serial(serial_in(read.tree(zone.generation).get(b"") or b""))
    if not hashes:
        return serial, None
    return serial, zonemd.make(zone.apex, read.nodes(zone.generation), hashes, serial)


def put(
    core: Core,
    asked: Asked,
    origin: bytes,
    serial: int,
    ttl: int,
    rdatas: Sequence[bytes],
) -> int:
    """Give a zone a digest in place of the one it has; returns its serial, 0 if the zone has
    changed since the digest was made.

    Args:
        origin: of the zone, in wire form.
        serial: that the digest is for.
        rdatas: the records; none takes the digest out.

    Raises:
        ZoneError: there is no such zone, or it follows another server.
    """
    is_late = False

    def work(zone: Zone) -> None:
        nonlocal is_late
        is_late = zone.next_serial() != serial
        if not is_late:
            rrsets = zone.rrsets(b"")
            rrsets.pop(ZONEMD, None)
            zone.set(b"", {**rrsets, **({ZONEMD: RRset(ttl, rdatas)} if rdatas else {})})

    given = updates.change(core, asked, origin, work, int(time.time()))
    return 0 if is_late else given


def verdict(read: ReadTransaction, origin: bytes) -> zonemd.Verdict:
    """What a zone's digest says of it; reads all of the zone if it has one.

    Raises:
        ZoneError: it is not held here.
    """
    zone = read.zone(origin)
    if read.tree(zone.generation).get(b"") is None:
        raise ZoneError(names.to_text(origin), "nothing of it is here yet")
    return zonemd.verify(zone.apex, read.nodes(zone.generation))
