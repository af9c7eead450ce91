"""`csid filing list` and `show`: the cuts that nodes have filed, at the national node."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

from csid import names
from csid.identifier import fold
from csid.moments import iso
from csid.vocabulary import CUT_STATES
from gateway.cli import options, output, request
from registry.network import territory
from registry.rules.cut_moves import is_moving
from registry.rules.decision import Decision
from registry.rules.held import holders_text
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec
from registry.tables.enums import CUT_STATE_WORDS, CutState
from registry.tables.naming import Names
from registry.tables.network import is_national
from registry.tables.rows import Cut, Hold
from registry.tables.transaction import TransactionView
from registry.tables.view import View, get_cut, get_filing, get_hold, get_past_cut
from registry.zones import held as holds
from resolver.store.read import ReadTransaction

LIST_LIMIT: Final = 100  # cuts, unless asked for more
_OF_COPY: Final = (
    "管辖范围内，据根区副本 in the scope of this node, by its copy of the root zone; what waits "
    "here: csid filing status"
)
_PAST: Final = frozenset({CutState.REJECTED, CutState.WITHDRAWN})
_BY_WORD: Final = {word: state for state, (word, _) in CUT_STATE_WORDS.items()}


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add both."""
    listing = actions.add_parser(
        "list",
        help="cuts that were filed here or wait; elsewhere those in the node's scope 列出切分点",
    )
    listing.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="all if left out")
    listing.add_argument("--state", choices=tuple(CUT_STATES), help="in this state 状态")
    listing.add_argument("--node", default="", metavar="NAME", help="of this node 节点")
    options.add_page(listing, LIST_LIMIT, "CUT")
    listing.set_defaults(run=run_list)
    show = actions.add_parser("show", help="show one cut 查看切分点")
    show.add_argument("cut", metavar="CUT", help="OWNER[/INDUSTRY[/LOCATION]] 切分点")
    options.add_json(show)
    show.set_defaults(run=run_show)
    for parser in (listing, show):
        options.add_data(parser)


def run_list(args: argparse.Namespace) -> int:
    """List cuts in their order."""
    with Registry.open(args.data) as registry, registry.store.read() as read:
        seen = TransactionView(read)
        if not is_national(seen):
            return _list_copy(args, read, Names(registry.settings.suffix))
        found, more = output.take(_matching(seen, args), args.limit)
        held = {cut: get_hold(seen, cut) for cut, _ in found}
        mode = "manual 人工" if get_filing(seen).is_manual else "automatic 自动"
    if args.json:
        for cut, row in found:
            output.print_json(_as_json(cut, row) | {"held": _held_json(held[cut])})
    else:
        output.print_list(
            (
                *("切分点 Cut", "节点 Node", "状态 State", "备案号 Filing", "时间 Since"),
                *("事由 Why", "监管暂停 Held by"),
            ),
            (
                (
                    *(cut, row.node, _state(row), row.number, output.moment(row.since)),
                    *(_why(row), _held_text(held[cut])),
                )
                for cut, row in found
            ),
        )
        output.err.print(f"备案方式 filing is {mode}", markup=False)
    if more:
        output.note_more(found[-1][0])
    return output.EXIT_OK


def _list_copy(args: argparse.Namespace, read: ReadTransaction, named: Names) -> int:
    """List the cuts of the copy of the root zone that lie in the scope of this node; exit 1 if
    there is none.
    """
    rows = territory.cuts(read, named, fold(args.prefix), fold(args.after))
    if rows is None:
        detail = (
            "cuts are listed at the national node, and at nodes that follow its root zone, which "
            "is not here (yet): csid sync status"
        )
        request.complain_of(Decision(Status.NOT_NATIONAL, "", detail))
        return output.EXIT_BAD_INPUT
    wanted = args.node.lower()
    of_node = (one for one in rows if wanted in ("", one.node))
    is_filed = args.state in (None, CUT_STATE_WORDS[CutState.FILED][0])
    found, more = output.take(of_node if is_filed else iter(()), args.limit)
    held = {one.cut: holds.at(read, named, one.cut) for one in found}
    if args.json:
        for one in found:
            output.print_json(
                {
                    "cut": one.cut,
                    "node": one.node,
                    "servers": [{"name": name} for name in one.servers],
                }
                | {"held": _held_json(held[one.cut])}
            )
    else:
        output.print_list(
            ("切分点 Cut", "节点 Node", "名称服务器 Servers", "监管暂停 Held by"),
            (
                (one.cut, one.node, " ".join(one.servers), _held_text(held[one.cut]))
                for one in found
            ),
        )
        output.err.print(_OF_COPY, markup=False)
    if more:
        output.note_more(found[-1].cut)
    return output.EXIT_OK


