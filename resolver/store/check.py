"""Whether the store agrees with itself: what is worked out from other data is what it should be.

The records of a node are taken as they are. Its flags and cover, the nodes of empty non-terminals,
additional records, pointers and the count of wildcards follow from them; journals have checksums.
What is wrong here is put right by building the zone anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from csid import names
from csid.errors import StoreError
from resolver.store import node, parted, pointers
from resolver.store.apexes import GENERATION_OCTETS
from resolver.store.covers import own_cover, parent
from resolver.store.extras import extras_of, hosts_in, is_wildcard
from resolver.store.read import Held, ReadTransaction
from resolver.store.tree import Surroundings


def faults(read: ReadTransaction) -> Iterator[str]:
    """What does not agree in a store at one moment, one line each.

    Takes as long as reading all of it, and memory for one name at a time.
    """
    generations = set()
    journals = set()
    for generation, journal in read.table(b"doomed").scan(b""):
        generations.add(generation)
        journals.add(journal)
    for parted_zone in parted.entries(read):
        generations.add(parted_zone.generation)
        journals.add(parted_zone.journal)
    try:
        for zone in read.zones():
            generations.add(zone.generation)
            journals.add(zone.journal)
            yield from _of_nodes(read, zone)
            yield from _of_pointers(read, zone)
            for fault in read.journal(zone).check():
                yield f"{names.to_text(zone.origin)}: {fault}"
    except StoreError as error:
        yield str(error)
    for name, owners in (("tree", generations), ("pointers", generations), ("journal", journals)):
        for key, _ in read.table(name.encode()).scan(b""):
            if key[:GENERATION_OCTETS] not in owners:
                yield f"{name}: the row {key.hex()} belongs to no zone"
                break


def _of_nodes(read: ReadTransaction, zone: Held) -> Iterator[str]:
    zone_around = Surroundings(read.tree(zone.generation), len(zone.apex))
    covering, cover = b"", 0  # the topmost name that hides those we come through
    above: list[bytes] = []  # the names above, topmost first
    empty = b""  # the last name, if nothing stands at it
    wildcards = 0
    for key, blob in read.nodes(zone.generation):
        wildcards += is_wildcard(key)
        if empty and not key.startswith(empty):
            yield f"{_text(zone, empty)}: has a node that is for nothing"
        while above and not key.startswith(above[-1]):
            above.pop()
        if (above[-1] if above else None) != (parent(key) if key else None):
            yield f"{_text(zone, key)}: the name above has no node"
        above.append(key)
        try:
            rrsets = dict(node.rrsets_of(blob))
            if cover and not key.startswith(covering):
                cover = 0
            if not cover and (cover := own_cover(key, node.flags_of(rrsets))):
                covering = key
            extras = extras_of(zone.apex, zone.apex + key, rrsets, zone_around)
            is_right = blob == node.encode(rrsets, cover, extras)
        except (ValueError, IndexError, LookupError, struct.error):
            is_right = False
        if not is_right:
            yield f"{_text(zone, key)}: its node is not what follows from the records of the zone"
        empty = key if len(blob) == len(node.EMPTY) else b""
    if empty:
        yield f"{_text(zone, empty)}: has a node that is for nothing"
    if wildcards != zone.wildcards:
        yield f"{_text(zone, b'')}: has {wildcards} wildcards, its entry says {zone.wildcards}"


def _of_pointers(read: ReadTransaction, zone: Held) -> Iterator[str]:
    """Every row is that of a name and a host it leads to, and there are as many as there should."""
    tree = read.tree(zone.generation)
    rows = 0
    for stored in read.table(b"pointers").scan(zone.generation):
        rows += 1
        host, owner = pointers.split(stored[1])
        blob = tree.get(owner) or b""
        if stored != pointers.row(zone.generation, host, owner) or (
            host not in hosts_in(zone.apex, owner, blob)
        ):
            yield f"{_text(zone, b'')}: none of its names has the pointer {stored[0].hex()}"
    led = sum(len(hosts_in(zone.apex, key, blob)) for key, blob in read.nodes(zone.generation))
    if rows != led:
        yield f"{_text(zone, b'')}: has {rows} pointers, its names lead to {led} hosts"


def _text(zone: Held, key: bytes) -> str:
    return names.to_text(names.wire_of_key(zone.apex + key))
