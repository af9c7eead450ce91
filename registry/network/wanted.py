"""What a configuration wants of keys and zones between servers: plain values, handed on to the
writer (`registry.network.configured` has it done).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgpack

from csid import names
from resolver.sync.settings import Subject, Target

ALL: Final = "--all"


class Key(NamedTuple):
    """A key that is to be there."""

    name: bytes  # in wire form, lower case
    algorithm: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.name!r}, {self.algorithm})"


class Zone(NamedTuple):
    """What a zone is to be; None: as commands have it."""

    origin: bytes  # in wire form, lower case; empty: all zones without settings of their own
    primaries: tuple[Target, ...] | None = None
    zonemd: bool = True
    rights: tuple[tuple[Subject, ...] | None, ...] = (None, None, None)  # in the order of KINDS
    targets: tuple[Target, ...] | None = None


class Configured(NamedTuple):
    """All that a configuration says of keys and zones."""

    keys: tuple[Key, ...] = ()
    zones: tuple[Zone, ...] = ()


def packed(configured: Configured) -> bytes:
    """In octets, for `unpacked`; it has the secrets."""
    octets: bytes = msgpack.packb(configured)
    return octets


def unpacked(octets: bytes) -> Configured:
    """What `packed` has made; nothing for nothing."""
    if not octets:
        return Configured()
    keys, zones = msgpack.unpackb(octets, use_list=False)
    return Configured(tuple(Key(*one) for one in keys), tuple(_zone(*one) for one in zones))


def _zone(origin: bytes, primaries: Any, zonemd: bool, rights: Any, targets: Any) -> Zone:
    return Zone(
        origin,
        _each(Target, primaries),
        zonemd,
        tuple(_each(Subject, of) for of in rights),
        _each(Target, targets),
    )


def _each(kind: Any, rows: Any) -> Any:
    return None if rows is None else tuple(kind(*row) for row in rows)


def missing(before: Configured, now: Configured) -> Iterator[str]:
    """Keys and zones that were configured and are so no longer, in words."""
    keys, zones = {key.name for key in now.keys}, {zone.origin for zone in now.zones}
    yield from (f"key {names.to_text(key.name)}" for key in before.keys if key.name not in keys)
    yield from (f"zone {shown(zone.origin)}" for zone in before.zones if zone.origin not in zones)


def shown(origin: bytes) -> str:
    """A zone's name, for people."""
    return names.to_text(origin) if origin else ALL
