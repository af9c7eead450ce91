"""Tables as people keep them, .xlsx or text: a row is a unit, or some that are alike.

The columns are those of a table of records (schemas/record.md), and some of what is free. What a
spreadsheet has destroyed is left out row by row, as an import does.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, get_args

from csid.cells import Broken
from csid.columns import BY_NAME, Column, Form, column_named, folded
from csid.damage import error_of, settled
from csid.errors import StoreError
from csid.status import Health
from gateway.sheets.package import ZIP
from gateway.sheets.source import SheetSource, Source, TextSource
from gateway.sheets.written import HEAD_ROWS
from gateway.sheets.xlsx import Line
from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.adapters.table.gathering import Gathering, Told
from gateway.systems.aggregation.readings import (
    CHIPS,
    DISK_GIB,
    MEMORY_GIB,
    VCPU,
    ReadingError,
    Unit,
)
from registry.bulk.csv_stream import Fault, TableError

_ALIKE_MAX: Final = 10_000  # units of a row
_TOTALS: Final = {CHIPS: "count", VCPU: "vcpu", MEMORY_GIB: "memory_gib", DISK_GIB: "disk_gib"}

_LABELS: Final = BY_NAME.keys() - {*_TOTALS.values(), "name", "chip", "chip_memory_gib"}


def _own(name: str, head: str, form: Form = Form.NUMBER) -> Column:
    return Column(name, head, form, "", "")


_OWN: Final = {
    column.name: column
    for column in (
        _own("key", "资源编号", Form.TEXT),
        _own("group", "分组", Form.TEXT),
        _own("health", "健康状况", Form.TEXT),
        _own("why", "不可用原因", Form.TEXT),
        _own("disk_gib", "磁盘"),
        _own("nodes", "节点数"),
        _own("free_nodes", "空闲节点数"),
        _own("free_chips", "空闲卡数"),
        _own("free_vcpu", "空闲核数"),
        _own("free_memory_gib", "空闲内存"),
        _own("free_disk_gib", "空闲磁盘"),
    )
}
_OTHERS: Final = {
    "可用卡数": "free_chips",
    "可用核数": "free_vcpu",
    "可用内存": "free_memory_gib",
    "可用磁盘": "free_disk_gib",
    "可用节点数": "free_nodes",
    "设备编号": "key",
    "分区": "group",
}
_HEADS: Final = {
    **{folded(column.name): name for name, column in _OWN.items()},
    **{folded(column.head): name for name, column in _OWN.items()},
    **{folded(column.head + column.name): name for name, column in _OWN.items()},
    **{folded(head): name for head, name in _OTHERS.items()},
}
_HEALTHS: Final[Mapping[str, Health]] = {
    **{word: word for word in get_args(Health)},
    "": "ok",
    "正常": "ok",
    "降级": "degraded",
    "故障": "failed",
    "维护": "maintenance",
}


def read_sheet(body: bytes, sheet: str | None, all_free: bool) -> Told:
    """The units of a table.

    Args:
        sheet: of an .xlsx; None is the first that people see.
        all_free: where no column tells what is free, all is.

    Raises:
        ReadingError: the table as a whole cannot be read.
    """
    with ExitStack() as stack:
        file = io.BytesIO(body)
        try:
            source: Source = (
                SheetSource(file, len(body), None, sheet, stack)
                if body.startswith(ZIP)
                else TextSource(file, len(body), None)
            )
            return _Reading(all_free, isinstance(source, TextSource)).of(source.lines())
        except (TableError, StoreError, UnicodeError) as error:
            raise ReadingError(f"table: {text(str(error))}") from None


class _Reading:
    """The reading of a table."""

    def __init__(self, all_free: bool, is_text: bool) -> None:
        self._all_free = all_free
        self._is_text = is_text
        self._width = 0  # of the heads
        self._gathering = Gathering()

    def of(self, lines: Iterator[Line | Fault]) -> Told:
        places, ignored = self._heads(lines)
        for line in lines:
            if isinstance(line, Fault):
                self._fault(line.line, line.reason)
            elif any(line.cells):
                self._row(line, places)
        told = self._gathering.told()
        if ignored:
            told.notes.append(text("columns not known: " + ", ".join(ignored)))
        return told

    def _heads(self, lines: Iterator[Line | Fault]) -> tuple[list[tuple[int, Column]], list[str]]:
        """The columns that are known, and the heads of others, of the first row with two known."""
        for line in lines:
            if isinstance(line, Fault) or line.number > HEAD_ROWS:
                break
            heads = [cell if isinstance(cell, str) else cell.text for cell in line.cells]
            found = [(place, _column(head)) for place, head in enumerate(heads)]
            places = [(place, column) for place, column in found if column is not None]
            names = [column.name for _, column in places]
            if len(set(names)) < 2:
                continue
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise ReadingError(f"table: two columns are {twice}")
            if not {"key", "identifier", "name"} & set(names):
                raise ReadingError(
                    "table: no column says what a row is of; expected 资源编号 key, "
                    "标识 identifier or 名称 name"
                )
            ignored = [
                x for x, (_, column) in zip(heads, found, strict=True) if not column and x.strip()
            ]
            self._width = len(heads)
            return places, ignored
        raise ReadingError(
            "table: no row of heads was found; expected names of columns, such as 名称 name and "
            f"芯片数量 count, in one of the first {HEAD_ROWS} rows"
        )

    def _row(self, line: Line, places: Sequence[tuple[int, Column]]) -> None:
        if self._is_text and len(line.cells) != self._width:
            return self._fault(
                line.number, f"it has {len(line.cells)} cells, the heads are {self._width}"
            )
        said = {}
        for place, column in places:
            cell = settled(column, line.cells[place]) if place < len(line.cells) else None
            if isinstance(cell, Broken):
                return self._fault(line.number, str(error_of(column.name, cell)))
            if cell is not None and cell.text:
                said[column.name] = cell.text
        try:
            for unit in _units(said, self._all_free):
                self._gathering.add(unit)
        except (ValueError, ReadingError) as error:
            self._fault(line.number, str(error))
        return None

    def _fault(self, number: int, reason: str) -> None:
        self._gathering.fault(f"row {number}: {reason}")


def _column(head: str) -> Column | None:
    own = _HEADS.get(folded(head)) or _HEADS.get(folded(head.partition("(")[0].partition("（")[0]))
    if own is not None:
        return _OWN[own]
    name = column_named(head)
    return BY_NAME[name] if name is not None else None


def _units(said: Mapping[str, str], all_free: bool) -> Iterator[Unit]:
    """The units of a row, and what of them is free as it says: of which kinds how much, or how many
    of them as a whole.

    What is free of several units together is spread as evenly as can be: then no more is promised
    of one of them than must be there.

    Raises:
        ValueError: it says something that cannot be, and why.
    """
    key = said.get("key") or said.get("identifier") or said.get("name")
    if not key:
        raise ValueError("it says of no resource what it is: key, identifier and name are empty")
    alike = round(_number(said, "nodes", 1))
    if not 1 <= alike <= _ALIKE_MAX:
        raise ValueError(f"nodes={alike}: expected 1 to {_ALIKE_MAX}")
    total = {kind: _number(said, name) for kind, name in _TOTALS.items() if name in said}
    free = {kind: _number(said, f"free_{kind}") for kind in total if f"free_{kind}" in said}
    for kind, has in free.items():
        if has > total[kind]:
            raise ValueError(f"free_{kind}={has:g} of {total[kind]:g}")
    nodes = round(_number(said, "free_nodes", alike))
    if nodes > alike:
        raise ValueError(f"free_nodes={nodes} of {alike}")
    health, why = _health(said)
    if not (why or free or all_free or "free_nodes" in said):
        why = "the table does not say what is free"
    labels = {name: text(value) for name, value in said.items() if name in _LABELS}
    for number in range(alike):
        its = {kind: _share(kind, one, alike, number) for kind, one in total.items()}
        if why or (not free and number >= nodes):
            can_be_had = dict.fromkeys(its, 0.0)
        elif free:
            can_be_had = {kind: _share(kind, one, alike, number) for kind, one in free.items()}
        else:
            can_be_had = its
        yield Unit(
            key=text(key) if alike == 1 else f"{text(key)}#{number + 1}",
            name=text(said.get("name", key)),
            total=its,
            free=can_be_had,
            health=health,
            why=text(why),
            chip=text(said.get("chip", "")),
            chip_memory_gib=_number(said, "chip_memory_gib", 0),
            group=text(said.get("group", "")),
            labels=labels,
        )


def _share(kind: str, has: float, among: int, number: int) -> float:
    """The part of one of some units; chips are whole, the first ones have one more."""
    if kind != CHIPS:
        return amount(round(has / among, 3))
    each, over = divmod(int(has), among)
    return float(each + (number < over))


def _health(said: Mapping[str, str]) -> tuple[Health, str]:
    word = folded(said.get("health", ""))
    health = _HEALTHS.get(word)
    if health is None:
        known = ", ".join(filter(None, _HEALTHS))
        raise ValueError(f"health={word!r}: expected one of {known}")
    state = said.get("state", "active").split()[-1]
    if state not in ("active", "有效"):
        return "maintenance", f"state {state}"
    return health, said.get("why", "") or (health if health in ("failed", "maintenance") else "")


def _number(said: Mapping[str, str], name: str, without: float | None = None) -> float:
    value = said.get(name)
    if value is None and without is not None:
        return without
    try:
        found = float(value or "")
    except ValueError:
        found = -1
    if not 0 <= found <= 2**53 or not (value or "").isascii():
        raise ValueError(f"{name}={text(value or '')!r}: expected a number")
    return found
