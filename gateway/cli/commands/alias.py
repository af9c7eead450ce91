"""`csid alias`: an identifier, or all below a prefix, that leads to another."""

from __future__ import annotations

import argparse

from csid.errors import IdentifierError
from csid.identifier import parse
from csid.prefix import is_whole_identifier
from gateway.cli import options, request
from registry.rules.plan import AliasAll
from registry.rules.requests import Alias
from registry.tables.search import read_query


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid alias`."""
    parser = subparsers.add_parser(
        "alias",
        description="Let an identifier lead to another that is assigned 设为别名; or every one "
        "below a prefix to its counterpart below another, and close the prefix.",
    )
    parser.add_argument("old", metavar="OLD", help="identifier or prefix 原标识或前缀")
    parser.add_argument("new", metavar="NEW", help="the same, of what takes its place 新标识或前缀")
    request.add_request(parser)
    parser.set_defaults(run=run_alias)


def run_alias(args: argparse.Namespace) -> int:
    """One alias, or a whole subtree."""
    whole = [is_whole_identifier(text) for text in (args.old, args.new)]
    depths = [text.rstrip("/").count("/") for text in (args.old, args.new)]
    if whole[0] != whole[1] or (not whole[0] and depths[0] != depths[1]):
        raise IdentifierError(
            "identifier", 0, "OLD and NEW are two identifiers or two prefixes of one length"
        )
    with request.open_registry(args) as registry:
        if whole[0]:
            settings = registry.settings
            old = parse(args.old, suffix=settings.suffix)
            body = Alias(old, parse(args.new, suffix=settings.suffix))
            return request.carry_out(registry, args, body)
        work = AliasAll(args.old, args.new)
        return request.carry_out_plan(registry, args, work, read_query(args.old))
