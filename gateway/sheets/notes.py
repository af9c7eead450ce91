"""What whoever gave a table should know of how it was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.sheets.source import SheetSource, Source

_SHOWN: Final = 8  # of columns, rows and sheets that are named


@dataclass
class Counted:
    """What was met with in a table.

    Attributes:
        mended: cells that were written another way.
        numbers: serials that are numbers and have no format that keeps their zeros.
        examples: rows that were left out as such.
        ignored: heads of columns that were left out.
    """

    mended: int = 0
    numbers: int = 0
    examples: int = 0
    ignored: list[str] = field(default_factory=list)


def notes_of(source: Source, counted: Counted) -> Iterator[str]:
    """What whoever gave the table should know of it."""
    if counted.ignored:
        yield f"忽略的列 columns left out: {_some(counted.ignored)}"
    if counted.mended:
        yield (
            f"已规整 {counted.mended:,} 个单元格 cells were written another way (spaces at the "
            "ends, wide characters, dates, names of codes)"
        )
    if counted.numbers:
        yield (
            f"{counted.numbers:,} 个序号是数字而非文本 serials are numbers, not text: zeros before "
            "them would be lost; compare them with their source"
        )
    if counted.examples:
        yield f"跳过示例行 example rows left out: {counted.examples:,}"
    if source.seen.hidden_rows:
        yield (
            f"隐藏的行也已读入 hidden rows were read too: {len(source.seen.hidden_rows):,} "
            f"({_some(map(str, source.seen.hidden_rows))})"
        )
    if source.seen.hidden_columns:
        shown = (f"{a}-{b}" if a != b else str(a) for a, b in source.seen.hidden_columns)
        yield f"隐藏的列也已读入 hidden columns were read too: number {_some(shown)}"
    if isinstance(source, SheetSource) and source.others:
        yield (
            f"只读取工作表 the sheet read is {source.sheet.name!r}; not read: "
            f"{_some(map(repr, source.others))} (--sheet NAME)"
        )


def _some(texts: Iterable[str]) -> str:
    shown = list(texts)
    return ", ".join(shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")
