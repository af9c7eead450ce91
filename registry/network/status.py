"""What is filed with the national node and what waits, for people: cuts and identifiers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from csid.prefix import ancestors
from registry import audit
from registry.rules.filing import CUT_SEGMENTS, read_receipt
from registry.rules.requests import TakeReceipt
from registry.rules.status import Status
from registry.signing.proofs import Change, changes_of
from registry.tables import codec, view
from registry.tables.enums import WORDS, FilingState, State
from registry.tables.rows import CutFiling
from registry.tables.view import View
from resolver.store.read import ReadTransaction

_DONE: Final = (FilingState.FILED, FilingState.MOVED)
REASONS_KEPT: Final = 20  # identifiers of a cut that were refused, with the reason


class Refused(NamedTuple):
    """An identifier that was refused."""

    identifier: str
    receipt: int  # its number; 0: the cut was refused
    status: Status
    reason: str


class CutStatus(NamedTuple):
    """A cut and what waits below it.

    Attributes:
        row: of its filing; None if it is filed with nobody.
        waiting: identifiers without a receipt.
        oldest: when the one was filed that waits longest, Unix seconds; 0: none waits.
        refused: identifiers that were refused.
        reasons: of the first of these.
    """

    cut: str
    row: CutFiling | None
    waiting: int
    oldest: int
    refused: int
    reasons: list[Refused]


def status(read: ReadTransaction, seen: View, every: bool = False) -> list[CutStatus]:
    """The cuts that are not filed, or below which identifiers wait or were refused; every one if
    asked for. Looks at what waits and at what was refused, not at what is filed.
    """
    found: dict[str, CutStatus] = {}
    for cut in _cuts(seen, every):
        found[cut] = CutStatus(cut, view.get_cut_filing(seen, cut), 0, 0, 0, [])
    around: dict[str, str] = {}
    for name in _in_state(seen, State.FILING):
        cut = _entered(seen, found, around, name)
        one = found[cut]
        row = view.get_assignment(seen, name)
        since = row.changed if row is not None else 0
        oldest = min(one.oldest or since, since)
        found[cut] = one._replace(waiting=one.waiting + 1, oldest=oldest)
    for name in _in_state(seen, State.REFUSED):
        cut = _entered(seen, found, around, name)
        one = found[cut]
        if len(one.reasons) < REASONS_KEPT:
            refusal = refused(read, name)
            one.reasons.extend([refusal] if refusal is not None else [])
        found[cut] = one._replace(refused=one.refused + 1)
    return [found[cut] for cut in sorted(found)]


class Waiting(NamedTuple):
    """How much waits for the national node, and was refused.

    Attributes:
        cuts: that are neither filed nor another node's.
        identifiers: without a receipt; `oldest`, when the one was filed that waits longest of those
            that were looked at, Unix seconds; 0: none waits.
        refused: identifiers that were refused.
        is_more: no more were looked at, and there are more.
    """

    cuts: int
    identifiers: int
    oldest: int
    refused: int
    is_more: bool


def waiting(seen: View, most: int) -> Waiting:
    """How much waits, counted up to ``most`` of each."""
    cuts = len(list(islice(_cuts(seen, every=False), most)))
    names = list(islice(_in_state(seen, State.FILING), most))
    refused = len(list(islice(_in_state(seen, State.REFUSED), most)))
    rows = (view.get_assignment(seen, name) for name in names)
    oldest = min((row.changed for row in rows if row is not None), default=0)
    return Waiting(cuts, len(names), oldest, refused, most in (cuts, len(names), refused))


def _cuts(seen: View, every: bool) -> Iterator[str]:
    """The cuts that are neither filed nor another node's, or all."""
    for key, value in seen.scan(codec.FILINGS, b""):
        if every or codec.decode_cut_filing(value).state not in _DONE:
            yield key.decode("ascii")


def _in_state(seen: View, state: State) -> Iterator[str]:
    head = codec.state_key(WORDS[state].record, "")
    for key, _ in seen.scan(codec.BY_STATE, head):
        name = key[len(head) :].decode("ascii")
        if name.count("/") > CUT_SEGMENTS:
            yield name


def _entered(seen: View, found: dict[str, CutStatus], around: dict[str, str], name: str) -> str:
    """The cut around an identifier, which is among those found then."""
    least = "/".join(name.split("/")[:CUT_SEGMENTS])
    cut = around.get(least)
    if cut is None:
        filed = (one for one in ancestors(least) if view.get_cut_filing(seen, one) is not None)
        cut = around[least] = next(filed, least)
    if cut not in found:
        found[cut] = CutStatus(cut, view.get_cut_filing(seen, cut), 0, 0, 0, [])
    return cut


def last_receipt(history: Iterable[Change]) -> Change | None:
    """The receipt that an identifier got last, by its changes, the last one first; None if it got
    none.
    """
    return next((one for one in history if one.leaf.kind == TakeReceipt.kind), None)


def refused(read: ReadTransaction, identifier: str) -> Refused | None:
    """Why an identifier was refused; None if no leaf says so."""
    try:
        change = last_receipt(changes_of(read, identifier))
    except audit.AuditError:
        return None
    if change is None:
        return None
    number, why = read_receipt(change.leaf.to)
    return Refused(identifier, number, why, change.leaf.why)
