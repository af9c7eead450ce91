"""`csid assign`: an identifier that is chosen, or the next of a pool."""

from __future__ import annotations

import argparse

from gateway.cli import options, record_options, references, request
from registry.rules.requests import Assign, Body, Mint


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid assign`."""
    parser = subparsers.add_parser(
        "assign",
        description="Assign an identifier that you choose, or the next free one of a pool; prints "
        "it. 赋码: 指定标识，或资源池中的下一个.",
    )
    parser.add_argument(
        "what",
        metavar="ID|POOL",
        help="the identifier (its check characters may be left out), or a pool "
        "OWNER/INDUSTRY/LOCATION/TYPE/CLASS[/FIRST-LAST] 标识或资源池",
    )
    request.add_request(parser)
    record_options.add_record(parser)
    parser.set_defaults(run=run_assign)


def run_assign(args: argparse.Namespace) -> int:
    """Assign one identifier; prints it."""
    record = record_options.record_of(args)
    with request.open_registry(args) as registry:
        body: Body
        if references.is_pool(args.what):
            body = Mint(args.what, record)
        else:
            body = Assign(references.new_identifier(args.what, registry.settings), record)
        return request.carry_out(registry, args, body, bare=True)
