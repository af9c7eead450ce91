"""`csid restore`: identifiers with their records and aliases from JSON Lines, as exported."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from gateway.cli import actors, console, options, verdicts

if TYPE_CHECKING:
    from csid.identifier import Identifier
    from registry.bulk.jsonl import Restoration
    from registry.rules.decision import Decision
    from registry.rules.requests import Body
    from registry.service import Registry

REFUSALS_SHOWN: Final = 20
LINES_PER_COMMIT: Final = 1_000

Ask = Callable[[list["Body"]], list["Decision"]]


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid restore`."""
    parser = subparsers.add_parser(
        "restore",
        help="take in what was exported as JSON Lines 恢复",
        description="Take in identifiers with their records and aliases from JSON Lines, as csid "
        "export writes them 恢复. Every line is held to the rules; owners and pools are added "
        "before. Given again, it finds what is done already. Exit code: 0 all is in, 1 some lines "
        "were not taken, 2 could not be done.",
    )
    parser.add_argument("file", type=Path, metavar="FILE.jsonl", help="文件")
    options.add_data(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    parser.add_argument("--dry-run", action="store_true", help="only try, keep nothing 试运行")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    actors.add_actor(parser)
    parser.set_defaults(run=run_restore, key="")


class _Tally:
    """What has been done so far."""

    def __init__(self) -> None:
        self.done = self.unchanged = self.refused = 0
        self.shown: list[str] = []

    def refuse(self, why: str) -> None:
        self.refused += 1
        if len(self.shown) < REFUSALS_SHOWN:
            self.shown.append(why)

    def add(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            if not decision.status.success:
                self.refuse(verdicts.text_of(decision))
            elif decision.changes.leaf is None:
                self.unchanged += 1
            else:
                self.done += 1


def run_restore(args: argparse.Namespace) -> int:
    """Restore from one file; exit code 1 if lines of it were not taken."""
    from registry.bulk.csv_stream import TableError
    from registry.bulk.jsonl import Restoration

    tally = _Tally()
    try:
        with args.file.open("rb") as file, verdicts.open_registry(args) as registry:
            work = Restoration(_aliases(file))
            file.seek(0)
            with _asking(registry, args) as ask:
                _begin(registry, file, work, ask, tally)
                following = work.finish()
                while bodies := list(islice(following, LINES_PER_COMMIT)):
                    tally.add(ask(bodies))
                for old in work.circular:
                    tally.refuse(f"{old}: its aliases run in a circle")
    except OSError as error:
        raise TableError(f"{args.file}: cannot be read: {error.strerror}") from None
    return _show(args, tally)


def _aliases(file: BinaryIO) -> dict[Identifier, Identifier]:
    """All aliases of a file: most lines have none, and are not looked at further."""
    from registry.bulk.jsonl import Entry, read

    found = read(line for line in file if b'"alias"' in line)
    return {one.identifier: one.alias for one in found if isinstance(one, Entry) and one.alias}


def _begin(registry: Registry, file: BinaryIO, work: Restoration, ask: Ask, tally: _Tally) -> None:
    from registry.bulk.jsonl import Entry, read

    lines = read(file)
    while part := list(islice(lines, LINES_PER_COMMIT)):
        entries = []
        for one in part:
            if isinstance(one, Entry):
                entries.append(one)
            else:
                tally.refuse(f"line {one.line}: {one.reason}")
        with registry.view() as seen:
            bodies = [work.begin(seen, entry) for entry in entries]
        tally.add(ask(bodies))


@contextmanager
def _asking(registry: Registry, args: argparse.Namespace) -> Iterator[Ask]:
    """What carries requests out, or only tries them, each seeing those before it."""
    import time

    from registry.rules.decide import decide
    from registry.tables.overlay import Overlay

    def submit(bodies: list[Body]) -> list[Decision]:
        return registry.writer.submit([actors.request_of(args, body) for body in bodies])

    if not args.dry_run:
        yield submit
        return
    now = int(time.time())
    with registry.view() as seen:
        trial = Overlay(seen)

        def weigh(bodies: list[Body]) -> list[Decision]:
            decisions = []
            for body in bodies:
                decisions.append(decide(trial, actors.request_of(args, body), now))
                trial.apply(decisions[-1].changes)
            return decisions

        yield weigh


def _show(args: argparse.Namespace, tally: _Tally) -> int:
    if args.json:
        value: dict[str, Any] = {
            "done": tally.done,
            "unchanged": tally.unchanged,
            "refused": tally.refused,
            "dry_run": args.dry_run,
            "errors": tally.shown,
        }
        console.print_json(value)
    else:
        for line in tally.shown:
            console.complain(line)
        if tally.refused > len(tally.shown):
            console.complain(f"... 另有 {tally.refused - len(tally.shown):,} 行未办理 more lines")
        trial = "试运行，未写入 dry run, nothing kept: " if args.dry_run else ""
        console.out.print(
            f"{trial}办理 done {tally.done:,}, 未变 unchanged {tally.unchanged:,}, "
            f"未办理 refused {tally.refused:,}",
            markup=False,
        )
    return console.EXIT_BAD_INPUT if tally.refused else console.EXIT_OK
