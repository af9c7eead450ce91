"""What stands beside an identifier: locks, an open offer, that it has expired, where it came from;
and what becomes of that when the identifier ends, or another takes its place.

Rules and replay both have their rows from here.
"""

from __future__ import annotations

from typing import NamedTuple

from registry.tables import codec, view
from registry.tables.changes import Row
from registry.tables.enums import OfferState
from registry.tables.rows import Came, Expired, Locks, Offer
from registry.tables.view import View


def lock_rows(name: str, locks: Locks) -> list[Row]:
    """The rows of an identifier's locks. One without any keeps its row, which leads to its past."""
    is_any = locks.server or locks.owner
    return [
        (codec.LOCKS, name.encode("ascii"), codec.encode(locks)),
        (codec.BY_STATE, codec.state_key(codec.LOCKED, name), b"" if is_any else None),
    ]


def offer_rows(name: str, offer: Offer) -> list[Row]:
    """The rows of an identifier's last offer."""
    is_open = offer.state is OfferState.OPEN
    return [
        (codec.OFFERS, name.encode("ascii"), codec.encode(offer)),
        (codec.BY_STATE, codec.state_key(codec.OFFERED, name), b"" if is_open else None),
    ]


def expired_row(name: str, expired: Expired | None) -> Row:
    """The row of an identifier that has expired; None: it has not, or is none any more."""
    value = None if expired is None else codec.encode(expired)
    return codec.EXPIRED, name.encode("ascii"), value


def came_row(name: str, came: Came | None) -> Row:
    """The row that says where an identifier came from."""
    value = None if came is None else codec.encode(came)
    return codec.CAME, name.encode("ascii"), value


def ended(seen: View, name: str) -> list[Row]:
    """What is left beside an identifier that lives no more: its past."""
    rows: list[Row] = []
    locks, offer = view.get_locks(seen, name), view.get_offer(seen, name)
    if locks is not None and (locks.server or locks.owner):
        rows += lock_rows(name, locks._replace(server=0, owner=0))
    if offer is not None and offer.state is OfferState.OPEN:
        rows += offer_rows(name, offer._replace(state=OfferState.CANCELLED))
    if view.get_expired(seen, name) is not None:
        rows.append(expired_row(name, None))
    if view.get_came(seen, name) is not None:
        rows.append(came_row(name, None))
    return rows


def released(seen: View, name: str) -> list[Row]:
    """What follows from the end of a suspension."""
    return [] if view.get_expired(seen, name) is None else [expired_row(name, None)]


def carried(seen: View, old: str, new: str, leaf: int, now: int) -> list[Row]:
    """What the identifier that takes another's place has of that: the locks of the node and, of the
    same owner, his own; and that it has expired.
    """
    rows: list[Row] = []
    locks = view.get_locks(seen, old)
    if locks is not None:
        same = old.partition("/")[0] == new.partition("/")[0]
        server, owner = locks.server, locks.owner if same else 0
        if server or owner:
            rows += lock_rows(new, Locks(server, owner, leaf, now))
    expired = view.get_expired(seen, old)
    if expired is not None:
        rows.append(expired_row(new, expired._replace(leaf=leaf)))
    return rows


class Depths(NamedTuple):
    """Steps of the longest chains of aliases that lead to two identifiers, where one goes back to
    the owner that it came from and the other leads to it.
    """

    old: int  # to the one that leads on from now on, by another way than from where it goes
    new: int
    came: Came  # of the one that lives again


def depths_back(seen: View, old: str, old_depth: int, new: str, new_depth: int) -> Depths:
    """The depths if ``old`` goes back to ``new``, which leads to it; with what they have now."""
    came = view.get_came(seen, old)
    others = came.depth if came is not None and came.source == new else old_depth
    return Depths(others, max(new_depth, others + 1), Came(old, new_depth))


def came_deeper(seen: View, name: str, depth: int) -> list[Row]:
    """The row of an identifier that came by a transfer, to which another alias leads."""
    came = view.get_came(seen, name)
    if came is None or depth <= came.depth:
        return []
    return [came_row(name, came._replace(depth=depth))]
