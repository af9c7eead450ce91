"""Filing with the national node (备案): of cuts, which it delegates, and of identifiers, which it
takes or refuses by receipts. Without a national node there is nothing to file.
"""

from __future__ import annotations

from typing import Final

from csid import prefix
from csid.errors import IdentifierError
from csid.record import decode
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.lifecycle import Verb
from registry.rules.locks import KEPT_HELD
from registry.rules.marks import lock_rows
from registry.rules.requests import REFERENCE_MAX, AnswerFiling, RequestFiling, TakeReceipt
from registry.rules.status import BY_NUMBER, Status
from registry.rules.transitions import turned
from registry.tables import codec, log_entry, view
from registry.tables.changes import Row
from registry.tables.enums import FILING_WORDS, LISTED, WORDS, FilingState, State
from registry.tables.rows import NO_LEAF, Assignment, CutFiling, Locks, Root
from registry.tables.view import View

CUT_SEGMENTS: Final = 3  # owner/industry/location: no cut lies deeper
_HALF: Final = 2**31
HELD: Final = "held"
MOVES: Final = frozenset(
    {FilingState.MOVING, FilingState.LEAVING, FilingState.MOVED, FilingState.TAKING}
)
# In these it may be asked for again: it is not this node's.
AGAIN: Final = (FilingState.REFUSED, FilingState.MOVED)
# In these there is something to be done, so they are found by state.
_OPEN: Final = (
    FilingState.WANTED,
    FilingState.WAITING,
    FilingState.MOVING,
    FilingState.LEAVING,
    FilingState.TAKING,
)


# -- identifiers


def receipt(case: Case, body: TakeReceipt) -> Decision:
    """The national node has taken an identifier, or refused it.

    What it says of an earlier state than the present one is left aside, so receipts may come twice,
    late and in any order.
    """
    name = str(body.identifier)
    before = view.get_assignment(case.view, name)
    if before is None:
        return Decision(Status.NOT_FOUND, name, f"{name} is not assigned here")
    taken = BY_NUMBER.get(body.status)
    if taken is None or body.number < 0:
        detail = f"receipt {body.number} with status {body.status}; expected known numbers"
        return Decision(Status.BAD_VALUE, name, detail)
    if is_stale(case, name, before, body.serial):
        return Decision(Status.UNCHANGED, name, "it was changed since the national node saw it")
    if taken is Status.HELD and view.hold_over(case.view, name) is None:
        # By now it is released, or is to be known here yet: the national node looks once more.
        return Decision(Status.UNCHANGED, name, "nobody holds it, as far as is known here")
    verb = Verb.ACTIVATE if taken.success else Verb.REFUSE
    is_due = before.state is State.FILING or (not taken.success and before.state in LISTED)
    if not is_due:
        words = WORDS[before.state]
        if before.state is (State.ACTIVE if taken.success else State.REFUSED):
            return Decision(Status.UNCHANGED, name)
        detail = f"is {words.record} {words.zh}; no receipt is due"
        return Decision(Status.STATE_PROHIBITS, name, detail)
    state = State.ACTIVE if taken.success else State.REFUSED
    record = decode(before.record).changed(state=WORDS[state].record)
    is_held = before.state is State.SUSPENDED and view.get_expired(case.view, name) is None
    beside = held_rows(case.view, name, case.leaf, case.now) if is_held else ()
    text = receipt_text(body.number, body.status, is_held)
    return turned(case, name, before, verb, record, to=text, beside=beside)


def held_rows(seen: View, name: str, leaf: int, now: int) -> list[Row]:
    """The locks of an identifier that was on hold and was refused: filed again and taken, it would
    be active, so the hold lives on in them.
    """
    row = view.get_locks(seen, name)
    server = (0 if row is None else row.server) | KEPT_HELD
    owner = 0 if row is None else row.owner
    return lock_rows(name, Locks(server, owner, leaf, now))


def receipt_text(number: int, status: int, is_held: bool = False) -> str:
    """What the leaf of a receipt has as `to`: its number, of a refusal the status behind it, and
    behind that, where the identifier was on hold, a word that says so.
    """
    if BY_NUMBER[status].success:
        return f"{number}"
    return f"{number}/{status}/{HELD}" if is_held else f"{number}/{status}"


def read_receipt(text: str) -> tuple[int, Status]:
    """The inverse of `receipt_text`.

    Raises:
        ValueError, KeyError: it is none.
    """
    number, _, status = text.removesuffix(f"/{HELD}").partition("/")
    return int(number), BY_NUMBER[int(status)] if status else Status.DONE


