"""`csid whoami`: as whom one acts at the node."""

from __future__ import annotations

import argparse
from typing import Final

from csid.vocabulary import ROLES
from gateway.cli import acting, options, output
from registry.rules.requests import Actor

_UNCONFIGURED: Final = (
    "未配置操作人 the configuration has no [[actor]]: the owner of the data directory and root act "
    "as administrators"
)


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid whoami`."""
    parser = subparsers.add_parser(
        "whoami",
        description="As whom one acts: what the configuration ([[actor]]) has for the user of this "
        "process, as the writer of the running node says, or this command where none runs. Exits "
        "with 2 for nobody. 当前操作人",
    )
    options.add_data(parser)
    options.add_json(parser)
    acting.add_actor(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print who it is."""
    found = acting.identity_of(args)
    if args.json:
        output.print_json(
            {
                **_json(found.actor),
                "peer": found.actor.peer,
                "own": _json(found.own),
                "acts_for": list(found.acts_for),
                "configured": found.is_configured,
            }
        )
        return output.EXIT_OK
    output.out.print(f"操作人 acts as    {_text(found.actor)}", markup=False)
    if _json(found.actor) != _json(found.own):
        output.out.print(f"本人 truly        {_text(found.own)}", markup=False)
    output.out.print(f"进程 user/group   {found.own.peer}", markup=False)
    if found.acts_for:
        words = ", ".join(f"{ROLES[word]} {word}" for word in found.acts_for)
        output.out.print(f"可代 may act for  {words}", markup=False)
    if not found.is_configured:
        output.out.print(_UNCONFIGURED, markup=False)
    return output.EXIT_OK


def _json(actor: Actor) -> dict[str, str]:
    return {"name": actor.name, "role": actor.role.value, "owner": actor.owner}


def _text(actor: Actor) -> str:
    role = actor.role.value
    return "  ".join(filter(None, (actor.name, f"{ROLES[role]} {role}", actor.owner)))
