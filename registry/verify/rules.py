"""Leaves decided again under the rules of today: which of them would be refused now, or come out
otherwise. Rules and code tables change, so this says nothing about whether a log is sound.

A leaf does not say the request word by word, so what was asked is what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final

from csid import names
from csid.address import Address
from csid.errors import CsidError
from csid.identifier import parse
from csid.record import decode
from registry.rules.cuts import MODES
from registry.rules.decide import decide
from registry.rules.filing import read_receipt
from registry.rules.lifecycle import verb_between
from registry.rules.locks import kinds_in
from registry.rules.participants import STANDINGS
from registry.rules.requests import (
    Actor,
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
    Role,
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
)
from registry.rules.status import Status
from registry.tables import codec, log_entry, view
from registry.tables.enums import BY_WORD, NODE_ROLE_WORDS
from registry.tables.index import place_of
from registry.tables.log_entry import LogEntry
from registry.tables.rows import NO_LEAF, Locks, Moving
from registry.tables.view import TOKEN_SUBJECT, View


def judge(seen: View, leaf: bytes) -> str | None:
    """What the rules of today say of a leaf that was just replayed otherwise; empty if they come to
    the same, None if it is about nothing that they decide.

    Args:
        seen: the registry before it.
    """
    try:
        entry = log_entry.decode(leaf)
        make = _BODIES.get(entry.kind)
        if make is None or entry.status != Status.DONE.number:
            return None
        actor = Actor(entry.by, Role(entry.role), entry.for_, entry.peer)
        decision = decide(seen, Request(actor, make(seen, entry), entry.why), entry.time)
    except (CsidError, ValueError, KeyError, TypeError) as error:
        return f"cannot be asked any more: {error}"
    if decision.changes.leaf is None:
        return f"{decision.status.en}: {decision.detail or decision.subject}"
    again = log_entry.decode(decision.changes.leaf)
    return "" if _outcome(again) == _outcome(entry) else f"would be about {again.to or again.on}"


def _outcome(entry: LogEntry) -> tuple[object, ...]:
    """What a decision comes to, whatever key it was asked under and whatever the zones' serials."""
    return entry.on, entry.to, entry.after, entry.prev, entry.ttl


def _mint(_seen: View, entry: LogEntry) -> Body:
    identifier = parse(entry.on)
    pool = f"{place_of(identifier)}/{identifier.capability}"
    return Mint(pool, decode(entry.after), entry.ttl)


def _import(_seen: View, entry: LogEntry) -> Body:
    return Import(parse(entry.on), decode(entry.after), entry.year, entry.ttl)


def _update(_seen: View, entry: LogEntry) -> Body:
    facts = decode(entry.after).json()
    del facts["state"]  # it is the one there was, and of what was refused another
    return Update(parse(entry.on), tuple(sorted(facts.items())), True, entry.ttl)


def _advance(seen: View, entry: LogEntry) -> Body:
    before = view.get_assignment(seen, entry.on)
    after = BY_WORD[decode(entry.after).state]
    verb = None if before is None else verb_between(before.state, after)
    if verb is None:
        raise ValueError("no verb leads there")
    return Advance(parse(entry.on), verb)


def _retire(_seen: View, entry: LogEntry) -> Body:
    return Retire(parse(entry.on), decode(entry.after).successor or "")


def _locks(seen: View, entry: LogEntry) -> Body:
    before = view.get_locks(seen, entry.on) or Locks(0, 0, NO_LEAF, 0)
    after = codec.decode_locks(entry.after)
    by_owner = before.owner != after.owner
    bits = before.owner ^ after.owner if by_owner else before.server ^ after.server
    make = AddLocks if entry.kind == AddLocks.kind else RemoveLocks
    return make(parse(entry.on), kinds_in(bits), by_owner)


def _offer(_seen: View, entry: LogEntry) -> Body:
    row = codec.decode_offer(entry.after)
    return OfferTransfer(parse(entry.on), row.to, row.digest, row.until - entry.time)


def _offered_to(seen: View, entry: LogEntry) -> str:
    row = view.get_offer(seen, entry.on)
    return "" if row is None else row.to


def _renew(_seen: View, entry: LogEntry) -> Body:
    return Renew(parse(entry.on), str(decode(entry.after).valid_until))


def _set_validity(_seen: View, entry: LogEntry) -> Body:
    row = codec.decode_validity(entry.after)
    return SetValidity(row.expiring, row.grace)


def _add_owner(_seen: View, entry: LogEntry) -> Body:
    owner = codec.decode_owner(entry.after)
    return AddOwner(entry.on, owner.kinds, owner.name, owner.contact, owner.quota)


