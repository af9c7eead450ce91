"""Plans carried out piece by piece: steps and decisions of a piece in one transaction."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

from csid.limits import COMMIT_SECONDS
from registry.core import Core
from registry.rules import plan
from registry.rules.decision import Decision
from registry.rules.plan import MintAll, Plan
from registry.rules.requests import Actor, Request
from registry.rules.status import BY_NUMBER
from registry.writer.batch import Batch
from registry.writer.values import ValuesError, pack, pack_actor, read_actor, read_plan

STEPS_AT_ONCE: Final = 16  # found before the time is looked at again


class Piece(NamedTuple):
    """What a part of a plan came to. ``cursor`` is where it goes on, empty if it is through."""

    decisions: list[Decision]
    cursor: str
    stopped: bool  # a refusal ends the plan


def arguments(work: Plan, cursor: str, actor: Actor, reason: str, key: str) -> list[object]:
    """The arguments of `carry_on`; ``actor``, ``reason`` and ``key`` as `Registry.run` has them."""
    return [pack(work), cursor, pack_actor(actor), reason, key]


def carry_on(core: Core, args: Any) -> list[object]:
    """Carry out as many steps of a plan as COMMIT_SECONDS allow, at least one.

    Raises:
        ValuesError: the arguments are none.
        IdentifierError: a prefix, an owner or a location of the plan is malformed.
    """
    work, cursor, actor, reason, key = _read(args, core.peer)
    decisions: list[Decision] = []
    stopped = False
    until = time.monotonic() + COMMIT_SECONDS
    most = 1 if not cursor else STEPS_AT_ONCE  # the first step may decide on all others
    with core.store.write() as txn:
        batch = Batch(txn, core.suffix, int(time.time()), core.stages.check)
        while True:
            bodies, following = plan.steps(batch.view, work, cursor, most)
            taken = [
                batch.decide(Request(actor, body, reason, step_key(work, key, cursor, number)))
                for number, body in enumerate(bodies)
            ]
            decisions += taken
            stopped = plan.is_ended(work, bodies, taken)
            cursor, most = following, STEPS_AT_ONCE
            if not cursor or stopped or time.monotonic() >= until:
                break
        batch.write()
    for observe in core.stages.observe:
        for decision in decisions:
            observe(decision)
    told = [[one.status.number, one.subject, one.detail] for one in decisions]
    return [told, cursor, stopped]


def piece_of(result: Any) -> Piece:
    """What `carry_on` returned."""
    told, cursor, stopped = result
    decisions = [Decision(BY_NUMBER[number], *rest) for number, *rest in told]
    return Piece(decisions, cursor, stopped)


def step_key(work: Plan, key: str, cursor: str, number: int) -> str:
    """The key of one step: steps of other plans find by themselves what is done already."""
    return f"{key}/{int(cursor or 0) + number}" if key and isinstance(work, MintAll) else ""


def _read(args: Any, peer: str) -> tuple[Plan, str, Actor, str, str]:
    if not isinstance(args, list | tuple) or len(args) != 5:
        raise ValuesError("expected a plan, where it goes on, who asks, why, and its key")
    work, cursor, actor, reason, key = args
    for text in (cursor, reason, key):
        if type(text) is not str:
            raise ValuesError(f"expected text, given {type(text).__name__}")
    return read_plan(tuple(work)), cursor, read_actor(tuple(actor), peer), reason, key
