"""Requests carried out, and what the registry said to them: shown to people and to scripts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from gateway.cli import actors, console

if TYPE_CHECKING:
    from registry.rules.decision import Decision
    from registry.rules.requests import Body
    from registry.service import Registry


def open_registry(args: argparse.Namespace) -> Registry:
    """The registry that --data names, for writing unless it is a dry run."""
    from registry.service import Registry

    return Registry.open(args.data, writable=not args.dry_run)


def carry_out(registry: Registry, args: argparse.Namespace, body: Body, bare: bool = False) -> int:
    """Ask one thing, or only try it, and show what came of it; the exit code.

    ``bare`` prints nothing but the subject of what was done, for a script to take.
    """
    request = actors.request_of(args, body)
    decision = registry.weigh(request) if args.dry_run else registry.submit(request)
    return show(decision, args, bare)


def show(decision: Decision, args: argparse.Namespace, bare: bool = False) -> int:
    """Print a decision; the exit code."""
    if args.json:
        console.print_json(as_json(decision) | ({"dry_run": True} if args.dry_run else {}))
    elif not decision.status.success:
        console.complain(text_of(decision))
    elif not bare:
        console.out.print(f"{_trial(args)}{text_of(decision)}", markup=False)
    else:
        print(decision.subject)
        if args.dry_run or decision.changes.leaf is None:
            console.err.print(f"{_trial(args)}{text_of(decision)}", markup=False)
    return console.EXIT_OK if decision.status.success else console.EXIT_BAD_INPUT


def _trial(args: argparse.Namespace) -> str:
    return "试运行，未写入 dry run, nothing kept: " if args.dry_run else ""


def text_of(decision: Decision) -> str:
    """A decision in one line: subject, status in both languages, and the detail of a refusal."""
    status = decision.status
    said = f"{status.number} {status.name} {status.zh} {status.en}"
    detail = "" if status.success else decision.detail
    return "  ".join(filter(None, (decision.subject, said, detail)))


def as_json(decision: Decision) -> dict[str, Any]:
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
