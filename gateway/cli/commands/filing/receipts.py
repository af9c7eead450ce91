"""`csid filing receipts`: what the national node has said of identifiers, at its aggregate."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final

from csid.identifier import fold
from csid.moments import iso
from csid.vocabulary import FILED_STATES
from gateway.cli import options, output, request
from registry.rules.decision import Decision
from registry.rules.status import BY_NUMBER, Status
from registry.service import Registry
from registry.tables import codec
from registry.tables.enums import NodeRole
from registry.tables.rows import Filed
from registry.tables.view import View, get_place

LIST_LIMIT: Final = 100  # identifiers, unless asked for more


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add it."""
    receipts = actions.add_parser(
        "receipts",
        help="at the aggregate: what was said of identifiers 备案库",
        description="The national register of what was filed 备案库, at its aggregate: each "
        "identifier with what was said of it last, and the number of its receipt.",
    )
    receipts.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="all if left out")
    receipts.add_argument("--state", choices=tuple(FILED_STATES), help="in this state 状态")
    receipts.add_argument("--node", default="", metavar="NAME", help="of this node 节点")
    options.add_page(receipts, LIST_LIMIT, "ID")
    options.add_data(receipts)
    receipts.set_defaults(run=run_receipts)


def run_receipts(args: argparse.Namespace) -> int:
    """List them in the order of the identifiers; exit 1 if this is no aggregate."""
    with Registry.open(args.data) as registry, registry.view() as seen:
        place = get_place(seen)
        is_here = place is not None and place.role is NodeRole.AGGREGATE
        found, more = output.take(_matching(seen, args), args.limit)
    if not is_here:
        detail = (
            "what was filed is kept at the aggregate of the national node; csid filing status says "
            "what waits here"
        )
        request.complain_of(Decision(Status.NOT_NATIONAL, "", detail))
        return output.EXIT_BAD_INPUT
    if args.json:
        for name, row in found:
            output.print_json(_as_json(name, row))
    else:
        heads = (
            "标识 Identifier",
            "节点 Node",
            "状态 State",
            "回执 Receipt",
            "时间 Since",
            "事由 Why",
        )
        output.print_list(heads, (_as_row(name, row) for name, row in found))
    if more:
        output.note_more(found[-1][0])
    return output.EXIT_OK


def _matching(seen: View, args: argparse.Namespace) -> Iterator[tuple[str, Filed]]:
    prefix, after = fold(args.prefix), fold(args.after)
    if not (prefix.isascii() and after.isascii()):
        return
    start = after.encode("ascii") + b"\0" if after else b""
    for key, value in seen.scan(codec.FILED, prefix.encode("ascii"), start):
        row = codec.decode_filed(value)
        if args.state in (None, _word(row)) and args.node.lower() in ("", row.node):
            yield key.decode("ascii"), row


def _word(row: Filed) -> str:
    return row.state.name.lower()


def _as_row(name: str, row: Filed) -> tuple[object, ...]:
    why = row.reason
    if row.status != Status.DONE.number:
        why = f"{row.status} {BY_NUMBER[row.status].name} {row.reason}"
    state = f"{FILED_STATES[_word(row)]} {_word(row)}"
    return name, row.node, state, row.leaf, output.moment(row.since), why


def _as_json(name: str, row: Filed) -> dict[str, Any]:
    return {
        "identifier": name,
        "node": row.node,
        "state": _word(row),
        "receipt": row.leaf,
        "status": row.status,
        "reason": row.reason,
        "serial": row.serial,
        "since": iso(row.since),
    }
