"""`csid export`: identifiers with their records as a table or as JSON, to be imported again."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from csid.errors import CsidError
from gateway.cli import console, options, searching

if TYPE_CHECKING:
    from registry.tables.search import Found

Write = Callable[["Found"], bool]  # whether the form can hold it


class ExportError(CsidError):
    """The file cannot be written."""


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid export`."""
    parser = subparsers.add_parser(
        "export",
        help="write identifiers with their records to a table 导出",
        description="Write identifiers with their records, as of one moment, in a form that csid "
        "import takes 导出. Exit code 1: some cannot be written in this form.",
    )
    parser.add_argument(
        "prefix", metavar="PREFIX", nargs="?", default="", help=searching.PREFIX_HELP
    )
    searching.add_conditions(parser)
    options.add_data(parser)
    parser.add_argument("--format", choices=tuple(_WRITERS), help="格式 (csv, or as FILE ends)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there 输出文件 (stdout)")
    parser.set_defaults(run=run_export)


def run_export(args: argparse.Namespace) -> int:
    """Write all that matches."""
    from registry.service import Registry
    from registry.tables.search import find

    written, left = 0, 0
    with Registry.open(args.data) as registry:
        query = searching.query_of(args, registry.settings)
        with registry.view() as seen, _opened(args.output) as file:
            write = _WRITERS[_format(args)](file)
            for found in find(seen, query):
                if write(found):
                    written += 1
                else:
                    left += 1
    console.err.print(f"导出 exported {written:,}", markup=False)
    if left:
        console.complain(
            f"{left:,} 条无法写入 CSV cannot be written as CSV (aliases, and records with keys "
            "of a newer version); --format jsonl has them"
        )
    return console.EXIT_BAD_INPUT if left else console.EXIT_OK


def _format(args: argparse.Namespace) -> str:
    if args.format:
        return str(args.format)
    suffix = args.output.suffix.removeprefix(".") if args.output else ""
    return suffix if suffix in _WRITERS else "csv"


def _as_csv(file: IO[str]) -> Write:
    """Rows with the columns of schemas/record.md."""
    from csid.fields import CELL_BREAK, FIELDS, PRECISIONS
    from csid.record import decode
    from csid.record_csv import ID_COLUMN, RECORD_COLUMNS
    from registry.tables.enums import State

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
        writer.writerow((found.identifier, *cells, *flops))
        return True

    return write


def _as_jsonl(file: IO[str]) -> Write:
    """A JSON object a line: id, record, and alias where another took its place."""
    from csid.record import decode
    from registry.tables.enums import State

    def write(found: Found) -> bool:
        value = {"id": found.identifier, "record": decode(found.row.record).json()}
        if found.row.state is State.SUPERSEDED:
            value["alias"] = found.row.target
        file.write(json.dumps(value, ensure_ascii=False) + "\n")
        return True

    return write


_WRITERS: Final[dict[str, Callable[[IO[str]], Write]]] = {"csv": _as_csv, "jsonl": _as_jsonl}


@contextmanager
def _opened(path: Path | None) -> Iterator[IO[str]]:
    """The file to write; what was there before is replaced only when all is written."""
    if path is None:
        yield sys.stdout
        return
    fresh = path.with_name(f"{path.name}.new")
    try:
        with fresh.open("w", encoding="utf-8", newline="") as file:
            yield file
        fresh.replace(path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)
