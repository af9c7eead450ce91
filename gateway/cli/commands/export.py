"""`csid export`: identifiers with their records as a table or as JSON, to be imported again."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Final

from csid.columns import BY_NAME, ID_COLUMN, Form
from csid.errors import CsidError
from csid.record import decode
from csid.record_csv import ROW_COLUMNS, row_of, shielded
from gateway.cli import conditions, options, output, progress
from gateway.sheets.write import Sheet, number_of
from registry.bulk import jsonl
from registry.service import Registry
from registry.tables.enums import State
from registry.tables.rows import DEFAULT_TTL
from registry.tables.search import Found, find
from registry.tables.view import View, get_locks
from resolver.files import write_whole

ROWS_PER_NOTE: Final = 1_000  # between two notes of how far it is

Write = Callable[[Found], bool]  # whether the form can hold it
_LONG: Final = frozenset({ID_COLUMN, "name", "endpoints", "reason", "successor"})
# Columns whose cells are numbers for a spreadsheet, too; a price is kept as it is written.
_NUMBERS: Final = tuple(
    BY_NAME[name].form is Form.NUMBER and name != "price" for name in ROW_COLUMNS
)


class ExportError(CsidError):
    """What was asked for cannot be written so."""


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid export`."""
    parser = subparsers.add_parser(
        "export",
        description="Write identifiers with their records, as of one moment, in a form that csid "
        "import takes 导出. Exit code 1: some cannot be written in this form.",
    )
    conditions.add_conditions(parser)
    options.add_data(parser)
    parser.add_argument("--format", choices=tuple(_WRITERS), help="格式 (csv, or as FILE ends)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there 输出文件 (stdout)")
    parser.set_defaults(run=run_export)


def run_export(args: argparse.Namespace) -> int:
    """Write all that matches."""
    written, left, other_ttl = 0, 0, 0
    form = _format(args)
    with Registry.open(args.data) as registry:
        query = conditions.query_of(args, registry.settings)
        with registry.view() as seen, _output(args.output) as file, progress.bar() as bar:
            with _WRITERS[form](file, seen) as write:
                for found in find(seen, query):
                    if write(found):
                        written += 1
                        other_ttl += found.row.ttl != DEFAULT_TTL
                    else:
                        left += 1
                    if written % ROWS_PER_NOTE == 0 and args.output:
                        bar.show(written, f"{written:,}")
            file.flush()  # nothing is said to be exported that is not
    output.err.print(f"导出 exported {written:,}", markup=False)
    name = form.upper()
    if other_ttl and form != "jsonl":
        output.complain(
            f"{other_ttl:,} 条的缓存时间未写入 {name} have a TTL of their own, which a table does "
            "not hold; --format jsonl has it"
        )
    if left:
        output.complain(
            f"{left:,} 条无法写入 {name} cannot be written as {name} (aliases, and records with "
            "keys of a newer version); --format jsonl has them"
        )
    return output.EXIT_BAD_INPUT if left else output.EXIT_OK


def _format(args: argparse.Namespace) -> str:
    if args.format:
        form = str(args.format)
    else:
        suffix = args.output.suffix.removeprefix(".").lower() if args.output else ""
        form = suffix if suffix in _WRITERS else "csv"
    if form == "xlsx" and args.output is None:
        raise ExportError("a sheet is not for the screen; give --output FILE.xlsx")
    return form


@contextmanager
def _as_csv(file: IO[str], _seen: View) -> Iterator[Write]:
    """Rows with the columns of schemas/record.md."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(ROW_COLUMNS)

    def write(found: Found) -> bool:
        cells = _cells(found)
        if cells is not None:
            writer.writerow(map(shielded, cells))
        return cells is not None

    yield write


@contextmanager
def _as_xlsx(file: IO[str], _seen: View) -> Iterator[Write]:
    """The same rows as a sheet, with heads in Chinese and English."""
    heads = [str(BY_NAME[name]) for name in ROW_COLUMNS]
    sheet = Sheet(heads, [n for n, name in enumerate(ROW_COLUMNS) if name in _LONG])

    def write(found: Found) -> bool:
        cells = _cells(found)
        if cells is not None:
            both = zip(cells, _NUMBERS, strict=True)
            sheet.append(
                number_of(text) if is_number else shielded(text) for text, is_number in both
            )
        return cells is not None

    yield write
    sheet.save(file.buffer)  # type: ignore[attr-defined]


def _cells(found: Found) -> list[str] | None:
    """The texts of a row, None where a table cannot hold it."""
    # A record never says superseded: read back, it would stand for an identifier that lives.
    if found.row.state is State.SUPERSEDED:
        return None
    return row_of(found.identifier, decode(found.row.record))


@contextmanager
def _as_jsonl(file: IO[str], seen: View) -> Iterator[Write]:
    """A JSON object a line: identifier, record, TTL; alias, where another took its place; locks."""

    def write(found: Found) -> bool:
        value: dict[str, object] = {
            "identifier": found.identifier,
            "record": decode(found.row.record).json(),
            "ttl": found.row.ttl,
        }
        if found.row.state is State.SUPERSEDED:
            value["alias"] = found.row.target
        locks = get_locks(seen, found.identifier)
        if locks is not None and (locks.server or locks.owner):
            value["locks"] = jsonl.locks_json(locks)
        file.write(json.dumps(value, ensure_ascii=False) + "\n")
        return True

    yield write


_WRITERS: Final[dict[str, Callable[[IO[str], View], AbstractContextManager[Write]]]] = {
    "csv": _as_csv,
    "xlsx": _as_xlsx,
    "jsonl": _as_jsonl,
}


def _output(path: Path | None) -> AbstractContextManager[IO[str]]:
    """Where to write to."""
    return write_whole(path) if path is not None else nullcontext(output.for_data())
