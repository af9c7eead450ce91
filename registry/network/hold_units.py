"""What follows at a node from holds (监管暂停), written: the units of the sync process.

The node that has a cut notes who holds what of it, as its copy of the root zone says, suspends what
is registered there and is active, and makes active again what a hold had suspended once nobody
holds it; what was refused by the hold alone is filed again. All of it goes in pieces, and is begun
anew if who holds it changes meanwhile. What is to be looked at waits in a table:

    registry.looked  01 + prefix or identifier -> empty: this one, and what is registered in it
                     02 + prefix -> serial(4) of the root zone: all holds at or below it
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from heapq import merge
from itertools import groupby, islice
from typing import Any, Final

from csid.identifier import Identifier
from csid.limits import COMMIT_SECONDS
from csid.prefix import ancestors
from registry.core import Core
from registry.desk import Batch
from registry.network.receipts import shown
from registry.rules.filing import read_receipt
from registry.rules.held import holders_text
from registry.rules.holds import is_by_hold
from registry.rules.lifecycle import Verb
from registry.rules.requests import (
    TEXT_MAX,
    Actor,
    Advance,
    AnswerHold,
    NoteHold,
    Request,
    Role,
    TakeReceipt,
)
from registry.rules.status import Status
from registry.tables import codec, log_entry, view
from registry.tables.enums import WORDS, FilingState, HoldState, State
from registry.tables.naming import Names
from registry.tables.registered import SEGMENTS
from registry.tables.rows import NO_LEAF, AskedHold, Assignment
from registry.tables.transaction import LOOKED
from registry.tables.view import View
from registry.zones import held
from resolver.store.write import WriteTransaction

ANSWER: Final = "hold.answer"
FOLLOW: Final = "hold.follow"
ONE: Final = b"\1"  # what rows in the table begin with, as no apex does
ALL: Final = b"\2"
STEPS_AT_ONCE: Final = 200  # identifiers or holds found before the time is looked at
_RELEASED: Final = "nobody holds it any more"
RELEASED: Final = "the national node has released it, or the cut was withdrawn"
# A cut in these states has nothing of this node's to be suspended.
_NOT_OURS: Final = (FilingState.LEAVING, FilingState.MOVED)
# In these nothing is changed in it, and what is to be done waits.
_AT_REST: Final = (FilingState.MOVING, FilingState.TAKING)


def answer(core: Core, args: Any) -> str:
    """The unit: write what the national node said to a hold.

    Args:
        args: name of the key that asked, what is held, number of the state, leaf of the row that
            was sent, serial of the root zone, reason, and nothing.
    """
    key, target, number, leaf, serial, reason, _ = args
    actor = Actor(key, Role.NODE, "", core.peer)
    body = AnswerHold(target, HoldState(number), leaf, serial)
    with core.desk.batch(core.store, int(time.time())) as batch:
        batch.decide(Request(actor, body, shown(reason)))
    return ""


def follow(core: Core, args: Any) -> list[Any] | None:
    """The unit: do a piece of what a row of the table says is to be looked at.

    Args:
        args: name of the node's key, the key and the value of the row, and where to go on, empty
            at first.

    Returns:
        Where to go on; empty at the end.
    """
    key, row, value, cursor = args
    until = time.monotonic() + COMMIT_SECONDS
    with core.desk.batch(core.store, int(time.time())) as batch:
        following = Following(core, batch, key)
        go_on = following.one if row[:1] == ONE else following.all
        while True:
            cursor = go_on(row, value, cursor)
            if not cursor or time.monotonic() >= until:
                return cursor


def filing_state(seen: View, target: str) -> FilingState | None:
    """How far the filing of the cut around something is; None if it is not this node's."""
    for cut in ancestors(target):
        row = view.get_cut_filing(seen, cut)
        if row is not None and row.state not in _NOT_OURS:
            return row.state
    return None


def is_at_rest(seen: View, target: str) -> bool:
    """Whether nothing is changed now in the cut around something, as it moves."""
    return filing_state(seen, target) in _AT_REST


