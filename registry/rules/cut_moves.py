"""Decisions about cuts that move from one node to another (ADR 14)."""

from __future__ import annotations

from itertools import islice
from typing import Final

from registry.rules.case import Case
from registry.rules.cut_case import asked, place_of, unknown, written
from registry.rules.cut_rules import ds_holds, scope_holds
from registry.rules.cut_servers import servers_hold, servers_of
from registry.rules.decision import Decision, Refusal
from registry.rules.nodes import known
from registry.rules.requests import (
    REFERENCE_MAX,
    DeclineCut,
    FileCut,
    FreezeCut,
    KeepCut,
    MoveCut,
)
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.enums import CUT_STATE_WORDS, CutState, NodeRole, NodeState
from registry.tables.naming import Names
from registry.tables.rows import Cut, Moving, Node
from registry.tables.view import View, get_cut

MOVING_MAX: Final = 1_000


def move(case: Case, body: MoveCut) -> Decision:
    """A cut is to become another node's, which then asks for it (`file`) with all that is in it.

    Until that one has it, the cut is the node's that it was (ADR 14).
    """
    found = asked(case, body.cut, body.node)
    if isinstance(found, Refusal):
        return found.about(body.cut[:REFERENCE_MAX])
    suffix, cut, node, before = found
    name = body.node.lower()
    if before is None:
        return unknown(cut)
    if before.state is not CutState.FILED:
        word = CUT_STATE_WORDS[before.state][0]
        return Decision(Status.STATE_PROHIBITS, cut, f"{cut} is {word}; only what is filed moves")
    if is_moving(before):
        if _to(before) == name:
            return Decision(Status.UNCHANGED, cut)
        detail = f"{cut} moves to node {_to(before)}; take that back first, with --cancel"
        return Decision(Status.CUT_MOVES, cut, detail)
    if before.node == name:
        return Decision(Status.UNCHANGED, cut)
    refusal = scope_holds(cut, name, node) or _copies_are_held(case.view) or _room(case.view)
    if refusal is not None:
        return refusal.about(cut)
    row = before._replace(leaf=case.leaf, moving=Moving(case.leaf, before.node, name))
    return written(case, suffix, cut, before, row, before.leaf)


def keep(case: Case, body: KeepCut) -> Decision:
    """A move is taken back that is not done yet: the cut stays with the node that has it."""
    place = place_of(case, body.cut)
    if isinstance(place, Refusal):
        return place.about(body.cut[:REFERENCE_MAX])
    suffix, cut = place
    before = get_cut(case.view, cut)
    if before is None:
        return unknown(cut)
    moving = before.moving
    if moving is None or not is_moving(before):
        detail = f"{cut} does not move; it is a cut of node {before.node}"
        return Decision(Status.UNCHANGED, cut, detail)
    row = before._replace(leaf=case.leaf, moving=moving._replace(is_over=True))
    return written(case, suffix, cut, before, row, before.leaf)


def freeze(case: Case, body: FreezeCut) -> Decision:
    """The node that a cut leaves says what the last serial of its zone is."""
    found = _under_way(case, body)
    if isinstance(found, Decision):
        return found
    suffix, cut, before, moving = found
    if body.node.lower() != moving.source:
        return Decision(Status.CUT_OVERLAPS, cut, f"{cut} is a cut of node {moving.source}")
    if not 0 <= body.serial < 2**32:
        return Decision(Status.BAD_RANGE, cut, f"serial {body.serial}")
    if moving.serial == body.serial:
        return Decision(Status.UNCHANGED, cut)
    row = before._replace(leaf=case.leaf, moving=moving._replace(serial=body.serial))
    return written(case, suffix, cut, before, row, before.leaf)


def decline(case: Case, body: DeclineCut) -> Decision:
    """One of the two nodes says why it cannot do its part."""
    found = _under_way(case, body)
    if isinstance(found, Decision):
        return found
    suffix, cut, before, moving = found
    if body.node.lower() not in (moving.source, moving.to):
        detail = f"{cut} moves from node {moving.source} to {moving.to}"
        return Decision(Status.CUT_OVERLAPS, cut, detail)
    if moving.why == case.request.reason:
        return Decision(Status.UNCHANGED, cut)
    after = moving._replace(why=case.request.reason)
    row = before._replace(leaf=case.leaf, moving=after)
    return written(case, suffix, cut, before, row, before.leaf)


def _under_way(
    case: Case, body: FreezeCut | DeclineCut
) -> tuple[Names, str, Cut, Moving] | Decision:
    """The suffix, the cut and its move, which is the one of that number."""
    place = place_of(case, body.cut)
    if isinstance(place, Refusal):
        return place.about(body.cut[:REFERENCE_MAX])
    suffix, cut = place
    node = known(case.view, body.node.lower())
    if isinstance(node, Refusal):
        return node.about(cut)
    before = get_cut(case.view, cut)
    moving = before.moving if before is not None else None
    if before is None or moving is None or moving.is_over or moving.number != body.number:
        return Decision(Status.NOT_FOUND, cut, f"move {body.number} of {cut} is not under way")
    return suffix, cut, before, moving


def may_switch(row: Cut, name: str) -> bool:
    """Whether a cut may become a node's now: it moves to it, and is changed by nobody."""
    moving = row.moving
    is_frozen = moving is not None and not moving.is_over and moving.serial is not None
    return is_frozen and _to(row) == name


def switched(
    case: Case, suffix: Names, cut: str, node: Node, before: Cut, body: FileCut
) -> Decision:
    """A cut becomes the node's that it moves to, in the root zone and in the catalog at once."""
    name = body.node.lower()
    servers = servers_of(suffix, name, body.servers)
    if isinstance(servers, Refusal):
        return servers.about(cut)
    assert before.moving is not None
    row = before._replace(
        node=name,
        servers=servers,
        ds=tuple(sorted(set(body.ds))),
        leaf=case.leaf,
        moving=before.moving._replace(why="", is_over=True),
    )
    refusal = (
        ds_holds(body.ds)
        or scope_holds(cut, name, node)
        or servers_hold(case.view, suffix, cut, row)
    )
    if refusal is not None:
        return refusal.about(cut)
    return written(case, suffix, cut, before, row, before.leaf)


def is_moving(row: Cut) -> bool:
    """Whether a cut is on its way to another node."""
    return row.moving is not None and not row.moving.is_over


def _to(row: Cut) -> str:
    return row.moving.to if row.moving is not None else ""


def _room(view: View) -> Refusal | None:
    """Whether another cut may be on its way: each node looks at all that are, whenever the root
    zone has changed.
    """
    rows = view.scan(codec.CUT_INDEX, codec.moving_key("", is_over=False))
    if next(islice(rows, MOVING_MAX - 1, None), None) is None:
        return None
    detail = f"{MOVING_MAX:,} cuts are on their way; wait until some are there"
    return Refusal(Status.WAITING_QUOTA, detail)


def _copies_are_held(view: View) -> Refusal | None:
    """Whether there is an aggregate, from which alone a node can have another's zone."""
    for _, value in view.scan(codec.NODES, b""):
        node = codec.decode_node(value)
        if node.role is NodeRole.AGGREGATE and node.state is NodeState.ACTIVE:
            return None
    detail = "no aggregate is in the register, from which a node could take what is in the cut"
    return Refusal(Status.NODE_UNKNOWN, detail)
