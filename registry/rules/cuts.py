"""Decisions about cuts: which subtree is delegated to which node. Filing a cut (备案) makes it."""

from __future__ import annotations

from typing import Final

from registry.rules.case import Case
from registry.rules.cut_case import asked, place_of, unknown, written
from registry.rules.cut_moves import is_moving, may_switch, switched
from registry.rules.cut_rules import (
    able,
    dependent,
    ds_holds,
    is_not_rejected,
    place_holds,
    scope_holds,
)
from registry.rules.cut_servers import servers_hold, servers_of
from registry.rules.decision import Decision, Refusal
from registry.rules.nodes import known, suffix_of
from registry.rules.requests import (
    REFERENCE_MAX,
    ApproveCut,
    FileCut,
    RejectCut,
    Role,
    SetFiling,
    WithdrawCut,
)
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.enums import CutState
from registry.tables.rows import NO_LEAF, Cut, Filing, Node
from registry.tables.view import (
    get_cut,
    get_filing,
    get_node_use,
    get_past_cut,
)

MODES: Final = {"automatic": False, "manual": True}
WAITING_MAX: Final = 10_000  # cuts of one node
FILING: Final = "filing"


def set_filing(case: Case, body: SetFiling) -> Decision:
    """How cuts are filed from now on."""
    suffix = suffix_of(case.view)
    if isinstance(suffix, Refusal):
        return suffix.about(FILING)
    manual = MODES.get(body.mode)
    if manual is None:
        detail = f"mode {body.mode[:20]!r}: expected one of {', '.join(MODES)}"
        return Decision(Status.BAD_VALUE, FILING, detail)
    before = get_filing(case.view)
    if before.is_manual == manual:
        return Decision(Status.UNCHANGED, FILING)
    row = codec.encode(Filing(manual, case.leaf, case.now))
    return case.done(FILING, [(codec.SETTINGS, codec.FILING_KEY, row)], after=row, prev=before.leaf)


def file(case: Case, body: FileCut) -> Decision:
    """A node asks for a cut, or names other servers of one it has."""
    found = asked(case, body.cut, body.node)
    if isinstance(found, Refusal):
        return found.about(body.cut[:REFERENCE_MAX])
    suffix, cut, node, before = found
    name = body.node.lower()
    if before is not None and may_switch(before, name):
        return switched(case, suffix, cut, node, before, body)
    if before is not None and before.node != name:
        verb = "is filed for" if before.state is CutState.FILED else "awaits approval for"
        return Decision(Status.CUT_OVERLAPS, cut, f"{cut} {verb} node {before.node}")
    servers = servers_of(suffix, name, body.servers)
    if isinstance(servers, Refusal):
        return servers.about(cut)
    if refusal := ds_holds(body.ds):
        return refusal.about(cut)
    is_filed = not get_filing(case.view).is_manual or (
        before is not None and before.state is CutState.FILED
    )
    past = get_past_cut(case.view, cut)
    last = before or past
    row = Cut(
        CutState.FILED if is_filed else CutState.WAITING,
        name,
        servers,
        tuple(sorted(set(body.ds))),
        before.number if before is not None else case.leaf,
        "",
        case.leaf,
        before.since if before is not None else case.now,
        last.moving if last is not None and last.node == name else None,
        _tenure(last, name, case.now),
    )
    if before is not None and before[:4] == row[:4]:
        return Decision(Status.UNCHANGED, cut)
    refusal = (
        scope_holds(cut, name, node)
        or is_not_rejected(cut, past, row)
        or place_holds(case.view, cut)
        or servers_hold(case.view, suffix, cut, row)
    )
    waiting, _ = get_node_use(case.view, name)
    if refusal is None and row.state is CutState.WAITING and waiting >= WAITING_MAX:
        detail = f"{waiting:,} filings of node {name} await approval; wait until some are decided"
        refusal = Refusal(Status.WAITING_QUOTA, detail)
    if refusal is not None:
        return refusal.about(cut)
    return written(case, suffix, cut, before, row, last.leaf if last is not None else NO_LEAF)


