"""What the data directory says of itself and of its zones: settings, apexes, generations, journals
and pointers.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from csid import names
from csid.protocol import NS, SOA
from registry.tables import codec, log_entry
from registry.tables.node_keys import SECRET
from registry.tables.rollback import RESTORED
from registry.verify.report import Fault, Report
from registry.verify.rows import reason_of, text
from resolver.store import node, parted
from resolver.store.apexes import GENERATION_OCTETS, NOT_READY, split_zone_entry
from resolver.store.difference import serial_in
from resolver.store.journal import Journal
from resolver.store.read import Held, ReadTransaction
from resolver.store.seek import APEX_PREFIX

META: Final = "meta"
APEXES: Final = "apexes"
DOOMED: Final = "doomed"
JOURNAL: Final = "journal"
LAST: Final = b"generation"
_SECRET: Final = b"cookie-secret"
# As the leaf has them; the last only where the directory has it.
_SETTINGS: Final = (b"suffix", b"handle", _SECRET, b"node", b"created", SECRET)
# Judged by whoever opens it, and here apart; the last goes when somebody says how to go on.
_PASSING: Final = (b"kind", b"schema", LAST, RESTORED)


def check(read: ReadTransaction, report: Report) -> list[Held]:
    """Look at the small tables of the store; gives the zones whose entries can be read."""
    zones = list(_zones(read, report))
    doomed = dict(_doomed(read, report))
    kept = dict(_parted(read, report))
    others = doomed | kept
    _generations(read, zones, set(others), report)
    _journals(read, zones, {value for value in others.values() if value}, report)
    if kept:
        report.exceptions.append(
            f"{len(kept)} zones that catalogs listed are kept for their return: not compared"
        )
    if doomed:
        report.exceptions.append(
            f"{len(doomed)} generations of the tree are being built or taken down: not compared"
        )
    return zones


def check_settings(read: ReadTransaction, begun: bytes | None, report: Report) -> None:
    """Compare what the directory says of itself with the last leaf that says it.

    Args:
        begun: that leaf; None if there is none.
    """
    if begun is None:
        report.exceptions.append(
            "no leaf says what the data directory is for: its settings were not compared"
        )
        return
    said = _said(begun)
    held = {key: value for key, value in read.table(b"meta").scan(b"") if key not in _PASSING}
    for secret in (_SECRET, SECRET):
        if secret in held:
            held[secret] = sha256(held[secret]).digest()
    for name in sorted({*said, *held}):
        if said.get(name) != held.get(name):
            report.add(Fault(META, text(name), reason_of(held.get(name), said.get(name))))


def _said(begun: bytes) -> dict[bytes, bytes]:
    """What a directory says of itself for ever; of what is secret the digest."""
    values: tuple[str | bytes, ...] = codec.fields(log_entry.decode(begun).after)
    octets = (value.encode() if isinstance(value, str) else value for value in values)
    return dict(zip(_SETTINGS, octets, strict=len(values) >= len(_SETTINGS)))


def _zones(read: ReadTransaction, report: Report) -> Iterator[Held]:
    for key, value in read.table(b"apexes").scan(b""):
        try:
            held = Held(key[1:], *split_zone_entry(value))
            if key[:1] != APEX_PREFIX or names.key_of(held.origin) != held.apex:
                raise ValueError("its key is that of no name")
            if held.flags != NOT_READY:
                apex = read.table(b"tree").get(held.generation) or b""
                types = dict(node.rrsets_of(apex))
                if SOA not in types or NS not in types:
                    raise ValueError("its tree has no apex with SOA and NS")
                serial_in(apex)
            elif next(read.nodes(held.generation), None):
                raise ValueError("it is not there yet, by its flags, and has nodes")
        except Exception as error:  # whatever damaged octets lead to
            report.add(Fault(APEXES, text(key), f"cannot be read: {error}"))
        else:
            yield held


def _doomed(read: ReadTransaction, report: Report) -> Iterator[tuple[bytes, bytes]]:
    for key, value in read.table(b"doomed").scan(b""):
        if len(key) != GENERATION_OCTETS or len(value) not in (0, GENERATION_OCTETS):
            report.add(Fault(DOOMED, key.hex(), f"is no generation: {value.hex()}"))
        else:
            yield key, value


def _parted(read: ReadTransaction, report: Report) -> Iterator[tuple[bytes, bytes]]:
    """Generation and journal of the zones that are kept and not served."""
    try:
        for entry in parted.entries(read):
            yield entry.generation, entry.journal
    except (LookupError, TypeError, ValueError) as error:
        report.add(Fault(text(parted.PARTED), "a zone that is kept", f"is damaged: {error}"))


def _generations(
    read: ReadTransaction, zones: list[Held], doomed: set[bytes], report: Report
) -> None:
    """Each tree and its pointers belong to one zone, or are doomed, and were given out."""
    value = read.table(b"meta").get(LAST) or b""
    last = int.from_bytes(value, "big")
    if len(value) != GENERATION_OCTETS:
        report.add(Fault(META, text(LAST), f"is no generation: {value.hex()}"))
    used: dict[bytes, str] = {}
    for held in zones:
        origin = names.to_text(held.origin)
        if held.generation in used:
            report.add(Fault(APEXES, origin, f"has the tree of {used[held.generation]}"))
        if held.generation in doomed:
            report.add(Fault(DOOMED, held.generation.hex(), f"is the tree of {origin}, in use"))
        used[held.generation] = origin
    present = {
        table: set(_first_octets(read, table.encode("ascii"))) for table in ("tree", "pointers")
    }
    for table, generations in present.items():
        for one in sorted(generations - doomed - used.keys()):
            what = f"generation {one.hex()}"
            report.add(Fault(table, what, "is there, and no zone has it"))
    known = sorted({*used, *doomed, *(held.journal for held in zones)}.union(*present.values()))
    for one in known:
        if int.from_bytes(one, "big") > last:
            reason = f"generation {one.hex()} is in use, the last given out is {last:x}"
            report.add(Fault(META, text(LAST), reason))
    if known and int.from_bytes(known[-1], "big") < last:
        report.exceptions.append(
            f"generations up to {last:x} were given out, of which {known[-1].hex()} is the last "
            "that is in use: whether there were others behind it was not compared"
        )


def _first_octets(read: ReadTransaction, table: bytes) -> Iterator[bytes]:
    """The first 8 octets of the keys of a table, each once."""
    held = read.table(table)
    row = next(held.scan(b""), None)
    while row is not None:
        first = row[0][:GENERATION_OCTETS]
        yield first
        following = int.from_bytes(first.ljust(GENERATION_OCTETS, b"\0"), "big") + 1
        if following >> 8 * GENERATION_OCTETS:
            return
        row = next(held.scan(b"", following.to_bytes(GENERATION_OCTETS, "big")), None)


def _journals(read: ReadTransaction, zones: list[Held], doomed: set[bytes], report: Report) -> None:
    """Each journal is whole, belongs to one zone, and leads to the serial that the zone has."""
    used: dict[bytes, str] = {}
    filled = 0
    for held in zones:
        origin = names.to_text(held.origin)
        if held.journal in used or held.journal in doomed:
            other = used.get(held.journal, "a zone that was dropped")
            report.add(Fault(APEXES, origin, f"has the journal of {other}"))
        used[held.journal] = origin
        journal = read.journal(held)
        for reason in _faults(journal):
            report.add(Fault(JOURNAL, f"of {origin}", reason))
        step = next(journal.steps(), None)
        if (
            held.journal != held.generation
            and read.table(JOURNAL.encode()).get(held.journal) is None
        ):
            report.exceptions.append(
                f"zone {origin}: journal {held.journal.hex()} is empty; whether it is the zone's "
                "was not compared"
            )
        apex = read.table(b"tree").get(held.generation)
        serial = None if apex is None else serial_in(apex)  # it is not there yet
        if step is not None and step.after != serial:
            reason = f"leads to serial {step.after}, the zone has {serial}"
            report.add(Fault(JOURNAL, f"of {origin}", reason))
        filled += step is not None
        report.count("journals", 1)
    if filled:
        report.exceptions.append(
            f"what {filled} journals say of earlier serials of their zones was compared with its "
            "sums and with the serials of today, not with the log"
        )
    for one in _first_octets(read, b"journal"):
        if one not in used and one not in doomed:
            report.add(Fault(JOURNAL, one.hex(), "is there, and no zone has it"))


def _faults(journal: Journal) -> list[str]:
    try:
        return journal.check()
    except Exception as error:  # whatever damaged octets lead to
        return [f"cannot be read: {error}"]
