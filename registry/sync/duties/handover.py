"""Cuts that move to this node or from it (ADR 14): what is to be done next, by what the copy of the
root zone says and by how far this node is. All of it is written down before anything follows from
it, so whoever is killed goes on from there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from csid import names
from csid.errors import CsidError, StoreError
from csid.protocol import NOERROR
from registry.network import handover_units as units
from registry.network import membership
from registry.network.handover_units import HandoverError
from registry.rules.decide import decide
from registry.rules.filing import is_before
from registry.rules.requests import TEXT_MAX, Actor, MoveFiling, Request, Role
from registry.sync.batch import perform
from registry.sync.duties import copies, handover_steps
from registry.sync.duties import move_messages as messages
from registry.sync.duties.filing_duty import read_answer
from registry.sync.duties.handover_steps import ASK, CHECK, WEIGH, Step, Who, under_way_here
from registry.sync.hooks import Network, Unit
from registry.tables import transaction, view
from registry.tables.enums import FilingState
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.zones import moving
from registry.zones.founding import server_of
from registry.zones.moving import Seen
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync import states
from resolver.sync.actions import Errand
from resolver.sync.settings import FOLLOWS, Target, follow_of, pack, where

POLL_SECONDS: Final = 2  # between two looks of a secondary that nobody notifies
PAUSE_SECONDS: Final = 2  # before the same is said to the national node again
RETRY_SECONDS: Final = 30  # before what has failed is tried again of which no node can be told
LOOK_SECONDS: Final = 10  # at least, between two looks at all cuts that have ever moved
_PREFIX: Final = b"move/"  # of the names of errands
_TEXT_OCTETS: Final = 240  # of a reason, in one character string


class Handover:
    """Moves the cuts of a data directory: a `registry.sync.hooks.Duty`, and a work.

    Args:
        carry: has the writer carry out a unit.
        now: Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        carry: Callable[[Path, Unit], None] = perform,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._carry = carry
        self._now = now
        self._named = Names(store.settings().suffix)
        self._moves: tuple[object, list[Seen]] = (None, [])  # as the copy of the root zone has them
        self._checked: dict[str, tuple[copies.Held, str]] = {}  # copies: why they cannot be taken
        self._declined: dict[str, tuple[int, str]] = {}  # those that cannot: move, and why
        self._told: dict[str, tuple[int, str]] = {}  # of these, what the national node knows
        self._again: dict[bytes, int] = {}  # errands that rest, and until when
        self._rests: dict[str, int] = {}  # cuts with which something has failed, and until when
        self._mine: tuple[object, float, list[str]] = (None, -math.inf, [])  # cuts, and as of when
        self._failed: CsidError | None = None  # with these, and nobody was told yet
        self._wake: int | None = None
        self._look: int | None = None  # when to look for these

    # -- what is said to the national node

    def due(self, read: ReadTransaction, now: int, /) -> list[Errand]:
        """What is to be said now."""
        seen = TransactionView(read)
        place, root = view.get_place(seen), view.get_root(seen)
        if place is None or root is None:
            return []
        longest = now + PAUSE_SECONDS  # else the clock was set back
        self._again = {name: at for name, at in self._again.items() if now < at <= longest}
        if self._look is not None and self._look <= now:
            self._look = None  # it has been waked for; work that fails is tried again by itself
        target = Target(root.host, root.port, names.from_text(root.key))
        found = []
        for move in self._under_way(read):
            if place.name not in (move.source, move.to):
                continue
            for verb, message in self._messages(read, seen, move, place.name):
                name = _PREFIX + f"{verb}/{move.cut}".encode("ascii")
                if name not in self._again:
                    found.append(Errand(name, target, message))
        is_any = bool(self._declined) or next(under_way_here(seen), None) is not None
        self._wake = now + POLL_SECONDS if is_any else None
        return found

    def _messages(
        self, read: ReadTransaction, seen: TransactionView, move: Seen, own: str
    ) -> Iterator[tuple[str, bytes]]:
        row = view.get_cut_filing(seen, move.cut)
        state = None if row is None else row.state
        declined = self._declined.get(move.cut)
        held = copies.held(read, self._named, move.cut)
        if move.source == own and state is FilingState.MOVING and held is not None:
            # One that was put back from an older copy may say so anew, as long as nobody has it.
            if move.serial is None or is_before(move.serial, held[1]):
                yield "freeze", messages.said(self._named, move, f"serial={held[1]}")
        elif move.to == own and state is FilingState.TAKING and held is not None:
            is_whole = held[1] == move.serial
            if is_whole and self._checked.get(move.cut) == (held, ""):
                yield "switch", messages.asked(self._named, move, server_of(seen, self._named))
        if self._told.get(move.cut) != declined:
            yield "decline", messages.said(self._named, move, _why(declined))

    def wake(self) -> int | None:
        """When there is to be looked again, in Unix seconds."""
        times = [*self._again.values(), *self._rests.values(), self._wake, self._look]
        return min((one for one in times if one is not None), default=None)

    def answered(self, errand: Errand, answer: bytes, reason: str, now: int, /) -> None:
        """Nothing is written: what the national node has done, its zone says."""
        self._again[errand.name] = now + PAUSE_SECONDS
        verb, _, cut = errand.name.removeprefix(_PREFIX).decode("ascii").partition("/")
        declined = self._declined.get(cut)
        is_said = messages.string(_why(declined)) in errand.message  # it may be another by now
        if verb == "decline" and answer and answer[3] & 15 == NOERROR and is_said:
            self._told.pop(cut, None)
            if declined is not None:
                self._told[cut] = declined
        if verb == "switch" and answer:
            state, text = read_answer(answer)
            number = next((move.number for move in self._moves[1] if move.cut == cut), None)
            if state is FilingState.REFUSED and number is not None:
                self._declined[cut] = (number, text)

    # -- what is done here

    def work(self) -> bool:
        """Go on with each cut by a step; whether there may be another at once.

        Raises:
            CsidError: a step has failed that no node can be told of; it is tried again later.
        """
        done = False
        asked: list[Step] = []
        with self._store.read() as read:
            steps = list(self._steps(read))
        for step in steps:
            if step.unit.name == ASK:
                asked.append(step)
                continue
            try:
                done |= self._do(step)
            except StoreError:
                raise
            except CsidError as error:
                if step.move is not None:
                    self._declined[step.cut] = (step.move.number, str(error)[:TEXT_MAX])
                    continue
                self._rests[step.cut] = int(self._now()) + RETRY_SECONDS
                self._failed = HandoverError(f"the cut {step.cut}, which moves: {error}")
        self._ask(asked)
        if self._failed is not None and not done:
            failed, self._failed = self._failed, None
            raise failed
        return done

    def _steps(self, read: ReadTransaction) -> Iterator[Step]:
        """What is to be done next."""
        seen = TransactionView(read)
        place, root = view.get_place(seen), view.get_root(seen)
        if place is None or root is None or not moving.is_told(read, self._named):
            return
        now = self._now()
        longest = now + RETRY_SECONDS  # else the clock was set back
        self._rests = {cut: at for cut, at in self._rests.items() if now < at <= longest}
        moves = {move.cut: move for move in self._under_way(read)}
        held = self._held(read, place.name, now)
        who = Who(root.key, place.name)
        for step in handover_steps.steps(read, self._named, who, moves, held, self._checked, now):
            if step.cut not in self._rests:
                yield step

    def _do(self, step: Step) -> bool:
        """Do one thing; whether there may be another at once."""
        unit, cut = step.unit, step.cut
        if unit.name == WEIGH:
            self._weigh(cut, *unit.args)
            return False
        if unit.name == CHECK:
            self._check(cut)
            return True
        if unit.name == units.OWN:
            self._own(cut, *unit.args)
        else:
            self._carry(self._store.path, unit)
        self._declined.pop(cut, None)
        return True

    def _ask(self, steps: Sequence[Step]) -> None:
        """Have the copies of zones looked at now, from the aggregates that there are."""
        if not steps:
            return
        with self._store.write() as txn:
            [key, *_] = steps[0].unit.args
            primaries = tuple(membership.aggregates(txn, self._named, names.from_text(key)))
            for step in steps:
                apex = self._named.key(step.cut)
                follow = follow_of(txn, apex)
                if follow is not None and primaries and follow.primaries != primaries:
                    txn.table(FOLLOWS).put(where(apex), pack(follow._replace(primaries=primaries)))
                states.ask(txn, apex)
        for step in steps:
            if step.move is not None and not primaries:
                self._declined[step.cut] = (step.move.number, units.NO_AGGREGATE)
            else:
                self._declined.pop(step.cut, None)

    def _weigh(self, cut: str, key: str) -> None:
        """Look whether this node could take a cut that may still be changed.

        Raises:
            HandoverError: it could not.
        """
        body = MoveFiling(cut, FilingState.TAKING, "")
        with self._store.read() as read:
            request = Request(Actor(key, Role.NODE), body)
            decision = decide(TransactionView(read), request, int(self._now()))
        if not decision.status.success:
            raise HandoverError(units.refusal_text(decision))
        self._declined.pop(cut, None)

    def _own(self, cut: str, key: str) -> None:
        """Take over what is in a cut that is this node's now, and then its zone."""
        self._carry(self._store.path, Unit(units.TAKE, [key, cut, ""]))
        with self._store.read() as read:
            serial, count, digest = copies.own_names(read, self._named, cut)
        self._carry(self._store.path, Unit(units.OWN, [key, cut, serial, count, digest, ""]))

    def _check(self, cut: str) -> None:
        """Look whether all that a zone has can be taken.

        Raises:
            HandoverError: something cannot.
        """
        with self._store.read() as read:
            held = copies.held(read, self._named, cut)
            if held is None:
                return
            try:
                copies.check(read, self._named, cut, held)
            except HandoverError as error:
                self._checked[cut] = (held, str(error))
                raise
        self._checked[cut] = (held, "")
        self._declined.pop(cut, None)

    # -- what the root zone says

    def _under_way(self, read: ReadTransaction) -> list[Seen]:
        """The moves that are under way in the network."""
        moment = moving.moment(read, self._named)
        known, moves = self._moves
        if known != moment:
            moves = moving.under_way(read, self._named)
            self._moves = (moment, moves)
            numbers = {move.cut: move.number for move in moves}
            for kept in (self._declined, self._told):
                for cut, (number, _) in list(kept.items()):  # another thread may be at it, too
                    if numbers.get(cut) != number:
                        kept.pop(cut, None)
        return moves

    def _held(self, read: ReadTransaction, own: str, now: float) -> list[str]:
        """The cuts that have moved and are this node's. As all that have moved are looked at, that
        is not done at each change of the root zone.
        """
        moment = moving.moment(read, self._named)
        known, at, held = self._mine
        self._look = None
        if known != moment:
            if at <= now < at + LOOK_SECONDS:
                self._look = (
                    int(at) + LOOK_SECONDS + 1
                )  # not before that, or it looks all the while
            else:
                held = list(moving.held_by(read, self._named, own))
                self._mine = (moment, now, held)
        return held


def _why(declined: tuple[int, str] | None) -> str:
    """What the national node is told of a cut: no reason if nothing holds it up, or no more."""
    why = "" if declined is None else declined[1]
    return f"why={why}".encode()[:_TEXT_OCTETS].decode(errors="ignore")


def adds(
    store: Store,
    carry: Callable[[Path, Unit], None] = perform,
    now: Callable[[], float] = time.time,
) -> Network:
    """What moves of cuts add to the sync process of a directory that has a national node.

    Args:
        carry: has the writer carry out a unit.
        now: Unix seconds.
    """
    transaction.open_tables(store)
    with store.read() as read:
        root = view.get_root(TransactionView(read))
    if root is None or not root.registers:
        return Network()
    handover = Handover(store, carry, now)
    return Network([handover], works=[handover.work])
