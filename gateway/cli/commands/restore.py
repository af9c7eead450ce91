"""`csid restore`: identifiers with their records and aliases from JSON Lines, as exported."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from csid.identifier import Identifier
from gateway.cli import acting, options, output, progress, request
from registry.bulk.csv_stream import TableError
from registry.bulk.jsonl import Entry, Restoration, read
from registry.rules.decision import Decision
from registry.rules.requests import Body, Import
from registry.rules.status import Status
from registry.service import Registry

REFUSALS_SHOWN: Final = 20
LINES_PER_COMMIT: Final = 1_000

Ask = Callable[[list[Body]], list[Decision]]


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid restore`."""
    parser = subparsers.add_parser(
        "restore",
        description="Take in identifiers with their records and aliases from JSON Lines, as csid "
        "export writes them 恢复. Every line is held to the rules; owners and pools are added "
        "before. Given again, it finds what is done already. Exit code: 0 all is in, 1 some lines "
        "were not taken, 2 could not be done.",
    )
    parser.add_argument("file", type=Path, metavar="FILE.jsonl", help="文件")
    options.add_data(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    parser.add_argument("--dry-run", action="store_true", help="only try, keep nothing 试运行")
    options.add_json(parser)
    acting.add_actor(parser)
    parser.set_defaults(run=run_restore, key="")


class _Tally:
    """What has been done so far."""

    def __init__(self) -> None:
        self.done = self.unchanged = self.refused = 0
        self.shown: list[str] = []

    @property
    def note(self) -> str:
        """How many requests it was."""
        return f"{self.done + self.unchanged + self.refused:,}"

    def refuse(self, why: str) -> None:
        self.refused += 1
        if len(self.shown) < REFUSALS_SHOWN:
            self.shown.append(why)

    def add(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            if not decision.status.success:
                self.refuse(request.text_of(decision))
            elif decision.status is Status.DONE:
                self.done += 1
            else:
                self.unchanged += 1


def run_restore(args: argparse.Namespace) -> int:
    """Restore from one file; exit code 1 if lines of it were not taken."""
    tally = _Tally()
    try:
        with args.file.open("rb") as file, request.open_registry(args) as registry:
            work = Restoration(_aliases(file))
            octets = file.tell()
            file.seek(0)
            with progress.bar(octets) as bar, _asking(registry, args) as ask:
                for bodies in _beginnings(file, work, tally):
                    tally.add(ask(bodies))
                    bar.show(file.tell(), tally.note)
                following = work.finish()
                while bodies := list(islice(following, LINES_PER_COMMIT)):
                    # What is found to have ended was counted when its line was.
                    tally.add(
                        [
                            decision
                            for body, decision in zip(bodies, ask(bodies), strict=True)
                            if not isinstance(body, Import)
                            or decision.status is not Status.UNCHANGED
                        ]
                    )
                    bar.show(octets, tally.note)
                for old in work.circular:
                    tally.refuse(f"{old}: its aliases run in a circle")
    except OSError as error:
        raise TableError(f"{args.file}: cannot be read: {error.strerror or error}") from None
    return _show(args, tally)


def _aliases(file: BinaryIO) -> dict[Identifier, Identifier]:
    """All aliases of a file: most lines have none, and are not looked at further."""
    found = read(file, holding=b'"alias"')
    return {one.identifier: one.alias for one in found if isinstance(one, Entry) and one.alias}


def _beginnings(file: BinaryIO, work: Restoration, tally: _Tally) -> Iterator[list[Body]]:
    """What the lines of a file ask for first, some lines at a time; wrong lines are refused."""
    lines = read(file)
    while part := list(islice(lines, LINES_PER_COMMIT)):
        bodies = []
        for one in part:
            if isinstance(one, Entry):
                bodies.append(work.begin(one))
            else:
                tally.refuse(f"line {one.line}: {one.reason}")
        yield bodies


@contextmanager
def _asking(registry: Registry, args: argparse.Namespace) -> Iterator[Ask]:
    """What carries requests out, or only tries them, each seeing those before it."""
    if args.dry_run:
        with registry.view() as seen:
            yield request.Trial(seen, args).ask
    else:
        yield lambda bodies: registry.submit_all([request.request_of(args, x) for x in bodies])


def _show(args: argparse.Namespace, tally: _Tally) -> int:
    if args.json:
        value: dict[str, Any] = {
            "done": tally.done,
            "unchanged": tally.unchanged,
            "refused": tally.refused,
            "dry_run": args.dry_run,
            "errors": tally.shown,
        }
        output.print_json(value)
    for line in tally.shown:
        output.complain(line)
    if tally.refused > len(tally.shown):
        output.complain(f"... 另有 {tally.refused - len(tally.shown):,} 行未办理 more lines")
    if not args.json:
        request.print_totals(args, tally.done, tally.unchanged, tally.refused, output.out)
    return output.EXIT_BAD_INPUT if tally.refused else output.EXIT_OK
