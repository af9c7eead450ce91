"""Zones that follow other servers: begun, ended, asked for at once, by the writer of the node.

A zone that follows is its primary's. What the registry has assigned never lies in one: it is not
followed where identifiers lie, and nothing is assigned in it (`registry.tables.resolution`).
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Final

from csid import names
from csid.errors import ZoneError
from registry.core import Core
from registry.network.targets import checked_all
from registry.tables import codec
from registry.tables.enums import FILING_WORDS, UNDER_WAY
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.tables.view import get_cut_filing
from registry.zones import places
from registry.zones.asked import Asked
from resolver.server.bell import NOBODY, Bell
from resolver.store.apexes import EXPIRED, NOT_READY, SERVED, split_zone_entry
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction
from resolver.sync import states
from resolver.sync.settings import (
    FOLLOWS,
    Follow,
    catalog_of,
    follow_of,
    pack,
    where,
)

FOLLOW: Final = "zone.follow"
UNFOLLOW: Final = "zone.unfollow"
REFRESH: Final = "zone.refresh"


def follow(core: Core, args: Any) -> bool:
    """Let a zone follow its primaries in place of those that it had; returns whether it is new.

    Args:
        args: who asks (`Asked.told`), the origin in wire form, a sequence of `Target`, and whether
            a ZONEMD that is wrong keeps it from being taken (RFC 8976).

    Raises:
        ZoneError: it is this node's own, or identifiers lie in it.
        TargetError: a primary cannot be asked so.
    """
    asked, origin, rows, zonemd = args
    origin = origin.lower()
    Asked.of(asked, core.by)
    apex = names.key_of(origin)
    with core.store.write() as txn:
        primaries = checked_all(txn, rows)
        before = follow_of(txn, apex)
        _require_at_rest(core, txn, apex)
        if before is not None and before.catalog:
            catalog = names.to_text(names.wire_of_key(before.catalog))
            raise ZoneError(names.to_text(origin), f"is a member of the catalog {catalog}")
        if before is None:
            _begin(core, txn, origin, apex)
        since = int(time.time()) if before is None else before.since
        txn.table(FOLLOWS).put(where(apex), pack(Follow(primaries, since=since, zonemd=zonemd)))
        states.begin(txn, apex)
    ring(core, apex)
    return before is None


def _begin(core: Core, txn: WriteTransaction, origin: bytes, apex: bytes) -> None:
    if txn.table(b"apexes").get(APEX_PREFIX + apex) is not None:
        raise ZoneError(
            names.to_text(origin),
            "is held here as this node's own; drop it first with csid zone drop",
        )
    territory = places.territory(txn, Names(core.suffix), apex)
    if territory is not None:
        rows = territory.rows(TransactionView(txn), codec.ASSIGNMENTS)
        if next(rows, None) is not None:
            raise ZoneError(
                names.to_text(origin),
                "identifiers that this node has assigned lie in it; it cannot be another's",
            )
    txn.set_flags(origin, NOT_READY)


def unfollow(core: Core, args: Any) -> bool:
    """Let a zone follow nobody any more; returns whether it is held from now on.

    Args:
        args: who asks (`Asked.told`), the origin in wire form, whether its data is kept and served.

    Raises:
        ZoneError: it follows nobody, or its data may not be kept.
    """
    asked, origin, keep = args
    Asked.of(asked, core.by)
    origin = origin.lower()
    shown = names.to_text(origin)
    apex = names.key_of(origin)
    with core.store.write() as txn:
        before = follow_of(txn, apex)
        if before is None:
            raise ZoneError(shown, "follows no other server")
        _require_at_rest(core, txn, apex)
        if before.catalog:
            catalog = names.to_text(names.wire_of_key(before.catalog))
            raise ZoneError(shown, f"is a member of the catalog {catalog}, and goes with it")
        if catalog_of(txn, apex) is not None:
            raise ZoneError(shown, "is a catalog whose zones are held: csid zone catalog stop")
        txn.table(FOLLOWS).delete(where(apex))
        states.end(txn, apex)
        if not keep:
            with suppress(ZoneError):  # it is held no longer
                txn.drop_zone(origin)
            return False
        if places.territory(txn, Names(core.suffix), apex) is not None:
            raise ZoneError(
                shown,
                f"has names below {core.suffix}, where the registry is the authority: leave --keep "
                "out, and load what csid zone dump has written",
            )
        entry = txn.table(b"apexes").get(where(apex))
        flags = NOT_READY if entry is None else split_zone_entry(entry).flags
        if flags == NOT_READY:
            raise ZoneError(shown, "nothing of it is here yet that could be kept")
        if flags == EXPIRED:
            txn.set_flags(origin, SERVED)
    return True


def _require_at_rest(core: Core, txn: WriteTransaction, apex: bytes) -> None:
    """Refuse what would come between a cut and the node that it moves to.

    Raises:
        ZoneError: the zone is that of a cut that moves to this node, or from it.
    """
    suffix = names.key_of(names.from_text(core.suffix))
    if not apex.startswith(suffix) or apex == suffix:
        return
    cut = apex[len(suffix) : -1].replace(b"\0", b"/").decode("ascii", "replace").upper()
    filing = get_cut_filing(TransactionView(txn), cut) if cut.isascii() else None
    if filing is not None and filing.state in UNDER_WAY:
        word, zh = FILING_WORDS[filing.state]
        raise ZoneError(
            names.to_text(names.wire_of_key(apex)),
            f"is that of a cut that is {zh} {word} (node {filing.node}): csid filing status",
        )


def refresh(core: Core, args: Any) -> int:
    """Have a zone (origin in wire form, whether as a whole) looked at, at once; returns when it was
    last found good, in Unix seconds.

    Raises:
        ZoneError: it follows nobody.
    """
    origin, full = args
    apex = names.key_of(origin.lower())
    with core.store.write() as txn:
        state = states.state_of(txn, apex)
        if state is None or not states.ask(txn, apex, full):
            raise ZoneError(names.to_text(origin), "follows no other server")
    ring(core, apex)
    return state.refreshed


def ring(core: Core, apex: bytes) -> None:
    """Let the sync process look."""
    with suppress(OSError):
        bell = Bell(core.store.path)
        bell.ring(apex, None, NOBODY)
        bell.close()
