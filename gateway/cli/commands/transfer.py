"""`csid transfer`: an identifier, or all below a prefix, given to another owner."""

from __future__ import annotations

import argparse

from csid.identifier import fold, parse
from csid.prefix import is_whole_identifier
from gateway.cli import options, request
from registry.rules.moves import moved
from registry.rules.plan import Transfer
from registry.rules.requests import Move
from registry.tables.search import read_query


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid transfer`."""
    parser = subparsers.add_parser(
        "transfer",
        description="Give an identifier, or all below a prefix, to another owner 转移. Each gets a "
        "new identifier, to which the old one leads. Interrupted, it goes on when given again.",
    )
    parser.add_argument("what", metavar="ID|PREFIX", help="identifier or prefix 标识或前缀")
    parser.add_argument(
        "--to", required=True, metavar="OWNER", help="owner code of the receiver 受让主体"
    )
    request.add_request(parser)
    parser.set_defaults(run=run_transfer)


def run_transfer(args: argparse.Namespace) -> int:
    """One identifier, or all below a prefix; the first prints the new identifier."""
    with request.open_registry(args) as registry:
        if is_whole_identifier(args.what):
            old = parse(args.what, suffix=registry.settings.suffix)
            body = Move(old, moved(old, owner=fold(args.to)))
            return request.carry_out(registry, args, body, bare=True)
        work = Transfer(args.what, args.to)
        return request.carry_out_plan(registry, args, work, read_query(args.what))
