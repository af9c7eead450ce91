"""`csid file`, `activate`, `withdraw`, `suspend`, `reinstate` and `retire`: the life of an
identifier.
"""

from __future__ import annotations

import argparse
from typing import Final

from csid.identifier import parse
from gateway.cli import COMMANDS, options, request
from registry.rules.lifecycle import TRANSITIONS, Verb
from registry.rules.requests import Advance, Retire
from registry.tables.enums import WORDS

VERBS: Final = (Verb.FILE, Verb.ACTIVATE, Verb.WITHDRAW, Verb.SUSPEND, Verb.REINSTATE)


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add all of them."""
    for verb in VERBS:
        steps = "; ".join(
            f"{WORDS[before].record} → {WORDS[after].record}"
            for (before, by), after in TRANSITIONS.items()
            if by is verb
        )
        purpose = COMMANDS[verb.value].purpose
        parser = subparsers.add_parser(verb.value, description=f"{purpose}: {steps}")
        options.add_identifier(parser)
        request.add_request(parser)
        parser.set_defaults(run=run_advance, verb=verb)
    retire = subparsers.add_parser(
        "retire",
        description="End an identifier 终止标识. It goes on resolving, to its last record, when "
        "and why it ended and what to use instead, and is never given again.",
    )
    options.add_identifier(retire)
    retire.add_argument(
        "--successor", default="", metavar="ID", help="what to use instead 后继标识"
    )
    request.add_request(retire)
    retire.set_defaults(run=run_retire)


def run_advance(args: argparse.Namespace) -> int:
    """Lead one identifier to its next state."""
    with request.open_registry(args) as registry:
        identifier = parse(args.id, suffix=registry.settings.suffix)
        return request.carry_out(registry, args, Advance(identifier, args.verb))


def run_retire(args: argparse.Namespace) -> int:
    """End one identifier."""
    with request.open_registry(args) as registry:
        settings = registry.settings
        identifier = parse(args.id, suffix=settings.suffix)
        successor = args.successor and str(parse(args.successor, suffix=settings.suffix))
        return request.carry_out(registry, args, Retire(identifier, successor))
