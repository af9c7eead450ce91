"""`csid filing`: what is filed with the national node (备案), on both sides of it."""

from __future__ import annotations

import argparse
from typing import Final

from gateway.cli import options
from gateway.cli.commands.filing import decide, hold, listing, receipts, request, status

VERBS: Final = (request, status, listing, decide, hold, receipts)


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid filing` with its actions."""
    parser = subparsers.add_parser(
        "filing", description="Cuts and identifiers filed with the national node 备案."
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for verb in VERBS:
        verb.register(actions)
