"""The decision on a request: (what the registry says, the request, the time) → status, changes.

Pure: no clock, no store, nothing is written. The changes of a decision belong into one transaction,
together with the resolution tree and the audit leaf (`registry.tables.changes`). Requests about
many identifiers are cut into single ones by `plan.steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

from registry.rules import (
    assignments,
    cut_moves,
    cuts,
    filing,
    handover,
    holds,
    locks,
    moves,
    nodes,
    offers,
    owners,
    policy,
    pools,
    texts,
    tokens,
    transitions,
    validity,
)
from registry.rules.case import Case
from registry.rules.decision import Decision
from registry.rules.requests import (
    REFERENCE_MAX,
    AcceptTransfer,
    AddLocks,
    AddNode,
    AddOwner,
    AddPool,
    AddToken,
    Advance,
    Alias,
    AliasSubtree,
    AnswerFiling,
    AnswerHold,
    ApproveCut,
    AskHold,
    Assign,
    Body,
    CancelTransfer,
    ChangeNode,
    DeclineCut,
    EndHold,
    Expire,
    FileCut,
    FinishPlan,
    FreezeCut,
    Import,
    IntroduceOwner,
    JudgeOwner,
    KeepCut,
    Lapse,
    Leave,
    LiftHold,
    Mint,
    Move,
    MoveCut,
    MoveFiling,
    NoteHold,
    OfferTransfer,
    QualifyOwner,
    ReinstateNode,
    RejectCut,
    RejectTransfer,
    RekeyNode,
    RemoveLocks,
    RemoveNode,
    Renew,
    Request,
    RequestFiling,
    Retire,
    RetireLocation,
    RevokeToken,
    SetFiling,
    SetHold,
    SetScope,
    SetValidity,
    SuspendNode,
    Take,
    TakeReceipt,
    TakeSubtree,
    Update,
    UpdateOwner,
    WithdrawCut,
    fingerprint,
)
from registry.rules.status import BY_NUMBER, Status
from registry.tables import codec, view
from registry.tables.rows import Replay
from registry.tables.view import View

DECISIONS: Final[Mapping[type[Body], Callable[[Case, Any], Decision]]] = {
    AddOwner: owners.add,
    IntroduceOwner: owners.introduce,
    UpdateOwner: owners.update,
    JudgeOwner: owners.judge,
    QualifyOwner: owners.qualify,
    SetScope: owners.set_scope,
    AddPool: pools.add,
    Assign: assignments.assign,
    Mint: assignments.mint,
    Import: transitions.put,
    Update: transitions.update,
    Advance: transitions.advance,
    Retire: transitions.retire,
    Alias: moves.alias,
    AliasSubtree: moves.alias_subtree,
    Move: moves.move,
    AddLocks: locks.add,
    RemoveLocks: locks.remove,
    OfferTransfer: offers.offer,
    AcceptTransfer: offers.accept,
    CancelTransfer: offers.cancel,
    RejectTransfer: offers.reject,
    Renew: validity.renew,
    Expire: validity.expire,
    Lapse: validity.lapse,
    SetValidity: validity.set_days,
    RetireLocation: moves.retire_location,
    AddNode: nodes.add,
    ChangeNode: nodes.change,
    SuspendNode: nodes.suspend,
    ReinstateNode: nodes.reinstate,
    RekeyNode: nodes.rekey,
    RemoveNode: nodes.remove,
    SetFiling: cuts.set_filing,
    FileCut: cuts.file,
    ApproveCut: cuts.approve,
    RejectCut: cuts.reject,
    WithdrawCut: cuts.withdraw,
    MoveCut: cut_moves.move,
    KeepCut: cut_moves.keep,
    FreezeCut: cut_moves.freeze,
    DeclineCut: cut_moves.decline,
    TakeReceipt: filing.receipt,
    RequestFiling: filing.request,
    AnswerFiling: filing.answer,
    MoveFiling: handover.note,
    SetHold: holds.set_hold,
    LiftHold: holds.lift_hold,
    NoteHold: holds.note_hold,
    AskHold: holds.ask_hold,
    EndHold: holds.end_hold,
    AnswerHold: holds.answer_hold,
    Leave: handover.leave,
    Take: handover.take,
    TakeSubtree: handover.take_subtree,
    AddToken: tokens.add,
    RevokeToken: tokens.revoke,
    FinishPlan: lambda _case, body: Decision(Status.UNCHANGED, body.about[:REFERENCE_MAX]),
}


def decide(view_: View, request: Request, now: int) -> Decision:
    """What follows from a request.

    Args:
        view_: the registry before the request.
        request: its identifiers were made by `csid.identifier`, so they are valid.
        now: Unix seconds.
    """
    body = request.body
    refusal = texts.request_fault(request) or policy.permit(request.actor, body)
    if refusal is not None:
        return refusal.about("")
    if not request.key:
        return DECISIONS[type(body)](Case(view_, request, now), body)
    before = replayed(view_, request)
    if before is not None:
        return before
    digest = sha256(fingerprint(body)).digest()
    key = codec.replay_key(request.actor.name, request.key)
    case = Case(view_, request, now, key + digest)
    decision = DECISIONS[type(body)](case, body)
    return _remembered(case, decision, key, digest) if decision.status.success else decision


def replayed(view_: View, request: Request) -> Decision | None:
    """What was said to a request before under its key, None if it is new."""
    before = view.get_replay(view_, request.actor.name, request.key) if request.key else None
    if before is None:
        return None
    if before.digest == sha256(fingerprint(request.body)).digest():
        return Decision(Status.REPLAYED, before.subject, BY_NUMBER[before.status].en)
    return Decision(
        Status.KEY_REUSED,
        before.subject,
        f"key {request.key!r} was used for another request, about {before.subject}; "
        "give each request a key of its own",
    )


def _remembered(case: Case, decision: Decision, key: bytes, digest: bytes) -> Decision:
    """The decision, and the key under which it will be given again."""
    changes = decision.changes
    if changes.leaf is None:
        changes = case.unchanged(decision.subject)
    replay = Replay(digest, decision.status.number, decision.subject, case.now)
    rows = (*changes.rows, (codec.REPLAYS, key, codec.encode(replay)))
    return decision._replace(changes=changes._replace(rows=rows))
