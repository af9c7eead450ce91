"""Rows that were not taken, as a table to be mended and given again: each as it stood, with its
line, the column at fault, why, and what to do.

The columns that say so have heads that begin with 退回; an import leaves them out.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from csid.cells import Broken, Cell
from csid.columns import BY_NAME, column_named
from csid.damage import KINDS
from csid.record_csv import shielded, unshielded
from gateway.sheets.heads import RETURNED, heads_of
from gateway.sheets.source import Source
from gateway.sheets.write import Mark, Sheet, number_of
from gateway.sheets.xlsx import Line
from registry.bulk.csv_stream import Fault, TableError
from registry.bulk.intake import TWICE
from registry.rules.status import Status
from resolver.files import write_whole

HEADS: Final = (
    f"{RETURNED}：行号 line",
    f"{RETURNED}：列 column",
    f"{RETURNED}：原因",
    f"{RETURNED}：why",
    f"{RETURNED}：处理 what to do",
)
FORMS: Final = (".csv", ".xlsx")
_SEGMENT_OF: Final = {"spec": "class"}  # columns are called otherwise than segments
# What to do about a row that the rules have refused.
_ADVICE: Final[Mapping[str, tuple[str, str]]] = {
    "OWNER_UNKNOWN": (
        "先登记主体并准入（csid owner add、csid owner accredit），再导入",
        "register and accredit the owner (csid owner add, accredit), then import again",
    ),
    "NOT_ACCREDITED": (
        "先完成准入或恢复（csid owner accredit、reinstate），再导入",
        "accredit or reinstate the owner, then import again",
    ),
    "OUT_OF_SCOPE": (
        "核对位置和行业；确属本节点的，由管理员调整管辖范围（csid scope）",
        "compare location and industry; if they are this node's, have the scope set (csid scope)",
    ),
    "OWNER_NOT_YOURS": (
        "由该主体的登记员或管理员导入",
        "have it imported by a registrar of that owner, or an administrator",
    ),
    "OWNER_QUOTA": ("申请增加主体配额", "have the owner's quota raised"),
    "NEVER_AGAIN": ("换一个序号", "choose another serial"),
    "RECORD_TOO_LARGE": ("缩短文字或减少接入地址", "shorten texts, or give fewer endpoints"),
    TWICE: ("两行只保留一行", "keep one of the two rows"),
}
_TWICE: Final = ("同一标识在表中出现两次且内容不同", "the identifier is there twice, not alike")
_OTHERWISE: Final = ("按原因改正后再导入", "mend what the reason says and import again")


def explained(fault: Fault) -> tuple[str, str, str, str]:
    """Of a row that was not taken: the column at fault, why in Chinese, why in English, and what to
    do in both.
    """
    name = _SEGMENT_OF.get(fault.column, fault.column)
    column = BY_NAME.get(name)
    where = str(column) if column is not None else name
    if fault.kind in KINDS:
        kind = KINDS[fault.kind]
        return where, kind.zh, _english(fault.reason, kind.en), f"{kind.do_zh} {kind.do_en}"
    if fault.kind in Status.__members__:
        zh = Status[fault.kind].zh
        do = _ADVICE.get(fault.kind, _OTHERWISE)
        return where, zh, fault.reason, " ".join(do)
    if fault.kind == TWICE:
        return where, _TWICE[0], fault.reason, " ".join(_ADVICE[TWICE])
    if column is not None:
        do_zh, do_en = f"应填{column.zh}", f"expected is {column.en}"
        return where, f"{column.head}的内容不合要求", fault.reason, f"{do_zh} {do_en}"
    return where, "该行不合要求", fault.reason, " ".join(_OTHERWISE)


def _english(reason: str, en: str) -> str:
    """The words of a reason from the English ones on, up to the advice."""
    at = reason.find(en)
    return reason[at:].partition("; ")[0] if at >= 0 else en


def require_usable(path: Path, table: str) -> None:
    """Raise TableError unless wrong rows can be written in the form that the name of a file says,
    and not over the table that they come from.
    """
    if os.path.realpath(path) == os.path.realpath(table):
        raise TableError(f"{path}: is the table itself; give another name for the wrong rows")
    if path.suffix.lower() not in FORMS:
        raise TableError(f"{path}: the wrong rows are written as {' or '.join(FORMS)}")


def write(path: Path, source: Source, faults: Iterator[Fault]) -> int:
    """Write the rows of a source that were not taken; comes back with how many.

    Args:
        path: of the file; its name ends as one of FORMS.
        source: read once more.
        faults: in the order of their lines; one line may have several.

    Raises:
        TableError: the source cannot be read again.
        FileError: the file cannot be written.
    """
    given = source.lines()
    heads, _ = heads_of(given)
    kept = [n for n, head in enumerate(heads) if not head.startswith(RETURNED)]
    columns = [column_named(heads[n]) for n in kept]
    all_heads = [*(heads[n] for n in kept), *HEADS]
    with write_whole(path) as file:
        append, finish = _writer(path, file, all_heads, columns)
        written = 0
        for fault, line in _joined(given, faults):
            where, *words = explained(fault)
            cells = [_shown(line[n]) if n < len(line) else "" for n in kept]
            at_fault = {_SEGMENT_OF.get(one, one) for one in fault.column.split(", ")}
            marks = [name in at_fault for name in columns]
            append(cells, marks, [str(fault.line), where, *words])
            written += 1
        finish()
    return written


def _joined(
    given: Iterator[Line | Fault], faults: Iterator[Fault]
) -> Iterator[tuple[Fault, Sequence[Cell]]]:
    """Faults, those of a line as one, with its cells; none where it is no row."""
    fault = next(faults, None)
    for one in given:
        number = one.line if isinstance(one, Fault) else one.number
        while fault is not None and fault.line <= number:
            same = fault
            while (fault := next(faults, None)) is not None and fault.line == same.line:
                same = same._replace(reason=f"{same.reason}; {fault.reason}")
            yield same, one.cells if isinstance(one, Line) and same.line == number else ()
        if fault is None:
            return
    while fault is not None:
        yield fault, ()
        fault = next(faults, None)


def _shown(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return "" if isinstance(cell, Broken) and cell.kind == "FORMULA" else cell.text


Append = Callable[[Sequence[str], Sequence[bool], Sequence[str]], None]


def _writer(
    path: Path, file: IO[str], heads: Sequence[str], columns: Sequence[str | None]
) -> tuple[Append, Callable[[], None]]:
    """What writes a row (its cells, which are at fault, what is said of it), and what ends it."""
    if path.suffix.lower() == ".xlsx":
        count = len(columns)
        sheet = Sheet(heads, [n for n in range(len(heads)) if n >= count + 2])

        def to_sheet(cells: Sequence[str], marks: Sequence[bool], words: Sequence[str]) -> None:
            row = [Mark(x) if bad else x for x, bad in zip(cells, marks, strict=True)]
            line, *others = words
            sheet.append([*row, number_of(line), *others])

        return to_sheet, lambda: sheet.save(file.buffer)  # type: ignore[attr-defined]
    file.write("\ufeff")  # by which a spreadsheet knows UTF-8
    row_of = csv.writer(file, lineterminator="\r\n").writerow
    row_of(heads)

    def to_text(cells: Sequence[str], _: Sequence[bool], words: Sequence[str]) -> None:
        row_of([shielded(unshielded(text)) for text in (*cells, *words)])

    return to_text, file.flush
