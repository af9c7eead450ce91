"""Holds (监管暂停) of a node that has a registry: those it asks the national node for, each by an
UPDATE (RFC 2136) under its own key, and those that its copy of the root zone says, which it follows
(`registry/network/hold_units.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from csid import names
from csid.protocol import CLASS_ANY, TXT
from registry.network import hold_units
from registry.network.holds import WHY, serial_in
from registry.rules.holds import state_prefix
from registry.sync.batch import perform
from registry.sync.duties.filing_duty import read_answer
from registry.sync.duties.move_messages import string
from registry.sync.hooks import Network, Unit
from registry.tables import codec, network, transaction, view
from registry.tables.enums import FilingState, HoldState
from registry.tables.naming import Names
from registry.tables.registered import begins_shaped, is_shaped
from registry.tables.rows import AskedHold
from registry.tables.transaction import LOOKED, TransactionView
from registry.tables.view import View
from registry.zones import held
from registry.zones.held import HOLDS
from resolver.store import node
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction
from resolver.sync import timers
from resolver.sync.actions import Errand
from resolver.sync.settings import Target
from resolver.sync.update.message import request

AT_ONCE: Final = 64  # holds asked for, in each of the two states
PAUSE_SECONDS: Final = 30  # before a hold is asked for again to which nothing was said
LOOK_SECONDS: Final = 2  # between looks at what waits for the copy, or for a cut that moves
# What is asked for by the state that a hold is in, and what follows: where it is done, where not.
_VERBS: Final = {
    HoldState.WANTED: ("set", HoldState.SENT, HoldState.REFUSED),
    HoldState.RELEASING: ("lift", HoldState.RELEASED, HoldState.SENT),
}
_BY_VERB: Final = {verb: (done, refused) for verb, done, refused in _VERBS.values()}
_PREFIX: Final = "hold/"  # of the names of errands: verb, leaf of the row and what is held follow
_RR: Final = struct.Struct(">HHIH").pack


class HoldDuty:
    """Asks for the holds of a data directory: a `registry.sync.hooks.Duty`."""

    def __init__(self, suffix: str) -> None:
        self._named = Names(suffix)
        self._again: dict[bytes, int] = {}  # errands that rest, and until when
        self._look: int | None = None  # when there is work

    def due(self, read: ReadTransaction, now: int, /) -> list[Errand]:
        """What is to be asked now; what is asked already may be among it."""
        seen = TransactionView(read)
        root = view.get_root(seen)
        if root is None:
            return []
        longest = now + PAUSE_SECONDS  # else the clock was set back
        self._again = {name: at for name, at in self._again.items() if now < at <= longest}
        waits = next(_asked(seen, HoldState.SENT), None) or next(_rows(read), None)
        self._look = now + LOOK_SECONDS if waits is not None else None
        to = Target(root.host, root.port, names.from_text(root.key))
        found = []
        for state, (verb, *_) in _VERBS.items():
            for target, row in _asked(seen, state):
                name = f"{_PREFIX}{verb}/{row.leaf}/{target}".encode("ascii")
                if name not in self._again:
                    found.append(Errand(name, to, update_of(self._named, target, row)))
        return found

    def wake(self) -> int | None:
        """When to look again, in Unix seconds."""
        times = [*self._again.values(), *([] if self._look is None else [self._look])]
        return min(times, default=None)

    def answered(self, errand: Errand, answer: bytes, reason: str, now: int, /) -> Unit | None:
        """The unit that writes what the national node has said."""
        said, text = read_answer(answer) if answer else (FilingState.WANTED, reason)
        if said not in (FilingState.FILED, FilingState.REFUSED):
            self._again[errand.name] = now + PAUSE_SECONDS
            return None
        verb, leaf, target = errand.name.decode("ascii").removeprefix(_PREFIX).split("/", 2)
        done, refused = _BY_VERB[verb]
        state = done if said is FilingState.FILED else refused
        serial = serial_in(text)
        key, why = names.to_text(errand.target.key), text if serial is None else ""
        return Unit(hold_units.ANSWER, [key, target, int(state), int(leaf), serial or 0, why, ""])


def _is_any(read: ReadTransaction, named: Names) -> bool:
    """Whether anything is held, or was asked for."""
    seen = TransactionView(read)
    tables = (codec.HOLDS, codec.ASKED_HOLDS)
    is_known = any(next(seen.scan(table, b""), None) is not None for table in tables)
    return is_known or held.is_any(read, named)


def _asked(seen: View, state: HoldState) -> Iterator[tuple[str, AskedHold]]:
    """Some of the holds in a state that were asked for."""
    head = codec.state_key(state_prefix(state), "")
    for key, _ in islice(seen.scan(codec.BY_STATE, head), AT_ONCE):
        target = key[len(head) :].decode("ascii")
        row = view.get_asked_hold(seen, target)
        if row is not None:
            yield target, row


def _rows(read: ReadTransaction) -> Iterator[tuple[bytes, bytes]]:
    """What is to be looked at: rows of the table."""
    looked = read.table(LOOKED)
    for head in (hold_units.ALL, hold_units.ONE):
        yield from looked.scan(head)


def update_of(named: Names, target: str, row: AskedHold) -> bytes:
    """The UPDATE that holds something, or releases it; its ID is zero."""
    name = named.target(f"{network.HOLDS}/{target}")
    if row.state is HoldState.RELEASING:
        return request(named.wire, [name + _RR(TXT, CLASS_ANY, 0, 0)])
    return request(named.wire, [node.rr(name, TXT, network.TTL, string(f"{WHY}{row.reason}"))])


class HoldWatch:
    """Notes what is to be looked at while the root zone is transferred: a
    `resolver.sync.transfer.fetch.Watch`.
    """

    def __init__(self, suffix: str) -> None:
        self._apex = names.key_of(names.from_text(suffix))

    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        """Names of a zone were changed: holds, or cuts of this node."""
        if apex != self._apex:
            return
        for key in keys:
            below = key.removeprefix(HOLDS)
            prefix = below[:-1].replace(b"\0", b"/").upper()
            if len(below) < len(key) and (begins_shaped(below) or is_shaped(below)):
                txn.table(LOOKED).put(hold_units.ONE + prefix, b"")
            elif prefix and TransactionView(txn).get(codec.FILINGS, prefix) is not None:
                self._look_at_all(txn, prefix)

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        """A zone is another as a whole: all holds are to be looked at."""
        if apex == self._apex:
            self._look_at_all(txn, b"")

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        """Nothing: holds are as they were known last."""

    def _look_at_all(self, txn: WriteTransaction, prefix: bytes) -> None:
        soa = timers.soa_of(txn, self._apex)
        serial = 0 if soa is None else soa.serial
        txn.table(LOOKED).put(hold_units.ALL + prefix, serial.to_bytes(4, "big"))


class HoldWork:
    """Has the writer do what was noted: a `registry.sync.hooks.Work`.

    Args:
        carry: has the writer carry out a unit.
    """

    def __init__(self, store: Store, carry: Callable[[Path, Unit], None]) -> None:
        self._store = store
        self._carry = carry
        self._named = Names(store.settings().suffix)
        self._is_new = True  # begun, and all holds were not looked at yet

    def __call__(self) -> bool:
        """Do some of it; whether there may be more that can be done now."""
        with self._store.read() as read:
            seen = TransactionView(read)
            root = view.get_root(seen)
            found = list(islice(self._due(read, seen), AT_ONCE))
            is_first = self._is_new and held.is_told(read, self._named)
            if is_first and _is_any(read, self._named):  # as another version may have left them
                found.insert(0, (hold_units.ALL, b""))
        for row, value in found if root is not None else ():
            assert root is not None
            self._carry(self._store.path, Unit(hold_units.FOLLOW, [root.key, row, value, ""]))
        self._is_new &= not is_first
        return bool(found)

    def _due(self, read: ReadTransaction, seen: View) -> Iterator[tuple[bytes, bytes]]:
        """What can be done now: nothing is changed in a cut that moves."""
        for row, value in _rows(read):
            target = row[1:].decode("ascii")
            if row[:1] == hold_units.ALL or not hold_units.is_at_rest(seen, target):
                yield row, value
        for target, asked in _asked(seen, HoldState.SENT):
            if held.is_told(read, self._named, asked.serial):
                yield hold_units.ONE + target.encode("ascii"), b""


def adds(store: Store, carry: Callable[[Path, Unit], None] = perform) -> Network:
    """What holds add to the sync process of a directory that has a national node and a registry.

    Args:
        carry: has the writer carry out a unit.
    """
    transaction.open_tables(store)
    with store.read() as read:
        root = view.get_root(TransactionView(read))
    if root is None or not root.registers:
        return Network()
    suffix = store.settings().suffix
    return Network([HoldDuty(suffix)], HoldWatch(suffix), [HoldWork(store, carry)])
