"""`csid export`: identifiers with their records as a table or as JSON, to be imported again."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Final

from csid.fields import CELL_BREAK, FIELDS, PRECISIONS
from csid.record import decode
from csid.record_csv import ID_COLUMN, RECORD_COLUMNS, shielded
from gateway.cli import conditions, options, output, progress
from registry.bulk import jsonl
from registry.service import Registry
from registry.tables.enums import State
from registry.tables.rows import DEFAULT_TTL
from registry.tables.search import Found, find
from registry.tables.view import View, get_locks
from resolver.files import write_whole

ROWS_PER_NOTE: Final = 1_000  # between two notes of how far it is

Write = Callable[[Found], bool]  # whether the form can hold it


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
            write = _WRITERS[form](file, seen)
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
    if other_ttl and form == "csv":
        output.complain(
            f"{other_ttl:,} 条的缓存时间未写入 CSV have a TTL of their own, which a table does not "
            "hold; --format jsonl has it"
        )
    if left:
        output.complain(
            f"{left:,} 条无法写入 CSV cannot be written as CSV (aliases, and records with keys "
            "of a newer version); --format jsonl has them"
        )
    return output.EXIT_BAD_INPUT if left else output.EXIT_OK


def _format(args: argparse.Namespace) -> str:
    if args.format:
        return str(args.format)
    suffix = args.output.suffix.removeprefix(".") if args.output else ""
    return suffix if suffix in _WRITERS else "csv"


def _as_csv(file: IO[str], _seen: View) -> Write:
    """Rows with the columns of schemas/record.md."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow((ID_COLUMN, *RECORD_COLUMNS))

    def write(found: Found) -> bool:
        record = decode(found.row.record)
        # A record never says superseded: read back, it would stand for an identifier that lives.
        if found.row.state is State.SUPERSEDED or record.extra:
            return False
        texts = {f.key: f.form.show(record.values[f.key]) for f in FIELDS if f.key in record.values}
        flops = texts.pop("fl", CELL_BREAK * (len(PRECISIONS) - 1)).split(CELL_BREAK)
        cells = (texts.get(field.key, "") for field in FIELDS if field.key != "fl")
        writer.writerow(map(shielded, (found.identifier, *cells, *flops)))
        return True

    return write


def _as_jsonl(file: IO[str], seen: View) -> Write:
    """A JSON object a line: id, record, TTL, alias where another took its place, and locks."""

    def write(found: Found) -> bool:
        value: dict[str, object] = {
            "id": found.identifier,
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

    return write


_WRITERS: Final[dict[str, Callable[[IO[str], View], Write]]] = {"csv": _as_csv, "jsonl": _as_jsonl}


def _output(path: Path | None) -> AbstractContextManager[IO[str]]:
    """Where to write to."""
    return write_whole(path) if path is not None else nullcontext(output.for_data())
