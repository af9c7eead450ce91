"""What `csid show` tells beside the record of an identifier: its locks, an offer, the last transfer
with those who agreed to it, and where it is in the time for which it is valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from csid.moments import iso
from gateway.cli import output
from gateway.cli.commands import lock, transfer, validity
from registry.rules.offers import is_open
from registry.rules.requests import AcceptTransfer, Move, OfferTransfer
from registry.rules.validity import Term
from registry.signing.proofs import Change
from registry.tables import view
from registry.tables.enums import WORDS, State, locked_words
from registry.tables.rows import Assignment, Locks, Offer
from registry.tables.view import View


class Agreed(NamedTuple):
    """A transfer: the leaf that made it and, where both owners agreed, that of the offer."""

    made: Change
    offered: Change | None


class Beside(NamedTuple):
    """What stands beside an identifier."""

    state: State
    locks: Locks | None
    offer: Offer | None  # that is open
    term: Term | None
    agreed: Agreed | None


def of(
    seen: View, name: str, row: Assignment, term: Term | None, history: Sequence[Change], now: int
) -> Beside:
    """What stands beside an identifier at a time.

    Args:
        history: its changes, the last one first.
    """
    locks, offer = view.get_locks(seen, name), view.get_offer(seen, name)
    has_locks = locks is not None and (locks.server or locks.owner)
    is_offered = offer is not None and is_open(offer, now)
    return Beside(
        row.state,
        locks if has_locks else None,
        offer if is_offered else None,
        term,
        last_transfer(history),
    )


def last_transfer(history: Sequence[Change]) -> Agreed | None:
    """The last time that an identifier went to another owner."""
    for change in history:
        leaf = change.leaf
        if leaf.kind == AcceptTransfer.kind and leaf.to:
            offers = (
                one
                for one in history
                if (one.leaf.kind, one.leaf.on) == (OfferTransfer.kind, leaf.on)
                and one.index < change.index
            )
            return Agreed(change, next(offers, None))
        if leaf.kind == Move.kind and leaf.on.partition("/")[0] != leaf.to.partition("/")[0]:
            return Agreed(change, None)
    return None


def statuses(beside: Beside) -> list[str]:
    """The status values that EPP has for it."""
    server, owner = (beside.locks.server, beside.locks.owner) if beside.locks else (0, 0)
    found = [*WORDS[beside.state].epp, *locked_words(server, owner)[0]]
    if beside.offer is not None:
        found.append("pendingTransfer")
    # RFC 5731 section 2.3: ok stands alone.
    return [one for one in dict.fromkeys(found) if one != "ok"] or ["ok"]


def rows_of(beside: Beside) -> list[tuple[str, str]]:
    """For people."""
    rows = [("EPP", " ".join(statuses(beside)))]
    if beside.locks is not None:
        held = (("节点 node", beside.locks.server), ("主体 owner", beside.locks.owner))
        text = "; ".join(f"{whose}: {lock.words_of(bits)}" for whose, bits in held if bits)
        rows.append(("锁 Locks", text))
    if beside.offer is not None:
        to = beside.offer.to or "凭授权码 by code"
        rows.append(("待接受 Offered", f"→ {to}, {output.moment(beside.offer.until)}"))
    if beside.term is not None:
        term = beside.term
        text = f"{validity.text_of(term)}, {term.until}, 可续期至 renewable until {term.renewable}"
        rows.append(("有效期 Validity", text))
    if beside.agreed is not None:
        rows.append(("转移 Transfer", _agreed_text(beside.agreed)))
    return rows


def _agreed_text(agreed: Agreed) -> str:
    made = agreed.made.leaf
    who = f"管理员直接转移 by {made.by} ({made.role}) alone"
    if agreed.offered is not None:
        offered = agreed.offered.leaf
        who = f"提出 offered by {offered.by} ({offered.role}), "
        who += f"接受 accepted by {made.by} ({made.role})"
    cells = (f"{made.on} → {made.to}", who, made.why, output.moment(made.time))
    return "  ".join(filter(None, cells))


def json_of(beside: Beside) -> dict[str, Any]:
    """For scripts."""
    return {
        "state": WORDS[beside.state].record,
        "epp": statuses(beside),
        "locks": lock.json_of(beside.locks) if beside.locks else None,
        "offer": transfer.json_of(beside.offer) if beside.offer else None,
        "validity": validity.json_of(beside.term) if beside.term else None,
        "transfer": _agreed_json(beside.agreed) if beside.agreed else None,
    }


def _agreed_json(agreed: Agreed) -> dict[str, Any]:
    made, offered = agreed.made.leaf, agreed.offered.leaf if agreed.offered else None
    return {
        "from": made.on,
        "to": made.to,
        "agreed": offered is not None,
        "offered_by": offered.by if offered else None,
        "offered_role": offered.role if offered else None,
        "by": made.by,
        "role": made.role,
        "reason": made.why,
        "time": iso(made.time),
        "leaf": agreed.made.index,
    }
