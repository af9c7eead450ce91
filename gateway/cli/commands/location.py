"""`csid location`: location codes that were retired at this node."""

from __future__ import annotations

import argparse

from csid.moments import iso
from gateway.cli import options, output, request
from registry.rules.requests import RetireLocation
from registry.service import Registry
from registry.tables import codec
from registry.tables.search import read_query


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid location` with its actions."""
    parser = subparsers.add_parser(
        "location",
        description="Location codes that were retired at this node 停用的位置代码.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    retire = actions.add_parser(
        "retire",
        help="give no more codes there, re-home those there are 停用并迁移",
        description="Retire a location code 停用位置代码: it gets no more codes, and every "
        "identifier there gets a new one at NEW, to which the old one leads. Interrupted, it goes "
        "on when given again.",
    )
    retire.add_argument("old", metavar="OLD", help="location code 原位置代码")
    retire.add_argument("new", metavar="NEW", help="what takes its place 新位置代码")
    request.add_request(retire)
    retire.set_defaults(run=run_retire)
    listing = actions.add_parser("list", help="list them 列出已停用的位置代码")
    options.add_data(listing)
    options.add_json(listing)
    listing.set_defaults(run=run_list)


def run_retire(args: argparse.Namespace) -> int:
    """Retire a location and re-home what is there."""
    with request.open_registry(args) as registry:
        work = RetireLocation(args.old, args.new)
        return request.carry_out_plan(registry, args, work, read_query(location=args.old))


def run_list(args: argparse.Namespace) -> int:
    """List the locations that were retired here."""
    with Registry.open(args.data) as registry, registry.view() as seen:
        found = [
            (key.decode("ascii"), codec.decode_redirect(value))
            for key, value in seen.scan(codec.LOCATIONS, b"")
        ]
    if args.json:
        for old, redirect in found:
            output.print_json({"old": old, "new": redirect.new, "since": iso(redirect.since)})
    else:
        output.print_list(
            ("原位置 Old", "新位置 New", "停用时间 Since"),
            ((old, redirect.new, output.moment(redirect.since)) for old, redirect in found),
        )
    return output.EXIT_OK