def is_stale(case: Case, name: str, row: Assignment, serial: int | None) -> bool:
    """Whether an identifier was changed after its zone had a serial (RFC 1982)."""
    leaf = None if serial is None else case.view.leaf(row.leaf)
    if leaf is None or serial is None:
        return False
    last = serial_of(leaf, name)
    return last is not None and is_before(serial, last)


def is_before(serial: int, other: int) -> bool:
    """Whether a serial comes before another (RFC 1982 section 3.2)."""
    return 0 < (other - serial) % 2**32 < _HALF


def serial_of(leaf: bytes, name: str) -> int | None:
    """The serial that a leaf gave the zone of a name; None if it does not say so."""
    entry = log_entry.decode(leaf)
    at = 1 if entry.on != name and entry.to == name else 0
    return entry.serial[at] if at < len(entry.serial) else None


# -- cuts


def request(case: Case, body: RequestFiling) -> Decision:
    """A cut is to be filed. Whether others have it already is looked at where it is made a zone."""
    try:
        cut = prefix.whole(body.cut, CUT_SEGMENTS)
    except IdentifierError as error:
        return Decision(Status.BAD_VALUE, body.cut[:REFERENCE_MAX], str(error))
    root = view.get_root(case.view)
    refusal = _may_file(root) or in_scope(case.view, cut)
    if refusal is not None:
        return refusal.about(cut)
    before = view.get_cut_filing(case.view, cut)
    if before is not None and before.state in MOVES and before.state not in AGAIN:
        return Decision(
            Status.CUT_MOVES,
            cut,
            f"it is {FILING_WORDS[before.state][0]} (node {before.node}); to have it here, the "
            "national node lets it move: csid filing move",
        )
    if before is not None and before.state not in AGAIN:
        return Decision(Status.UNCHANGED, cut)
    since = case.now if before is None else before.since
    row = CutFiling(FilingState.WANTED, "", since, case.now, case.leaf)
    return written(case, cut, row, before)


def answer(case: Case, body: AnswerFiling) -> Decision:
    """The national node has said something to a cut."""
    cut = body.cut
    before = view.get_cut_filing(case.view, cut) if cut.isascii() else None
    if before is None:
        return Decision(Status.NOT_FOUND, cut[:REFERENCE_MAX], "its filing was not asked for here")
    after = before._replace(state=body.state, reason=case.request.reason)
    if before.state in MOVES:
        detail = f"the answer is late: the cut moves, or has moved ({before.node})"
        return Decision(Status.UNCHANGED, cut, detail)
    if after == before:
        return Decision(Status.UNCHANGED, cut)
    return written(case, cut, after._replace(changed=case.now, leaf=case.leaf), before)


def _may_file(root: Root | None) -> Refusal | None:
    if root is None:
        detail = "this node files with nobody: it was made without --root"
        return Refusal(Status.STATE_PROHIBITS, detail)
    if not root.registers:
        detail = "this node assigns no identifiers, so it files no cuts; ask a region node"
        return Refusal(Status.OUT_OF_SCOPE, detail)
    return None


def in_scope(seen: view.View, cut: str) -> Refusal | None:
    """Whether all that lies below a cut is this node's to assign."""
    scope = view.get_scope(seen)
    segments = dict(zip(prefix.SEGMENTS, cut.split("/"), strict=False))
    for what, allowed in (("industry", scope.industries), ("location", scope.locations)):
        if allowed and not segments.get(what, "").startswith(allowed):
            wanted = ", ".join(allowed)
            found = f"{what} {segments[what]}" if what in segments else f"{cut}: any {what}"
            detail = f"{found}: this node assigns for {wanted} only"
            return Refusal(Status.OUT_OF_SCOPE, detail)
    return None


def rows_of(cut: str, before: CutFiling | None, after: CutFiling) -> list[Row]:
    """What is written of the filing of a cut. Those that are to be asked for are found by state."""
    rows: list[Row] = [(codec.FILINGS, cut.encode("ascii"), codec.encode_cut_filing(after))]
    old = None if before is None else before.state
    for state, value in ((old, None), (after.state, b"")):
        if state in _OPEN and old is not after.state:
            rows.append((codec.BY_STATE, codec.state_key(FILING_WORDS[state][0], cut), value))
    return rows


def written(case: Case, cut: str, row: CutFiling, before: CutFiling | None) -> Decision:
    """The filing of a cut is another now."""
    prev = NO_LEAF if before is None else before.leaf
    return case.done(cut, rows_of(cut, before, row), after=codec.encode_cut_filing(row), prev=prev)