def _matching(seen: View, args: argparse.Namespace) -> Iterator[tuple[str, Cut]]:
    state = _BY_WORD.get(args.state or "")
    prefix, after = fold(args.prefix).encode(), fold(args.after).encode()
    for cut, row in _rows(seen, state, args.node.lower(), prefix, after):
        if (state is None or row.state is state) and args.node.lower() in ("", row.node):
            yield cut, row


def _rows(
    seen: View, state: CutState | None, node: str, prefix: bytes, after: bytes
) -> Iterator[tuple[str, Cut]]:
    """The cuts among which those asked for are, by the shortest way there is."""
    behind = after + b"\0" if after else b""
    if state in _PAST:
        for key, value in seen.scan(codec.PAST_CUTS, prefix, behind):
            yield key.decode("ascii"), codec.decode_cut(value)
        return
    head = codec.waiting_key("") if state is CutState.WAITING else codec.of_node(node)
    if state is not CutState.WAITING and not node:
        for key, value in seen.scan(codec.CUTS, prefix, behind):
            yield key.decode("ascii"), codec.decode_cut(value)
        return
    for key, _ in seen.scan(codec.CUT_INDEX, head + prefix, head + behind):
        cut = key[len(head) :].decode("ascii")
        row = get_cut(seen, cut)
        if row is not None:
            yield cut, row


def run_show(args: argparse.Namespace) -> int:
    """Show one cut; exit 1 if it was never filed."""
    cut = fold(args.cut).rstrip("/")
    with Registry.open(args.data) as registry, registry.view() as seen:
        is_key = cut.isascii() and 0 < len(cut) < 200
        row = (get_cut(seen, cut) or get_past_cut(seen, cut)) if is_key else None
        hold = get_hold(seen, cut) if is_key else None
    if row is None:
        detail = (
            "it was never filed here; at the national node csid filing list says what was, at "
            "others csid filing status what they have asked for"
        )
        request.complain_of(Decision(Status.NOT_FOUND, cut, detail))
        return output.EXIT_BAD_INPUT
    if args.json:
        output.print_json(_as_json(cut, row) | {"held": _held_json(hold)})
        return output.EXIT_OK
    rows = [
        ("切分点 Cut", cut),
        ("节点 Node", row.node),
        ("状态 State", _state(row)),
        ("备案号 Filing", str(row.number)),
        *(("名称服务器 Server", " ".join((name, *found))) for name, found in _servers(row)),
        *(("DS", one.hex()) for one in row.ds),
        ("迁移 Move" if is_moving(row) else "事由 Why", _why(row)),
        ("时间 Since", output.moment(row.since)),
        ("监管暂停 Held", holders_text(hold) if hold is not None else ""),
    ]
    output.print_facts([one for one in rows if one[1]])
    return output.EXIT_OK


def _held_text(hold: Hold | None) -> str:
    return " ".join(one.node or "national" for one in hold.by) if hold is not None else ""


def _held_json(hold: Hold | None) -> list[dict[str, Any]]:
    return [] if hold is None else holds.by_json(hold)


def _state(row: Cut) -> str:
    word, zh = CUT_STATE_WORDS[row.state]
    return f"{zh} {word}"


def _why(row: Cut) -> str:
    """Why it was rejected; of a cut that moves, how far it is."""
    moving = row.moving
    if moving is None or moving.is_over:
        return row.reason
    if moving.why:
        point = f"迁移受阻 is held up: {moving.why}"
    elif moving.serial is None:
        point = f"待 {moving.source} 停止变更 until {moving.source} changes nothing in it any more"
    else:
        point = f"待 {moving.to} 接收 until {moving.to} has serial {moving.serial}"
    return f"→ {moving.to}: {point}"


def _servers(row: Cut) -> list[tuple[str, list[str]]]:
    return [
        (names.to_text(wire), [str(ip_address(one)) for one in packed])
        for wire, packed in row.servers
    ]


def _as_json(cut: str, row: Cut) -> dict[str, Any]:
    return {
        "cut": cut,
        "node": row.node,
        "state": CUT_STATE_WORDS[row.state][0],
        "filing": row.number,
        "servers": [{"name": name, "addresses": found} for name, found in _servers(row)],
        "ds": [one.hex() for one in row.ds],
        "reason": row.reason,
        "since": iso(row.since),
        "move": _move_json(row),
    }


def _move_json(row: Cut) -> dict[str, Any] | None:
    """The move of a cut that is under way."""
    if row.moving is None or row.moving.is_over:
        return None
    moving = row.moving
    return {
        "number": moving.number,
        "from": moving.source,
        "to": moving.to,
        "serial": moving.serial,
        "held_up": moving.why,
    }
