"""The whole effective tree: every zone that is held, every name of it, against the rows that follow
from the log (`registry.authority`), and the zones against those that were loaded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Final

from csid import names
from registry import authority
from registry.authority import Finding, Territory, Walk, extras_in
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.rows import ZoneRow
from registry.tables.view import EMPTY, View
from registry.tables.zone_changes import NameChange
from registry.verify.report import Fault, Report
from registry.verify.rows import differences, leaf_of, reason_of
from resolver.store import pointers
from resolver.store.apexes import NOT_READY
from resolver.store.difference import serial_in
from resolver.store.extras import hosts_in
from resolver.store.read import Held, ReadTransaction
from resolver.store.table import Table
from resolver.sync.settings import follow_of

TREE: Final = "tree"
APEXES: Final = "apexes"
REBUILD: Final = "the registry's names are made anew by: csid zone rebuild"
NODES_PER_STEP: Final = 10_000  # between two words about progress

Each = Callable[[int], None]
Node = tuple[bytes, bytes]  # key below the apex, blob


def check(
    read: ReadTransaction,
    zones: Sequence[Held],
    wanted: View,
    suffix: str,
    leads: Table,
    report: Report,
    each: Each,
) -> None:
    """Judge all zones.

    Args:
        zones: those whose entries can be read.
        wanted: the rows that follow from the log.
        leads: empty, for the rows of `pointers` that follow from the nodes.
        each: called with how many nodes were looked at since the last call.
    """
    named = Names(suffix)
    told = {key.decode("ascii"): row for key, row in wanted.scan(codec.ZONES, b"")}
    apexes = [held.apex for held in zones]
    for held in zones:
        origin = names.to_text(held.origin)
        row = told.pop(origin, None)
        zone = None if row is None else codec.decode_zone(row)
        try:
            _judge(read, wanted, named, held, apexes, zone, leads, report, each)
        except Exception as error:  # whatever damaged octets lead to
            report.add(Fault(TREE, f"zone {origin}", f"cannot be read: {error!r}"))
        report.count("zones", 1)
    for origin, row in told.items():
        zone = codec.decode_zone(row)
        if zone.held:
            report.add(Fault(APEXES, origin, "the zone was loaded and is not held", zone.leaf))
        else:
            report.exceptions.append(f"zone {origin} was dropped on purpose (leaf {zone.leaf})")
    _homeless(wanted, named, apexes, told, report)


def _judge(
    read: ReadTransaction,
    wanted: View,
    named: Names,
    held: Held,
    apexes: Sequence[bytes],
    zone: ZoneRow | None,
    leads: Table,
    report: Report,
    each: Each,
) -> None:
    origin = names.to_text(held.origin)
    top = names.key_of(named.wire)
    follow = follow_of(read, held.apex)
    ours = follow is None and (held.apex.startswith(top) or top.startswith(held.apex))
    if follow is not None:
        named, wanted = Names(origin), EMPTY
        report.exceptions.append(
            f"zone {origin} is followed from {follow.servers}: its nodes were looked at, what it "
            "says is its primary's and was not compared"
        )
        if held.flags == NOT_READY:
            return
    elif not ours:  # only what answering relies on can be wrong with it
        named, wanted = Names(origin), EMPTY
        report.exceptions.append(
            f"zone {origin} lies outside {names.to_text(names.wire_of_key(top))} and is not the "
            "registry's: its nodes were looked at, what it says was not compared"
        )
    below = islice(apexes, bisect_left(apexes, held.apex), None)
    deeper = takewhile(lambda apex: apex.startswith(held.apex), below)
    loaded = wanted.get(codec.UPDATED, codec.loaded_key(origin)) if ours else None
    walk = Walk(named, Territory(named, held.apex, deeper), None, _updated(wanted, loaded))
    nodes = _noted(counted(read.nodes(held.generation), each, report), held, leads)
    extras = extras_in(read, held.apex, held.generation)
    for finding in walk.over(wanted, nodes, extras):
        if ours or finding.fault is authority.Fault.NODE:
            report.add(_fault(finding, wanted, loaded))
    if walk.wildcards != held.wildcards:
        reason = f"is said to have {held.wildcards} wildcards, has {walk.wildcards}"
        report.add(Fault(APEXES, origin, reason))
    if ours:
        _foreign(walk, held, top, zone, report)
        _serial(read, held, zone, report)
    pairs = differences(read.table(b"pointers").scan(held.generation), leads.scan(held.generation))
    for key, value, other in pairs:
        report.add(Fault("pointers", f"of {origin}, {key[8:].hex()}", reason_of(value, other)))


def _updated(wanted: View, loaded: bytes | None) -> Iterator[NameChange]:
    """What became of the names of a zone since it was loaded."""
    if loaded is not None:
        for key, value in wanted.scan(codec.UPDATED, loaded):
            before, after, _ = codec.fields(value)
            yield NameChange(key[len(loaded) :], before, after)


def _noted(nodes: Iterator[Node], held: Held, leads: Table) -> Iterator[Node]:
    """The nodes, while the hosts are noted that they lead to."""
    tail = held.origin  # in every node that names a host of this zone
    for key, blob in nodes:
        if tail in blob.lower():
            for host in hosts_in(held.apex, key, blob):
                leads.put(*pointers.row(held.generation, host, key))
        yield key, blob


def _foreign(walk: Walk, held: Held, top: bytes, zone: ZoneRow | None, report: Report) -> None:
    """The names of a zone that are not the registry's, against what was loaded."""
    origin = names.to_text(held.origin)
    if zone is None and len(held.apex) > len(top):
        report.add(Fault(APEXES, origin, "is held, and no leaf of the log says that it was loaded"))
    elif zone is None:
        report.exceptions.append(
            f"zone {origin}: no leaf says what it was made with; its {walk.names} names that are "
            "not the registry's were looked at, not compared"
        )
    elif not zone.held:
        report.add(Fault(APEXES, origin, "is held, but was dropped", zone.leaf))
    elif (walk.names, walk.digest) != (zone.names, zone.digest):
        reason = "names that are not the registry's are not those that were loaded"
        if walk.names != zone.names:
            reason += f": they are {walk.names}, not {zone.names}"
        report.add(Fault(TREE, f"zone {origin}", reason, zone.leaf))


