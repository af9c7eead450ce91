"""What keeps a zone file from undoing assignments: a zone is replaced as a whole, registered names
and all, so the file must have them as the registry says. A dump that was edited has.
"""

from __future__ import annotations

from collections.abc import Callable

from csid import names
from csid.protocol import CNAME, CSID
from registry.rules.draft import tree_change
from registry.tables import codec
from registry.tables.changes import TreeKind
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from resolver.store.build import ZoneData
from resolver.store.environment import Store


def zone_guard(store: Store) -> Callable[[bytes, ZoneData], str]:
    """For `resolver.zonefile.load.load`: says why a zone (origin in wire form, data) may not be
    loaded, or nothing.
    """
    named = Names(store.settings().suffix)

    def guard(origin: bytes, data: ZoneData) -> str:
        prefix = _identifiers_below(named.wire, origin)
        if prefix is None:
            return ""
        with store.read() as read:
            for key, value in TransactionView(read).scan(codec.ASSIGNMENTS, prefix):
                name = key.decode("ascii")
                zone = read.snapshot.zone_of(named.key(name))
                if zone is None or zone.wire != origin:
                    continue
                change = tree_change(name, codec.decode_assignment(value))
                rrsets = data.get(named.target(name), {})
                if change.kind is TreeKind.ALIAS:
                    same = CNAME in rrsets
                else:
                    same = CSID in rrsets and rrsets[CSID].rdatas[0] == change.record
                if not same:
                    return (
                        f"would take {name} away or change it, which only the registry may; begin "
                        f"with: csid zone dump {names.to_text(origin)}"
                    )
        return ""

    return guard


def _identifiers_below(suffix: bytes, origin: bytes) -> bytes | None:
    """How identifiers below an origin begin; None if there can be none."""
    top, apex = names.key_of(suffix), names.key_of(origin)
    if top.startswith(apex):
        return b""
    if not apex.startswith(top):
        return None
    return apex[len(top) :].replace(b"\0", b"/").upper()
