"""Whether the sync tables say what follows from the register of nodes, and no more of nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from csid import names
from registry.tables import granted, network
from registry.tables.naming import Names
from registry.tables.node_keys import SECRET
from registry.tables.view import View
from registry.verify import joined
from registry.verify.report import Fault, Report
from resolver.store.read import ReadTransaction
from resolver.sync import settings
from resolver.sync.settings import Subject, Target

SYNC: Final = "sync"
_KEYS: Final = settings.KEYS.decode("ascii")
_RIGHTS: Final = settings.RIGHTS.decode("ascii")
_TARGETS: Final = settings.TARGETS.decode("ascii")
_REMEDY: Final = "made anew by the next change of a node, such as csid node rekey"


def check(read: ReadTransaction, wanted: View, suffix: str, report: Report) -> None:
    """Compare keys, rights and targets of nodes, both ways. What others have is not compared.

    Args:
        wanted: the rows that follow from the log.
    """
    if not network.is_national(wanted):
        joined.check(read, wanted, names.from_text(suffix), report)
        return
    held = dict(granted.held_keys(read))
    secret = read.table(b"meta").get(SECRET) or b""
    said = granted.granted(wanted, Names(suffix), secret)
    for name in sorted({*held, *said.keys}):
        if held.get(name) != said.keys.get(name):
            _differs(report, _KEYS, names.to_text(name), name in held, name in said.keys)
    own = {*held, *said.keys}
    if not said.keys and not held:
        return
    for apex, rights in said.rights.items():
        origin = names.to_text(names.wire_of_key(apex))
        found = settings.rights_of(read, apex)
        for right, has, should in zip(found._fields, found, rights, strict=True):
            _compare(report, _RIGHTS, f"{right} of {origin}", has, should, own)
        targets = settings.targets_of(read, apex)
        _compare(report, _TARGETS, f"of {origin}", targets, said.targets, own)


def _compare(
    report: Report,
    table: str,
    what: str,
    held: Iterable[Subject | Target],
    wanted: Iterable[Subject | Target],
    keys: set[bytes],
) -> None:
    has, should = {one for one in held if one.key in keys}, set(wanted)
    for one in sorted(has ^ should, key=repr):
        _differs(report, table, f"{what}: {names.to_text(one.key)}", one in has, one in should)


def _differs(report: Report, table: str, what: str, is_there: bool, is_wanted: bool) -> None:
    if is_there and is_wanted:
        reason = "is not what follows from the register of nodes"
    elif is_there:
        reason = "is there, and no node of the register has it"
    else:
        reason = "was taken away; a node of the register has it"
    report.add(Fault(table, what, reason, None, _REMEDY))