def _update_owner(_seen: View, entry: LogEntry) -> Body:
    owner = codec.decode_owner(entry.after)
    kinds = [int(kind) for kind in owner.kinds]
    facts = {"contact": owner.contact, "kinds": kinds, "name": owner.name, "quota": owner.quota}
    return UpdateOwner(entry.on, tuple(sorted(facts.items())))


def _judge_owner(seen: View, entry: LogEntry) -> Body:
    standing = codec.decode_owner(entry.after).standing
    before = view.get_owner(seen, entry.on)
    for (was, judgement), led in STANDINGS.items():
        if before is not None and (was, led) == (before.standing, standing):
            return JudgeOwner(entry.on, judgement)
    raise ValueError("no judgement leads there")


def _qualify(_seen: View, entry: LogEntry) -> Body:
    return QualifyOwner(entry.on, codec.decode_owner(entry.after).qualified)


def _set_scope(_seen: View, entry: LogEntry) -> Body:
    scope = codec.decode_scope(entry.after)
    return SetScope(scope.locations, scope.industries)


def _add_pool(_seen: View, entry: LogEntry) -> Body:
    pool = codec.decode_pool(entry.after)
    count = int(pool.last, 36) - int(pool.first, 36) + 1
    return AddPool(pool.place, pool.capability, count, pool.quota, pool.first, pool.last)


def _take_receipt(_seen: View, entry: LogEntry) -> Body:
    number, status = read_receipt(entry.to)
    return TakeReceipt(parse(entry.on), number, status.number)


def _answer_filing(_seen: View, entry: LogEntry) -> Body:
    return AnswerFiling(entry.on, codec.decode_cut_filing(entry.after).state)


def _add_node(_seen: View, entry: LogEntry) -> Body:
    node = codec.decode_node(entry.after)
    addresses = tuple(str(Address(*one)) for one in node.addresses)
    return AddNode(entry.on, NODE_ROLE_WORDS[node.role][0], node.scope, addresses, node.contact)


def _change_node(seen: View, entry: LogEntry) -> Body:
    node = _add_node(seen, entry)
    assert isinstance(node, AddNode)
    facts = {name: getattr(node, name) for name in ("addresses", "contact", "role", "scope")}
    return ChangeNode(entry.on, tuple(sorted(facts.items())))


def _rekey_node(_seen: View, entry: LogEntry) -> Body:
    until = codec.decode_node(entry.after).until
    return RekeyNode(entry.on, until - entry.time if until else 0)


def _set_filing(_seen: View, entry: LogEntry) -> Body:
    is_manual = codec.decode_filing(entry.after).is_manual
    return SetFiling(next(mode for mode, manual in MODES.items() if manual == is_manual))


def _file_cut(_seen: View, entry: LogEntry) -> Body:
    cut = codec.decode_cut(entry.after)
    servers = tuple(
        (names.to_text(wire), tuple(str(ip_address(one)) for one in packed))
        for wire, packed in cut.servers
    )
    return FileCut(entry.on, cut.node, servers, cut.ds)


def _move_of(entry: LogEntry) -> Moving:
    moving = codec.decode_cut(entry.after).moving
    if moving is None:
        raise ValueError("its row says of no move")
    return moving


def _move_cut(_seen: View, entry: LogEntry) -> Body:
    return MoveCut(entry.on, _move_of(entry).to)


def _freeze_cut(_seen: View, entry: LogEntry) -> Body:
    moving = _move_of(entry)
    serial = -1 if moving.serial is None else moving.serial
    return FreezeCut(entry.on, moving.source, moving.number, serial)


def _decline_cut(_seen: View, entry: LogEntry) -> Body:
    moving = _move_of(entry)
    return DeclineCut(entry.on, entry.for_, moving.number)  # either of the two may have said so


def _move_filing(_seen: View, entry: LogEntry) -> Body:
    row = codec.decode_cut_filing(entry.after)
    return MoveFiling(entry.on, row.state, row.node)


def _set_hold(seen: View, entry: LogEntry) -> Body:
    before = view.get_hold(seen, entry.on)
    new = set(codec.decode_hold(entry.after).by) - set(before.by if before is not None else ())
    [one] = new
    return SetHold(entry.on, one.node)


def _lift_hold(seen: View, entry: LogEntry) -> Body:
    before = view.get_hold(seen, entry.on)
    rest = codec.decode_hold(entry.after).by
    gone = set(before.by if before is not None else ()) - set(rest)
    is_all = not rest and entry.role == Role.ADMINISTRATOR.value
    return LiftHold(entry.on, "" if is_all else next(iter(gone)).node)


