"""What is to be done next with the cuts that move to a node or from it, by what its copy of the
root zone says and by how far it is (ADR 14): read here, done in `handover.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from registry.network import handover_units as units
from registry.sync.duties import copies
from registry.sync.hooks import Unit
from registry.tables import codec, network, view
from registry.tables.enums import FILING_WORDS, UNDER_WAY, FilingState
from registry.tables.naming import Names
from registry.tables.resolution import is_own
from registry.tables.rows import CutFiling
from registry.tables.transaction import TransactionView
from registry.zones import moving, others
from registry.zones.moving import Seen
from resolver.store.read import ReadTransaction

# After the switch the old node is a secondary for so long: what others have been told of the
# delegation has passed, also by way of a secondary of the root zone that was late.
PART_SECONDS: Final = 2 * network.TTL
# What no writer is needed for.
ASK: Final = "ask"  # have a copy looked at
WEIGH: Final = "weigh"  # look whether a cut could be taken
CHECK: Final = "check"  # look through a copy

Checked = Mapping[str, tuple[copies.Held, str]]


class Step(NamedTuple):
    """What is to be done next with a cut.

    Attributes:
        move: that is under way, whose number says what it is declined for; None: there is none.
    """

    cut: str
    unit: Unit
    move: Seen | None


class Who(NamedTuple):
    """This node: the name of its key, and its own."""

    key: str
    name: str


def steps(
    read: ReadTransaction,
    named: Names,
    who: Who,
    moves: Mapping[str, Seen],
    held: Iterable[str],
    checked: Checked,
    now: float,
) -> Iterator[Step]:
    """What is to be done next, of each cut at most one thing.

    Args:
        moves: that are under way in the network, by their cuts.
        held: cuts that have moved, and are this node's (`moving.held_by`).
        checked: copies that were looked through, and why they cannot be taken.
        now: Unix seconds.
    """
    seen = TransactionView(read)
    key, own = who
    here = dict(under_way_here(seen))
    for cut, move in moves.items():
        if cut in here and here[cut].state is not FilingState.LEAVING:
            continue
        if move.source == own and cut not in here:
            yield Step(cut, Unit(units.FREEZE, [key, cut, move.to, ""]), move)
        elif move.to == own and not (cut in here and _has_names(seen, cut)):
            if move.serial is None:  # its copy would fall behind what is assigned there
                yield Step(cut, Unit(WEIGH, [key]), move)
            else:
                yield Step(cut, Unit(units.BEGIN, [key, cut, move.source, key, ""]), move)
    for cut in held:
        if cut not in moves and _is_missing(read, seen, named, cut):
            whence = _aggregate(read, named)
            yield Step(cut, Unit(units.BEGIN, [key, cut, whence, key, ""]), None)
    for cut, row in here.items():
        unit = _next(read, seen, named, cut, row, moves.get(cut), who, checked, now)
        if unit is not None:
            yield Step(cut, unit, moves.get(cut))


def _next(
    read: ReadTransaction,
    seen: TransactionView,
    named: Names,
    cut: str,
    row: CutFiling,
    move: Seen | None,
    who: Who,
    checked: Checked,
    now: float,
) -> Unit | None:
    """What is to be done with a cut that is on its way here."""
    key, own = who
    holder = moving.holder(read, named, cut)
    if row.state is FilingState.MOVING:
        if not holder:
            return None
        if holder != own:
            return Unit(units.LEAVE, [key, cut, key, ""])
        if move is None:
            return Unit(units.THAW, [key, cut, ""])
        return None if move.to == row.node else Unit(units.FREEZE, [key, cut, move.to, ""])
    if row.state is FilingState.LEAVING:
        if _has_names(seen, cut):
            return Unit(units.LEAVE, [key, cut, key, ""])
        if move is None or move.to != own:
            is_over = now >= row.changed + PART_SECONDS
            return Unit(units.PART, [key, cut, ""]) if is_over else Unit(ASK, [key])
        return None
    if holder == own:
        if copies.is_current(read, named, cut):
            return Unit(units.OWN, [key])
        if not moving.is_withdrawn(read, named, cut):
            return Unit(ASK, [key])
        # Nobody has it any more from whom it could be had.
        return Unit(units.GIVE_UP, [key, cut, row.node, ""])
    if move is None or move.to != own:
        return Unit(units.GIVE_UP, [key, cut, holder or row.node, ""])
    if move.source != row.node:
        return Unit(units.BEGIN, [key, cut, move.source, key, ""])
    copy = copies.held(read, named, cut)
    if copy is None or copy[1] != move.serial:
        return Unit(ASK, [key])
    return None if checked.get(cut, (None, ""))[0] == copy else Unit(CHECK, [])


def _is_missing(read: ReadTransaction, seen: TransactionView, named: Names, cut: str) -> bool:
    """Whether this node has nothing of a cut that is its own: its data was put back from a copy
    that is older than the move.
    """
    row = view.get_cut_filing(seen, cut)
    if row is not None and row.state not in (FilingState.MOVED, FilingState.REFUSED):
        return False
    around = read.snapshot.zone_of(named.key(cut))
    return around is None or not is_own(read, around.apex)


def _aggregate(read: ReadTransaction, named: Names) -> str:
    """The name of an aggregate, from which a cut is had that no other node has."""
    return next((one.name for one in others.nodes(read, named) if one.role == "aggregate"), "")


def _has_names(seen: TransactionView, cut: str) -> bool:
    rows = seen.scan(codec.ASSIGNMENTS, f"{cut}/".encode("ascii"))
    return next(rows, None) is not None


def under_way_here(seen: TransactionView) -> Iterator[tuple[str, CutFiling]]:
    """The cuts that are on their way here or from here."""
    for state in UNDER_WAY:
        head = codec.state_key(FILING_WORDS[state][0], "")
        for key, _ in seen.scan(codec.BY_STATE, head):
            cut = key[len(head) :].decode("ascii")
            row = view.get_cut_filing(seen, cut)
            if row is not None and row.state is state:
                yield cut, row
