"""`csid import`: identifiers with their records from a table into a data directory."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from gateway.cli import acting, options, output, progress, request
from gateway.sheets import prepare, registered, source, wrong
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
        description="Take in identifiers with their records from a table 批量导入, a sheet (.xlsx) "
        "or CSV; csid template makes one, docs/sheets.md tells of it. What a spreadsheet has "
        "destroyed is found before anything is written. Every row is held to the rules of the "
        "registry; those that may go in do, owners must be registered and accredited before. Exit "
        "code: 0 all rows are in, 1 some were not taken, 2 could not be done.",
    )
    parser.add_argument("file", metavar="FILE", help="the table 表格 (.xlsx, .csv); - is stdin")
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
        help="of the names; without it new ones have 300, and others keep theirs 缓存时间",
    )
    parser.add_argument(
        "--encoding",
        help="of a CSV table 编码 (found out: UTF-8, UTF-16 with a mark, GB 18030)",
    )
    parser.add_argument("--sheet", metavar="NAME", help="of a workbook 工作表 (the first)")
    parser.add_argument(
        "--ignore-unknown", action="store_true", help="leave out unknown columns 忽略未知列"
    )
    parser.add_argument(
        "--serials-as-written",
        action="store_true",
        help="take serials whose widths differ from their neighbours' or pool's 序号位数照原样",
    )
    parser.add_argument("--dry-run", action="store_true", help="check all, keep nothing 试运行")
    parser.add_argument(
        "--errors", type=Path, metavar="FILE", help="write every wrong row there, one a line"
    )
    parser.add_argument(
        "--wrong",
        type=Path,
        metavar="FILE",
        help="write the wrong rows there, .xlsx or .csv, with why and what to do, to be mended and "
        "imported again 退回表",
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
    if args.wrong is not None:
        wrong.require_usable(args.wrong, args.file)
    reading = Reading(args.on or today)
    folder = None if args.dry_run else args.data
    opened = (
        Registry.open(args.data)
        if args.dry_run
        else acting.open_for_writing(args, sync=not args.no_sync)
    )
    with (
        opened as registry,
        ExitStack() as stack,
    ):
        given = source.opened(args.file, args.encoding, args.sheet, folder, stack)
        faults = stack.enter_context(_Faults(args, given))
        trial = Trial(registry.store, registry.stages.check)
        work = Import(
            trial.perform if args.dry_run else registry.perform,
            actor,
            args.reason,
            args.on.year if args.on else 0,
            args.ttl,
        )
        try:
            file, size, encoding = _plain(args, given, registry, work.tally, faults, stack)
            table = stack.enter_context(SortedTable(file, reading, size, folder, encoding))
            if not args.dry_run:
                while registry.perform("sweep"):  # what a killed load has left
                    pass
            with progress.bar(size) as bar:
                for found in work.run(table):
                    faults.tell(found)
                    rate = work.tally.rows / (time.monotonic() - started)
                    bar.show(work.tally.octets, f"{work.tally.rows:,} 行 rows, {rate:,.0f}/s")
        finally:
            _report(args, work.tally, faults, time.monotonic() - started)
    return output.EXIT_BAD_INPUT if work.tally.bad else output.EXIT_OK


def _plain(
    args: argparse.Namespace,
    given: source.TextSource | source.SheetSource,
    registry: Registry,
    tally: Tally,
    faults: _Faults,
    stack: ExitStack,
) -> tuple[BinaryIO, int, str]:
    """The table that the import reads, its octets and its encoding: the one that was given, or what
    it comes to when it has been examined.
    """
    if isinstance(given, source.TextSource) and given.written.is_direct:
        return given.file, given.size, given.written.encoding

    def tell(found: list[Fault]) -> None:
        tally.bad += len(found)
        faults.tell(found)

    @contextmanager
    def look() -> Iterator[registered.Registered]:
        with registry.view() as seen:
            yield registered.Registered(seen)

    how = prepare.Options(args.ignore_unknown, None if args.serials_as_written else look)
    with progress.bar() as bar:
        bar.show(0, f"检查表格 examining {args.file}")
        ready = prepare.prepared(given, how, tell, None if args.dry_run else args.data, stack)
    faults.notes = ready.notes
    if not args.json:
        for note in ready.notes:
            output.err.print(note, markup=False)
    return ready.file, ready.size, ENCODING


class _Faults:
    """The rows that were not taken: some are shown as they are found, all are written to --errors
    and --wrong at the end, in the order of their lines.
    """

    def __init__(self, args: argparse.Namespace, given: source.Source) -> None:
        self.shown: list[Fault] = []
        self.notes: list[str] = []  # of the table, for whoever gave it
        self._file: str = args.file
        self._given = given
        self._is_quiet: bool = args.json
        self._path: Path | None = args.errors
        self._wrong: Path | None = args.wrong
        self._held: list[Fault] = []
        self._runs: list[list[Block]] = []
        self._end = 0
        self._stack = ExitStack()

    def __enter__(self) -> _Faults:
        for path in filter(None, (self._path, self._wrong)):
            try:
                self._spill = self._stack.enter_context(TemporaryFile(dir=path.parent))
                if path == self._path:
                    self._errors = self._stack.enter_context(
                        path.open("w", encoding="utf-8", errors="backslashreplace")
                    )
            except OSError as error:
                raise TableError(f"{path}: cannot be written: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            if self._path is not None:
                self._errors.writelines(f"{self._text(fault)}\n" for fault in self._all())
            if self._wrong is not None and self.shown:
                written = wrong.write(self._wrong, self._given, self._all())
                if not self._is_quiet:
                    output.err.print(f"退回 wrong rows written: {written:,}  {self._wrong}")

    def tell(self, faults: Sequence[Fault]) -> None:
        """Take in more of them."""
        for fault in faults[: max(0, FAULTS_SHOWN - len(self.shown))]:
            self.shown.append(fault)
            output.complain(self._text(fault))
        if self._path is not None or self._wrong is not None:
            self._held += faults
            if len(self._held) >= FAULTS_HELD:
                self._put_away()

    def _put_away(self) -> None:
        blocks = write_run(self._spill.fileno(), sorted(self._held), self._end)
        self._held = []
        if blocks:
            self._end = sum(blocks[-1])
            self._runs.append(blocks)

    def _all(self) -> Iterator[Fault]:
        """All of them, in the order of their lines."""
        self._put_away()
        for some in merged([read_run(self._spill.fileno(), run) for run in self._runs]):
            yield from (Fault(*fault) for fault in some)

    def _text(self, fault: Fault) -> str:
        return f"{self._file}:{fault.line}: {fault.reason}"


def _report(args: argparse.Namespace, tally: Tally, faults: _Faults, seconds: float) -> None:
    """Say what an import has done, to its end or up to where it was stopped."""
    shown = faults.shown
    if tally.bad > len(shown):
        kept = args.errors or args.wrong
        hint = f"all are in {kept}" if kept else "--errors FILE or --wrong FILE keeps all"
        output.complain(f"... {tally.bad - len(shown):,} more wrong rows; {hint}")
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
                "notes": faults.notes,
            }
        )
        return
    output.out.print(
        f"{request.trial_text(args)}"
        f"{tally.rows:,} 行 rows: 新增 added {tally.added:,}, 变更 changed {tally.changed:,}, "
        f"未变 unchanged {tally.unchanged:,}, 错误 bad {tally.bad:,}; "
        f"{seconds:.1f} s, {tally.rows / max(seconds, 1e-9):,.0f}/s",
        markup=False,
    )
