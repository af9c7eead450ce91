"""`csid filing status`: what waits for the national node, since when, and what it has refused."""

from __future__ import annotations

import argparse
from typing import Any

from csid.moments import iso_or_none
from gateway.cli import options, output
from gateway.cli.commands.filing.request import json_of
from registry.network.status import CutStatus, Refused, status
from registry.service import Registry
from registry.tables.enums import FILING_WORDS, NodeRole
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.tables.view import get_place, get_root
from registry.zones import others


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid filing status`."""
    parser = actions.add_parser(
        "status",
        help="what waits, and what was refused 备案状态",
        description="The cuts that are not filed yet or were refused, and the identifiers that "
        "wait for their receipts or were refused, cut by cut 备案状态.",
    )
    options.add_data(parser)
    parser.add_argument("--all", action="store_true", help="filed cuts, too 含已备案的切分点")
    options.add_json(parser)
    parser.set_defaults(run=run_status)


def run_status(args: argparse.Namespace) -> int:
    """Show it."""
    with Registry.open(args.data) as registry, registry.store.read() as read:
        seen = TransactionView(read)
        root = get_root(seen)
        found = status(read, seen, args.all)
        place = get_place(seen)
        own = None if place is None else others.node(read, Names(place.suffix), place.name)
    if args.json:
        for one in found:
            output.print_json(_json_of(one))
        return output.EXIT_OK
    if root is None:
        if place is not None and place.role is NodeRole.NATIONAL:
            text = "本节点即国家节点 this is the national node: csid filing list has what is filed"
        else:
            text = "未设国家节点 this node files with nobody: no national node is set"
        output.out.print(text, markup=False)
        return output.EXIT_OK
    output.out.print(f"国家节点 national node  {root.host}:{root.port}", markup=False)
    if own is not None and own.state == "suspended":
        text = (
            "本节点已暂停 this node is suspended: nothing new is taken of it until it is reinstated"
        )
        output.out.print(text, markup=False)
    for one in found:
        output.out.print(_text_of(one), markup=False)
        for refusal in one.reasons:
            output.out.print(f"  {refusal_text(refusal)}", markup=False)
        if one.refused > len(one.reasons):
            output.out.print(f"  ... csid list {one.cut} --state refused", markup=False)
    waiting, refused = (sum(getattr(one, name) for one in found) for name in ("waiting", "refused"))
    output.out.print(f"待回执 wait {waiting:,}, 未通过 refused {refused:,}", markup=False)
    return output.EXIT_OK


def _text_of(one: CutStatus) -> str:
    row = one.row
    state = reason = ""
    if row is not None:
        word, zh = FILING_WORDS[row.state]
        state, reason = f"{zh} {word} {output.moment(row.changed)}", row.node or row.reason
    waiting = f"待回执 wait {one.waiting:,}" if one.waiting else ""
    oldest = f"最早 since {output.moment(one.oldest)}" if one.oldest else ""
    refused = f"未通过 refused {one.refused:,}" if one.refused else ""
    return "  ".join(filter(None, (one.cut, state, reason, waiting, oldest, refused)))


def refusal_text(one: Refused) -> str:
    """An identifier that was refused, why, and by which receipt, in one line."""
    receipt = f"回执 receipt {one.receipt}" if one.receipt else ""
    why = f"{one.status.number} {one.status.name} {one.status.zh} {one.status.en}"
    return "  ".join(filter(None, (one.identifier, why, one.reason, receipt)))


def _json_of(one: CutStatus) -> dict[str, Any]:
    filing = {"cut": one.cut, "state": None} if one.row is None else json_of(one.cut, one.row)
    return filing | {
        "waiting": one.waiting,
        "oldest": iso_or_none(one.oldest),
        "refused": one.refused,
        "refusals": [refusal_json(refusal) for refusal in one.reasons],
    }


def refusal_json(one: Refused) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "identifier": one.identifier,
        "receipt": one.receipt,
        "status": one.status.number,
        "name": one.status.name,
        "reason": one.reason,
    }
