"""Catalog zones as they are written (RFC 9432): a list of zones, in a zone.

    version.CATALOG             TXT  "2"
    LABEL.zones.CATALOG         PTR  the member zone; its label stands for its state
    group.LABEL.zones.CATALOG   TXT  how it is to be held, as the consumer knows the word
    coo.LABEL.zones.CATALOG     PTR  the catalog it is given over to

What else there is (properties nobody here knows, `ext`) is passed over. A catalog that is broken is
not processed, and what it said before goes on (section 5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import groupby
from typing import Final, NamedTuple

from csid import names
from csid.errors import ZoneError
from csid.protocol import NS, PTR, SOA, TXT
from resolver.store import node
from resolver.store.node import RRset
from resolver.sync.update.tentative import Zone

VERSION: Final = "2"
ZONES: Final = b"zones\0"  # keys below the apex of a catalog
_VERSION: Final = b"version\0"
_GROUP: Final = b"group\0"
_COO: Final = b"coo\0"
_TTL: Final = 0  # RFC 9432 section 4.1: not defined
_LABEL_OCTETS: Final = 10  # of the digest in a label
# A catalog is not asked by resolvers: nobody is its name server (section 4).
_INVALID: Final = names.from_text("invalid.")
_TIMERS: Final = (3600, 600, 2_147_483_646, 0)  # refresh, retry, expire, minimum in seconds

Get = Callable[[bytes], bytes | None]  # the node at a key below the apex


class Member(NamedTuple):
    """A member zone."""

    zone: bytes  # canonical key of its apex
    groups: tuple[str, ...] = ()  # group properties, sorted
    coo: bytes = b""  # canonical key of the catalog it is given over to; empty: none


def check_version(get: Get) -> None:
    """Whether this is a catalog that can be read.

    Raises:
        ZoneError: it is broken, or of another version (RFC 9432 section 4.2.1).
    """
    found = [_text(rdata) for rdata in _rdatas(get(_VERSION), TXT)]
    if found != [VERSION]:
        said = ", ".join(repr(one) for one in sorted(found)) or "none"
        raise ZoneError(
            "version", f"a catalog has one TXT record {VERSION!r} there; this one has {said}"
        )


def label_of(key: bytes) -> bytes:
    """The label of the member that a name is about (its key without the final 00), from a key below
    the apex; empty if it is about none.
    """
    if not key.startswith(ZONES):
        return b""
    return key[len(ZONES) :].partition(b"\0")[0]


def member_at(get: Get, label: bytes) -> Member | None:
    """The member under a label; None if there is none.

    Raises:
        ZoneError: what is there makes the catalog a broken one.
    """
    place = _place(label)
    return _member(label, get(place), get(place + _GROUP), get(place + _COO))


def members(nodes: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, Member]]:
    """(label, member) of all members, in key order.

    Args:
        nodes: (key below the apex, blob) of the names at and below `ZONES`, in key order.

    Raises:
        ZoneError: the catalog is broken.
    """
    for label, about in groupby(nodes, lambda one: label_of(one[0])):
        if not label:
            continue
        place = _place(label)
        blobs = {key[len(place) :]: blob for key, blob in about if key.count(b"\0") <= 3}
        member = _member(label, blobs.get(b""), blobs.get(_GROUP), blobs.get(_COO))
        if member is not None:
            yield label, member


def _member(
    label: bytes, blob: bytes | None, group: bytes | None, coo: bytes | None
) -> Member | None:
    zone = _only_name(label, "", blob)
    if zone is None:
        return None
    given = _only_name(label, "coo.", coo)
    groups = sorted({_text(rdata) for rdata in _rdatas(group, TXT)})
    return Member(zone, tuple(groups), b"" if given is None else given)


def _only_name(label: bytes, prefix: str, blob: bytes | None) -> bytes | None:
    """The key of the name that a PTR record gives; there may be one (sections 4.1 and 4.3.1)."""
    found = _rdatas(blob, PTR)
    if len(found) > 1:
        shown = names.to_text(names.wire_of_key(label + b"\0"))
        raise ZoneError(
            f"{prefix}{shown}zones", f"has {len(found)} PTR records; a member has one there"
        )
    return names.key_of(found[0]) if found else None


def _rdatas(blob: bytes | None, rrtype: int) -> list[bytes]:
    if blob is None:
        return []
    for found, (_, rdatas) in node.rrsets_of(blob):
        if found == rrtype:
            return list(rdatas)
    return []


def _text(rdata: bytes) -> str:
    """The strings of a TXT record put together: a property's value is the entire data."""
    parts, at = [], 0
    while at < len(rdata):
        parts.append(rdata[at + 1 : at + 1 + rdata[at]])
        at += 1 + rdata[at]
    return b"".join(parts).decode("utf-8", "backslashreplace")


