"""Zones so small that they are looked at and published in one transaction, many together."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, zip_longest
from typing import Final, NamedTuple

from csid import names
from csid.errors import CsidError, ZoneError
from registry.authority import Finding, Walk, extras_from
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.zones import places
from registry.zones.keeper import LEAVES_MAX, Begun, Keeper, has_written
from registry.zones.serials import Mode, choose
from resolver.store.apexes import split_zone_entry
from resolver.store.difference import is_same, serial_in
from resolver.store.journal import Journal
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction

Node = tuple[bytes, bytes]  # key below the apex, blob
Small = tuple[bytes, list[Node]]  # origin in wire form, nodes

LOADED: Final = "loaded"
UNCHANGED: Final = "unchanged"
REFUSED: Final = "refused"
DROPPED: Final = "dropped"
AGAIN: Final = "again"  # to be looked at again
SAID_MAX: Final = 10  # findings of one zone that are told


class Answer(NamedTuple):
    """What became of a zone: its serial, and what is to be said of it."""

    outcome: str
    serial: int
    said: list[str]


class Undone(CsidError):
    """The transaction must be undone for one zone's sake."""


def said(findings: Iterable[Finding]) -> list[str]:
    """The first findings in words, each with what to do."""
    return [one.advice for one in islice(findings, SAID_MAX)]


def serial_held(txn: places.Txn, origin: bytes) -> int | None:
    """The serial of the zone that is served; None if none is, or it is damaged."""
    generation = _generation(txn, names.key_of(origin))
    try:
        return serial_in(txn.table(b"tree").get(generation) or b"") if generation else None
    except (ValueError, IndexError):
        return None


def serial_used(txn: places.Txn, origin: bytes) -> int | None:
    """The serial that the zone that is served once went back from; None if there is none."""
    entry = txn.table(b"apexes").get(APEX_PREFIX + names.key_of(origin))
    if entry is None:
        return None
    return Journal(txn.table(b"journal"), split_zone_entry(entry).journal).used


def weigh(
    txn: places.Txn,
    named: Names,
    mode: Mode,
    now: int,
    since: int,
    origin: bytes,
    nodes: list[Node],
) -> tuple[Answer, Begun]:
    """What would become of a zone now, and what was found of it.

    Args:
        now: Unix seconds.
        since: leaves of the log; what the registry changed later is carried over.
        nodes: in key order.
    """
    apex = names.key_of(origin)
    begun = Begun(0, None)
    try:
        given = serial_in(nodes[0][1] if nodes else b"")
    except (ValueError, IndexError):
        return Answer(REFUSED, 0, ["has no SOA at its apex"]), begun
    if reason := places.followed(txn, apex):
        return Answer(REFUSED, 0, [reason]), begun
    territory = places.territory(txn, named, apex)
    if territory is not None:
        view = TransactionView(txn)
        since = min(since, view.leaves())
        walk = Walk(named, territory, since)
        extras = extras_from(apex, dict(nodes).get)
        if findings := said(walk.over(view, nodes, extras)):
            return Answer(REFUSED, 0, findings), begun
        begun = Begun(since, territory, walk.names, walk.digest)
    held = serial_held(txn, origin)
    differs = held is None or not _is_held(txn, apex, nodes)
    has_moved = has_written(txn, named, territory, since)
    serial = choose(mode, given, held, differs, has_moved, now, serial_used(txn, origin))
    if serial.fault:
        return Answer(REFUSED, 0, [serial.fault]), begun
    outcome = UNCHANGED if serial.is_unchanged else LOADED
    return Answer(outcome, serial.number, [serial.warning] if serial.warning else []), begun


def load(
    txn: WriteTransaction,
    keeper: Keeper,
    mode: Mode,
    since: int,
    origin: bytes,
    nodes: list[Node],
) -> Answer:
    """Look at a zone and publish it; AGAIN if too much was changed since for one transaction.

    Raises:
        Undone: it is refused after it was written.
    """
    answer, begun = weigh(txn, keeper.named, mode, keeper.now, since, origin, nodes)
    if begun.territory is not None and TransactionView(txn).leaves() - since > LEAVES_MAX:
        return Answer(AGAIN, 0, [])
    if answer.outcome == LOADED:
        try:
            txn.replace_zone(origin, nodes, answer.serial, keeper, begun)
        except (ZoneError, ValueError) as error:
            raise Undone(str(error)) from None
    return answer


def _generation(txn: places.Txn, apex: bytes) -> bytes:
    """The generation that is served for an apex; empty if there is none."""
    entry = txn.table(b"apexes").get(APEX_PREFIX + apex)
    return b"" if entry is None else split_zone_entry(entry).generation


def _is_held(txn: places.Txn, apex: bytes, nodes: list[Node]) -> bool:
    """Whether a zone is served with these records already, whatever its serial is."""
    generation = _generation(txn, apex)
    if not generation:
        return False
    held = txn.table(b"tree").scan(generation)
    for old, new in zip_longest(held, nodes):
        if old is None or new is None or old[0][len(generation) :] != new[0]:
            return False
        if not is_same(new[0], old[1], new[1]):
            return False
    return True
