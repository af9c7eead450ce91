"""The supply: all resources that can be selected, with what is known of them, in memory."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from csid import shape
from csid.record import Record
from csid.status import Status
from gateway.systems.selection import facts
from gateway.systems.selection.columns import (
    BLOCK,
    GROWTH,
    LIVE,
    SHAPES,
    UNTOLD,
    Columns,
)
from gateway.systems.selection.facts import CODED, SEGMENTS
from gateway.systems.selection.fields import TEN_THOUSAND
from gateway.systems.selection.index import Index

LISTED: Final = "active"  # the only state in which a resource is selected
SHAPE_KINDS: Final = {shape.NODES: 1, shape.VCPU: 2}
STEADINESS: Final = 32  # reports by which stability follows
_HEALTHY: Final = {"ok": TEN_THOUSAND, "degraded": TEN_THOUSAND // 2}
_FREE: Final = {
    "chips": "free_chips",
    "vcpu": "free_vcpu",
    "memory_gib": "free_memory",
    "nodes": "free_nodes",
}
_CODES_16: Final = 2**16
_MOST_32: Final = 2**32 - 2
_MOST_16: Final = 2**16 - 1
_CHANGES: Final = 64  # of a block until what it has is worked out anew
_FIRST: Final = 1 << 14  # rows


class Supply:
    """Rows (identifier, record, status), changed one by one and seen by the next selection.

    Not for several threads at once.
    """

    def __init__(self, key: bytes = b"") -> None:
        """`key`: that of the index, a random one if it is left out."""
        self.columns = Columns()
        self.index = Index(self.identifier, key)
        self.free_slots: dict[str, list[int]] = {}  # by chip family, so that alike lies together
        self.blocks_used = 0

    def __len__(self) -> int:
        return self.index.count

    def identifier(self, slot: int) -> str:
        """The identifier of a row."""
        columns = self.columns
        head = [columns.dictionaries[name].values[columns.codes[name][slot]] for name in SEGMENTS]
        return f"{'/'.join(head)}-{columns.serial[slot].decode('ascii')}"

    @property
    def locations(self) -> list[str]:
        """The locations by their numbers, which never change: of an array of round trips."""
        found: list[str] = self.columns.dictionaries["location"].values[1:]
        return found

    def put(self, identifier: str, record: Record) -> bool:
        """Take in a resource, or what its record says now. What is not active is no supply: it is
        taken out.

        Args:
            identifier: in canonical form.

        Returns:
            Whether it can be selected.
        """
        if record.state != LISTED:
            self.remove(identifier)
            return False
        digest = self.index.digest(identifier)
        slot = self.index.find(identifier, digest)
        owner, industry, location, type_, spec = identifier.split("/")
        class_, _, serial = spec.partition("-")
        columns = self.columns
        if slot < 0:
            slot = self._new_slot(class_[-2:])
            columns.serial[slot] = serial.encode("ascii")
            columns.live["until"][slot] = columns.live["taken"][slot] = 0
            columns.live["stability"][slot] = 0
            columns.alive[slot] = 1
            values = facts.values_of((owner, industry, location, type_, class_), record.values)
            self._set(slot, values, record)
            self.index.add(slot, digest)
        else:
            values = facts.values_of((owner, industry, location, type_, class_), record.values)
            self._set(slot, values, record)
        return True

    def _set(self, slot: int, values: list[Any], record: Record) -> None:
        columns, block = self.columns, slot // BLOCK
        for (name, _bucket), value in zip(CODED, values, strict=True):
            self._code(name, slot, block, value)
        first = columns.dictionaries["owner"].values[columns.first_owner[block]]
        if first is None or values[0] < first:
            columns.first_owner[block] = columns.dictionaries["owner"].codes[values[0]]
        columns.texts.put(slot, record.values)
        self._changed(columns, block)

    def _code(self, name: str, slot: int, block: int, value: Any) -> None:
        columns = self.columns
        dictionary = columns.dictionaries[name]
        code = dictionary.code(value)
        codes = columns.codes[name]
        if code >= _CODES_16 and codes.dtype == np.uint16:
            columns.widen(name)
            codes = columns.codes[name]
        codes[slot] = code
        columns.present[name][block] |= _BITS[dictionary.buckets[code]]

    def _changed(self, columns: Columns, block: int) -> None:
        columns.changes[block] += 1
        if columns.changes[block] >= _CHANGES:
            columns.narrow(block)

    def _new_slot(self, family: str) -> int:
        free = self.free_slots.setdefault(family, [])
        if not free:
            first = self.blocks_used * BLOCK
            if first >= self.columns.capacity:
                capacity = self.columns.capacity
                self.columns.grow(max(_FIRST, capacity + capacity // GROWTH))
                digests = np.zeros(self.columns.capacity, np.uint32)
                digests[: len(self.index.digests)] = self.index.digests
                self.index.digests = digests
            self.blocks_used += 1
            free.extend(range(first + BLOCK - 1, first - 1, -1))
        return free.pop()

    def remove(self, identifier: str) -> bool:
        """Take out a resource; False if it is not there."""
        slot = self.index.find(identifier, self.index.digest(identifier))
        if slot < 0:
            return False
        family = identifier.split("/")[4].partition("-")[0][-2:]
        self.index.remove(slot)
        self.columns.texts.remove(slot)
        self.columns.alive[slot] = 0
        self.columns.live["until"][slot] = 0
        self.free_slots.setdefault(family, []).append(slot)
        self._changed(self.columns, slot // BLOCK)
        return True

    def status(self, identifier: str, status: Status | None) -> bool:
        """Take in what was told last of a resource; None: nothing is known any more.

        Returns:
            False if there is no such resource, or later news are known.
        """
        slot = self.index.find(identifier, self.index.digest(identifier))
        if slot < 0:
            return False
        live, block = self.columns.live, slot // BLOCK
        if status is None:
            live["until"][slot] = 0
            return True
        before = int(live["taken"][slot])
        if status.taken < before:
            return False
        told = status.told
        healthy = _HEALTHY.get(told.health, 0)
        if status.taken > before:
            steady = int(live["stability"][slot])
            steady = steady + (healthy - steady) // STEADINESS if before else healthy
            self._live("stability", slot, block, steady)
        self._live("taken", slot, block, status.taken)
        self._live("until", slot, block, status.until)
        for kind, name in _FREE.items():
            amount = told.free.get(kind)
            told_so = amount is not None
            live_value = min(int(amount), _MOST_32) if amount is not None else UNTOLD[LIVE[name]]
            live[name][slot] = live_value
            if told_so and live_value > self.columns.largest[name][block]:
                self.columns.largest[name][block] = live_value
        live["load"][slot] = _MOST_16 if told.load is None else load_kept(told.load)
        self._code("health", slot, block, told.health)
        self._code("source", slot, block, status.source)
        self._shape(slot, told.free)
        self._changed(self.columns, block)
        return True

    def _live(self, name: str, slot: int, block: int, value: int) -> None:
        self.columns.live[name][slot] = value
        if value > self.columns.largest[name][block]:
            self.columns.largest[name][block] = value

    def _shape(self, slot: int, free: dict[str, float]) -> None:
        columns = self.columns
        for kind, number in SHAPE_KINDS.items():
            units = shape.read(free, kind)[:SHAPES]
            if units:
                columns.shape_kind[slot] = number
                columns.shape_free[slot] = _padded([min(one.free, _MOST_16) for one in units])
                columns.shape_count[slot] = _padded([min(one.number, _MOST_16) for one in units])
                return
        columns.shape_kind[slot] = 0

    def facts(self, slot: int, now: int) -> dict[str, Any]:
        """What is known of a row at a time in Unix milliseconds: what its record declares, and
        what a status that holds tells.
        """
        columns = self.columns
        values = {
            name: columns.dictionaries[name].values[columns.codes[name][slot]] for name, _ in CODED
        }
        found = facts.shown(values)
        live = {name: int(column[slot]) for name, column in columns.live.items()}
        if live["taken"]:
            found["stability"] = live["stability"] / TEN_THOUSAND
        if live["until"] > now:
            found |= {"taken": live["taken"], "until": live["until"]}
            found |= {
                name: columns.dictionaries[name].values[columns.codes[name][slot]]
                for name in ("health", "source")
            }
            if live["load"] != _MOST_16:
                found["load"] = live["load"] / TEN_THOUSAND
            free = {
                kind: live[name] for kind, name in _FREE.items() if live[name] != UNTOLD[LIVE[name]]
            }
            kind = int(columns.shape_kind[slot])
            prefix = {number: word for word, number in SHAPE_KINDS.items()}.get(kind)
            if prefix:
                pairs = zip(columns.shape_free[slot], columns.shape_count[slot], strict=True)
                free |= {f"{prefix}_{n}": int(count) for n, count in pairs if count}
            found["free"] = free
        return found

    def tidy(self) -> None:
        """Lay alike resources together anew, and give back what is not used: a second for a
        million; worth it after a first filling, and when a part of all rows is new.
        """
        order = self._order()
        columns = self.columns
        columns.move(order)
        self.blocks_used = -(-len(order) // BLOCK)
        self.index.renumber(order, columns.capacity)
        self.free_slots = {}
        rest = range(len(order), self.blocks_used * BLOCK)
        if rest:
            self.free_slots[self._family(len(order) - 1)] = list(reversed(rest))
        columns.narrow_all()

    def _family(self, slot: int) -> str:
        code = self.columns.codes["class"][slot]
        class_: str = self.columns.dictionaries["class"].values[code]
        return class_[-2:]

    def _order(self) -> NDArray[np.int64]:
        """The rows that there are, alike ones together: by chip, then place, then price."""
        columns = self.columns
        rows = np.flatnonzero(columns.alive)
        keys = []
        for name in ("cost", "owner", "location", "chip"):
            values = columns.dictionaries[name].values
            rank = np.zeros(len(values), np.int64)
            rank[sorted(range(1, len(values)), key=lambda code: values[code])] = np.arange(
                1, len(values)
            )
            keys.append(rank[columns.codes[name][rows]])
        return rows[np.lexsort(keys)]


def load_kept(load: float) -> int:
    """A load in ten-thousandths, rounded up: never less than was told."""
    return min(TEN_THOUSAND, -int(-load * TEN_THOUSAND // 1))


def _padded(values: list[int]) -> list[int]:
    return values + [0] * (SHAPES - len(values))


_BITS: Final = [np.uint64(1) << np.uint64(bit) for bit in range(64)]
