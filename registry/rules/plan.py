"""Requests about many identifiers, as steps: single requests that are each decided by themselves.

`steps` gives some of them and where to go on, so that a writer can commit in between; a plan that
was interrupted begins again anywhere, because what is done already is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

from csid import prefix
from csid.identifier import Identifier, fold
from csid.record import Record
from registry.rules import moves
from registry.rules.decision import Decision
from registry.rules.lifecycle import LIVE
from registry.rules.requests import Alias, AliasSubtree, Body, Mint, Move, RetireLocation
from registry.tables import codec, index, view
from registry.tables.view import View


@dataclass(frozen=True, slots=True)
class Transfer:
    """Every identifier below ``prefix`` that lives goes to another owner."""

    prefix: str
    owner: str


@dataclass(frozen=True, slots=True)
class AliasAll:
    """Every identifier below ``old`` leads to its counterpart below ``new``; then old is closed."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class MintAll:
    """``count`` identifiers from a pool, all with one record."""

    pool: str
    record: Record
    count: int


Plan = Transfer | AliasAll | MintAll | RetireLocation


class Steps(NamedTuple):
    """Some steps; ``cursor`` is where to go on, empty if these were the last."""

    bodies: tuple[Body, ...]
    cursor: str


def steps(seen: View, plan: Plan, cursor: str = "", most: int = 1_000) -> Steps:
    """The next steps of a plan, at most ``most``; the first call has no cursor.

    Raises:
        IdentifierError: a prefix, an owner or a location is malformed.
    """
    found = list(islice(_EXPAND[type(plan)](seen, plan, cursor), most + 1))
    if len(found) <= most:
        return Steps(tuple(body for _, body in found), "")
    return Steps(tuple(body for _, body in found[:most]), found[most][0])


# Each yields (the cursor from which this step is the next, the step).
Expansion = Iterator[tuple[str, Body]]


def _transfer(seen: View, plan: Transfer, cursor: str) -> Expansion:
    below, owner = prefix.whole(plan.prefix), prefix.whole(plan.owner, 1)
    for identifier in _living(seen, below, cursor):
        yield str(identifier), Move(identifier, moves.moved(identifier, owner=owner))


_CLOSE: Final = "~"  # behind every identifier


def _alias_all(seen: View, plan: AliasAll, cursor: str) -> Expansion:
    old, new = prefix.whole(plan.old), prefix.whole(plan.new)
    others = dict(zip(prefix.PLACE, new.split("/"), strict=False))
    for identifier in _living(seen, old, cursor):
        yield str(identifier), Alias(identifier, moves.moved(identifier, **others))
    yield _CLOSE, AliasSubtree(old, new)


def is_ended(plan: Plan, steps: Sequence[Body], decisions: Sequence[Decision]) -> bool:
    """Whether a plan ends with these steps, as one of them was refused: of a location that may not
    be retired, or of a pool that gives no more.
    """
    return any(
        isinstance(plan, MintAll) or isinstance(step, RetireLocation)
        for step, decision in zip(steps, decisions, strict=True)
        if not decision.status.success
    )


def _mint_all(seen: View, plan: MintAll, cursor: str) -> Expansion:
    for number in range(int(cursor or 0), plan.count):
        yield str(number), Mint(plan.pool, plan.record)


def _retire_location(seen: View, plan: RetireLocation, cursor: str) -> Expansion:
    old, new = fold(plan.old), fold(plan.new)
    if not cursor:
        yield "", plan
    first = _location_key(cursor) if cursor else b""
    for key, _ in seen.scan(codec.PLACES, f"l{old}/".encode(), first):
        start = cursor if key == first else ""
        for identifier in _living(seen, index.place_in(key), start):
            moved = moves.moved(identifier, location=new)
            yield str(identifier), Move(identifier, moved, renumber=True)


def _location_key(name: str) -> bytes:
    return index.location_key(name.rpartition("/")[0])


def _living(seen: View, below: str, start: str) -> Iterator[Identifier]:
    """The identifiers below a prefix that live, from one on."""
    for name, row in view.assignments(seen, below, start):
        if row.state in LIVE:
            yield Identifier(*name.split("/"))


_EXPAND: Final[Mapping[type[Plan], Callable[[View, Any, str], Expansion]]] = {
    Transfer: _transfer,
    AliasAll: _alias_all,
    MintAll: _mint_all,
    RetireLocation: _retire_location,
}
