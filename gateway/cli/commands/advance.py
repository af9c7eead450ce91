"""`csid file`, `activate`, `withdraw`, `suspend`, `reinstate` and `retire`: the life of an
identifier.
"""

from __future__ import annotations

import argparse
from typing import Final

from gateway.cli import actors, options, references, verdicts

VERBS: Final = {
    "file": "hand in for filing at the national node 提交备案: reserved → filing",
    "activate": "the filing was accepted 备案通过: filing → active",
    "withdraw": "the filing was refused or taken back 撤回备案: filing → reserved",
    "suspend": "put on hold 暂停: active → suspended",
    "reinstate": "end a hold 恢复: suspended → active",
}


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add all of them."""
    for word, purpose in VERBS.items():
        parser = subparsers.add_parser(word, help=purpose, description=purpose)
        parser.add_argument("id", metavar="ID", help="identifier, DNS name or Handle 标识")
        actors.add_request(parser)
        parser.set_defaults(run=run_advance, verb=word)
    retire = subparsers.add_parser(
        "retire",
        help="end an identifier for ever 终止",
        description="End an identifier 终止标识. It goes on resolving, to its last record, when "
        "and why it ended and what to use instead, and is never given again.",
    )
    retire.add_argument("id", metavar="ID", help="identifier, DNS name or Handle 标识")
    retire.add_argument(
        "--successor", default="", metavar="ID", help="what to use instead 后继标识"
    )
    actors.add_request(retire)
    retire.set_defaults(run=run_retire)


def run_advance(args: argparse.Namespace) -> int:
    """Lead one identifier to its next state."""
    from registry.rules.lifecycle import Verb
    from registry.rules.requests import Advance

    with verdicts.open_registry(args) as registry:
        identifier = references.identifier(args.id, registry.settings)
        return verdicts.carry_out(registry, args, Advance(identifier, Verb(args.verb)))


def run_retire(args: argparse.Namespace) -> int:
    """End one identifier."""
    from registry.rules.requests import Retire

    with verdicts.open_registry(args) as registry:
        settings = registry.settings
        identifier = references.identifier(args.id, settings)
        successor = args.successor and str(references.identifier(args.successor, settings))
        return verdicts.carry_out(registry, args, Retire(identifier, successor))
