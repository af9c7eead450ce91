"""Leaves about the network: the place of the node in it, the register of nodes, cuts. `after` is
the row of the subject.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from registry.replay.effect import Effect, ReplayFault, Step, require
from registry.rules import holds
from registry.rules.cut_draft import LIVE, changed
from registry.tables import codec, network
from registry.tables.enums import CutState, FiledState, HoldState, NodeRole, NodeState
from registry.tables.naming import Names
from registry.tables.rows import NO_LEAF, Cut, Filing, Node
from registry.tables.view import (
    get_asked_hold,
    get_cut,
    get_filing,
    get_hold,
    get_node,
    get_past_cut,
    get_place,
)

_BORN: Final = Node(NodeRole.REGION, (), (), "", NodeState.REMOVED, 0, 0, NO_LEAF, 0)


def begun(step: Step) -> Effect:
    """What the node is in the network."""
    require(get_place(step.view) is None, "its place in the network is known already")
    place = codec.decode_place(step.entry.after)
    require(place.suffix == step.entry.on, f"its row is of {place.suffix}")
    row = codec.encode(place._replace(leaf=step.leaf))
    return Effect(((codec.SETTINGS, codec.PLACE_KEY, row),), after=row)


def filing_set(step: Step) -> Effect:
    """How cuts are filed."""
    before, said = get_filing(step.view), codec.decode_filing(step.entry.after)
    row = codec.encode(Filing(said.is_manual, step.leaf, step.entry.time))
    return Effect(((codec.SETTINGS, codec.FILING_KEY, row),), after=row, prev=before.leaf)


def _added(before: Node, after: Node) -> bool:
    return before.state is NodeState.REMOVED and after.generation == before.generation + 1


def _changed(before: Node, after: Node) -> bool:
    return before.state is not NodeState.REMOVED and before[4:7] == after[4:7]


def _suspended(before: Node, after: Node) -> bool:
    return before == after._replace(state=NodeState.ACTIVE)


def _reinstated(before: Node, after: Node) -> bool:
    return before == after._replace(state=NodeState.SUSPENDED)


def _rekeyed(before: Node, after: Node) -> bool:
    same = after._replace(generation=before.generation, until=before.until)
    return before == same and after.generation == before.generation + 1


def _removed(before: Node, after: Node) -> bool:
    return before.state is not NodeState.REMOVED and after.state is NodeState.REMOVED


# Kind -> whether it leads from one row of a node to another, the leaf aside.
_NODES: Final[Mapping[str, Callable[[Node, Node], bool]]] = {
    "network.add": _added,
    "network.change": _changed,
    "network.suspend": _suspended,
    "network.reinstate": _reinstated,
    "network.rekey": _rekeyed,
    "network.remove": _removed,
}


def node_changed(step: Step) -> Effect:
    """A node of the register."""
    entry = step.entry
    suffix = _suffix(step)
    before = get_node(step.view, entry.on)
    after = codec.decode_node(entry.after)
    was = before if before is not None else _BORN
    holds = _NODES[entry.kind](was, after._replace(leaf=was.leaf))
    require(holds, f"{entry.kind} does not lead to this row of node {entry.on}")
    row = codec.encode(after._replace(leaf=step.leaf))
    old = network.node_names(suffix, entry.on, before) if before is not None else []
    tree = network.changes(old, network.node_names(suffix, entry.on, after))
    rows = ((codec.NODES, entry.on.encode("ascii"), row),)
    return Effect(rows, tree, row, was.leaf)


_FILED: Final = (CutState.FILED,)
# Kind -> the states that it leads from (None: no row) and to.
_CUTS: Final[Mapping[str, tuple[tuple[CutState | None, ...], tuple[CutState, ...]]]] = {
    "cut.file": ((None, *CutState), LIVE),
    "cut.approve": ((CutState.WAITING, CutState.REJECTED), _FILED),
    "cut.reject": ((CutState.WAITING,), (CutState.REJECTED,)),
    "cut.withdraw": (
        (CutState.WAITING, CutState.FILED, CutState.REJECTED),
        (CutState.WITHDRAWN,),
    ),
    "cut.move": (_FILED, _FILED),
    "cut.keep": (_FILED, _FILED),
    "cut.freeze": (_FILED, _FILED),
    "cut.decline": (_FILED, _FILED),
}


def cut_changed(step: Step) -> Effect:
    """The filing of a cut."""
    entry = step.entry
    suffix = _suffix(step)
    before = get_cut(step.view, entry.on)
    last = before or get_past_cut(step.view, entry.on)
    after: Cut = codec.decode_cut(entry.after)._replace(leaf=step.leaf)
    befores, afters = _CUTS[entry.kind]
    state = last.state if last is not None else None
    require(state in befores and after.state in afters, f"{entry.kind} does not lead there")
    rows, tree = changed(step.view, suffix, entry.on, before, after)
    return Effect(rows, tree, codec.encode_cut(after), last.leaf if last is not None else NO_LEAF)


_TAKEN, _REFUSED, _ENDED, _GONE = (
    FiledState.TAKEN,
    FiledState.REFUSED,
    FiledState.ENDED,
    FiledState.GONE,
)
_SAID: Final = (_TAKEN, _REFUSED)
# Kind -> the state of an identifier before (None: no row) -> the states that it may have since.
_REGISTER: Final[Mapping[str, Mapping[FiledState | None, tuple[FiledState, ...]]]] = {
    "filed.receipt": {
        None: _SAID,
        _TAKEN: _SAID,
        _REFUSED: _SAID,
        _GONE: _SAID,
        _ENDED: (_ENDED,),
    },
    "filed.end": {_TAKEN: (_ENDED,), _GONE: (_ENDED,), _REFUSED: (_ENDED,)},
    "filed.gone": {_TAKEN: (_GONE,)},
    "filed.met": {None: (*_SAID, _ENDED), _GONE: _SAID, _REFUSED: _SAID},
}


def filed(step: Step) -> Effect:
    """What the national node has said of an identifier, or that one which it took has ended."""
    entry = step.entry
    key = entry.on.encode("ascii")
    value = step.view.get(codec.FILED, key)
    before = None if value is None else codec.decode_filed(value)
    after = codec.decode_filed(entry.after)._replace(leaf=step.leaf)
    steps = _REGISTER[entry.kind]
    state = None if before is None else before.state
    held = f"{entry.kind} leads from {state!r} to no {after.state!r}"
    require(after.state in steps.get(state, ()), held)
    is_refused = before is not None and before.state is _REFUSED and not before.taker
    is_receipt = entry.kind == "filed.receipt"
    require(is_receipt or not is_refused, f"{entry.kind} of what was never taken")
    row = codec.encode_filed(after)
    prev = NO_LEAF if before is None else before.leaf
    return Effect(((codec.FILED, key, row),), after=row, prev=prev)


def hold_changed(step: Step) -> Effect:
    """Who holds something: as the national node has set it, or a node has noted it."""
    entry = step.entry
    before = get_hold(step.view, entry.on)
    after = codec.decode_hold(entry.after)._replace(leaf=step.leaf)
    require(after.by != (() if before is None else before.by), "changes nothing of the hold")
    prev = NO_LEAF if before is None else before.leaf
    if entry.kind == "hold.note":
        return Effect(holds.rows_of(entry.on, after), after=codec.encode(after), prev=prev)
    _suffix(step)
    rows, tree = holds.changed(entry.on, before, after)
    return Effect(rows, tree, codec.encode(after), prev)


def hold_asked(step: Step) -> Effect:
    """A hold that this node asks for, and what has become of it."""
    entry = step.entry
    before = get_asked_hold(step.view, entry.on)
    after = codec.decode_asked_hold(entry.after)._replace(leaf=step.leaf)
    if entry.kind == "hold.answer":
        state = None if before is None else before.state
        require((state, after.state) in holds.ANSWERS, "no answer leads there")
    else:
        wanted = HoldState.WANTED if entry.kind == "hold.ask" else HoldState.RELEASING
        require(after.state is wanted, f"{entry.kind} does not lead there")
    rows = holds.asked_rows(entry.on, before, after)
    prev = NO_LEAF if before is None else before.leaf
    return Effect(rows, after=codec.encode(after), prev=prev)


def _suffix(step: Step) -> Names:
    place = get_place(step.view)
    if place is None or place.role is not NodeRole.NATIONAL:
        raise ReplayFault("this is not the national node, which alone has a register")
    return Names(place.suffix)
