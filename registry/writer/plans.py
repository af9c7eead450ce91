"""Plans carried out piece by piece: steps and decisions of a piece in one transaction."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from csid.limits import COMMIT_SECONDS
from registry.core import Core
from registry.rules import plan
from registry.rules.acting import Acting
from registry.rules.decision import Decision
from registry.rules.plan import MintAll, Plan
from registry.rules.requests import Actor, Request
from registry.rules.status import BY_NUMBER
from registry.tables.view import View
from registry.writer.values import ValuesError, pack, pack_actor, read_actor, read_plan

_NUMBER: Final = re.compile(r"[0-9]{1,18}")  # the cursor of `MintAll`
STEPS_AT_ONCE: Final = 16  # found before the time is looked at again

Decide = Callable[[Request], Decision]


class Piece(NamedTuple):
    """What a part of a plan came to. ``cursor`` is where it goes on, empty if it is through."""

    decisions: list[Decision]
    cursor: str
    stopped: bool  # a refusal ends the plan


class Task(NamedTuple):
    """A plan as somebody has it carried out; ``reason`` and ``key`` as `Registry.run` has them."""

    work: Plan
    actor: Actor
    reason: str = ""
    key: str = ""

    def advance(self, seen: View, decide: Decide, cursor: str, until: float) -> Piece:
        """Have the steps behind ``cursor`` decided one after the other.

        Args:
            seen: shows what was decided, so that a step sees those before it.
            until: a time on the monotonic clock, after which no more are begun.
        """
        before = None if cursor else plan.replayed_plan(seen, self.work, self.actor, self.key)
        if before is not None:
            return Piece([before], "", not before.status.success)
        decisions: list[Decision] = []
        most = 1 if not cursor else STEPS_AT_ONCE  # the first step may decide on all others
        while True:
            bodies, following = plan.steps(seen, self.work, cursor, most)
            for number, body in enumerate(bodies):
                key = self._key(cursor, number)
                decisions.append(decide(Request(self.actor, body, self.reason, key)))
                if plan.is_ended(self.work, [body], decisions[-1:]):
                    return Piece(decisions, following, True)
            if not following or time.monotonic() >= until:
                return Piece(decisions, following, False)
            cursor, most = following, STEPS_AT_ONCE

    def _key(self, cursor: str, number: int) -> str:
        """The key of one step: steps of other plans find by themselves what is done already."""
        if self.key and plan.has_step_keys(self.work):
            return f"{self.key}/{int(cursor or 0) + number}"
        return ""


def arguments(task: Task, cursor: str) -> list[object]:
    """The arguments of `carry_on`."""
    return [pack(task.work), pack_actor(task.actor), task.reason, task.key, cursor]


def carry_on(core: Core, args: Any) -> list[object]:
    """Carry out as many steps of a plan as COMMIT_SECONDS allow, at least one.

    Raises:
        ValuesError: the arguments are none.
        IdentifierError: a prefix, an owner or a location of the plan is malformed.
    """
    task, cursor = _read(args, core.by)
    until = time.monotonic() + COMMIT_SECONDS
    with core.desk.batch(core.store, int(time.time())) as batch:
        piece = task.advance(batch.view, batch.decide, cursor, until)
    for observe in core.stages.observe:
        for decision in piece.decisions:
            observe(decision)
    told = [[one.status.number, one.subject, one.detail] for one in piece.decisions]
    return [told, piece.cursor, piece.stopped]


def piece_of(result: Any) -> Piece:
    """What `carry_on` returned."""
    told, cursor, stopped = result
    decisions = [Decision(BY_NUMBER[number], *rest) for number, *rest in told]
    return Piece(decisions, cursor, stopped)


def _read(args: Any, by: Acting) -> tuple[Task, str]:
    if not isinstance(args, list | tuple) or len(args) != 5:
        raise ValuesError("expected a plan, who asks, why, its key, and where it goes on")
    work, actor, reason, key, cursor = args
    for text in (reason, key, cursor):
        if type(text) is not str:
            raise ValuesError(f"expected text, given {type(text).__name__}")
    task = Task(read_plan(tuple(work)), read_actor(tuple(actor), by), reason, key)
    if cursor and isinstance(task.work, MintAll) and not _NUMBER.fullmatch(cursor):
        raise ValuesError("expected the number of the code to go on with")
    return task, cursor
