"""Decisions about pools: blocks of codes set aside, and which serial comes next."""

from __future__ import annotations

from typing import Final

from csid import prefix
from csid.errors import IdentifierError
from csid.identifier import fold, make
from registry.rules import serials
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.free import Serials
from registry.rules.policy import place_open, pool_quota
from registry.rules.requests import REFERENCE_MAX, AddPool
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.changes import Row
from registry.tables.rows import NO_LEAF, Pool, PoolUse
from registry.tables.view import View

POOLS_MAX: Final = 1_000  # at a place, of a class: a request for the next code looks at them all


def add(case: Case, body: AddPool) -> Decision:
    """A new pool."""
    try:
        place = prefix.whole(body.place, least=len(prefix.PLACE))
        capability = fold(body.capability)
        owner, industry, location, kind = place.split("/")
        # A class and a serial are looked at inside an identifier only: so identifiers are made.
        for serial in (body.first or "1", body.last or "1"):
            make(owner, industry, location, kind, capability, serial)
    except IdentifierError as error:
        return Decision(Status.BAD_VALUE, body.place[:REFERENCE_MAX], str(error))
    subject = f"{place}/{capability}"
    found = _range(case.view, place, capability, body)
    if isinstance(found, Refusal):
        return found.about(subject)
    first, last = found
    quota = body.count if body.quota is None else body.quota
    if not 0 <= quota <= body.count:
        detail = f"quota {quota} is outside 0 to {body.count}, the codes of the pool"
        return Decision(Status.BAD_RANGE, subject, detail)
    pool = Pool(place, capability, first, last, quota, case.leaf, case.now)
    other = view.pool_from(case.view, place, capability, first)
    if other is not None and other.first <= last:
        if other == pool._replace(leaf=other.leaf, since=other.since) and body.first:
            return Decision(Status.UNCHANGED, pool.code)
        return Decision(Status.OVERLAP, pool.code, f"overlaps pool {other.code}")
    if sum(1 for _ in view.pools_of(case.view, place, capability)) >= POOLS_MAX:
        detail = f"there are {POOLS_MAX} pools of this class already; make larger ones"
        return Decision(Status.BAD_RANGE, subject, detail)
    refusal = place_open(case.view, place, case.day.year)
    if refusal is not None:
        return refusal.about(pool.code)
    missing = view.get_lost(case.view)
    if missing >= body.count:
        detail = (
            f"{missing} leaves of the log were lost in roll-backs, so up to as many codes of this "
            f"pool may have been given; expected more than {missing} codes"
        )
        return Decision(Status.BAD_RANGE, pool.code, detail)
    row = codec.encode(pool)
    rows = [(codec.POOLS, codec.pool_key(pool), row), *passed_over(pool, missing)]
    return case.done(pool.code, rows, after=row, prev=NO_LEAF)


def passed_over(pool: Pool, missing: int) -> list[Row]:
    """The use of a new pool where leaves were lost: it may be one of them, with its first codes.

    Args:
        missing: leaves that were lost, each of which gave one code at most.
    """
    if not missing:
        return []
    use = PoolUse(0, serials.number(pool.first) + missing)
    return [(codec.COUNTS, codec.pool_use_key(pool), codec.encode(use))]


def _range(seen: View, place: str, capability: str, body: AddPool) -> tuple[str, str] | Refusal:
    """The first and last serial that are asked for, or that come next."""
    if not 0 < body.count < 36**serials.WIDTH_MAX:
        return Refusal(Status.BAD_RANGE, f"a pool of {body.count} codes; expected 1 or more")
    first, last = fold(body.first), fold(body.last)
    if not first and not last:
        return _next_range(seen, place, capability, body.count)
    if len(first) != len(last) or first > last:
        return Refusal(
            Status.BAD_RANGE,
            f"serials {first} to {last}: expected two of one width, the lower first",
        )
    size = serials.number(last) - serials.number(first) + 1
    if size != body.count:
        detail = f"serials {first} to {last} are {size} codes (base 36), the count is {body.count}"
        return Refusal(Status.BAD_RANGE, detail)
    return first, last


def _next_range(seen: View, place: str, capability: str, count: int) -> tuple[str, str] | Refusal:
    """The first block behind all pools of a width, of the first width that holds it."""
    ends: dict[int, int] = {}
    for pool in view.pools_of(seen, place, capability):
        ends[len(pool.last)] = serials.number(pool.last)  # ascending in each width
    for width in range(serials.width_for(count), serials.WIDTH_MAX + 1):
        start = ends.get(width, 0) + 1
        if start + count <= 36**width:
            return serials.text(start, width), serials.text(start + count - 1, width)
    return Refusal(Status.BAD_RANGE, f"no {count} serials are free behind the pools there are")


def candidates(seen: View, text: str) -> list[Pool] | Refusal:
    """The pools that a text means: one by its code, or all of a place and capability class."""
    parts = fold(text[:REFERENCE_MAX]).split("/")
    depth = len(prefix.PLACE)
    if not text.isascii() or len(parts) not in (depth + 1, depth + 2):
        return Refusal(
            Status.BAD_VALUE,
            f"{text[:REFERENCE_MAX]!r} is no pool; expected OWNER/INDUSTRY/LOCATION/TYPE/CLASS "
            "and, for one of several, /FIRST-LAST",
        )
    place, capability = "/".join(parts[:depth]), parts[depth]
    wanted = "".join(parts[depth + 1 :])
    found = [
        pool
        for pool in view.pools_of(seen, place, capability)
        if not wanted or f"{pool.first}-{pool.last}" == wanted
    ]
    return found or Refusal(Status.NOT_FOUND, f"there is no pool {'/'.join(parts)}; add it first")


def next_free(seen: View, pool: Pool) -> tuple[str, PoolUse] | Refusal:
    """The serial that is given next, and the use of the pool once it is."""
    use = view.get_use(seen, pool)
    last, width = serials.number(pool.last), len(pool.last)
    refusal = pool_quota(pool, use) if use.next <= last else None
    if refusal is not None:
        return refusal
    number = Serials(seen, pool.place, pool.capability, width).next_free(use.next, last)
    if number is None:
        return Refusal(Status.POOL_EXHAUSTED, f"all codes of pool {pool.code} are assigned")
    return serials.text(number, width), PoolUse(use.assigned + 1, number + 1)
