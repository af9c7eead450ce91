"""Finding identifiers in the store: by prefix, and one with all that is held for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from csid import names
from csid.errors import CsidError, IdentifierError, ZoneError
from csid.identifier import Identifier, fold, parse
from csid.protocol import CSID
from csid.record import Record, decode
from resolver.answer import lookup
from resolver.answer.lookup import Zone
from resolver.store import node
from resolver.store.environment import Settings
from resolver.store.node import RRset
from resolver.store.read import ReadTransaction


class Item(NamedTuple):
    """An identifier that is held, and its record."""

    identifier: Identifier
    record: Record


class Holding(NamedTuple):
    """All that the store holds for one identifier."""

    identifier: Identifier
    origin: bytes  # of its zone, wire form
    rrsets: dict[int, RRset]
    record: Record | None  # None if it has RRsets of other types alone


def prefix_key(text: str, settings: Settings) -> bytes:
    """The canonical key that the names of all identifiers under a prefix begin with.

    Args:
        text: the beginning of an identifier (`owner`, `owner/64`) or of a Handle, where the last
            segment may be cut anywhere; or a DNS name under the suffix, its labels whole; or empty.

    Raises:
        IdentifierError: the text is no such beginning.
        DomainNameError: the text has a dot and is no DNS name.
    """
    suffix = names.key_of(names.from_text(settings.suffix))
    folded = fold(text).removeprefix(settings.handle_authority.upper() + ".")
    if "." in folded and "/" not in folded:
        key = names.key_of(names.from_text(text.strip()))
        if not key.startswith(suffix):
            raise IdentifierError(
                "identifier", 0, f"{text!r} does not lie under the suffix {settings.suffix}"
            )
        return key
    segments = folded.split("/")
    if not folded.isascii() or "" in segments[:-1]:
        raise IdentifierError(
            "identifier", 0, f"{text!r} is no beginning of an identifier such as OWNER/INDUSTRY"
        )
    return suffix + "\0".join(segments).lower().encode("ascii")


def under(read: ReadTransaction, prefix: bytes, suffix: str) -> Iterator[Item]:
    """The identifiers whose key begins with `prefix`, zone by zone, in order within each."""
    apexes = [held.apex for held in read.zones(prefix)]
    enclosing = read.snapshot.zone_of(prefix[: prefix.rfind(b"\0") + 1])
    if enclosing is not None and enclosing.apex not in apexes:
        apexes.insert(0, enclosing.apex)
    for apex in apexes:
        yield from _of_zone(read, apex, prefix, suffix)


def _of_zone(read: ReadTransaction, apex: bytes, prefix: bytes, suffix: str) -> Iterator[Item]:
    held = read.zone(names.wire_of_key(apex))
    for key, blob in read.nodes(held.generation, prefix[len(apex) :]):
        at = node.find_entry(blob, CSID)
        if not at or blob[1]:
            continue
        zone = read.snapshot.zone_of(apex + key)
        if zone is None or zone.apex != apex:
            continue  # a deeper zone that is held here answers for the name
        name = names.to_text(names.wire_of_key(apex + key))
        try:
            identifier = parse(name, suffix=suffix)
            record = decode(node.first_rdata(node.records_at(blob, at)))
        except CsidError:
            continue  # a CSID record that was loaded at a name which is no identifier's
        yield Item(identifier, record)


def find(read: ReadTransaction, identifier: Identifier, suffix: str) -> Holding:
    """What is held for an identifier.

    Raises:
        ZoneError: nothing is, and why.
    """
    wire = identifier.to_wire(names.from_text(suffix.lower()))
    key = names.key_of(wire)
    zone = read.snapshot.zone_of(key)
    if zone is None:
        raise ZoneError(str(identifier), f"{names.to_text(wire)} lies in no zone that is held here")
    outcome, blob, depth = lookup.find(read.snapshot, zone, key)
    if outcome != lookup.EXACT or blob[2:] == b"":
        raise ZoneError(str(identifier), _why_absent(outcome, zone, key, depth))
    rrsets = dict(node.rrsets_of(blob))
    record = decode(rrsets[CSID].rdatas[0]) if CSID in rrsets else None
    return Holding(identifier, zone.wire, rrsets, record)


def _why_absent(outcome: int, zone: Zone, key: bytes, depth: int) -> str:
    if outcome in (lookup.DELEGATION, lookup.REDIRECT):
        labels = names.labels_of_key(key)[: zone.depth + depth]
        at = names.to_text(names.wire_of_key(b"".join(label + b"\0" for label in labels)))
        what = "delegated to other servers" if outcome == lookup.DELEGATION else "moved (DNAME)"
        return f"{at} is {what}; ask there"
    return f"is not held in the zone {names.to_text(zone.wire)}"
