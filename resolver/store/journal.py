"""The journal of a zone: what each of its names held before each of its serials (RFC 1995).

    journal(8)                sum(8) first(8) next(8) octets(8) flags(1) used(4) packed(8) aged(4)
    journal(8) number(8)      an entry: what led from a serial to the next
    journal(8) number(8) 01   a group: the entries from a multiple of 256 on (journal_rows.py)

Only what is no longer in the tree is kept, so that a name added costs its key alone. The difference
from an old serial to the present one is the oldest node of each name since, against the tree as it
is: condensed as RFC 1995 section 5 allows. A zone that is replaced as a whole keeps its journal,
and what it replaced is one entry.

Small entries are packed together, 256 at a time, once there are twice as many: those of the numbers
below `packed`. So a journal may go back far and take little room, and nothing of it is lost: who
has any of its serials gets the difference from that one. What is the oldest is dropped beyond
JOURNAL_ENTRIES and JOURNAL_OCTETS, and once it is JOURNAL_SECONDS old, as far as its time is known
(`aged` is that of the oldest row). A change of more than JOURNAL_ENTRY_NAMES names, or of more than
JOURNAL_ENTRY_OCTETS, is not noted: the journal begins anew behind it, and whoever has an older
serial gets the whole zone. So does whoever would need more than JOURNAL_READ_OCTETS.

A serial that stays or goes back (RFC 1982) is given to two contents, and whoever has it may have
either: the journal begins anew, and answers for no serial up to the highest that was in use then
(flags 1: there is one, `used`) until the zone has gone beyond it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import takewhile
from typing import Final, NamedTuple

from csid.errors import StoreError
from csid.limits import (
    JOURNAL_ENTRIES,
    JOURNAL_OCTETS,
    JOURNAL_READ_OCTETS,
    JOURNAL_SECONDS,
)
from resolver.store import journal_rows as rows
from resolver.store.journal_rows import GROUP_ENTRIES, Group, Nodes, Step, damaged
from resolver.store.table import Table

_STATE: Final = struct.Struct(">QQQBIQI")
_EARLIER_STATE: Final = struct.Struct(">QQQBI")  # before there were groups
_NUMBER: Final = struct.Struct(">Q")
_HELD_OCTETS: Final = 256  # that a name takes in memory beside its key and node


class _State(NamedTuple):
    first: int = 0  # number of the oldest entry
    following: int = 0  # number of the next one
    octets: int = 0  # of all rows but this
    has_used: int = 0  # 1 if there is a serial up to which others may have other contents
    used: int = 0  # that serial
    packed: int = 0  # number of the first entry that is in no group
    aged: int = 0  # Unix seconds of the last change in the oldest row; 0 if it is not known


class Journal:
    """The journal of one zone inside a transaction.

    Args:
        table: the store's sub-database `journal`.
        journal: 8 octets that the zone's entry names.
    """

    def __init__(self, table: Table, journal: bytes) -> None:
        self._table = table
        self._journal = journal
        self._group: tuple[int, Group] | None = None  # that was read last, by its number

    def _state(self) -> _State:
        """The state; raises StoreError if it is damaged."""
        value = self._table.get(self._journal)
        if value is None:
            return _State()
        body = rows.opened(self._journal, value)
        if len(body) == _EARLIER_STATE.size:
            return _State(*_EARLIER_STATE.unpack(body))
        if len(body) != _STATE.size:
            raise damaged(f"its state has {len(body)} octets")
        return _State(*_STATE.unpack(body))

    @property
    def following(self) -> int:
        """The number that the next entry will have; it grows with every change of the zone, noted
        or not. 0 if the state is damaged.
        """
        try:
            return self._state().following
        except StoreError:
            return 0

    @property
    def used(self) -> int | None:
        """The serial up to which others may have other contents, as the zone went back from it;
        None if there is none, or the state is damaged.
        """
        try:
            state = self._state()
        except StoreError:
            return None
        return state.used if state.has_used else None

    # -- writing

    def record(self, before: int, after: int, nodes: Nodes | None, now: int = 0) -> None:
        """Note what names held before a serial took another's place.

        Args:
            before: the serial until now.
            after: the serial from now on.
            nodes: the names that were changed, each with the node it had, None if it had none.
                None if they are too many: the journal begins anew.
            now: Unix seconds; 0 if that is not known.
        """
        try:
            state = self._state()
        except StoreError:  # what it said of serials is lost, so none until now is answered for
            self.forget()
            state = _State(has_used=1, used=before)
        has_used, used = state.has_used, state.used
        if not is_beyond(after, before):
            nodes = None
            has_used, used = 1, before if not has_used or is_beyond(before, used) else used
        elif has_used and is_beyond(before, used) and not is_beyond(after, used):
            nodes, has_used, used = None, 0, 0  # it is half the round of serials ago
        entry = rows.entry_of(Step(before, after, now), nodes) if nodes is not None else b""
        state = self._added(state._replace(has_used=has_used, used=used), entry, now)
        if state.following - max(state.first, state.packed) >= 2 * GROUP_ENTRIES:
            state = self._pack(state)
        self._table.put(self._journal, rows.summed(self._journal, _STATE.pack(*state)))

    def _added(self, state: _State, entry: bytes, now: int) -> _State:
        """The state with one entry more (empty if it is too large) and without what is too much."""
        number = state.following
        key = self._key(number)
        row = rows.summed(key, entry) if entry else b""
        state = state._replace(octets=state.octets + len(row))
        while state.first < number and (
            not row
            or number - state.first >= JOURNAL_ENTRIES
            or state.octets > JOURNAL_OCTETS
            or 0 < state.aged < now - JOURNAL_SECONDS
        ):
            state = self._without_oldest(state)
        if not row or state.octets > JOURNAL_OCTETS:
            return state._replace(first=number + 1, following=number + 1, octets=0, aged=0)
        self._table.put(key, row)
        aged = now if state.first == number else state.aged
        return state._replace(following=number + 1, aged=aged)

    def _without_oldest(self, state: _State) -> _State:
        """The state without the oldest group, or the oldest entry that is in none."""
        end, octets = state.first + 1, 0
        if state.first < state.packed:
            end = _group_number(state.first) + GROUP_ENTRIES
            octets += self._delete(self._group_key(state.first))
        beyond = self._key(end)
        rest = self._table.scan(self._journal, self._key(state.first))
        for key in [key for key, _ in takewhile(lambda row: row[0] < beyond, rest)]:
            octets += self._delete(key)
        self._group = None
        state = state._replace(first=end, octets=state.octets - octets)
        return state._replace(aged=self._time_of_oldest(state))

    def _time_of_oldest(self, state: _State) -> int:
        if state.first == state.following:
            return 0
        try:
            if state.first >= state.packed:
                return rows.step_of(self._row(state.first)).time
            key = self._group_key(state.first)
            return rows.group_head(rows.opened(key, self._table.get(key) or b"")).time
        except StoreError:
            return 0

    def _pack(self, state: _State) -> _State:
        """The state with one group more; as it is if one of its entries is damaged."""
        first = max(state.first, state.packed)
        end = _group_number(first) + GROUP_ENTRIES
        octets = 0
        try:
            entries = [self._row(number) for number in range(first, end)]
            group = rows.group_of(entries, first - _group_number(first))
        except StoreError:
            return state
        for number, entry in enumerate(entries, start=first):
            if rows.is_small(entry):
                octets -= self._delete(self._key(number))
        key = self._group_key(first)
        row = rows.summed(key, group)
        self._table.put(key, row)
        octets += len(row)
        aged = rows.group_head(group).time if first == state.first else state.aged
        return state._replace(packed=end, octets=state.octets + octets, aged=aged)

    def _delete(self, key: bytes) -> int:
        row = self._table.get(key)
        self._table.delete(key)
        return len(row or b"")

    # -- reading

    def _key(self, number: int) -> bytes:
        return self._journal + _NUMBER.pack(number)

    def _group_key(self, number: int) -> bytes:
        """The key of the group that an entry is in."""
        return self._key(_group_number(number)) + b"\1"

    def _row(self, number: int) -> bytes:
        """An entry, without its sum, that has a row of its own; raises StoreError if it is missing
        or damaged.
        """
        key = self._key(number)
        row = self._table.get(key)
        if row is None:
            raise damaged(f"entry {number} is missing")
        return rows.opened(key, row)

    def _at(self, state: _State, number: int) -> bytes:
        """An entry without its sum; raises StoreError if it is missing or damaged."""
        if number >= state.packed:
            return self._row(number)
        known = self._group
        if known is None or known[0] != _group_number(number):
            key = self._group_key(number)
            group = rows.group_in(rows.opened(key, self._table.get(key) or b""))
            known = self._group = _group_number(number), group
        at = number - known[0] - known[1].missing
        entry = known[1].entries[at] if at >= 0 else b""
        return entry or self._row(number)

    def steps(self) -> Iterator[Step]:
        """The entries, the latest first, as long as each leads on to the one after it, and from a
        serial that stood for one content only. What is damaged ends them.
        """
        try:
            state = self._state()
            expected: int | None = None
            for number in range(state.following - 1, state.first - 1, -1):
                step = rows.step_of(self._at(state, number))
                if expected is not None and step.after != expected:
                    return
                if state.has_used and not is_beyond(step.before, state.used):
                    return
                yield step
                expected = step.before
        except StoreError:
            return

    def number_of(self, serial: int) -> int | None:
        """The number of the entry that led on from a serial; None if there is none. It is found by
        its place, however long the journal is.
        """
        try:
            state = self._state()
            if state.has_used and not is_beyond(serial, state.used):
                return None
            low, high = state.first, state.following - 1
            if low > high:
                return None
            last = rows.step_of(self._at(state, high)).before
            back = (last - serial) % 2**32
            guess = high - back  # as long as serials were counted up one by one
            while low <= high:
                guess = min(max(guess, low), high)
                found = (last - rows.step_of(self._at(state, guess)).before) % 2**32
                if found == back:
                    return guess
                if found > back:
                    low = guess + 1
                else:
                    high = guess - 1
                guess = (low + high) // 2
        except StoreError:
            pass
        return None

    def since(self, serial: int) -> dict[bytes, bytes] | None:
        """What the names that were changed since a serial held then: by key below the apex, the
        node or REMOVED; None if the journal does not reach back so far, is damaged (`check` tells),
        or would give so much that the whole zone is the better answer.

        The names' present nodes are in the tree at the same moment. Empty for the present serial
        is the caller's to know: a zone that was never changed has no journal.
        """
        number = self.number_of(serial)
        return None if number is None else self._read(number, serial)

    def since_number(self, number: int) -> dict[bytes, bytes] | None:
        """`since` for the moment when the next entry was to have a number."""
        return self._read(number, None)

    def _read(self, number: int, serial: int | None) -> dict[bytes, bytes] | None:
        """`since`; with a serial only if each entry leads on to the next one."""
        held: dict[bytes, bytes] = {}
        octets = 0
        try:
            state = self._state()
            if number < state.first:
                return None
            for later in range(number, state.following):
                entry = self._at(state, later)
                if serial is not None:
                    step = rows.step_of(entry)
                    if step.before != serial:
                        return None
                    serial = step.after
                changed = rows.changed(entry)
                if changed is None:
                    return None
                for key, blob in changed:
                    if key not in held:
                        held[key] = blob
                        octets += len(key) + len(blob) + _HELD_OCTETS
                if octets > JOURNAL_READ_OCTETS:
                    return None
        except StoreError:
            return None
        return held

    def check(self) -> list[str]:
        """What is wrong with the journal, one line each; empty if it is whole."""
        try:
            state = self._state()
        except StoreError as error:
            return [str(error)]
        faults = []
        expected: int | None = None
        numbers = range(state.first, state.following)
        for number in numbers:
            try:
                entry = self._at(state, number)
                step = rows.step_of(entry)
                rows.changed(entry)
            except StoreError as error:
                faults.append(str(error))
                expected = None
                continue
            if expected is not None and step.before != expected:
                faults.append(f"entry {number} does not go on from serial {expected}")
            expected = step.after
        octets = 0
        for key, row in self._table.scan(self._journal):
            if key == self._journal:
                continue
            octets += len(row)
            if not self._belongs(state, key):
                faults.append("there is an entry beyond those its state tells of")
                break
        if not faults and octets != state.octets:
            faults.append(f"its entries have {octets} octets, its state says {state.octets}")
        return faults

    def _belongs(self, state: _State, key: bytes) -> bool:
        """Whether a row is one of those that the state tells of."""
        number = int.from_bytes(key[len(self._journal) :][: _NUMBER.size], "big")
        if key == self._key(number):
            return state.first <= number < state.following
        first = max(state.first, number)
        return key == self._group_key(first) and first < min(state.packed, number + GROUP_ENTRIES)

    def forget(self) -> None:
        """Take all entries away."""
        for key in [key for key, _ in self._table.scan(self._journal)]:
            self._table.delete(key)


def is_beyond(serial: int, other: int) -> bool:
    """Whether a serial is greater than another (RFC 1982 section 3.2)."""
    return 0 < (serial - other) % 2**32 < 2**31


def _group_number(number: int) -> int:
    """The number that a group begins with in which an entry is."""
    return number - number % GROUP_ENTRIES
