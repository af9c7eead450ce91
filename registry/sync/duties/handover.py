"""Cuts that move to this node or from it (ADR 14): what is to be done next, by what the copy of the
root zone says and by how far this node is. All of it is written down before anything follows from
it, so whoever is killed goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from csid import names
from csid.errors import CsidError, StoreError
from csid.protocol import NOERROR
from registry.network import handover_units as units
from registry.network import membership
from registry.rules.decide import decide
from registry.rules.requests import TEXT_MAX, Actor, MoveFiling, Request, Role
from registry.sync.batch import perform
from registry.sync.duties import copies
from registry.sync.duties import move_messages as messages
from registry.sync.duties.filing_duty import read_answer
from registry.sync.hooks import Network, Unit
from registry.tables import codec, network, transaction, view
from registry.tables.enums import FILING_WORDS, UNDER_WAY, FilingState
from registry.tables.naming import Names
from registry.tables.rows import CutFiling
from registry.tables.transaction import TransactionView
from registry.zones import moving
from registry.zones.founding import server_of
from registry.zones.moving import Seen
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync import states
from resolver.sync.actions import Errand
from resolver.sync.settings import FOLLOWS, Target, follow_of, pack, where

# After the switch the old node is a secondary for so long: what others have been told of the
# delegation has passed, also by way of a secondary of the root zone that was late.
PART_SECONDS: Final = 2 * network.TTL
POLL_SECONDS: Final = 2  # between two looks of a secondary that nobody notifies
PAUSE_SECONDS: Final = 2  # before the same is said to the national node again
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
        self._checked: dict[str, tuple[bytes, int]] = {}  # cuts that can be taken: their data
        self._declined: dict[str, tuple[int, str]] = {}  # those that cannot: move, and why
        self._told: dict[str, tuple[int, str]] = {}  # of these, what the national node knows
        self._again: dict[bytes, int] = {}  # errands that rest, and until when
        self._wake: int | None = None

    # -- what is said to the national node

    def due(self, read: ReadTransaction, now: int, /) -> list[Errand]:
        """What is to be said now."""
        seen = TransactionView(read)
        place, root = view.get_place(seen), view.get_root(seen)
        if place is None or root is None:
            return []
        self._again = {name: at for name, at in self._again.items() if at > now}
        target = Target(root.host, root.port, names.from_text(root.key))
        found = []
        for move in self._under_way(read):
            if place.name not in (move.source, move.to):
                continue
            for verb, message in self._messages(read, seen, move, place.name):
                name = _PREFIX + f"{verb}/{move.cut}".encode("ascii")
                if name not in self._again:
                    found.append(Errand(name, target, message))
        is_any = bool(self._declined) or next(_under_way_here(seen), None) is not None
        self._wake = now + POLL_SECONDS if is_any else None
        return found

    def _messages(
        self, read: ReadTransaction, seen: TransactionView, move: Seen, own: str
    ) -> Iterator[tuple[str, bytes]]:
        row = view.get_cut_filing(seen, move.cut)
        state = None if row is None else row.state
        declined = self._declined.get(move.cut)
        if move.source == own and state is FilingState.MOVING and move.serial is None:
            held = copies.held(read, self._named, move.cut)
            if held is not None:
                yield "freeze", messages.said(self._named, move, f"serial={held[1]}")
        elif move.to == own and state is FilingState.TAKING and move.serial is not None:
            held = copies.held(read, self._named, move.cut)
            if held is not None and held[1] == move.serial and self._checked.get(move.cut) == held:
                yield "switch", messages.asked(self._named, move, server_of(seen, self._named))
        is_told = self._told.get(move.cut) == declined
        if declined is not None and declined[0] == move.number and not is_told:
            text = declined[1].encode()[:_TEXT_OCTETS].decode(errors="ignore")
            yield "decline", messages.said(self._named, move, f"why={text}")

    def wake(self) -> int | None:
        """When there is to be looked again, in Unix seconds."""
        times = [*self._again.values(), *([] if self._wake is None else [self._wake])]
        return min(times, default=None)

    def answered(self, errand: Errand, answer: bytes, reason: str, now: int, /) -> None:
        """Nothing is written: what the national node has done, its zone says."""
        self._again[errand.name] = now + PAUSE_SECONDS
        verb, _, cut = errand.name.removeprefix(_PREFIX).decode("ascii").partition("/")
        if verb == "decline" and answer and answer[3] & 15 == NOERROR and cut in self._declined:
            self._told[cut] = self._declined[cut]
        if verb == "switch" and answer:
            state, text = read_answer(answer)
            number = next((move.number for move in self._moves[1] if move.cut == cut), None)
            if state is FilingState.REFUSED and number is not None:
                self._declined[cut] = (number, text)

    # -- what is done here

    def work(self) -> bool:
        """Go on with each cut by a step; whether there may be another at once."""
        is_any = False
        with self._store.read() as read:
            steps = list(self._steps(read))
        for move_or_none, cut, unit in steps:
            try:
                if unit.name == units.OWN:
                    self._own(cut, *unit.args)
                elif unit.name == _ASK:
                    self._ask(cut, *unit.args)
                    continue
                elif unit.name == _WEIGH:
                    self._weigh(cut, *unit.args)
                    continue
                elif unit.name == _CHECK:
                    self._check(cut)
                else:
                    self._carry(self._store.path, unit)
            except StoreError:
                raise
            except CsidError as error:
                if move_or_none is None:
                    raise
                self._declined[cut] = (move_or_none.number, str(error)[:TEXT_MAX])
                continue
            self._declined.pop(cut, None)
            is_any = True
        return is_any

    def _steps(self, read: ReadTransaction) -> Iterator[tuple[Seen | None, str, Unit]]:
        """What is to be done next: the move that it may be declined for, the cut, the unit."""
        seen = TransactionView(read)
        place, root = view.get_place(seen), view.get_root(seen)
        if place is None or root is None or not moving.is_told(read, self._named):
            return
        key, own = root.key, place.name
        here = dict(_under_way_here(seen))
        moves = {move.cut: move for move in self._under_way(read)}
        for cut, move in moves.items():
            if cut in here and here[cut].state is not FilingState.LEAVING:
                continue
            if move.source == own and cut not in here:
                yield move, cut, Unit(units.FREEZE, [key, cut, move.to, ""])
            elif move.to == own and not (cut in here and self._has_names(seen, cut)):
                if move.serial is None:  # its copy would fall behind what is assigned there
                    yield move, cut, Unit(_WEIGH, [key])
                else:
                    yield move, cut, Unit(units.BEGIN, [key, cut, move.source, key, ""])
        for cut, row in here.items():
            unit = self._next(read, seen, cut, row, moves.get(cut), (key, own))
            if unit is not None:
                yield moves.get(cut) if unit.name == _CHECK else None, cut, unit

    def _next(
        self,
        read: ReadTransaction,
        seen: TransactionView,
        cut: str,
        row: CutFiling,
        move: Seen | None,
        who: tuple[str, str],
    ) -> Unit | None:
        """What is to be done with a cut that is on its way here."""
        key, own = who
        holder = moving.holder(read, self._named, cut)
        if row.state is FilingState.MOVING:
            if not holder or (holder == own and move is not None):
                return None
            if holder == own:
                return Unit(units.THAW, [key, cut, ""])
            return Unit(units.LEAVE, [key, cut, key, ""])
        if row.state is FilingState.LEAVING:
            if self._has_names(seen, cut):
                return Unit(units.LEAVE, [key, cut, key, ""])
            if move is None or move.to != own:
                is_over = self._now() >= row.changed + PART_SECONDS
                return Unit(units.PART, [key, cut, ""]) if is_over else Unit(_ASK, [key])
            return None
        if holder == own:
            return Unit(units.OWN, [key])
        if move is None or move.to != own:
            return Unit(units.GIVE_UP, [key, cut, holder or row.node, ""])
        held = copies.held(read, self._named, cut)
        if held is None or held[1] != move.serial:
            return Unit(_ASK, [key])
        return Unit(_CHECK, []) if self._checked.get(cut) != held else None

    def _has_names(self, seen: TransactionView, cut: str) -> bool:
        rows = seen.scan(codec.ASSIGNMENTS, f"{cut}/".encode("ascii"))
        return next(rows, None) is not None

    def _ask(self, cut: str, key: str) -> None:
        """Have the copy of a zone looked at now, from the aggregates that there are."""
        apex = self._named.key(cut)
        with self._store.write() as txn:
            follow = follow_of(txn, apex)
            primaries = tuple(membership.aggregates(txn, self._named, names.from_text(key)))
            if follow is not None and primaries and follow.primaries != primaries:
                txn.table(FOLLOWS).put(where(apex), pack(follow._replace(primaries=primaries)))
            states.ask(txn, apex)

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
            raise units.HandoverError(units.refusal_text(decision))
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
            held = copies.checked(read, self._named, cut)
        if held is not None:
            self._checked[cut] = held

    def _under_way(self, read: ReadTransaction) -> list[Seen]:
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


# What no writer is needed for.
_ASK: Final = "ask"  # have a copy looked at
_WEIGH: Final = "weigh"  # look whether a cut could be taken
_CHECK: Final = "check"  # look through a copy


def _under_way_here(seen: TransactionView) -> Iterator[tuple[str, CutFiling]]:
    """The cuts that are on their way here or from here."""
    for state in UNDER_WAY:
        head = codec.state_key(FILING_WORDS[state][0], "")
        for key, _ in seen.scan(codec.BY_STATE, head):
            cut = key[len(head) :].decode("ascii")
            row = view.get_cut_filing(seen, cut)
            if row is not None and row.state is state:
                yield cut, row


def adds(store: Store) -> Network:
    """What moves of cuts add to the sync process of a directory that has a national node."""
    transaction.open_tables(store)
    with store.read() as read:
        root = view.get_root(TransactionView(read))
    if root is None or not root.registers:
        return Network()
    handover = Handover(store)
    return Network([handover], works=[handover.work])
