"""What the data directory says of itself and of its zones: settings, apexes, generations."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from csid import names
from csid.protocol import NS, SOA
from registry.verify.report import Fault, Report
from registry.verify.rows import text
from resolver.store import node
from resolver.store.apexes import GENERATION_OCTETS, split_zone_entry
from resolver.store.read import Held, ReadTransaction
from resolver.store.seek import APEX_PREFIX

META: Final = "meta"
APEXES: Final = "apexes"
DOOMED: Final = "doomed"
_LAST: Final = b"generation"
_ENTRY_OCTETS: Final = len(bytes(24))


def check(read: ReadTransaction, report: Report) -> list[Held]:
    """Look at the small tables of the store; gives the zones whose entries can be read."""
    last = int.from_bytes(read.table(b"meta").get(_LAST) or b"", "big")
    zones = list(_zones(read, report))
    doomed = set(_doomed(read, report))
    used: dict[bytes, str] = {}
    for held in zones:
        origin = names.to_text(held.origin)
        if held.generation in used:
            report.add(Fault(APEXES, origin, f"has the tree of {used[held.generation]}"))
        if held.generation in doomed:
            report.add(Fault(DOOMED, held.generation.hex(), f"is the tree of {origin}, in use"))
        used[held.generation] = origin
    for generation in {*used, *doomed, *_generations(read)}:
        if int.from_bytes(generation, "big") > last:
            reason = f"generation {generation.hex()} is in use, the last given out is {last:x}"
            report.add(Fault(META, _LAST.decode(), reason))
        if generation not in used and generation not in doomed:
            what = f"generation {generation.hex()}"
            report.add(Fault("tree", what, "has nodes, and no zone has it"))
    if doomed:
        report.exceptions.append(
            f"{len(doomed)} generations of the tree are being built or taken down: not compared"
        )
    return zones


def _zones(read: ReadTransaction, report: Report) -> Iterator[Held]:
    for key, value in read.table(b"apexes").scan(b""):
        try:
            if key[:1] != APEX_PREFIX or len(value) != _ENTRY_OCTETS:
                raise ValueError(f"an entry of {len(value)} octets")
            held = Held(key[1:], *split_zone_entry(value))
            if names.key_of(held.origin) != held.apex:
                raise ValueError("its key is that of no name")
            blob = read.table(b"tree").get(held.generation)
            types = dict(node.rrsets_of(blob or b""))
            if SOA not in types or NS not in types:
                raise ValueError("its tree has no apex with SOA and NS")
        except Exception as error:  # whatever damaged octets lead to
            report.add(Fault(APEXES, text(key), f"cannot be read: {error}"))
        else:
            yield held


def _doomed(read: ReadTransaction, report: Report) -> Iterator[bytes]:
    for key, value in read.table(b"doomed").scan(b""):
        if len(key) != GENERATION_OCTETS or value:
            report.add(Fault(DOOMED, key.hex(), f"is no generation: {value.hex()}"))
        else:
            yield key


def _generations(read: ReadTransaction) -> Iterator[bytes]:
    """The generations that have nodes, one look at each."""
    tree = read.table(b"tree")
    row = next(tree.scan(b""), None)
    while row is not None:
        generation = row[0][:GENERATION_OCTETS]
        yield generation
        following = int.from_bytes(generation, "big") + 1
        if len(generation) < GENERATION_OCTETS or following >> 8 * GENERATION_OCTETS:
            return
        row = next(tree.scan(b"", following.to_bytes(GENERATION_OCTETS, "big")), None)


def settings_of(read: ReadTransaction) -> list[tuple[str, bytes]]:
    """What a directory says of itself for ever, by name; of what is secret the digest."""
    return [
        (key.decode("ascii"), sha256(value).digest() if key == b"cookie-secret" else value)
        for key, value in read.table(b"meta").scan(b"")
        if key not in (_LAST, b"schema")
    ]
