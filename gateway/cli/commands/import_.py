"""`csid import`: identifiers with their records from a table into a data directory."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final

from gateway.cli import acting, options, output, progress, request
from registry.bulk.csv_stream import ENCODING, Fault, TableError
from registry.bulk.entries import Reading
from registry.bulk.importer import Import, Tally, read_parts
from registry.service import Registry
from registry.tables.rows import DEFAULT_TTL

FAULTS_SHOWN: Final = 20  # on the screen; --errors has them all


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid import`."""
    parser = subparsers.add_parser(
        "import",
        description="Take in identifiers with their records from a CSV table 批量导入; "
        "schemas/record.md has its columns. Every row is held to the rules of the registry; those "
        "that may go in do, owners must be registered and accredited before. Exit code: 0 all rows "
        "are in, 1 some were not taken, 2 could not be done.",
    )
    parser.add_argument("file", metavar="FILE.csv", help="the table 表格; - is stdin")
    options.add_data(parser)
    parser.add_argument(
        "--on",
        type=options.day,
        default=None,
        metavar="DATE",
        help="date of registration, on which codes must be in force 赋码日期 (today)",
    )
    parser.add_argument(
        "--ttl", type=options.ttl, metavar="SECONDS", help="TTL of the records (300)"
    )
    parser.add_argument("--encoding", help="of the table 编码 (utf-8), such as gb18030")
    parser.add_argument("--dry-run", action="store_true", help="check all, keep nothing 试运行")
    parser.add_argument(
        "--errors", type=Path, metavar="FILE", help="write every wrong row there, one a line"
    )
    parser.add_argument(
        "--no-sync",
        action="store_true",
        help="do not wait for the disk at each commit: quicker, but should the machine fail before "
        "the end, the whole data directory may be lost 不逐次落盘",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    options.add_json(parser)
    acting.add_actor(parser)
    parser.set_defaults(run=run_import)


def run_import(args: argparse.Namespace) -> int:
    """Import one table; exit code 1 if rows of it were wrong."""
    started = time.monotonic()
    actor = acting.actor_of(args)
    shown: list[Fault] = []
    with (
        Registry.alone(args.data, sync=not args.no_sync) as registry,
        _opened(args.file) as (file, size),
        _errors_file(args.errors) as errors,
    ):
        ttl = DEFAULT_TTL if args.ttl is None else args.ttl
        reading = Reading(registry.settings.suffix, args.on or options.today(), ttl)
        work = Import(
            registry.store,
            actor,
            args.reason,
            keep=not args.dry_run,
            year=args.on.year if args.on else 0,
            check=registry.stages.check,
        )
        try:
            with progress.bar(size) as bar:
                for faults in work.run(read_parts(file, reading, size, args.encoding or ENCODING)):
                    for fault in faults:
                        line = f"{args.file}:{fault.line}: {fault.reason}"
                        if len(shown) < FAULTS_SHOWN:
                            shown.append(fault)
                            if not args.json:
                                output.complain(line)
                        if errors is not None:
                            errors.write(line + "\n")
                    rate = work.tally.rows / (time.monotonic() - started)
                    bar.show(work.tally.octets, f"{work.tally.rows:,} 行 rows, {rate:,.0f}/s")
        finally:
            _report(args, work.tally, shown, time.monotonic() - started)
    return output.EXIT_BAD_INPUT if work.tally.bad else output.EXIT_OK


def _report(args: argparse.Namespace, tally: Tally, shown: Sequence[Fault], seconds: float) -> None:
    """Say what an import has done, to its end or up to where it was stopped."""
    if args.json:
        output.print_json(
            {
                "rows": tally.rows,
                "added": tally.added,
                "changed": tally.changed,
                "unchanged": tally.unchanged,
                "bad": tally.bad,
                "dry_run": args.dry_run,
                "seconds": round(seconds, 3),
                "errors": [fault._asdict() for fault in shown],
            }
        )
        return
    if tally.bad > len(shown):
        hint = f"all are in {args.errors}" if args.errors else "--errors FILE keeps all"
        output.complain(f"... {tally.bad - len(shown):,} more wrong rows; {hint}")
    output.out.print(
        f"{request.trial_text(args)}"
        f"{tally.rows:,} 行 rows: 新增 added {tally.added:,}, 变更 changed {tally.changed:,}, "
        f"未变 unchanged {tally.unchanged:,}, 错误 bad {tally.bad:,}; "
        f"{seconds:.1f} s, {tally.rows / max(seconds, 1e-9):,.0f}/s",
        markup=False,
    )


@contextmanager
def _opened(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """A table to be read, and its octets if that can be known."""
    if name == "-":
        yield sys.stdin.buffer, None
        return
    path = Path(name)
    try:
        file = path.open("rb")
    except OSError as error:
        raise TableError(f"{name}: cannot be read: {error.strerror}") from None
    with file:
        yield file, path.stat().st_size if path.is_file() else None


@contextmanager
def _errors_file(path: Path | None) -> Iterator[IO[str] | None]:
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise TableError(f"{path}: cannot be written: {error.strerror}") from None
    with file:
        yield file
