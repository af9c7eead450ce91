"""`csid import`: identifiers with their records from a table into a data directory."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from gateway.cli import acting, options, output, progress, request
from registry.bulk.csv_stream import ENCODING, Fault, TableError
from registry.bulk.entries import Reading
from registry.bulk.importer import Import, Tally, Trial
from registry.bulk.sorting import SortedTable
from registry.service import Registry
from resolver.runs import Block, merged, read_run, write_run

FAULTS_SHOWN: Final = 20  # on the screen; --errors has them all
FAULTS_HELD: Final = 20_000  # in memory


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
        "--ttl",
        type=options.ttl,
        metavar="SECONDS",
        help="of the names; without it new ones have 300, and others keep theirs 生存时间",
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
    today = options.today()
    if args.on and args.on > today:
        raise TableError(f"--on {args.on} lies ahead; expected {today} at the latest")
    reading = Reading(args.on or today)
    with (
        Registry.open(args.data, writable=not args.dry_run, sync=not args.no_sync) as registry,
        _opened(args.file) as (file, size),
        _Faults(args) as faults,
        SortedTable(
            file, reading, size, None if args.dry_run else args.data, args.encoding or ENCODING
        ) as table,
    ):
        trial = Trial(registry.store, registry.stages.check)
        work = Import(
            trial.perform if args.dry_run else registry.perform,
            actor,
            args.reason,
            args.on.year if args.on else 0,
            args.ttl,
        )
        try:
            if not args.dry_run:
                while registry.perform("sweep"):  # what a killed load has left
                    pass
            with progress.bar(size) as bar:
                for found in work.run(table):
                    faults.tell(found)
                    rate = work.tally.rows / (time.monotonic() - started)
                    bar.show(work.tally.octets, f"{work.tally.rows:,} 行 rows, {rate:,.0f}/s")
        finally:
            _report(args, work.tally, faults.shown, time.monotonic() - started)
    return output.EXIT_BAD_INPUT if work.tally.bad else output.EXIT_OK


class _Faults:
    """The rows that were not taken: some are shown as they are found, all are written to --errors
    at the end, in the order of their lines.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.shown: list[Fault] = []
        self._file: str = args.file
        self._is_quiet: bool = args.json
        self._path: Path | None = args.errors
        self._held: list[Fault] = []
        self._runs: list[list[Block]] = []
        self._end = 0

    def __enter__(self) -> _Faults:
        if self._path is not None:
            try:
                self._errors = self._path.open("w", encoding="utf-8", errors="backslashreplace")
                self._spill = TemporaryFile(dir=self._path.parent)
            except OSError as error:
                raise TableError(f"{self._path}: cannot be written: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is None:
            return
        with self._errors, self._spill:
            self._put_away()
            for some in merged([read_run(self._spill.fileno(), run) for run in self._runs]):
                self._errors.writelines(f"{self._text(Fault(*fault))}\n" for fault in some)

    def tell(self, faults: Sequence[Fault]) -> None:
        """Take in more of them."""
        for fault in faults[: max(0, FAULTS_SHOWN - len(self.shown))]:
            self.shown.append(fault)
            if not self._is_quiet:
                output.complain(self._text(fault))
        if self._path is not None:
            self._held += faults
            if len(self._held) >= FAULTS_HELD:
                self._put_away()

    def _put_away(self) -> None:
        blocks = write_run(self._spill.fileno(), sorted(self._held), self._end)
        self._held = []
        if blocks:
            self._end = sum(blocks[-1])
            self._runs.append(blocks)

    def _text(self, fault: Fault) -> str:
        return f"{self._file}:{fault.line}: {fault.reason}"


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
