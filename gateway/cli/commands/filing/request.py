"""`csid filing request`: ask the national node to delegate a cut to this node."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Final

from csid.moments import iso
from gateway.cli import options, output, request
from gateway.cli.commands.filing.waiting import answered, without_answer
from registry.rules.requests import RequestFiling
from registry.tables.enums import FILING_WORDS, FilingState
from registry.tables.rows import CutFiling
from registry.tables.view import get_cut_filing

_CODES: Final[Mapping[FilingState, int]] = {
    FilingState.FILED: output.EXIT_OK,
    FilingState.REFUSED: output.EXIT_BAD_INPUT,
}


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid filing request`."""
    parser = actions.add_parser(
        "request",
        help="ask for a cut 申请切分点备案",
        description="Ask the national node to delegate a cut (切分点) to this node, which makes "
        "its zone. Done by itself for OWNER/INDUSTRY/LOCATION when the first identifier is "
        "assigned there. Exit code: 0 filed, or asked for without --wait; 1 refused; 2 no answer "
        "in time.",
    )
    parser.add_argument("cut", metavar="CUT", help="OWNER[/INDUSTRY[/LOCATION]] 切分点")
    parser.add_argument(
        "--wait",
        type=options.count,
        default=0,
        metavar="SECONDS",
        help="for the answer, and print it 等待答复",
    )
    request.add_request(parser)
    parser.set_defaults(run=run_request)


def run_request(args: argparse.Namespace) -> int:
    """Ask for a cut; wait for the answer."""
    with request.open_registry(args) as registry:
        asked = request.request_of(args, RequestFiling(args.cut))
        decision = registry.weigh(asked) if args.dry_run else registry.submit(asked)
        if not decision.status.success or args.dry_run:
            request.show(args, decision)
            return output.EXIT_OK if decision.status.success else output.EXIT_BAD_INPUT
        row = answered(
            registry,
            lambda seen: get_cut_filing(seen, decision.subject),
            lambda row: row.state in _CODES,
            args.wait,
        )
    if row is None:  # another key was given before: nothing is known of it
        request.show(args, decision)
        return output.EXIT_OK
    if args.json:
        output.print_json(json_of(decision.subject, row))
    else:
        out = output.err if row.state is FilingState.REFUSED else output.out
        out.print(text_of(decision.subject, row), markup=False)
    if row.state in _CODES or not args.wait:
        return _CODES.get(row.state, output.EXIT_OK)
    return without_answer(args.wait, "csid filing status")


def text_of(cut: str, row: CutFiling) -> str:
    """A cut with the state of its filing, in one line."""
    word, zh = FILING_WORDS[row.state]
    return "  ".join(filter(None, (cut, f"{zh} {word}", row.node, row.reason)))


def json_of(cut: str, row: CutFiling) -> dict[str, object]:
    """The same for scripts."""
    return {
        "cut": cut,
        "state": FILING_WORDS[row.state][0],
        "reason": row.reason,
        "node": row.node or None,
        "since": iso(row.since),
        "changed": iso(row.changed),
    }
