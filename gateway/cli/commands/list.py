"""`csid list`: identifiers by a prefix of any segment, and by what is said of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import compress, islice
from typing import Any, Final

from csid.moments import iso
from csid.record import decode
from gateway.cli import conditions, options, output
from gateway.language import shown
from registry.service import Registry
from registry.tables.enums import WORDS
from registry.tables.search import Found, find
from registry.tables.view import get_root

LIST_LIMIT: Final = 100  # identifiers, unless asked for more
ROWS_PER_TABLE: Final = 1_000  # on a terminal, so that a long list is shown as it is found
HEADS: Final = (
    "标识 Identifier",
    "状态 State",
    "替代 Instead",
    "名称 Name",
    "接入地址 Endpoints",
)


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid list`."""
    parser = subparsers.add_parser(
        "list",
        description="List the identifiers that were assigned 列出标识, by a prefix of any segment: "
        "OWNER, OWNER/INDUSTRY/33 (a province), '*/6450'; and by attributes.",
    )
    conditions.add_conditions(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        help="on a node of the network also what is not listed for others: reserved, without a "
        "receipt yet, refused, ended 含未列出的",
    )
    options.add_data(parser)
    options.add_page(parser, LIST_LIMIT, "ID")
    parser.set_defaults(run=run_list)


def run_list(args: argparse.Namespace) -> int:
    """Print what is found: a table on a terminal, elsewhere a line each, as it is found."""
    show = _print_json if args.json else _print_table if output.out.is_terminal else _print_lines
    with Registry.open(args.data) as registry:
        query = conditions.query_of(args, registry.settings)
        last = ""

        def noting(found: Iterator[Found]) -> Iterator[Found]:
            nonlocal last
            for one in islice(found, args.limit or None):
                last = one.identifier
                yield one

        with registry.view() as seen:
            if get_root(seen) is not None and query.state is None and not args.all:
                query = query._replace(listed=True)
            found = find(seen, query, args.after)
            show(noting(found))
            if last and next(found, None) is not None:
                output.note_more(last)
    return output.EXIT_OK


def _print_json(found: Iterator[Found]) -> None:
    for one in found:
        output.print_json(_json_of(one))


def _print_lines(found: Iterator[Found]) -> None:
    for one in found:
        print("  ".join(map(shown, filter(None, _cells(one)))))


def _print_table(found: Iterator[Found]) -> None:
    while rows := [_cells(one) for one in islice(found, ROWS_PER_TABLE)]:
        # A terminal is narrow: no column for what none of these has.
        used = [any(cells) for cells in zip(*rows, strict=True)]
        output.print_list(
            tuple(compress(HEADS, used)), (tuple(compress(row, used)) for row in rows)
        )


def _cells(found: Found) -> tuple[str, ...]:
    row = found.row
    record = decode(row.record)
    return (
        found.identifier,
        output.state_text(WORDS[row.state].record),
        f"→ {row.target}" if row.target else "",
        record.name or "",
        " ".join(one.uri for one in record.endpoints),
    )


def _json_of(found: Found) -> dict[str, Any]:
    row = found.row
    value = {
        "identifier": found.identifier,
        "state": WORDS[row.state].record,
        "since": iso(row.since),
        "changed": iso(row.changed),
        "record": decode(row.record).json(),
    }
    return value | ({"target": row.target} if row.target else {})
