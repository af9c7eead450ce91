"""What commands ask of the registry: one request or a plan of many, carried out or only tried, and
what came of it, for people and for scripts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from rich.console import Console

from gateway.cli import acting, options, output, progress
from registry.rules.decide import decide
from registry.rules.decision import Decision
from registry.rules.lifecycle import LIVE
from registry.rules.plan import Plan
from registry.rules.requests import Body, Request
from registry.rules.status import Status
from registry.service import Outcome, Registry
from registry.tables.overlay import Overlay
from registry.tables.search import Query, find
from registry.tables.view import View
from registry.writer.plans import Task

REFUSALS_SHOWN: Final = 20
TRIED_SECONDS: Final = 0.1  # before progress is shown


# -- one request


def add_request(parser: argparse.ArgumentParser, role_option: str = "--role") -> None:
    """Add --data, --reason, --key, --json, --dry-run and who is acting (`acting.add_actor`)."""
    options.add_data(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    parser.add_argument(
        "--key",
        default="",
        metavar="TEXT",
        help="idempotency key of this request: asked again under it, nothing is done twice 幂等键",
    )
    parser.add_argument("--dry-run", action="store_true", help="only try, keep nothing 试运行")
    options.add_json(parser)
    acting.add_actor(parser, role_option)


def open_registry(args: argparse.Namespace) -> Registry:
    """The registry that --data names, for writing unless it is a dry run."""
    return acting.open_for_a_trial(args) if args.dry_run else acting.open_for_writing(args)


def request_of(args: argparse.Namespace, body: Body) -> Request:
    """The request that a command line makes."""
    return Request(acting.actor_of(args), body, args.reason, args.key)


def carry_out(registry: Registry, args: argparse.Namespace, body: Body, bare: bool = False) -> int:
    """Ask one thing, or only try it, and show what came of it; the exit code.

    ``bare`` prints nothing but the subject of what was done, for a script to take.
    """
    request = request_of(args, body)
    decision = registry.weigh(request) if args.dry_run else registry.submit(request)
    show(args, decision, bare)
    return output.EXIT_OK if decision.status.success else output.EXIT_BAD_INPUT


def carry_out_for_a_token(args: argparse.Namespace, body: Body, token: str) -> int:
    """Ask for a token, or only try it, and print it, which nobody does again; the exit code.

    Args:
        token: empty where somebody has it already.
    """
    with open_registry(args) as registry:
        request = request_of(args, body)
        decision = registry.weigh(request) if args.dry_run else registry.submit(request)
    if not decision.status.success or args.dry_run or not token:
        show(args, decision)
    elif args.json:
        output.print_json(json_of(decision) | {"token": token})
    else:
        print(token)
    return output.EXIT_OK if decision.status.success else output.EXIT_BAD_INPUT


def show(args: argparse.Namespace, decision: Decision, bare: bool = False) -> None:
    """Show what came of a request; ``bare`` as of `carry_out`."""
    if args.json:
        output.print_json(json_of(decision) | ({"dry_run": True} if args.dry_run else {}))
    if not decision.status.success:
        complain_of(decision)
    elif args.json:
        return
    elif not bare:
        output.out.print(f"{trial_text(args)}{text_of(decision)}", markup=False)
    else:
        print(decision.subject)
        if args.dry_run or decision.status is not Status.DONE:
            output.err.print(f"{trial_text(args)}{text_of(decision)}", markup=False)


def complain_of(decision: Decision) -> None:
    """Say what was refused, and why."""
    output.complain(text_of(decision), decision)


def trial_text(args: argparse.Namespace) -> str:
    """What stands before the outcome of a dry run, nothing otherwise."""
    return "试运行，未写入 dry run, nothing kept: " if args.dry_run else ""


def text_of(decision: Decision) -> str:
    """A decision in one line: subject, status in both languages, and the detail of a refusal."""
    detail = "" if decision.status.success else decision.detail
    return "  ".join(filter(None, (decision.subject, status_text(decision.status), detail)))


def status_text(status: Status) -> str:
    """A status with its number, in both languages."""
    return f"{status.number} {status.name} {status.zh} {status.en}"


def json_of(decision: Decision) -> dict[str, Any]:
    """A decision for scripts."""
    status = decision.status
    return {
        "subject": decision.subject,
        "status": status.number,
        "name": status.name,
        "success": status.success,
        "epp": status.epp,
        "zh": status.zh,
        "en": status.en,
        "detail": decision.detail,
    }


# -- many requests


class Trial:
    """Decides as the registry would, each request seeing what those before it would have changed,
    and keeps nothing.
    """

    def __init__(self, seen: View, args: argparse.Namespace) -> None:
        self.view = Overlay(seen)
        self._args = args
        self._now = int(time.time())

    def ask(self, bodies: Sequence[Body]) -> list[Decision]:
        """Decide on each."""
        return [self.decide(request_of(self._args, body)) for body in bodies]

    def decide(self, request: Request) -> Decision:
        """Decide on one request."""
        decision = decide(self.view, request, self._now)
        self.view.apply(decision.changes)
        return decision


def carry_out_plan(
    registry: Registry,
    args: argparse.Namespace,
    work: Plan,
    expected: Query | int,
    on_subjects: Callable[[Iterable[str]], None] | None = None,
) -> int:
    """Carry a plan out, or only try it, and show what came of it; the exit code.

    Args:
        registry: open for writing unless it is a dry run.
        args: those of `add_request`.
        work: the plan.
        expected: what finds the identifiers that it is about, or their number, for the progress
            bar; looked for on a terminal only.
        on_subjects: gets what each commit was about.
    """
    outcome: Outcome | None = None

    def on_progress(now: Outcome) -> None:
        nonlocal outcome
        outcome = now
        done = now.done + now.unchanged + now.refused
        bar.show(done, f"{done:,}/{total:,}")
        if on_subjects is not None:
            on_subjects(now.subjects)

    try:
        with progress.bar() as bar:
            total = 0
            if bar.seen:
                total = _living(registry, expected)
                bar.expect(total)
            if args.dry_run:
                _try_plan(registry, args, work, on_progress)
            else:
                registry.run(work, acting.actor_of(args), args.reason, args.key, on_progress)
    except KeyboardInterrupt:
        output.complain("已中断，已办理的保留 interrupted, what was done stays; run it again")
        if outcome is not None:
            _show_outcome(outcome, args, output.err)
        raise
    assert outcome is not None
    # Where the subjects are the output, what is said of them stands beside it.
    out = output.err if on_subjects is not None else output.out
    _show_outcome(outcome, args, out)
    return output.EXIT_BAD_INPUT if outcome.refused else output.EXIT_OK


def _living(registry: Registry, expected: Query | int) -> int:
    if isinstance(expected, int):
        return expected
    with registry.view() as seen:
        return sum(found.row.state in LIVE for found in find(seen, expected))


def _try_plan(
    registry: Registry,
    args: argparse.Namespace,
    work: Plan,
    on_progress: Callable[[Outcome], None],
) -> None:
    outcome = Outcome()
    task = Task(work, acting.actor_of(args), args.reason, args.key)
    with registry.view() as seen:
        trial = Trial(seen, args)
        while True:
            until = time.monotonic() + TRIED_SECONDS
            piece = task.advance(trial.view, trial.decide, outcome.cursor, until)
            outcome.count(piece.decisions)
            outcome.stopped, outcome.cursor = piece.stopped, piece.cursor
            on_progress(outcome)
            if not piece.cursor or piece.stopped:
                return


def _show_outcome(outcome: Outcome, args: argparse.Namespace, out: Console) -> None:
    if args.json:
        value = {
            "done": outcome.done,
            "unchanged": outcome.unchanged,
            "refused": outcome.refused,
            "stopped": outcome.stopped,
            "refusals": [json_of(one) for one in outcome.refusals],
        }
        output.print_json(value | ({"dry_run": True} if args.dry_run else {}))
    # A pool that is used up says so once for each code that it did not give.
    refusals = list({text_of(one): one for one in outcome.refusals}.values())
    for one in refusals[:REFUSALS_SHOWN]:
        complain_of(one)
    if len(refusals) > REFUSALS_SHOWN or outcome.refused > len(outcome.refusals):
        output.complain("... 还有未办理的 more were refused; --json shows more of them")
    if not args.json:
        print_totals(args, outcome.done, outcome.unchanged, outcome.refused, out)


def print_totals(
    args: argparse.Namespace, done: int, unchanged: int, refused: int, out: Console
) -> None:
    """Print how many requests came to what."""
    out.print(
        f"{trial_text(args)}办理 done {done:,}, 未变 unchanged {unchanged:,}, "
        f"未办理 refused {refused:,}",
        markup=False,
    )