# -- producing


def first_nodes(origin: bytes, serial: int = 1) -> dict[bytes, dict[int, RRset]]:
    """The RRsets of a catalog without members, by owner in wire form, for `store/build.py`."""
    soa = _INVALID * 2 + b"".join(one.to_bytes(4, "big") for one in (serial, *_TIMERS))
    return {
        origin: {SOA: RRset(_TTL, [soa]), NS: RRset(_TTL, [_INVALID])},
        b"\7version" + origin: {TXT: RRset(_TTL, [_strings(VERSION)])},
    }


def add(
    update: Zone,
    zone: bytes,
    groups: Iterable[str] | None = None,
    reset: bool = False,
    label: bytes | None = None,
) -> bytes:
    """List a zone, or give it other groups; returns the key of its label, without the final 00.

    A zone's label is made of its name, so that one that is taken out and put in again, or moved to
    another catalog, keeps its data at all consumers.

    Args:
        zone: canonical key of its apex.
        groups: group properties in place of those it has; None leaves them.
        reset: give it a new label, so that consumers take it as a new zone (section 5.4).
        label: the key of the one it has, of who knows it; else it is looked for among our own.
    """
    held = find(update, zone) if label is None else label
    if held is not None and reset:
        kept = update.rrsets(_place(held) + _GROUP)
        remove(update, zone, held)
        held = label_for(zone) + b"-%08x" % update.next_serial()
        if groups is None:
            update.set(_place(held) + _GROUP, kept)
    if held is None:
        held = label_for(zone)
    update.set(_place(held), {PTR: RRset(_TTL, [names.wire_of_key(zone)])})
    if groups is not None:
        values = [_strings(one) for one in sorted(set(groups))]
        update.set(_place(held) + _GROUP, {TXT: RRset(_TTL, values)} if values else {})
    return held


def remove(update: Zone, zone: bytes, label: bytes | None = None) -> bool:
    """List a zone (canonical key) no longer, nor what else is said of it; whether it was listed.
    ``label`` as `add` has it.
    """
    held = find(update, zone) if label is None else label
    if held is None:
        return False
    for key in [_place(held), *update.below(_place(held))]:
        update.set(key, {})
    return True


def give_over(update: Zone, zone: bytes, catalog: bytes | None, label: bytes | None = None) -> bool:
    """Say to which other catalog a zone goes (canonical keys), or with None that it stays; whether
    the zone is listed here (section 4.3.1). ``label`` as `add` has it.
    """
    held = find(update, zone) if label is None else label
    if held is None:
        return False
    wanted = {PTR: RRset(_TTL, [names.wire_of_key(catalog)])} if catalog is not None else {}
    update.set(_place(held) + _COO, wanted)
    return True


def find(update: Zone, zone: bytes) -> bytes | None:
    """The key of the label of ours that a zone (canonical key) is listed under, without the final
    00. In a catalog made elsewhere, labels are others: go through `members`.
    """
    for key in update.below(ZONES + label_for(zone)):
        label = label_of(key)
        member = member_at(update.blob, label)
        if member is not None and member.zone == zone:
            return label
    return None


def _place(label: bytes) -> bytes:
    return ZONES + label + b"\0"


def label_for(zone: bytes) -> bytes:
    """The label that we list a zone (canonical key) under."""
    return blake2b(zone, digest_size=_LABEL_OCTETS).hexdigest().encode()


def _strings(text: str) -> bytes:
    """A TXT record's data."""
    octets = text.encode()
    parts = [octets[at : at + 255] for at in range(0, len(octets), 255)] or [b""]
    return b"".join(bytes((len(part),)) + part for part in parts)
