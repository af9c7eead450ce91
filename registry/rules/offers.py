"""Transfers that both owners agree to: one offers an identifier, the other accepts it.

An offer is to a certain owner, or to whoever says a code (the authorisation information of EPP, RFC
5730 section 2.9.3.4) that the two have agreed on, or both. Of the code only a digest is kept. What
an administrator transfers by himself is a `Move`, with the reason he gives.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

from csid import prefix
from csid.errors import IdentifierError
from csid.identifier import Identifier, fold
from registry.rules import marks
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.lifecycle import Verb
from registry.rules.locks import prohibited
from registry.rules.moves import given_over, moved
from registry.rules.participants import Right
from registry.rules.policy import right_holds
from registry.rules.requests import (
    AcceptTransfer,
    CancelTransfer,
    Move,
    OfferTransfer,
    RejectTransfer,
)
from registry.rules.status import Status
from registry.rules.transitions import held
from registry.tables import codec, view
from registry.tables.enums import WORDS, OfferState, State
from registry.tables.rows import NO_LEAF, Offer

SECONDS_DEFAULT: Final = 14 * 86_400
SECONDS_MAX: Final = 366 * 86_400
_DIGEST: Final = sha256().digest_size


def digest_of(identifier: Identifier, code: str) -> bytes:
    """What is kept of a code."""
    return sha256(f"{identifier}\0{code}".encode("utf-8", "surrogatepass")).digest()


def offer(case: Case, body: OfferTransfer) -> Decision:
    """An identifier is offered."""
    name = str(body.identifier)
    refusal = _may_be_offered(case, body, name)
    if refusal is not None:
        return refusal.about(name)
    to, actor = fold(body.owner), case.request.actor
    row = view.get_offer(case.view, name)
    if row is not None and is_open(row, case.now):
        if (row.to, row.digest) == (to, body.digest):
            return Decision(Status.UNCHANGED, name)
        detail = f"is offered to {row.to or 'whoever has the code'}: take that back first"
        return Decision(Status.TRANSFER_PENDING, name, detail)
    after = Offer(
        OfferState.OPEN,
        to,
        body.digest,
        case.now + body.seconds,
        actor.name,
        actor.role.value,
        "",
        "",
        case.leaf,
        case.now,
        case.now,
    )
    return _written(case, name, after, NO_LEAF if row is None else row.leaf)


def _may_be_offered(case: Case, body: OfferTransfer, name: str) -> Refusal | None:
    to = fold(body.owner)
    if not to and not body.digest:
        return Refusal(Status.BAD_VALUE, "name the owner it is offered to, or ask for a code")
    if len(body.digest) not in (0, _DIGEST):
        return Refusal(Status.BAD_VALUE, f"a digest has {_DIGEST} octets, given {len(body.digest)}")
    if not 0 < body.seconds <= SECONDS_MAX:
        return Refusal(
            Status.BAD_RANGE, f"an offer of {body.seconds} s; expected 1 to {SECONDS_MAX}"
        )
    if to:
        try:
            to = prefix.whole(to, 1)
        except IdentifierError as error:
            return Refusal(Status.BAD_VALUE, str(error))
        if to == body.identifier.owner:
            return Refusal(Status.TARGET_UNUSABLE, f"{name} belongs to {to} already")
        refusal = right_holds(view.get_owner(case.view, to), to, Right.HOLD_IDENTIFIERS)
        if refusal is not None:
            return refusal
    before = held(case, name, Verb.SUPERSEDE)
    if isinstance(before, Refusal):
        return before
    refusal = prohibited(case, name, before, Verb.SUPERSEDE)
    if refusal is None and before.state is State.SUSPENDED:
        words = WORDS[before.state]
        detail = f"is {words.record} {words.zh}: it changes no hands until that has ended"
        return Refusal(Status.STATE_PROHIBITS, detail)
    return refusal


def accept(case: Case, body: AcceptTransfer) -> Decision:
    """What is offered is taken: the identifier goes to the other owner."""
    name = str(body.identifier)
    row = _open_for(case, body.identifier, body.owner)
    try:
        new = moved(body.identifier, owner=prefix.whole(fold(body.owner), 1))
    except IdentifierError as error:
        return Decision(Status.BAD_VALUE, name, str(error))
    before = view.get_assignment(case.view, name)
    has_gone = before is not None and before.state is State.SUPERSEDED
    if before is not None and has_gone and before.target.partition("/")[0] == new.owner:
        return Decision(Status.UNCHANGED, before.target)
    if isinstance(row, Refusal):
        return row.about(name)
    if new.owner == body.identifier.owner:
        detail = f"{name} belongs to {new.owner} already"
        return Decision(Status.TARGET_UNUSABLE, name, detail)
    if row.digest and not hmac.compare_digest(row.digest, digest_of(body.identifier, body.code)):
        said = "is another" if body.code else "is missing"
        detail = f"the code {said}; ask who offers it for the one of this offer"
        return Decision(Status.CODE_WRONG, name, detail)
    actor = case.request.actor
    rows = marks.offer_rows(name, accepted(row, actor.name, actor.role.value, case.now))
    # Where it went from here before, and the national node takes no code twice, it gets another.
    move = Move(body.identifier, new, renumber=view.get_root(case.view) is not None)
    return given_over(case, move, False, rows, agreed=True)


def accepted(row: Offer, by: str, role: str, now: int) -> Offer:
    """An offer once somebody has accepted it."""
    return row._replace(state=OfferState.ACCEPTED, answered=by, answered_role=role, changed=now)


def cancel(case: Case, body: CancelTransfer) -> Decision:
    """An offer is taken back, also one that holds no more."""
    name = str(body.identifier)
    row = view.get_offer(case.view, name)
    if row is not None and row.state is OfferState.CANCELLED:
        return Decision(Status.UNCHANGED, name)
    if row is None or row.state is not OfferState.OPEN:
        return Decision(Status.NO_TRANSFER, name, f"{name} is not offered to anybody")
    return _answered(case, name, row, OfferState.CANCELLED)


def reject(case: Case, body: RejectTransfer) -> Decision:
    """What is offered to an owner is turned down by him."""
    name = str(body.identifier)
    row = _open_for(case, body.identifier, body.owner)
    if isinstance(row, Refusal):
        return row.about(name)
    if not row.to:
        detail = "it is offered to whoever has the code; who offers it may take it back"
        return Decision(Status.NO_TRANSFER, name, detail)
    return _answered(case, name, row, OfferState.REJECTED)


def is_open(row: Offer, now: int) -> bool:
    """Whether an offer holds."""
    return row.state is OfferState.OPEN and now < row.until


def _open_for(case: Case, identifier: Identifier, owner: str) -> Offer | Refusal:
    """The offer that an owner may answer."""
    name = str(identifier)
    row = view.get_offer(case.view, name)
    if row is not None and is_open(row, case.now) and row.to in ("", fold(owner)):
        return row
    why = "is not offered to it"
    if row is not None and row.state is OfferState.OPEN and row.to in ("", fold(owner)):
        why = "was offered to it, and not accepted in time"
    return Refusal(Status.NO_TRANSFER, f"{fold(owner)[:40]}: {name} {why}; ask its owner for that")


def _answered(case: Case, name: str, row: Offer, state: OfferState) -> Decision:
    actor = case.request.actor
    after = row._replace(
        state=state,
        answered=actor.name,
        answered_role=actor.role.value,
        leaf=case.leaf,
        changed=case.now,
    )
    return _written(case, name, after, row.leaf)


def _written(case: Case, name: str, row: Offer, prev: int) -> Decision:
    rows = marks.offer_rows(name, row)
    return case.done(name, rows, after=codec.encode(row), prev=prev)
