"""The examination of a zone that an aggregate holds: what is said of each identifier in it, written
with its leaf, and what is owed to its node by that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, Final

import msgpack

from csid import names
from csid.protocol import CSID
from registry.network import tenures
from registry.network.examining import (
    ACTIVE,
    FILING,
    LOST,
    Examiner,
    claimed,
    examine,
    taker_of,
)
from registry.network.owed import owed_to
from registry.network.receipts import data_of
from registry.rules.case import entry_writer
from registry.rules.decision import Refusal
from registry.rules.held import holders_text
from registry.rules.requests import Actor, Role
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.enums import FiledState
from registry.tables.naming import Names
from registry.tables.registered import SEGMENTS, is_shaped
from registry.tables.rows import NO_LEAF, Filed
from registry.tables.transaction import (
    ANSWERED,
    OWED,
    TransactionView,
    append_leaves,
)
from registry.zones import held, others
from registry.zones.others import Other
from resolver.store import node
from resolver.store.difference import serial_in
from resolver.store.write import WriteTransaction
from resolver.sync.settings import follow_of

RECEIPT: Final = "filed.receipt"
END: Final = "filed.end"
GONE: Final = "filed.gone"
MET: Final = "filed.met"
AT_ONCE: Final = 2_000  # nodes of a whole zone looked at in one transaction
_NUMBER: Final = 8  # octets
# What the place at which a look through a zone has arrived begins with.
NAMES: Final = b"n"  # the last name follows
_REST: Final = b"g"  # the last identifier that was filed follows
FIRST: Final = b"f"  # the same as names, as long as the zone is looked at for the first time
# How the state stands in a record's octets: nowhere else can these be in canonical UTF-8.
_ENDED: Final = b"\xa2st\xa7retired"
_IN_USE: Final = (b"\xa2st\xa6active", b"\xa2st\xa9suspended")
_IN_USE_BEFORE: Final = "was in use when it was first seen"
_ENDED_BEFORE: Final = "had ended when it was first seen"
_LIVING: Final = (FiledState.TAKEN, FiledState.GONE)
_unpack: Final[Any] = msgpack.unpackb


class Examination:
    """Examines names of one zone inside a transaction.

    Raises:
        ZoneError: it is not held.

    Attributes:
        is_ready: the node that the zone belongs to is in the copy of the register. As long as it is
            not, the register is behind the catalog, and nothing can be said.
        behind: what is behind the names of its identifiers.
    """

    def __init__(self, txn: WriteTransaction, named: Names, apex: bytes, now: int) -> None:
        self._txn = txn
        self._view = TransactionView(txn)
        self._filed = self._view.table(codec.FILED)
        self._owed = txn.table(OWED)
        self._answered = txn.table(ANSWERED)
        self._apex = apex
        self._now = now
        update = txn.update(names.wire_of_key(apex))
        self._generation = update.generation
        self._blob = update.blob
        self._serial = serial_in(update.blob(b"") or b"")
        self._skip = len(names.key_of(named.wire))
        follow = follow_of(txn, apex)
        self._name = "" if follow is None else follow.group
        self._owed_to = owed_to(self._name)
        self._above = apex[self._skip :]
        self._holder: Other | None = others.node(txn, named, self._name)
        self.is_ready = self._holder is not None
        cut = self._above.replace(b"\0", b"/").upper()
        self._owner = others.owner_state(txn, named, cut.partition(b"/")[0].decode("ascii"))
        self._examiner = Examiner(self._holder, self._owner)
        place = cut[:-1].decode("ascii")
        self._is_held = (  # perhaps, something in it or all
            held.over(txn, named, place) is not None
            or next(held.all_of(txn, named, place), None) is not None
        )
        self._named = named
        self._cut = cut  # what the names of its identifiers begin with
        self.behind = cut[:-1] + b"0"  # the octet behind /
        actor = Actor(self._name, Role.NODE, self._name)
        self._entries = {
            kind: entry_writer(actor, kind, now, "").alike(Status.DONE.number)
            for kind in (RECEIPT, END, GONE, MET)
        }
        # What a follow has as its member is the label that the catalog lists the cut under.
        label = b"" if follow is None else follow.member
        self._tenure = tenures.noted(txn, cut[:-1], label, self._name)
        self._is_first = False
        self._are_answered = next(self._answered.scan(cut), None) is not None
        self._first = self._view.leaves()
        self._leaves: list[bytes] = []
        # What `_append` writes: no name is looked at twice until then.
        self._rows: list[tuple[bytes, bytes]] = []
        self._owing: list[tuple[bytes, bytes]] = []

    def go_on(self, place: bytes) -> bytes:
        """Go through some names of the whole zone, then through those that were filed in it and are
        perhaps no longer there; returns where to go on, empty at the end.
        """
        phase, last = place[:1], place[1:]
        self._is_first = phase == FIRST
        if phase in (NAMES, FIRST):
            start = self._generation + (last + b"\0" if last else b"")
            rows = self._txn.table(b"tree").scan(self._generation, start)
            found = list(islice(rows, AT_ONCE))
            for stored, blob in found:
                self._go_to(stored[len(self._generation) :], blob)
            self._append()
            end = found[-1][0][len(self._generation) :] if len(found) == AT_ONCE else b""
            return phase + end if end else _REST
        filed = self._filed.scan(self._cut, last + b"\0" if last else b"")
        names_filed = [name for name, _ in islice(filed, AT_ONCE)]
        skip = len(self._apex) - self._skip
        for name in names_filed:
            if self._blob(key := key_of(name)[skip:]) is None:
                self._go_to(key, b"")
        self._append()
        return _REST + names_filed[-1] if len(names_filed) == AT_ONCE else b""

    def go_through(self, keys: Iterable[bytes], again: Iterable[bytes] = ()) -> None:
        """Say of names (keys below the apex) what is to be said; of those to be looked at `again`,
        which have not changed, the same under the same number, unless that holds no more.
        """
        for key in keys:
            self._go_to(key, self._blob(key) or b"")
        for key in again:
            self._go_to(key, self._blob(key) or b"", again=True)
        self._append()

    def _append(self) -> None:
        append_leaves(self._txn, self._leaves, self._first + len(self._leaves))
        self._filed.put_many(self._rows)
        self._owed.put_many(self._owing)

    def answered(self, but: Collection[bytes], asked: int = 0) -> list[bytes]:
        """The keys, but for these, of some that their node has had a receipt for, and that were to
        be filed nevertheless: a change from one version to another says nothing of what was
        refused, or taken back, and filed again in between. It says nothing either of what was
        answered after it was `asked` for (`WriteTransaction.asked`): the next one will.
        """
        skip = len(self._apex) - self._skip
        rows = islice(self._answered.scan(self._cut), AT_ONCE)
        found = (
            key_of(name)[skip:]
            for name, number in rows
            if not asked or int.from_bytes(number, "big") <= asked
        )
        return [key for key in found if key not in but]

    def _go_to(self, key: bytes, blob: bytes, again: bool = False) -> None:
        below = self._above + key
        if below.count(0) == SEGMENTS and is_shaped(below):
            name = below[:-1].replace(b"\0", b"/").upper()
            self._look(name, blob, again)

    def _look(self, name: bytes, blob: bytes, again: bool) -> None:
        """Look at an identifier, which has a node or none any more."""
        value = self._filed.get(name)
        if self._are_answered:
            self._answered.delete(name)
        is_filing = FILING in blob
        if value is None:
            if is_filing:
                self._say(name, blob, None)
            else:
                self._note(name, blob, None)
            return
        before = codec.decode_filed(value)
        is_own = self._is_own(before)
        is_left = bool(blob) and not (is_filing or _is_over(blob))
        if is_left and is_own and before.state is FiledState.TAKEN:
            return  # it is in use, as was said: most are
        claim = claimed(before, is_own)
        is_in_use = (not self._is_first or not is_own) and any(one in blob for one in _IN_USE)
        is_refused = claim is not None or self._is_refused_here(before)
        if not is_filing and not (is_in_use and is_refused):
            if is_own:  # what another does in its place says nothing of it
                self._note(name, blob, self._back(before))
        elif before.state is FiledState.TAKEN and before.node == self._name and claim is None:
            self._owe(before, name.decode("ascii"))  # once more, for what it is now
        else:
            self._say(name, blob, before, claim, again or is_in_use)

    def _say(
        self,
        name: bytes,
        blob: bytes,
        before: Filed | None,
        claim: Refusal | None = None,
        again: bool = False,
    ) -> None:
        """Take an identifier, or refuse it, at once if its code is claimed; `again`, if what was
        said before holds, that.
        """
        text = name.decode("ascii")
        refusal = claim or self._examiner.examine(text, _record(blob), self._held(text))
        state = FiledState.TAKEN if refusal is None else FiledState.REFUSED
        if before is not None and before.state is FiledState.ENDED:
            state = FiledState.ENDED  # whatever is asked, for ever
        status, detail = (Status.DONE, "") if refusal is None else refusal
        if before is not None and (again or self._waits(before.leaf, name)):
            said = (before.state, before.status, before.node)
            if said == (state, status.number, self._name):
                self._owe(before, text)
                return
            self._owed.delete(self._key(before.leaf))
        leaf = self._first + len(self._leaves)
        after = Filed(state, status.number, self._name, self._serial, detail, leaf, self._now)
        after = self._of_whom(after, before)
        self._write(RECEIPT, text, after, before)
        self._owe(after, text)

    def _is_own(self, before: Filed) -> bool:
        """Whether what was taken, if anything was, is what the node of the zone has: it is the one
        that took it, or has it by moves of its cut.
        """
        taker = taker_of(before)
        if not taker or before.state is FiledState.ENDED:
            return True
        if before.tenure == LOST or before.state is FiledState.GONE:
            return taker == self._name
        is_its = before.tenure == self._tenure
        return is_its or tenures.holder(self._txn, before.tenure) == self._name

    def _is_refused_here(self, before: Filed) -> bool:
        """Whether it was refused, and not to another of what is this node's."""
        is_refused = before.state is FiledState.REFUSED
        return is_refused and (before.node == self._name or not before.taker)

    def _back(self, before: Filed) -> Filed:
        """What was taken and refused since, to its node or to another that had the cut meanwhile:
        as if it had been gone.
        """
        if before.state is not FiledState.REFUSED or not before.taker:
            return before
        return before._replace(
            state=FiledState.GONE, status=Status.DONE.number, node=self._name, reason="", taker=""
        )

    def _of_whom(self, after: Filed, before: Filed | None) -> Filed:
        """A row that says of whom it was taken, and in which tenure, if it was."""
        if after.state is FiledState.TAKEN:
            return after._replace(tenure=self._tenure)
        taker = "" if before is None else taker_of(before)
        if before is None or not taker:
            return after
        is_lost = before.state is FiledState.GONE
        return after._replace(taker=taker, tenure=LOST if is_lost else before.tenure)

    def _note(self, name: bytes, blob: bytes, before: Filed | None) -> None:
        """Note what has become of an identifier that does not wait for a receipt."""
        text = name.decode("ascii")
        state = None if before is None else before.state
        is_over = _is_over(blob)
        if before is not None and state in _LIVING:
            if is_over:
                self._change(END, text, before._replace(state=FiledState.ENDED), before)
                return
            if not blob and state is FiledState.TAKEN:
                row = before._replace(state=FiledState.GONE, node=self._name)
                self._change(GONE, text, row, before)
                return
        if state not in (None, FiledState.GONE):
            return
        if is_over:
            self._change(MET, text, self._met(FiledState.ENDED), None)
        elif any(one in blob for one in _IN_USE):
            holder, owner, is_held = self._holder, self._owner, self._is_held
            if self._is_first and holder is not None:
                # It was taken before they were suspended, or the node's scope was narrowed; that
                # of a new cut was looked at when it was filed.
                holder, owner, is_held = holder._replace(state=ACTIVE, scope=()), "", False
            why = self._held(text) if is_held else ""
            refusal = examine(text, _record(blob), holder, owner, why)
            after = self._met(FiledState.TAKEN)
            if refusal is not None:
                after = after._replace(
                    state=FiledState.REFUSED, status=refusal[0].number, reason=refusal[1]
                )
            row = self._change(MET, text, after, before)
            if refusal is not None and not self._is_first:
                self._owe(row, text)

    def _held(self, text: str) -> str:
        """By whom an identifier is held, since when and why; empty if nobody does."""
        found = held.over(self._txn, self._named, text) if self._is_held else None
        return "" if found is None else f"{found.target} is held {holders_text(found.hold)}"

    def _met(self, state: FiledState) -> Filed:
        reason = _ENDED_BEFORE if state is FiledState.ENDED else _IN_USE_BEFORE
        status = Status.DONE.number
        met = Filed(state, status, self._name, self._serial, reason, NO_LEAF, self._now)
        return met._replace(tenure=self._tenure)

    def _change(self, kind: str, name: str, row: Filed, before: Filed | None) -> Filed:
        """Write a row under the number of its leaf; returns it so."""
        row = row._replace(leaf=self._first + len(self._leaves))
        self._write(kind, name, row, before)
        return row

    def _write(self, kind: str, name: str, row: Filed, before: Filed | None) -> None:
        """Write a row, which has the number of the next leaf, and this leaf."""
        value = codec.encode_filed(row)
        self._rows.append((name.encode("ascii"), value))
        prev = NO_LEAF if before is None else before.leaf
        self._leaves.append(self._entries[kind](name, value, prev, ""))

    def _owe(self, row: Filed, name: str) -> None:
        data = data_of(row.leaf, row.status, self._serial, row.since, row.reason)
        self._owing.append((self._key(row.leaf), codec.encode((name, data))))

    def _waits(self, number: int, name: bytes) -> bool:
        """Whether a receipt is still to be sent."""
        value = self._owed.get(self._key(number))
        return value is not None and _unpack(value)[0].encode() == name

    def _key(self, number: int) -> bytes:
        return self._owed_to + number.to_bytes(_NUMBER, "big")


def _is_over(blob: bytes) -> bool:
    """Whether a node says that its identifier has ended."""
    return bool(blob) and (_ENDED in blob or bool(blob[0] & node.ALIAS))


def _record(blob: bytes) -> bytes:
    at = node.find_entry(blob, CSID)
    return node.first_rdata(node.records_at(blob, at)) if at else b""


def key_of(name: bytes) -> bytes:
    """The canonical key of an identifier below the suffix."""
    return name.lower().replace(b"/", b"\0") + b"\0"
