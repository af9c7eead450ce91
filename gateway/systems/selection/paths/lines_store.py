"""Where lines are: an environment of its own (`resolver.tables`), durable.

    lines     name -> the line (`lines.pack`)
    orders    key -> the order
    by_line   name 00 key of an order of the line -> nothing
    history   name 00 number(4) -> msgpack of [Unix milliseconds, who, what became of it, why]

A line keeps its last HISTORY_MAX changes, and ORDERS_MAX orders, of which those that have ended
make room. What is asked twice is done once: an order by its key.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgpack

from gateway.systems.selection.paths.lines import (
    CARRYING,
    NEXT,
    TEXT_MAX,
    Line,
    LineError,
    Order,
    changed,
    pack,
    unpack_line,
    unpack_order,
)
from resolver.tables import Tables

FILE: Final = "lines.mdb"
NAMES: Final = ("lines", "orders", "by_line", "history")
HISTORY_MAX: Final = 1_000  # changes of a line
LINES_MAX: Final = 1_000_000
ORDERS_MAX: Final = 1_000  # of one line, of whatever state
_MAP_OCTETS: Final = 2 << 30  # the file is sparse
_ENDED: Final = frozenset({"refused", "ended"})


class Change(NamedTuple):
    """One change of a line: when in Unix milliseconds, by whom, what it became, and why."""

    at: int
    by: str
    what: str
    why: str


class Lines:
    """The lines, to read and to change.

    Args:
        folder: made if it is not there.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._tables = Tables(folder / FILE, NAMES, _MAP_OCTETS, lasting=True)

    def close(self) -> None:
        """End the use; what is there stays."""
        self._tables.close()

    def find(self, name: str) -> Line | None:
        """The line of a name."""
        with self._tables.reading() as txn:
            return _line(txn, self._tables, name)

    def all(self, after: str = "") -> Generator[Line, None, None]:
        """All lines as they were at one moment, in the order of their names, those behind a name.
        The moment is held until the last was taken, or it is closed.
        """
        with self._tables.reading() as txn:
            rows = txn.cursor(db=self._tables["lines"])
            if rows.set_range(_key(after) + b"\0" if after else b""):
                yield from map(unpack_line, rows.iternext(keys=False))

    def history(self, name: str) -> list[Change]:
        """What became of a line, from first to last."""
        with self._tables.reading() as txn:
            found = _below(txn, self._tables["history"], name)
            return [Change(*msgpack.unpackb(row)) for _, row in found]

    def orders(self, name: str) -> list[Order]:
        """The orders of a line, in the order of their keys."""
        with self._tables.reading() as txn:
            return _orders(txn, self._tables, name)

    def add(self, line: Line, by: str, now: int) -> bool:
        """Take in a line. Returns false if the same is there already.

        Raises:
            LineError: another one is there under its name, or there are too many.
        """
        line = unpack_line(pack(line))  # which looks at it
        with self._writing(by, now) as writing:
            kept = writing.line_or_none(line.name)
            if kept == line:
                return False
            if kept:
                raise LineError(
                    f"line {line.name} is there already, and is another one; "
                    f"csid line change {line.name} changes it"
                )
            writing.require_room(line.name)
            writing.put(line, line.state, "added")
            return True

    def change(self, name: str, by: str, now: int, why: str = "", **values: Any) -> Line:
        """Give a line other values; what stays the same is no change.

        Raises:
            LineError: there is no such line, it would be none, or it is closed.
        """
        with self._writing(by, now, why) as writing:
            line = writing.line(name)
            new = changed(line, **values)
            if new != line:
                if line.state == "closed":
                    raise LineError(f"line {name} is closed, for ever; add another one")
                told = new.state if new.state != line.state else ", ".join(sorted(values))
                writing.put(new, told, why)
            return new

    def order(self, order: Order, now: int) -> Order:
        """Order that a line be opened 开通. The same again gives the order as it is now.

        Raises:
            LineError: another order has this key; there is no such line; it cannot carry so much.
        """
        order = unpack_order(pack(order))  # which looks at it
        with self._writing(order.by, now) as writing:
            kept = writing.order_or_none(order.key)
            if kept:
                if (kept.line, kept.by, kept.bandwidth_gbps) != (
                    order.line,
                    order.by,
                    order.bandwidth_gbps,
                ):
                    raise LineError(
                        f"order {order.key} is about {kept.bandwidth_gbps:g} Gbit/s of line "
                        f"{kept.line} for {kept.by}; give another order another key"
                    )
                return kept
            line = writing.line(order.line)
            _require_free(line, order)
            writing.put_order(order, new=True)
            return order

    def answer(self, key: str, state: str, by: str, now: int, why: str = "") -> Order:
        """Say what becomes of an order: accepted, open, refused, ended. The same again is no
        change. With `open` its bandwidth is taken, with `ended` it is given back.

        Raises:
            LineError: there is no such order, or it cannot become that.
        """
        with self._writing(by, now, why) as writing:
            order = writing.order_or_none(key)
            if order is None:
                raise LineError(f"there is no order {key}; csid line show LINE lists those of it")
            if order.state == state:
                return order
            if state not in NEXT[order.state]:
                can = " or ".join(sorted(NEXT[order.state])) or "nothing else any more"
                raise LineError(f"order {key} is {order.state}; it can become {can}, not {state}")
            return writing.advance(order, state, why)

    def close_line(self, name: str, by: str, now: int, why: str = "") -> Line:
        """Close a line for ever; what was ordered of it ends, or is refused.

        Raises:
            LineError: there is no such line.
        """
        with self._writing(by, now, why) as writing:
            line = writing.line(name)
            if line.state == "closed":
                return line
            for order in writing.orders(name):
                if order.state not in _ENDED:
                    ends = "ended" if order.state == "open" else "refused"
                    writing.advance(order, ends, why or "the line was closed")
            line = changed(writing.line(name), state="closed")
            writing.put(line, "closed", why)
            return line

    @contextmanager
    def _writing(self, by: str, now: int, why: str = "") -> Iterator[_Writing]:
        """All of it is done, or nothing."""
        if len(why) > TEXT_MAX:
            raise LineError(f"the reason has {len(why)} characters; at most {TEXT_MAX} are kept")
        with self._tables.writing() as txn:
            yield _Writing(txn, self._tables, by, now)


