"""Requests about many identifiers, as steps: single requests that are each decided by themselves.

`steps` gives some of them and where to go on, so that a writer can commit in between; a plan that
was interrupted begins again anywhere, because what is done already is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import Any, ClassVar, Final, NamedTuple

from csid import prefix
from csid.identifier import Identifier, fold
from csid.record import Record
from registry.rules import moves
from registry.rules.decide import replayed
from registry.rules.decision import Decision
from registry.rules.lifecycle import LIVE
from registry.rules.requests import (
    Actor,
    Alias,
    AliasSubtree,
    Body,
    FinishPlan,
    Mint,
    Move,
    Request,
    RetireLocation,
    fingerprint,
)
from registry.tables import codec, index
from registry.tables.view import View


@dataclass(frozen=True, slots=True)
class Transfer:
    """Every identifier below ``prefix`` that lives goes to another owner."""

    kind: ClassVar[str] = "transfer"
    prefix: str
    owner: str


@dataclass(frozen=True, slots=True)
class AliasAll:
    """Every identifier below ``old`` leads to its counterpart below ``new``; then old is closed."""

    kind: ClassVar[str] = "alias.all"
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class MintAll:
    """``count`` identifiers from a pool, all with one record; ``ttl`` as of `Mint`.

    ``rest``: the count is what was left when it was asked, and no part of what is asked.
    """

    kind: ClassVar[str] = "mint.all"
    pool: str
    record: Record
    count: int
    ttl: int | None = None
    rest: bool = False


Plan = Transfer | AliasAll | MintAll | RetireLocation


ROWS: Final = 5_000  # identifiers looked at for one part of a plan, some milliseconds


class Steps(NamedTuple):
    """Some steps, perhaps none; ``cursor`` is where to go on, empty if these were the last."""

    bodies: tuple[Body, ...]
    cursor: str


def steps(seen: View, plan: Plan, cursor: str = "", most: int = 1_000) -> Steps:
    """The next steps of a plan, at most ``most``; the first call has no cursor.

    Raises:
        IdentifierError: a prefix, an owner or a location is malformed.
    """
    bodies: list[Body] = []
    for at, body in _EXPAND[type(plan)](seen, plan, cursor):
        if body is None or len(bodies) == most:
            return Steps(tuple(bodies), at)
        bodies.append(body)
    return Steps(tuple(bodies), "")


def finish(plan: Plan) -> FinishPlan:
    """What is asked under the key of a plan once all of it was done: asked again under it, the plan
    is done already, whatever has come since.
    """
    if isinstance(plan, MintAll):
        plan = replace(plan, count=0)
    said = fields(plan)[0].name  # each says first what it is about
    return FinishPlan(plan.kind, fold(getattr(plan, said)), sha256(fingerprint(plan)).digest())


def has_step_keys(plan: Plan) -> bool:
    """Whether under a key each step has one of its own: steps of other plans find by themselves
    what is done already, and the plan has the key as a whole.
    """
    return isinstance(plan, MintAll) and not plan.rest


def replayed_plan(seen: View, plan: Plan, actor: Actor, key: str) -> Decision | None:
    """What is said to a plan under a key that the actor gave before; None if it is to be done."""
    if has_step_keys(plan):
        return None
    decision = replayed(seen, Request(actor, finish(plan), key=key))
    # What came of it was told then, step by step.
    return decision._replace(subject="") if decision and decision.status.success else decision


# Each yields (the cursor from which this step is the next, the step); None in place of a step ends
# the part, as enough was looked at.
Expansion = Iterator[tuple[str, Body | None]]


def _transfer(seen: View, plan: Transfer, cursor: str) -> Expansion:
    below, owner = prefix.whole(plan.prefix), prefix.whole(plan.owner, 1)
    yield from _of_living(
        seen, [(below, cursor)], lambda old: Move(old, moves.moved(old, owner=owner))
    )


_CLOSE: Final = "~"  # behind every identifier


def _alias_all(seen: View, plan: AliasAll, cursor: str) -> Expansion:
    old, new = prefix.whole(plan.old), prefix.whole(plan.new)
    others = dict(zip(prefix.PLACE, new.split("/"), strict=False))
    yield from _of_living(seen, [(old, cursor)], lambda one: Alias(one, moves.moved(one, **others)))
    yield _CLOSE, AliasSubtree(old, new)
    if not moves.closes_at_once(seen, old):
        yield _CLOSE, None


def is_ended(plan: Plan, steps: Sequence[Body], decisions: Sequence[Decision]) -> bool:
    """Whether a plan ends with these steps, as one of them was refused: of a location that may not
    be retired, of a prefix that may not be closed, or of a pool that gives no more.
    """
    return any(
        isinstance(plan, MintAll) or isinstance(step, RetireLocation | AliasSubtree)
        for step, decision in zip(steps, decisions, strict=True)
        if not decision.status.success
    )


def _mint_all(seen: View, plan: MintAll, cursor: str) -> Expansion:
    for number in range(int(cursor or 0), plan.count):
        yield str(number), Mint(plan.pool, plan.record, plan.ttl)


def _retire_location(seen: View, plan: RetireLocation, cursor: str) -> Expansion:
    old, new = fold(plan.old), fold(plan.new)
    if not cursor:
        yield "", plan
    first = _location_key(cursor) if cursor else b""
    places = (
        (index.place_in(key), cursor if key == first else "")
        for key, _ in seen.scan(codec.PLACES, f"l{old}/".encode(), first)
    )
    yield from _of_living(
        seen, places, lambda one: Move(one, moves.moved(one, location=new), renumber=True)
    )


def _location_key(name: str) -> bytes:
    return index.location_key(name.rpartition("/")[0])


def _of_living(
    seen: View, ranges: Iterable[tuple[str, str]], step: Callable[[Identifier], Body]
) -> Expansion:
    """A step for each identifier that lives below prefixes, of each from one on; the part ends
    after ROWS of all that are there.
    """
    looked = 0
    for below, start in ranges:
        for key, value in seen.scan(codec.ASSIGNMENTS, f"{below}/".encode(), start.encode()):
            name = key.decode("ascii")
            if looked == ROWS:
                yield name, None
                return
            looked += 1
            if codec.state_of(value) in LIVE:
                yield name, step(Identifier(*name.split("/")))


_EXPAND: Final[Mapping[type[Plan], Callable[[View, Any, str], Expansion]]] = {
    Transfer: _transfer,
    AliasAll: _alias_all,
    MintAll: _mint_all,
    RetireLocation: _retire_location,
}