def _answer_hold(seen: View, entry: LogEntry) -> Body:
    row = codec.decode_asked_hold(entry.after)
    before = view.get_asked_hold(seen, entry.on)
    return AnswerHold(entry.on, row.state, before.leaf if before is not None else -1, row.serial)


def _take(_seen: View, entry: LogEntry) -> Body:
    return Take(parse(entry.on), entry.after, entry.to, entry.ttl)


def _add_token(_seen: View, entry: LogEntry) -> Body:
    token = codec.decode_token(entry.after)
    name = entry.on.removeprefix(TOKEN_SUBJECT)
    return AddToken(name, token.digest, token.role, token.owner, token.prefixes, token.until)


def _withdraw_cut(_seen: View, entry: LogEntry) -> Body:
    return WithdrawCut(entry.on, codec.decode_cut(entry.after).node)


_BODIES: Final[Mapping[str, Callable[[View, LogEntry], Any]]] = {
    AddOwner.kind: _add_owner,
    IntroduceOwner.kind: lambda _, entry: IntroduceOwner(entry.on),
    UpdateOwner.kind: _update_owner,
    JudgeOwner.kind: _judge_owner,
    QualifyOwner.kind: _qualify,
    SetScope.kind: _set_scope,
    AddPool.kind: _add_pool,
    Assign.kind: lambda _, entry: Assign(parse(entry.on), decode(entry.after), entry.ttl),
    Mint.kind: _mint,
    Import.kind: _import,
    Update.kind: _update,
    Advance.kind: _advance,
    Retire.kind: _retire,
    Alias.kind: lambda _, entry: Alias(parse(entry.on), parse(entry.to)),
    Move.kind: lambda _, entry: Move(parse(entry.on), parse(entry.to)),
    AddLocks.kind: _locks,
    RemoveLocks.kind: _locks,
    OfferTransfer.kind: _offer,
    CancelTransfer.kind: lambda _, entry: CancelTransfer(parse(entry.on)),
    RejectTransfer.kind: lambda seen, entry: RejectTransfer(
        parse(entry.on), _offered_to(seen, entry)
    ),
    Renew.kind: _renew,
    Expire.kind: lambda _, entry: Expire(parse(entry.on)),
    Lapse.kind: lambda _, entry: Lapse(parse(entry.on)),
    SetValidity.kind: _set_validity,
    AliasSubtree.kind: lambda _, entry: AliasSubtree(entry.on, entry.to),
    TakeReceipt.kind: _take_receipt,
    RequestFiling.kind: lambda _, entry: RequestFiling(entry.on),
    AnswerFiling.kind: _answer_filing,
    AddNode.kind: _add_node,
    ChangeNode.kind: _change_node,
    SuspendNode.kind: lambda _, entry: SuspendNode(entry.on),
    ReinstateNode.kind: lambda _, entry: ReinstateNode(entry.on),
    RekeyNode.kind: _rekey_node,
    RemoveNode.kind: lambda _, entry: RemoveNode(entry.on),
    SetFiling.kind: _set_filing,
    FileCut.kind: _file_cut,
    ApproveCut.kind: lambda _, entry: ApproveCut(entry.on),
    RejectCut.kind: lambda _, entry: RejectCut(entry.on),
    WithdrawCut.kind: _withdraw_cut,
    MoveCut.kind: _move_cut,
    KeepCut.kind: lambda _, entry: KeepCut(entry.on),
    FreezeCut.kind: _freeze_cut,
    DeclineCut.kind: _decline_cut,
    MoveFiling.kind: _move_filing,
    SetHold.kind: _set_hold,
    LiftHold.kind: _lift_hold,
    NoteHold.kind: lambda _, entry: NoteHold(entry.on, codec.decode_hold(entry.after).by),
    AskHold.kind: lambda _, entry: AskHold(entry.on),
    EndHold.kind: lambda _, entry: EndHold(entry.on),
    AnswerHold.kind: _answer_hold,
    Leave.kind: lambda _, entry: Leave(parse(entry.on)),
    Take.kind: _take,
    TakeSubtree.kind: lambda _, entry: TakeSubtree(entry.on, entry.to),
    AddToken.kind: _add_token,
    RevokeToken.kind: lambda _, entry: RevokeToken(entry.on.removeprefix(TOKEN_SUBJECT)),
    RetireLocation.kind: lambda _, entry: RetireLocation(entry.on, entry.to),
}
