"""Where lines are: an environment of its own (`resolver.tables`), durable.

    lines     name -> the line (`lines.pack`)
    orders    key 00 who has ordered -> the order (older ones: key)
    by_line   name 00 that of an order of the line -> nothing
    history   name 00 number(4) -> msgpack of [Unix milliseconds, who, what became of it, why]

A line keeps its last HISTORY_MAX changes, and ORDERS_MAX orders, of which those that have ended
make room. What is asked twice is done once: an order by its key, which is its orderer's own.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgpack

from gateway.systems.selection.paths.lines import (
    NEXT,
    TEXT_MAX,
    Line,
    LineError,
    Order,
    pack,
    unpack_line,
    unpack_order,
)
from gateway.systems.selection.paths.lines_writing import (
    Writing,
    below,
    key_of,
    line_of,
    orders_of,
)
from resolver.tables import Tables

FILE: Final = "lines.mdb"
NAMES: Final = ("lines", "orders", "by_line", "history")
_MAP_OCTETS: Final = 2 << 30  # the file is sparse


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

    def number(self) -> int:
        """The number of the last change, whoever has made it."""
        return self._tables.number()

    def find(self, name: str) -> Line | None:
        """The line of a name."""
        with self._tables.reading() as txn:
            return line_of(txn, self._tables, name)

    def all(self, after: str = "") -> Generator[Line, None, None]:
        """All lines as they were at one moment, in the order of their names, those behind a name.
        The moment is held until the last was taken, or it is closed.
        """
        with self._tables.reading() as txn:
            rows = txn.cursor(db=self._tables["lines"])
            if rows.set_range(key_of(after) + b"\0" if after else b""):
                yield from map(unpack_line, rows.iternext(keys=False))

    def history(self, name: str) -> list[Change]:
        """What became of a line, from first to last."""
        with self._tables.reading() as txn:
            found = below(txn, self._tables["history"], name)
            return [Change(*msgpack.unpackb(row)) for _, row in found]

    def orders(self, name: str) -> list[Order]:
        """The orders of a line, in the order of their keys."""
        with self._tables.reading() as txn:
            return orders_of(txn, self._tables, name)

    def add(self, line: Line, by: str, now: int) -> bool:
        """Take in a line. Returns false if the same is there already.

        Raises:
            LineError: another one is there under its name; there are too many; or nothing can be
                as quick as it is said to be.
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
            writing.require_possible(line, line.__struct_fields__)
            writing.require_room(line.name)
            writing.put(line, line.state, "added")
            return True

    def change(self, name: str, by: str, now: int, why: str = "", **values: Any) -> Line:
        """Give a line other values; what stays the same is no change. With more bandwidth, or
        less, as much more or less is free, unless that is given as well. To become `closed` is
        what `close_line` does.

        Raises:
            LineError: there is no such line, it would be none, or have less than open orders have
                taken; or it is closed.
        """
        closes = values.get("state") == "closed"
        if closes:
            del values["state"]
        with self._writing(by, now, why) as writing:
            line = writing.line(name)
            new = writing.changed(line, values)
            if new != line:
                if line.state == "closed":
                    raise LineError(f"line {name} is closed, for ever; add another one")
                told = new.state if new.state != line.state else ", ".join(sorted(values))
                writing.put(new, told, why)
            return writing.close(name, why) if closes else new

    def order(self, order: Order, now: int) -> Order:
        """Order that a line be opened 开通. The same again gives the order as it is now.

        Raises:
            LineError: who orders has another order under this key; there is no such line; its
                days are over; it cannot carry so much.
        """
        order = unpack_order(pack(order))  # which looks at it
        with self._writing(order.by, now) as writing:
            kept = next((one for one in writing.named(order.key) if one.by == order.by), None)
            if kept:
                if (kept.line, kept.bandwidth_gbps) != (order.line, order.bandwidth_gbps):
                    raise LineError(
                        f"order {order.key} is about {kept.bandwidth_gbps:g} Gbit/s of line "
                        f"{kept.line}; give another order another key"
                    )
                return kept
            writing.require_free(writing.line(order.line), order)
            writing.put_order(order, new=True)
            return order

    def answer(
        self,
        key: str,
        state: str,
        by: str,
        now: int,
        why: str = "",
        of: str = "",
        line: str = "",
    ) -> Order:
        """Say what becomes of an order: accepted, open, refused, ended. The same again is no
        change. With `open` its bandwidth is taken, with `ended` it is given back.

        Args:
            of: who has ordered, `line`: of which line; needed where several have a key in use.

        Raises:
            LineError: there is no such order, or several; or it cannot become that.
        """
        with self._writing(by, now, why) as writing:
            order = _only(
                key,
                [
                    one
                    for one in writing.named(key)
                    if of in ("", one.by) and line in ("", one.line)
                ],
            )
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
            return writing.close(name, why)

    @contextmanager
    def _writing(self, by: str, now: int, why: str = "") -> Iterator[Writing]:
        """All of it is done, or nothing."""
        if len(why) > TEXT_MAX:
            raise LineError(f"the reason has {len(why)} characters; at most {TEXT_MAX} are kept")
        with self._tables.writing() as txn:
            yield Writing(txn, self._tables, by, now)


def _only(key: str, found: list[Order]) -> Order:
    """The only one.

    Raises:
        LineError: there is none, or there are several.
    """
    if not found:
        raise LineError(f"there is no order {key[:64]}; csid line show LINE lists those of it")
    if len(found) > 1:
        names = ", ".join(one.by for one in found)
        raise LineError(f"order {key}: {names} have one each; say whose is meant (--of, or of)")
    return found[0]
