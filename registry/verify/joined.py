"""Whether the sync tables of a node that has joined a network say what its place there asks for:
its key, what may be done by that, and whom it follows.
"""

from __future__ import annotations

from typing import Final

from csid import names
from registry.tables import view
from registry.tables.enums import NodeRole
from registry.tables.network import CATALOG
from registry.tables.node_keys import own_keys
from registry.tables.view import View
from registry.verify.report import Fault, Report
from resolver.store.read import ReadTransaction
from resolver.sync import settings
from resolver.sync.settings import EVERYWHERE, Rights, Subject, Target, where

_KEYS: Final = settings.KEYS.decode("ascii")
_RIGHTS: Final = settings.RIGHTS.decode("ascii")
_FOLLOWS: Final = settings.FOLLOWS.decode("ascii")
_REMEDY: Final = "put right by: csid node use-key --root HOST:PORT of the national node"
_GIVE: Final = "put right by: csid node use-key, with the key that csid node key prints there"


def check(read: ReadTransaction, wanted: View, suffix: bytes, report: Report) -> None:
    """Look at them. No leaf has the secret of the key, so that is not compared.

    Args:
        wanted: the rows that follow from the log.
        suffix: of the deployment, in wire form.
    """
    root, place = view.get_root(wanted), view.get_place(wanted)
    if root is None or place is None:
        return
    report.exceptions.append(f"the secret of the key {root.key}: no leaf says it")
    key = names.from_text(root.key)
    row = settings.key_row(read, key)
    if row is None or row.node != place.name or row.until:
        reason = "was taken away" if row is None else "is not this node's for good"
        report.add(Fault(_KEYS, root.key, f"{reason}; it is the key of this node", None, _GIVE))
    own = (key, *(one for one in own_keys(read, place.name) if one != key))
    rights = settings.own_rights(read, EVERYWHERE) or Rights()
    for right, has in zip(rights._fields, rights, strict=True):
        # An aggregate is not updated by anybody.
        for one in own if right != "update" or place.role is not NodeRole.AGGREGATE else ():
            if Subject(key=one) not in has:
                what = f"{right} of all zones: {names.to_text(one)}"
                reason = "was taken away; the network knows this node by it"
                report.add(Fault(_RIGHTS, what, reason, None, _REMEDY))
    held = read.table(b"apexes")
    for label in ("", CATALOG):
        origin = bytes((len(label),)) + label.encode("ascii") + suffix if label else suffix
        apex = names.key_of(origin)
        follow = settings.follow_of(read, apex)
        primaries = () if follow is None else follow.primaries
        may_be = {Target(root.host, root.port, one) for one in own}
        if primaries[:1] != (Target(root.host, root.port, key),) or set(primaries) - may_be:
            reason = f"does not follow the national node {root.host}:{root.port} by {root.key}"
            report.add(Fault(_FOLLOWS, names.to_text(origin), reason, None, _REMEDY))
        if held.get(where(apex)) is None:
            reason = "is not held, though it is followed"
            report.add(Fault("apexes", names.to_text(origin), reason, None, _REMEDY))
