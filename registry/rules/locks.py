"""Locks, as EPP has them (RFC 5731 section 2.3): what may not be done to an identifier until they
are lifted; and holds, which nothing that is done to an identifier ends but their own end.

Every route by which an identifier changes asks `prohibited`: requests about one, rows of imports,
plans, restores. A cut does not move while an identifier in it is locked (`cut_is_free`), as the
locks would stay behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from operator import or_
from typing import Final

from registry.rules import marks
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.lifecycle import LIVE, Verb
from registry.rules.policy import cut_stays
from registry.rules.requests import AddLocks, RemoveLocks, Role
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.enums import LOCK_WORDS, WORDS, LockKind, State
from registry.tables.rows import NO_LEAF, Assignment, Locks
from registry.tables.view import View

# Which lock keeps an identifier from a verb. What the node does by its own office (suspend, the
# receipts of filing, the end of validity) none does, but for the end for ever.
LOCK_OF: Final = {
    Verb.UPDATE: LockKind.UPDATE,
    Verb.FILE: LockKind.UPDATE,
    Verb.WITHDRAW: LockKind.UPDATE,
    Verb.SUPERSEDE: LockKind.TRANSFER,
    Verb.RETIRE: LockKind.RETIRE,
    Verb.LAPSE: LockKind.RETIRE,
    Verb.RENEW: LockKind.RENEW,
}
# What is suspended and turns out never to have been taken would be filed again, and so released.
KEPT_HELD: Final = LockKind.UPDATE | LockKind.TRANSFER


def prohibited(
    case: Case, name: str, before: Assignment, verb: Verb, successor: str = ""
) -> Refusal | None:
    """Why something may not be done to an identifier as it is now; None if it may.

    Args:
        successor: what is to be used instead, of one that is retired.
    """
    lock = LOCK_OF.get(verb)
    refusal = None if lock is None else locked(case.view, name, lock)
    if refusal is not None or before.state is not State.SUSPENDED:
        return refusal
    words = WORDS[before.state]
    if verb is Verb.REINSTATE and view.get_expired(case.view, name) is not None:
        detail = f"is {words.record} {words.zh} as it has expired: csid renew {name}"
        return Refusal(Status.STATE_PROHIBITS, detail)
    is_led_away = verb is Verb.RETIRE and successor != ""
    if is_led_away and case.request.actor.role is not Role.ADMINISTRATOR:
        detail = f"is {words.record} {words.zh}: it may end, but lead to no other; ask the node"
        return Refusal(Status.STATE_PROHIBITS, detail)
    return None


def locked(seen: View, name: str, lock: LockKind) -> Refusal | None:
    """Whether a lock is on an identifier, and whose."""
    row = view.get_locks(seen, name)
    if row is None or not (row.server | row.owner) & lock:
        return None
    word, zh = LOCK_WORDS[lock]
    if row.server & lock:
        whose, who = "the node's", "an administrator"
    else:
        whose, who = "the owner's", "its owner"
    return Refusal(
        Status.LOCKED,
        f"is locked: {word} {zh}, {whose} lock, which {who} lifts: csid lock remove {name} "
        f"--lock {word}",
    )


def cut_is_free(seen: View, cut: str) -> Refusal | None:
    """Whether no identifier of a cut is locked."""
    head = codec.state_key(codec.LOCKED, "")
    found = next(seen.scan(codec.BY_STATE, head + f"{cut}/".encode("ascii")), None)
    if found is None:
        return None
    name = found[0][len(head) :].decode("ascii")
    detail = f"{name} in {cut} is locked, and its locks would stay behind: lift them first"
    return Refusal(Status.LOCKED, detail)


def add(case: Case, body: AddLocks) -> Decision:
    """Locks more."""
    return _turned(case, body, lambda bits, asked: bits | asked)


def remove(case: Case, body: RemoveLocks) -> Decision:
    """Locks less."""
    return _turned(case, body, lambda bits, asked: bits & ~asked)


def _turned(case: Case, body: AddLocks | RemoveLocks, turn: Callable[[int, int], int]) -> Decision:
    name = str(body.identifier)
    if not body.locks:
        known = ", ".join(word for word, _ in LOCK_WORDS.values())
        return Decision(Status.BAD_VALUE, name, f"no lock is named; name some of {known}")
    actor = case.request.actor
    if not body.by_owner and actor.role is not Role.ADMINISTRATOR:
        detail = f"{actor.name} is {actor.role.value}; locks of the node are for: administrator"
        return Decision(Status.ROLE_MAY_NOT, name, detail)
    refusal = _may_be_locked(case, name)
    if refusal is not None:
        return refusal.about(name)
    before = view.get_locks(case.view, name)
    row = before or Locks(0, 0, NO_LEAF, 0)
    bits = bits_of(body.locks)
    if body.by_owner:
        after = row._replace(owner=turn(row.owner, bits))
    else:
        after = row._replace(server=turn(row.server, bits))
    if after == row:
        return Decision(Status.UNCHANGED, name)
    after = after._replace(leaf=case.leaf, since=case.now)
    rows = marks.lock_rows(name, after)
    return case.done(name, rows, after=codec.encode(after), prev=row.leaf)


def _may_be_locked(case: Case, name: str) -> Refusal | None:
    row = view.get_assignment(case.view, name)
    if row is None:
        return Refusal(Status.NOT_FOUND, f"{name} is not assigned here")
    if row.state not in LIVE:
        words = WORDS[row.state]
        return Refusal(
            Status.STATE_PROHIBITS, f"is {words.record} {words.zh}; nothing changes it any more"
        )
    return cut_stays(case.view, name)


def bits_of(locks: Iterable[LockKind]) -> int:
    """Locks as one number."""
    return reduce(or_, map(int, locks), 0)


def kinds_in(bits: int) -> tuple[LockKind, ...]:
    """The inverse of `bits_of`."""
    return tuple(kind for kind in LockKind if bits & kind)
