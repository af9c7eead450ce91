"""Requests about many identifiers: carried out step by step, with progress, and gone on with when
the command is given again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from gateway.cli import actors, console, verdicts

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from registry.rules.decision import Decision
    from registry.rules.plan import Plan
    from registry.service import Outcome, Registry
    from registry.tables.view import View

REFUSALS_SHOWN: Final = 20


def carry_out(
    registry: Registry,
    args: argparse.Namespace,
    work: Plan,
    count: Callable[[View], int],
    on_subjects: Callable[[Iterable[str]], None] | None = None,
) -> int:
    """Carry a plan out, or only try it, and show what came of it; the exit code.

    Args:
        registry: open for writing unless it is a dry run.
        args: those of `actors.add_request`.
        work: the plan.
        count: about how many steps it has, for the progress bar; asked on a terminal only.
        on_subjects: gets what each commit was about.
    """
    outcome = None
    with _progress() as progress:
        total = None
        if not progress.disable:
            with registry.view() as seen:
                total = count(seen)
        task = progress.add_task("", total=total)

        def on_progress(now: Outcome) -> None:
            nonlocal outcome
            outcome = now
            done = now.done + now.unchanged + now.refused
            progress.update(task, completed=done)
            if on_subjects is not None:
                on_subjects(now.subjects)

        try:
            if args.dry_run:
                _try(registry, args, work, on_progress)
            else:
                actor = actors.actor_of(args)
                registry.run(work, actor, args.reason, args.key, on_progress)
        except KeyboardInterrupt:
            progress.stop()
            console.complain("已中断，已办理的保留 interrupted, what was done stays; run it again")
            if outcome is not None:
                _show(outcome, args, console.err)
            raise
    assert outcome is not None
    # Where the subjects are the output, what is said of them stands beside it.
    return _show(outcome, args, console.err if on_subjects is not None else console.out)


def _try(
    registry: Registry,
    args: argparse.Namespace,
    work: Plan,
    on_progress: Callable[[Outcome], None],
) -> None:
    """Decide on every step, each seeing those before it, and keep nothing."""
    import time

    from registry.rules import plan
    from registry.rules.decide import decide
    from registry.service import Outcome
    from registry.tables.overlay import Overlay

    outcome = Outcome()
    now = int(time.time())
    with registry.view() as seen:
        trial = Overlay(seen)
        while True:
            bodies, cursor = plan.steps(trial, work, outcome.cursor)
            subjects = []
            for body in bodies:
                decision = decide(trial, actors.request_of(args, body), now)
                trial.apply(decision.changes)
                _tally(outcome, decision)
                if decision.status.success:
                    subjects.append(decision.subject)
            outcome.subjects, outcome.cursor = tuple(subjects), cursor
            on_progress(outcome)
            if not cursor:
                return


def _tally(outcome: Outcome, decision: Decision) -> None:
    if not decision.status.success:
        outcome.refused += 1
        outcome.refusals.append(decision)
    elif decision.changes.leaf is None:
        outcome.unchanged += 1
    else:
        outcome.done += 1


def _show(outcome: Outcome, args: argparse.Namespace, out: Console) -> int:
    if args.json:
        value = {
            "done": outcome.done,
            "unchanged": outcome.unchanged,
            "refused": outcome.refused,
            "stopped": outcome.stopped,
            "refusals": [verdicts.as_json(one) for one in outcome.refusals],
        }
        console.print_json(value | ({"dry_run": True} if args.dry_run else {}))
    else:
        # A pool that is used up says so once for each code that it did not give.
        lines = list(dict.fromkeys(map(verdicts.text_of, outcome.refusals)))
        for line in lines[:REFUSALS_SHOWN]:
            console.complain(line)
        if len(lines) > REFUSALS_SHOWN or outcome.refused > len(outcome.refusals):
            console.complain("... 还有未办理的 more were refused; --json shows more of them")
        trial = "试运行，未写入 dry run, nothing kept: " if args.dry_run else ""
        out.print(
            f"{trial}办理 done {outcome.done:,}, 未变 unchanged {outcome.unchanged:,}, "
            f"未办理 refused {outcome.refused:,}",
            markup=False,
        )
    return console.EXIT_BAD_INPUT if outcome.refused else console.EXIT_OK


def _progress() -> Progress:
    """A progress bar on a terminal, nothing elsewhere."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TimeRemainingColumn,
    )

    return Progress(
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console.err,
        transient=True,
        disable=not console.err.is_terminal,
    )