class Following:
    """Follows what the copy of the root zone says, in one batch.

    Args:
        key: name of the node's key.
    """

    def __init__(self, core: Core, batch: Batch, key: str) -> None:
        txn = batch.volume.txn
        assert isinstance(txn, WriteTransaction)
        self._batch = batch
        self._txn = txn
        self._named = Names(core.suffix)
        self._peer = core.peer
        self._key = key

    def all(self, row: bytes, value: bytes, cursor: list[str]) -> list[str] | None:
        """Note those at or below a prefix, some at a time; those that differ are looked at."""
        prefix = row[1:].decode("ascii")
        looked = self._txn.table(LOOKED)
        before = cursor[0] if cursor else ""
        found = list(islice(self._targets(prefix, before), STEPS_AT_ONCE))
        for target in found:
            if self._note(target):
                looked.put(ONE + target.encode("ascii"), b"")
        if len(found) == STEPS_AT_ONCE:
            return [found[-1]]
        if looked.get(row) == value:  # else another version has come meanwhile
            looked.delete(row)
        return None

    def _targets(self, prefix: str, after: str) -> Iterator[str]:
        """What is held at or below a prefix, by the copy or as far as is known here, in order."""
        start = after.encode("ascii") + b"\0" if after else b""
        tables = (
            (key.decode("ascii") for key, _ in self._batch.view.scan(table, prefix.encode(), start))
            for table in (codec.HOLDS, codec.ASKED_HOLDS)
        )
        copies = (one.target for one in held.all_of(self._txn, self._named, prefix, after))
        return (one for one, _ in groupby(merge(copies, *tables)))

    def one(self, row: bytes, _value: bytes, cursor: list[Any]) -> list[Any] | None:
        """Note who holds one, and go on with what is registered in it, some at a time."""
        target = row[1:].decode("ascii")
        self._note(target)
        state = filing_state(self._batch.view, target)
        if state in _AT_REST:
            return None  # and it waits
        hold = view.get_hold(self._batch.view, target)
        leaf = hold.leaf if hold is not None else NO_LEAF
        phase, name = cursor[1:] if cursor and cursor[0] == leaf else (0, "")
        phases = (State.ACTIVE,) if hold is not None else (State.SUSPENDED, State.REFUSED)
        if state is not None:
            found = list(islice(self._names(target, phases[phase], name), STEPS_AT_ONCE + 1))
            for one in found[:STEPS_AT_ONCE]:
                self._turn(one)
            if len(found) > STEPS_AT_ONCE:
                return [leaf, phase, found[STEPS_AT_ONCE]]
            if phase + 1 < len(phases):
                return [leaf, phase + 1, ""]
        self._txn.table(LOOKED).delete(row)
        return None

    def _note(self, target: str) -> bool:
        """Write who holds something, as the copy says; whether that is another than was known."""
        hold = held.at(self._txn, self._named, target)
        if not held.is_told(self._txn, self._named):
            return False
        seen = self._batch.view
        asked, place = view.get_asked_hold(seen, target), view.get_place(seen)
        if asked is not None and place is not None:
            is_ours = hold is not None and any(one.node == place.name for one in hold.by)
            self._settle(target, asked, is_ours)
        # What was held in a cut that was withdrawn is not so any more.
        is_here = hold is not None and filing_state(seen, target) not in (
            None,
            FilingState.REFUSED,
        )
        body = NoteHold(target, hold.by if hold is not None and is_here else ())
        decision = self._batch.decide(Request(Actor(self._key, Role.NODE, "", self._peer), body))
        return decision.status is Status.DONE

    def _settle(self, target: str, asked: AskedHold, is_ours: bool) -> None:
        """Write what the copy says of a hold that this node has asked for."""
        if asked.state is HoldState.SENT and is_ours:
            state, why = HoldState.HELD, asked.why
        elif asked.state in (HoldState.SENT, HoldState.HELD) and not is_ours:
            state, why = HoldState.RELEASED, RELEASED
        elif asked.state is HoldState.RELEASED and is_ours:  # what was sent earlier came later
            state, why = HoldState.RELEASING, asked.why
        else:
            return
        if held.is_told(self._txn, self._named, asked.serial):
            body = AnswerHold(target, state, asked.leaf)
            actor = Actor(self._key, Role.NODE, "", self._peer)
            self._batch.decide(Request(actor, body, why))

    def _names(self, target: str, state: State, start: str) -> Iterator[str]:
        """The identifiers at or below something that may be in a state, from one on."""
        table, head = codec.ASSIGNMENTS, ""
        if state is not State.ACTIVE:
            table, head = codec.BY_STATE, f"{WORDS[state].record}/"
        is_one = target.count("/") + 1 == SEGMENTS
        below = f"{head}{target}{'' if is_one else '/'}".encode("ascii")
        for key, _ in self._batch.view.scan(table, below, f"{head}{start}".encode("ascii")):
            name = key.decode("ascii").removeprefix(head)
            if not is_one or name == target:
                yield name

    def _turn(self, name: str) -> None:
        """Have an identifier be what it is to be, held or not."""
        seen = self._batch.view
        row, over = view.get_assignment(seen, name), view.hold_over(seen, name)
        if row is None:
            return
        if over is not None:
            verb, reason = Verb.SUSPEND, holders_text(over[1])[:TEXT_MAX]
            is_due = row.state is State.ACTIVE
        elif row.state is State.SUSPENDED:
            verb, reason, is_due = Verb.REINSTATE, _RELEASED, is_by_hold(seen, name)
        else:
            verb, reason, is_due = Verb.FILE, _RELEASED, _is_refused_by_hold(seen, row)
        if is_due:
            actor = Actor(self._key, Role.NODE, name.partition("/")[0], self._peer)
            body = Advance(Identifier(*name.split("/")), verb)
            self._batch.decide(Request(actor, body, reason))


def _is_refused_by_hold(seen: View, row: Assignment) -> bool:
    """Whether the national node has refused an identifier because it was held."""
    leaf = seen.leaf(row.leaf) if row.state is State.REFUSED else None
    if leaf is None:
        return False
    entry = log_entry.decode(leaf)
    return entry.kind == TakeReceipt.kind and read_receipt(entry.to)[1] is Status.HELD