def _serial(read: ReadTransaction, held: Held, zone: ZoneRow | None, report: Report) -> None:
    """The serial of a zone that was not changed since it was loaded, so that no journal says it."""
    if zone is None or read.table(b"journal").get(held.journal) is not None:
        return
    serial = serial_in(read.table(b"tree").get(held.generation) or b"")
    if serial != zone.serial:
        reason = f"has serial {serial}, was loaded with {zone.serial} and not changed since"
        report.add(Fault(TREE, f"zone {names.to_text(held.origin)}", reason, zone.leaf))


def _fault(finding: Finding, wanted: View, loaded: bytes | None) -> Fault:
    reason = finding.fault.value
    if finding.found:
        reason += f": {finding.found}"
    if finding.expected:
        reason += f"; expected: {finding.expected}"
    if finding.fault is authority.Fault.UPDATED and loaded is not None:
        row = wanted.get(codec.UPDATED, loaded + finding.key)
        leaf = None if row is None else codec.fields(row)[2]
        return Fault(TREE, finding.name, reason, leaf)
    row = wanted.get(codec.ASSIGNMENTS, finding.name.encode("utf-8"))
    return Fault(TREE, finding.name, reason, leaf_of(codec.ASSIGNMENTS, row), REBUILD)


def _homeless(
    wanted: View, named: Names, apexes: Sequence[bytes], dropped: Iterable[str], report: Report
) -> None:
    """Identifiers whose names lie in no zone that is held."""
    top = names.key_of(named.wire)
    if any(top.startswith(apex) for apex in apexes):
        return
    lost = sum(1 for _ in Territory(named, top, apexes).rows(wanted, codec.ASSIGNMENTS))
    if lost and any(dropped):
        report.exceptions.append(f"{lost:,} identifiers lie in zones that were dropped on purpose")
    elif lost:
        reason = f"{lost:,} identifiers lie in no zone that is held, and no leaf says that one went"
        report.add(Fault(APEXES, names.to_text(named.wire), reason))


def counted(nodes: Iterator[Node], each: Each, report: Report) -> Iterator[Node]:
    """The nodes, while `each` is told of their number."""
    count = total = 0
    for node in nodes:
        yield node
        count += 1
        if count == NODES_PER_STEP:
            each(count)
            total, count = total + count, 0
    each(count)
    report.count("names", total + count)
