"""One transaction of the lines (`lines_store`): what is read and what changes, all or nothing.

Bandwidths are counted in whole kbit/s, so that three times 0.1 Gbit/s are 0.3.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

import msgpack

from gateway.systems.selection.paths.latency import AHEAD_MS, least_between
from gateway.systems.selection.paths.lines import (
    CARRYING,
    Line,
    LineError,
    Order,
    changed,
    pack,
    unpack_line,
    unpack_order,
)
from resolver.tables import Tables

HISTORY_MAX: Final = 1_000  # changes of a line
LINES_MAX: Final = 1_000_000
ORDERS_MAX: Final = 1_000  # of one line, of whatever state
KEY_OCTETS: Final = 64  # of a name, or the key of an order
ENDED: Final = frozenset({"refused", "ended"})
_GBPS: Final = 1_000_000  # kbit/s


class Writing:
    """One transaction.

    Args:
        by, now: who changes something, and when (Unix milliseconds).
    """

    def __init__(self, txn: Any, tables: Tables, by: str, now: int) -> None:
        self._txn, self._tables, self._by, self._now = txn, tables, by, now

    def line_or_none(self, name: str) -> Line | None:
        """The line of a name."""
        return line_of(self._txn, self._tables, name)

    def line(self, name: str) -> Line:
        """The same; raises LineError if there is none."""
        line = self.line_or_none(name)
        if line is None:
            raise LineError(f"there is no line {name[:40]}; csid line list shows all")
        return line

    def require_room(self, name: str) -> None:
        """Raises LineError where there are as many lines as there may be."""
        if self._txn.stat(self._tables["lines"])["entries"] >= LINES_MAX:
            raise LineError(f"line {name}: there are {LINES_MAX:,} lines, as many as there may be")

    def require_possible(self, line: Line, told: Collection[str]) -> None:
        """Look at what is told of a line.

        Args:
            told: which of its fields are.

        Raises:
            LineError: light would take longer from end to end; or what was measured is yet to come.
        """
        quality = line.quality if "quality" in told else None
        if quality is not None and quality.taken > self._now + AHEAD_MS:
            raise LineError(f"line {line.name}: what was measured is yet to come; see the clock")
        stated = line.stated_ms if {"stated_ms", "ends"} & set(told) else None
        median = None if quality is None else quality.median_ms
        least = least_between(*line.locations)
        for field, ms in (("stated_ms", stated), ("median_ms", median)):
            if ms is not None and ms < least:
                raise LineError(
                    f"line {line.name}: {field} is {ms:g}, and light takes {least:.3g} ms from end "
                    "to end and back"
                )

    def put(self, line: Line, what: str, why: str) -> None:
        """Keep a line, and note what has become of it."""
        self._txn.put(key_of(line.name), pack(line), db=self._tables["lines"])
        self._note(line.name, what, why)

    def changed(self, line: Line, values: dict[str, Any]) -> Line:
        """A line with other values; says in these how much is free then, where they say its
        bandwidth alone.

        Raises:
            LineError: it would be none, or have less than is taken of it.
        """
        if "bandwidth_gbps" in values and "free_gbps" not in values:
            whole = changed(line, **values, free_gbps=0.0).bandwidth_gbps  # which looks at it
            more = _units(whole) - _units(line.bandwidth_gbps)
            values["free_gbps"] = max(0, _units(line.free_gbps) + more) / _GBPS
        new = changed(line, **values)
        self.require_possible(new, values.keys())
        if "free_gbps" in values:
            taken = self.taken(line.name)
            if taken + _units(new.free_gbps) > _units(new.bandwidth_gbps):
                raise LineError(
                    f"line {line.name}: {taken / _GBPS:g} Gbit/s are taken by open orders, so that "
                    f"{new.free_gbps:g} of {new.bandwidth_gbps:g} cannot be free"
                )
        return new

    def taken(self, name: str) -> int:
        """What open orders have of a line, in kbit/s."""
        return sum(_units(one.bandwidth_gbps) for one in self.orders(name) if one.state == "open")

    def named(self, key: str) -> list[Order]:
        """The orders that have a key, of whoever has ordered."""
        return [order for _, order in self._named(key)]

    def _named(self, key: str) -> list[tuple[bytes, Order]]:
        octets = key.encode("ascii", "replace")
        rows = self._txn.cursor(db=self._tables["orders"])
        found: list[tuple[bytes, Order]] = []
        if not 0 < len(octets) <= KEY_OCTETS or not rows.set_range(octets):
            return found
        for row, value in rows:
            if row.partition(b"\0")[0] != octets:
                break
            found.append((row, unpack_order(value)))
        return found

    def _row_of(self, order: Order) -> bytes:
        """What an order is kept under."""
        for row, kept in self._named(order.key):
            if kept.by == order.by:
                return row
        return f"{order.key}\0{order.by}".encode("ascii")

    def orders(self, name: str) -> list[Order]:
        """The orders of a line."""
        return orders_of(self._txn, self._tables, name)

    def put_order(self, order: Order, new: bool = False, why: str = "") -> None:
        """Keep an order, and note what has become of it."""
        row = self._row_of(order)
        if new:
            self._make_room(order.line)
            self._txn.put(key_of(order.line) + b"\0" + row, b"", db=self._tables["by_line"])
        self._txn.put(row, pack(order), db=self._tables["orders"])
        self._note(order.line, f"order {order.key} {order.state}", why)

    def _make_room(self, name: str) -> None:
        orders = self.orders(name)
        if len(orders) < ORDERS_MAX:
            return
        ended = [one for one in orders if one.state in ENDED]
        if not ended:
            raise LineError(
                f"line {name} has {ORDERS_MAX:,} orders under way, the most there may be"
            )
        row = self._row_of(min(ended, key=lambda one: one.changed))
        self._txn.delete(key_of(name) + b"\0" + row, db=self._tables["by_line"])
        self._txn.delete(row, db=self._tables["orders"])

    def advance(self, order: Order, state: str, why: str) -> Order:
        """Let an order become what it can become, and its line with it."""
        line = self.line(order.line)
        amount, free = _units(order.bandwidth_gbps), _units(line.free_gbps)
        if state == "open":
            self.require_free(line, order)
            begun = "open" if line.state == "planned" else line.state
            self.put(changed(line, free_gbps=(free - amount) / _GBPS, state=begun), begun, why)
        elif state == "ended":
            left = _units(line.bandwidth_gbps) - self.taken(line.name) + amount
            free = max(0, min(left, free + amount))
            self.put(changed(line, free_gbps=free / _GBPS), line.state, why)
        new = Order(
            order.key, order.line, order.by, order.bandwidth_gbps, order.at, self._now, state, why  # type: ignore[arg-type]
        )  # fmt: skip
        self.put_order(new, why=why)
        return new

    def close(self, name: str, why: str) -> Line:
        """Close a line; what was ordered of it ends, or is refused."""
        was_closed = self.line(name).state == "closed"
        for order in self.orders(name):
            if order.state not in ENDED:
                ends = "ended" if order.state == "open" else "refused"
                self.advance(order, ends, why or "the line was closed")
        line = changed(self.line(name), state="closed")
        if not was_closed:
            self.put(line, "closed", why)
        return line

    def require_free(self, line: Line, order: Order) -> None:
        """Raises LineError where a line does not have what is ordered, or not any more."""
        if line.state not in CARRYING | {"planned"}:
            raise LineError(f"line {line.name} is {line.state}; it cannot be opened")
        today = datetime.fromtimestamp(self._now / 1_000, UTC).date()
        if line.valid_until is not None and line.valid_until < today:
            raise LineError(
                f"line {line.name} was valid until {line.valid_until}; it cannot be opened"
            )
        if _units(line.free_gbps) < _units(order.bandwidth_gbps):
            raise LineError(
                f"line {line.name} has {line.free_gbps:g} Gbit/s free, "
                f"{order.bandwidth_gbps:g} were ordered"
            )

    def _note(self, name: str, what: str, why: str) -> None:
        table = self._tables["history"]
        kept = below(self._txn, table, name)
        number = int.from_bytes(kept[-1][0], "big") + 1 if kept else 0
        for old, _ in kept[: max(0, len(kept) + 1 - HISTORY_MAX)]:
            self._txn.delete(key_of(name) + b"\0" + old, db=table)
        row = msgpack.packb([self._now, self._by, what, why])
        self._txn.put(key_of(name) + b"\0" + number.to_bytes(4, "big"), row, db=table)


def _units(gbps: float) -> int:
    return round(gbps * _GBPS)


def line_of(txn: Any, tables: Tables, name: str) -> Line | None:
    """The line of a name."""
    found = txn.get(key_of(name), db=tables["lines"])
    return unpack_line(found) if found else None


def orders_of(txn: Any, tables: Tables, name: str) -> list[Order]:
    """The orders of a line, in the order of their keys."""
    keys = [key for key, _ in below(txn, tables["by_line"], name)]
    return [unpack_order(txn.get(key, db=tables["orders"])) for key in keys]


def key_of(name: str) -> bytes:
    """What a line is kept under."""
    return name.encode("utf-8")[:KEY_OCTETS] or b"\0"


def below(txn: Any, table: Any, name: str) -> list[tuple[bytes, bytes]]:
    """The rows of a line: what follows its name and 00, and the value."""
    prefix = key_of(name) + b"\0"
    rows = txn.cursor(db=table)
    found: list[tuple[bytes, bytes]] = []
    if rows.set_range(prefix):
        for key, value in rows:
            if not key.startswith(prefix):
                break
            found.append((key[len(prefix) :], value))
    return found
