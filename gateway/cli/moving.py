"""`csid alias`, `csid transfer` and `csid location`: identifiers that others take the place of."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from csid.errors import IdentifierError
from gateway.cli import actors, console, options, paging, references, steps, verdicts

if TYPE_CHECKING:
    from registry.tables.search import Query
    from registry.tables.view import View


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add the three commands."""
    alias = subparsers.add_parser(
        "alias",
        help="let an identifier lead to another 别名",
        description="Let an identifier lead to another that is assigned 设为别名; or every one "
        "below a prefix to its counterpart below another, and close the prefix.",
    )
    alias.add_argument("old", metavar="OLD", help="identifier or prefix 原标识或前缀")
    alias.add_argument("new", metavar="NEW", help="the same, of what takes its place 新标识或前缀")
    actors.add_request(alias)
    alias.set_defaults(run=run_alias)
    transfer = subparsers.add_parser(
        "transfer",
        help="give identifiers to another owner 转移",
        description="Give an identifier, or all below a prefix, to another owner 转移. Each gets a "
        "new identifier, to which the old one leads. Interrupted, it goes on when given again.",
    )
    transfer.add_argument("what", metavar="ID|PREFIX", help="identifier or prefix 标识或前缀")
    transfer.add_argument(
        "--to", required=True, metavar="OWNER", help="owner code of the receiver 受让主体"
    )
    actors.add_request(transfer)
    transfer.set_defaults(run=run_transfer)
    _register_location(subparsers)


def _register_location(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "location",
        help="locations that were retired 停用的位置代码",
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
    actors.add_request(retire)
    retire.set_defaults(run=run_retire)
    listing = actions.add_parser("list", help="list them 列出已停用的位置代码")
    options.add_data(listing)
    listing.add_argument("--json", action="store_true", help="print JSON, one value a line")
    listing.set_defaults(run=run_list)


def run_alias(args: argparse.Namespace) -> int:
    """One alias, or a whole subtree."""
    from csid.prefix import is_whole_identifier
    from registry.rules.plan import AliasAll
    from registry.rules.requests import Alias
    from registry.tables.search import read_query

    whole = [is_whole_identifier(text) for text in (args.old, args.new)]
    depths = [text.rstrip("/").count("/") for text in (args.old, args.new)]
    if whole[0] != whole[1] or (not whole[0] and depths[0] != depths[1]):
        raise IdentifierError(
            "identifier", 0, "OLD and NEW are two identifiers or two prefixes of one length"
        )
    with verdicts.open_registry(args) as registry:
        if whole[0]:
            settings = registry.settings
            old = references.identifier(args.old, settings)
            body = Alias(old, references.identifier(args.new, settings))
            return verdicts.carry_out(registry, args, body)
        query = read_query(args.old)
        work = AliasAll(args.old, args.new)
        return steps.carry_out(registry, args, work, lambda seen: _living(seen, query))


def run_transfer(args: argparse.Namespace) -> int:
    """One identifier, or all below a prefix; the first prints the new identifier."""
    from csid.identifier import fold
    from csid.prefix import is_whole_identifier
    from registry.rules.moves import moved
    from registry.rules.plan import Transfer
    from registry.rules.requests import Move
    from registry.tables.search import read_query

    with verdicts.open_registry(args) as registry:
        if is_whole_identifier(args.what):
            old = references.identifier(args.what, registry.settings)
            body = Move(old, moved(old, owner=fold(args.to)))
            return verdicts.carry_out(registry, args, body, bare=True)
        query = read_query(args.what)
        work = Transfer(args.what, args.to)
        return steps.carry_out(registry, args, work, lambda seen: _living(seen, query))


def run_retire(args: argparse.Namespace) -> int:
    """Retire a location and re-home what is there."""
    from registry.rules.requests import RetireLocation
    from registry.tables.search import read_query

    with verdicts.open_registry(args) as registry:
        query = read_query(location=args.old)
        work = RetireLocation(args.old, args.new)
        return steps.carry_out(registry, args, work, lambda seen: _living(seen, query))


def _living(seen: View, query: Query) -> int:
    from registry.rules.lifecycle import LIVE
    from registry.tables.search import find

    return sum(found.row.state in LIVE for found in find(seen, query))


def run_list(args: argparse.Namespace) -> int:
    """List the locations that were retired here."""
    from registry.service import Registry
    from registry.tables import codec

    with Registry.open(args.data) as registry, registry.view() as seen:
        found = [
            (key.decode("ascii"), codec.decode_redirect(value))
            for key, value in seen.scan(codec.LOCATIONS, b"")
        ]
    if args.json:
        for old, redirect in found:
            console.print_json({"old": old, "new": redirect.new, "since": redirect.since})
    else:
        paging.print_list(
            ("原位置 Old", "新位置 New", "停用时间 Since"),
            ((old, redirect.new, paging.moment(redirect.since)) for old, redirect in found),
        )
    return console.EXIT_OK