def _tenure(last: Cut | None, name: str, now: int) -> int:
    """Since when a cut is held by the node that files it now: as before if it had it last, with
    what it had in it; it begins anew with any other, after a withdrawal.
    """
    if last is None:
        return now
    return last.tenure if last.node == name else max(now, last.tenure + 1)


def approve(case: Case, body: ApproveCut) -> Decision:
    """A cut that waits is filed, or one that was rejected after all."""
    place = place_of(case, body.cut)
    if isinstance(place, Refusal):
        return place.about(body.cut[:REFERENCE_MAX])
    suffix, cut = place
    before = get_cut(case.view, cut)
    last = before or get_past_cut(case.view, cut)
    if last is None or last.state is CutState.WITHDRAWN:
        return unknown(cut)
    if last.state is CutState.FILED:
        return Decision(Status.UNCHANGED, cut)
    node = able(case.view, last.node)
    if isinstance(node, Refusal):
        return node.about(cut)
    row = last._replace(state=CutState.FILED, reason="", leaf=case.leaf)
    refusal = (
        scope_holds(cut, row.node, node)
        or place_holds(case.view, cut)
        or servers_hold(case.view, suffix, cut, row)
    )
    if refusal is not None:
        return refusal.about(cut)
    return written(case, suffix, cut, before, row, last.leaf)


def reject(case: Case, body: RejectCut) -> Decision:
    """A cut that waits is not filed; the node is told the reason."""
    place = place_of(case, body.cut)
    if isinstance(place, Refusal):
        return place.about(body.cut[:REFERENCE_MAX])
    suffix, cut = place
    before = get_cut(case.view, cut)
    past = get_past_cut(case.view, cut)
    if before is None:
        if past is not None and past.state is CutState.REJECTED:
            return Decision(Status.UNCHANGED, cut)
        return unknown(cut)
    if before.state is not CutState.WAITING:
        detail = f"{cut} is filed; withdraw it, or move it to another node"
        return Decision(Status.STATE_PROHIBITS, cut, detail)
    reason = case.request.reason
    if not reason:
        detail = "no reason is given, which the node is to be told: give it with --reason"
        return Decision(Status.BAD_VALUE, cut, detail)
    row = before._replace(state=CutState.REJECTED, reason=reason, leaf=case.leaf)
    return written(case, suffix, cut, before, row, before.leaf)


def withdraw(case: Case, body: WithdrawCut) -> Decision:
    """A cut goes; what was rejected may be filed again then."""
    place = place_of(case, body.cut)
    if isinstance(place, Refusal):
        return place.about(body.cut[:REFERENCE_MAX])
    suffix, cut = place
    name = body.node.lower()
    node = known(case.view, name)
    if isinstance(node, Node) and case.request.actor.role is Role.NODE:
        node = able(case.view, name)
    if isinstance(node, Refusal):
        return node.about(cut)
    before = get_cut(case.view, cut)
    last = before or get_past_cut(case.view, cut)
    if last is None:
        return unknown(cut)
    if last.node != name:
        return Decision(Status.CUT_OVERLAPS, cut, f"{cut} is a cut of node {last.node}")
    if last.state is CutState.WITHDRAWN:
        return Decision(Status.UNCHANGED, cut)
    if before is not None and (led := dependent(case.view, cut)):
        detail = f"a name server of {led} lies in it; that has to leave it out first"
        return Decision(Status.ASSOCIATED, cut, detail)
    if last.moving is not None and is_moving(last):
        back = f"csid filing move {cut} --cancel"
        detail = f"{cut} moves to node {last.moving.to}; {back} takes that back"
        return Decision(Status.CUT_MOVES, cut, detail)
    # Whose it is by its last move stays said: that one may have yet to take over what is in it.
    row = last._replace(state=CutState.WITHDRAWN, reason=case.request.reason, leaf=case.leaf)
    return written(case, suffix, cut, before, row, last.leaf)
