"""Leaves about the node itself: how it began, what was carried over, its zones, its key."""

from __future__ import annotations

from registry.replay.effect import Effect, ReplayFault, Step, require
from registry.tables import codec, zone_changes
from registry.tables.carried import rows_of
from registry.tables.changes import Row
from registry.tables.rows import NO_LEAF


def begun(step: Step) -> Effect:
    """What the directory is for: no row, whoever verifies compares it with the directory."""
    return Effect((), after=step.entry.after)


def key_set(step: Step) -> Effect:
    """A key that signs the log from here on: `after` is its row."""
    entry = step.entry
    before = step.view.get(codec.SETTINGS, codec.AUDIT_KEY)
    prev = NO_LEAF if before is None else codec.fields(before)[1]
    note, _, _ = codec.fields(entry.after)
    row = codec.encode((note, step.leaf, entry.time))
    return Effect(((codec.SETTINGS, codec.AUDIT_KEY, row),), after=row, prev=prev)


def zone_changed(step: Step) -> Effect:
    """A zone that was loaded or dropped: `after` is its row, the serial that of the zone."""
    entry = step.entry
    key = entry.on.encode("ascii")
    before = step.view.get(codec.ZONES, key)
    prev = NO_LEAF if before is None else codec.decode_zone(before).leaf
    zone = codec.decode_zone(entry.after)
    row = codec.encode(zone._replace(leaf=step.leaf))
    require(zone.held == (entry.kind == "zone.load"), f"{entry.kind} that leaves held {zone.held}")
    require(entry.serial in ((), (zone.serial,)), f"serial {entry.serial}, not {zone.serial}")
    rows = ((codec.ZONES, key, row), (codec.UPDATED, codec.loaded_key(entry.on), _leaf(step.leaf)))
    return Effect(rows, after=row, prev=prev, serials=len(entry.serial))


def zone_updated(step: Step) -> Effect:
    """Names of a zone that were updated: `after` is what they had and have. The row of the zone, if
    it has one, goes on to say what it was loaded with.
    """
    entry = step.entry
    require(len(entry.serial) == 1, f"{len(entry.serial)} serials, not 1")
    key = entry.on.encode("ascii")
    loaded = step.view.get(codec.UPDATED, codec.loaded_key(entry.on))
    rows: list[Row] = []
    if loaded is None:  # no leaf says how it came here
        loaded = _leaf(step.leaf)
        rows.append((codec.UPDATED, codec.loaded_key(entry.on), loaded))
    changes = zone_changes.changes_of(entry.after)
    for name, before, after in changes:
        known = step.view.get(codec.UPDATED, loaded + name)
        first, last = (before, before) if known is None else codec.fields(known)[:2]
        require(last == before, f"{name.hex()} had other records than the leaf before it says")
        rows.append((codec.UPDATED, loaded + name, codec.encode((first, after, step.leaf))))
    prev = NO_LEAF
    if (row := step.view.get(codec.ZONES, key)) is not None:
        zone = codec.decode_zone(row)
        require(zone.held, "the zone was dropped")
        prev = zone.leaf
        zone = zone._replace(serial=entry.serial[0], leaf=step.leaf)
        rows.append((codec.ZONES, key, codec.encode(zone)))
    return Effect(rows, after=zone_changes.pack(changes), prev=prev, serials=1)


def _leaf(index: int) -> bytes:
    return index.to_bytes(8, "big")


def carried(step: Step) -> Effect:
    """Rows that hold from now on: for what leaves of version 1 did not say, and for what an older
    copy of the directory lacks.
    """
    try:
        rows = rows_of(step.entry.after)
    except ValueError as error:
        raise ReplayFault(str(error)) from None
    return Effect(rows, after=step.entry.after, prev=step.entry.prev, to=step.entry.to)