class _Writing:
    """One transaction."""

    def __init__(self, txn: Any, tables: Tables, by: str, now: int) -> None:
        self._txn, self._tables, self._by, self._now = txn, tables, by, now

    def line_or_none(self, name: str) -> Line | None:
        return _line(self._txn, self._tables, name)

    def line(self, name: str) -> Line:
        line = self.line_or_none(name)
        if line is None:
            raise LineError(f"there is no line {name[:40]}; csid line list shows all")
        return line

    def require_room(self, name: str) -> None:
        if self._txn.stat(self._tables["lines"])["entries"] >= LINES_MAX:
            raise LineError(f"line {name}: there are {LINES_MAX:,} lines, as many as there may be")

    def put(self, line: Line, what: str, why: str) -> None:
        self._txn.put(_key(line.name), pack(line), db=self._tables["lines"])
        self._note(line.name, what, why)

    def order_or_none(self, key: str) -> Order | None:
        found = self._txn.get(key.encode("ascii", "replace") or b"\0", db=self._tables["orders"])
        return unpack_order(found) if found else None

    def orders(self, name: str) -> list[Order]:
        return _orders(self._txn, self._tables, name)

    def put_order(self, order: Order, new: bool = False, why: str = "") -> None:
        key = order.key.encode("ascii")
        if new:
            self._make_room(order.line)
            self._txn.put(_key(order.line) + b"\0" + key, b"", db=self._tables["by_line"])
        self._txn.put(key, pack(order), db=self._tables["orders"])
        self._note(order.line, f"order {order.key} {order.state}", why)

    def _make_room(self, name: str) -> None:
        orders = self.orders(name)
        if len(orders) < ORDERS_MAX:
            return
        ended = [one for one in orders if one.state in _ENDED]
        if not ended:
            raise LineError(
                f"line {name} has {ORDERS_MAX:,} orders under way, the most there may be"
            )
        key = min(ended, key=lambda one: one.changed).key.encode("ascii")
        self._txn.delete(_key(name) + b"\0" + key, db=self._tables["by_line"])
        self._txn.delete(key, db=self._tables["orders"])

    def advance(self, order: Order, state: str, why: str) -> Order:
        line = self.line(order.line)
        if state == "open":
            _require_free(line, order)
            begun = "open" if line.state == "planned" else line.state
            line = changed(line, free_gbps=line.free_gbps - order.bandwidth_gbps, state=begun)
            self.put(line, begun, why)
        elif state == "ended":
            free = min(line.bandwidth_gbps, line.free_gbps + order.bandwidth_gbps)
            self.put(changed(line, free_gbps=free), line.state, why)
        new = Order(
            order.key, order.line, order.by, order.bandwidth_gbps, order.at, self._now, state, why  # type: ignore[arg-type]
        )  # fmt: skip
        self.put_order(new, why=why)
        return new

    def _note(self, name: str, what: str, why: str) -> None:
        table = self._tables["history"]
        kept = _below(self._txn, table, name)
        number = int.from_bytes(kept[-1][0], "big") + 1 if kept else 0
        for old, _ in kept[: max(0, len(kept) + 1 - HISTORY_MAX)]:
            self._txn.delete(_key(name) + b"\0" + old, db=table)
        row = msgpack.packb([self._now, self._by, what, why])
        self._txn.put(_key(name) + b"\0" + number.to_bytes(4, "big"), row, db=table)


def _require_free(line: Line, order: Order) -> None:
    """Raises LineError where a line does not have what is ordered."""
    if line.state not in CARRYING | {"planned"}:
        raise LineError(f"line {line.name} is {line.state}; it cannot be opened")
    if line.free_gbps < order.bandwidth_gbps:
        raise LineError(
            f"line {line.name} has {line.free_gbps:g} Gbit/s free, "
            f"{order.bandwidth_gbps:g} were ordered"
        )


def _line(txn: Any, tables: Tables, name: str) -> Line | None:
    found = txn.get(_key(name), db=tables["lines"])
    return unpack_line(found) if found else None


def _orders(txn: Any, tables: Tables, name: str) -> list[Order]:
    keys = [key for key, _ in _below(txn, tables["by_line"], name)]
    return [unpack_order(txn.get(key, db=tables["orders"])) for key in keys]


def _key(name: str) -> bytes:
    return name.encode("utf-8")[:64] or b"\0"


def _below(txn: Any, table: Any, name: str) -> list[tuple[bytes, bytes]]:
    """The rows of a line: what follows its name and 00, and the value."""
    prefix = _key(name) + b"\0"
    rows = txn.cursor(db=table)
    found: list[tuple[bytes, bytes]] = []
    if rows.set_range(prefix):
        for key, value in rows:
            if not key.startswith(prefix):
                break
            found.append((key[len(prefix) :], value))
    return found
