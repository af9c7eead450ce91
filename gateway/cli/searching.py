"""`csid search`: identifiers by a prefix of any segment, and by what is said of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from csid.vocabulary import STATES
from gateway.cli import console, options, paging

if TYPE_CHECKING:
    from registry.tables.search import Found, Query
    from resolver.store.environment import Settings

SEARCH_LIMIT: Final = 100  # identifiers, unless asked for more
PREFIX_HELP: Final = (
    "the beginning of an identifier or of a Handle; * stands for any segment, as in '*/6450/33' "
    "标识前缀"
)


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid search`."""
    parser = subparsers.add_parser(
        "search",
        help="find identifiers 检索标识",
        description="Find identifiers by a prefix of any segment and by attributes 检索标识.",
    )
    parser.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help=PREFIX_HELP)
    add_conditions(parser)
    options.add_data(parser)
    paging.add_page(parser, SEARCH_LIMIT, "ID")
    parser.set_defaults(run=run_search)


def add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is looked for."""
    for name, what in (
        ("industry", "行业, such as 64"),
        ("location", "位置, such as 33 (a province)"),
        ("type", "类型, such as A or ACV"),
    ):
        parser.add_argument(
            f"--{name}", default="", metavar="PREFIX", help=f"how that begins {what}"
        )
    parser.add_argument(
        "--chip", default="", metavar="FAMILY", help="chip family 芯片系列, such as A1 or 昇腾"
    )
    parser.add_argument("--state", default="", choices=tuple(STATES), help="状态")
    parser.add_argument(
        "--owner-name", default="", metavar="TEXT", help="a part of the owner's name 主体名称"
    )


def query_of(args: argparse.Namespace, settings: Settings) -> Query:
    """The query that the options say.

    Raises:
        IdentifierError: a part of it can begin no segment.
    """
    from registry.tables.search import read_query

    return read_query(
        args.prefix,
        args.industry,
        args.location,
        args.type,
        args.chip,
        args.state,
        args.owner_name,
        settings.suffix,
        settings.handle_authority,
    )


def run_search(args: argparse.Namespace) -> int:
    """Print what is found, a line each, as it is found."""
    from registry.service import Registry
    from registry.tables.search import find

    with Registry.open(args.data) as registry:
        query = query_of(args, registry.settings)
        last = ""
        with registry.view() as seen:
            found = find(seen, query, args.after)
            for number, one in enumerate(found, 1):
                _print(one, args.json)
                last = one.identifier
                if number == args.limit:
                    break
            if last and next(found, None) is not None:
                paging.note_more(last)
    return console.EXIT_OK


def _print(found: Found, as_json: bool) -> None:
    from csid.record import decode
    from registry.tables.enums import WORDS

    words = WORDS[found.row.state]
    record = decode(found.row.record)
    if as_json:
        console.print_json(json_of(found))
        return
    instead = f"→ {found.row.target}" if found.row.target else ""
    endpoints = " ".join(one.uri for one in record.endpoints)
    facts = (found.identifier, f"{words.zh} {words.record}", instead, record.name, endpoints)
    print("  ".join(filter(None, facts)))


def json_of(found: Found) -> dict[str, Any]:
    """What is found, for scripts."""
    from csid.record import decode
    from registry.tables.enums import WORDS

    row = found.row
    value = {
        "id": found.identifier,
        "state": WORDS[row.state].record,
        "since": row.since,
        "changed": row.changed,
        "record": decode(row.record).json(),
    }
    return value | ({"target": row.target} if row.target else {})
