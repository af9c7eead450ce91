"""`csid node show` and `list`: the register of nodes, as it is kept at the national node."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any, Final

from csid import address
from csid.moments import iso, iso_or_none
from csid.vocabulary import NODE_ROLES, NODE_STATES
from gateway.cli import options, output, request
from registry.network import seen as hearing
from registry.rules.decision import Decision
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec
from registry.tables.enums import NODE_ROLE_WORDS, NODE_STATE_WORDS, NodeState
from registry.tables.naming import Names
from registry.tables.network import is_national
from registry.tables.rows import Node
from registry.tables.transaction import TransactionView
from registry.tables.view import View, get_node, get_node_use
from registry.zones import others
from resolver.store.read import ReadTransaction

_UNLISTED: Final = "csid node list lists those in the register, at the national node"
ROLES: Final = tuple(word for role, (word, _) in NODE_ROLE_WORDS.items() if role)
LIST_LIMIT: Final = 100  # nodes, unless asked for more


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add both."""
    show = actions.add_parser("show", help="show one node 查看节点")
    show.add_argument("name", metavar="NAME", help="its name in the register 节点名称")
    show.set_defaults(run=run_show)
    listing = actions.add_parser("list", help="list nodes 列出节点")
    listing.add_argument("--role", choices=ROLES, help="of this role 角色")
    listing.add_argument("--state", choices=tuple(NODE_STATES), help="in this state 状态")
    options.add_page(listing, LIST_LIMIT, "NAME")
    listing.set_defaults(run=run_list)
    options.add_json(show)
    for parser in (show, listing):
        options.add_data(parser)


def run_show(args: argparse.Namespace) -> int:
    """Show one node; exit 1 if it is not registered."""
    name = args.name.lower()
    with Registry.open(args.data) as registry, registry.store.read() as read:
        with registry.view() as seen:
            node = get_node(seen, name) if name.isascii() and len(name) < 64 else None
            use = get_node_use(seen, name) if node is not None else (0, 0)
        heard = hearing.last(read, name) if node is not None else 0
    if node is None:
        request.complain_of(Decision(Status.NODE_UNKNOWN, name, _UNLISTED))
        return output.EXIT_BAD_INPUT
    if args.json:
        output.print_json(_as_json(name, node, use, heard))
        return output.EXIT_OK
    rows = [
        ("节点 Node", name),
        ("角色 Role", _words(NODE_ROLE_WORDS[node.role])),
        ("管辖范围 Scope", " ".join(node.scope) or "不限 any"),
        ("地址 Addresses", " ".join(_addresses(node))),
        ("联系方式 Contact", node.contact),
        ("状态 State", _words(NODE_STATE_WORDS[node.state])),
        ("切分点 Cuts", f"{use[1]:,} 已备案 filed, {use[0]:,} 待审 waiting"),
        ("密钥 Key", _keys_text(name, node)),
        ("最近联系 Last seen", output.moment(heard) if heard else "无 never"),
        ("登记时间 Since", output.moment(node.since)),
    ]
    output.print_facts([row for row in rows if row[1]])
    return output.EXIT_OK


def run_list(args: argparse.Namespace) -> int:
    """List nodes in the order of their names."""
    with Registry.open(args.data) as registry, registry.store.read() as read:
        if not is_national(TransactionView(read)):
            return _list_copy(args, read, Names(registry.settings.suffix))
        with registry.view() as seen:
            found, more = output.take(_matching(seen, args), args.limit)
            uses = {name: get_node_use(seen, name) for name, _ in found}
        heard = {name: hearing.last(read, name) for name, _ in found}
    if args.json:
        for name, node in found:
            output.print_json(_as_json(name, node, uses[name], heard[name]))
    else:
        heads = ("节点 Node", "角色 Role", "范围 Scope", "地址 Addresses", "状态 State")
        output.print_list(
            (*heads, "切分点 Cuts", "最近联系 Last seen"),
            (
                (
                    name,
                    _words(NODE_ROLE_WORDS[node.role]),
                    " ".join(node.scope),
                    " ".join(_addresses(node)),
                    _words(NODE_STATE_WORDS[node.state]),
                    uses[name][1],
                    output.moment(heard[name]) if heard[name] else "",
                )
                for name, node in found
            ),
        )
    if more:
        output.note_more(found[-1][0])
    return output.EXIT_OK


def _list_copy(args: argparse.Namespace, read: ReadTransaction, named: Names) -> int:
    """List the nodes of the copy of the root zone; exit 1 if there are none."""
    rows = [
        one
        for one in others.nodes(read, named)
        if one.name > args.after.lower()
        and args.role in (None, one.role)
        and args.state in (None, one.state)
    ]
    if not rows and next(others.nodes(read, named), None) is None:
        detail = (
            "nodes are listed at the national node, and at nodes that follow its root zone, which "
            "is not here (yet): csid sync status"
        )
        request.complain_of(Decision(Status.NOT_NATIONAL, "", detail))
        return output.EXIT_BAD_INPUT
    found, more = output.take(iter(rows), args.limit)
    if args.json:
        for one in found:
            places = [str(address.Address(host, one.port)) for host in one.addresses]
            facts = {"node": one.name, "role": one.role, "scope": list(one.scope)}
            output.print_json(
                facts | {"addresses": places, "state": one.state, "generation": one.generation}
            )
    else:
        output.print_list(
            ("节点 Node", "角色 Role", "范围 Scope", "地址 Addresses", "状态 State"),
            (
                (
                    one.name,
                    f"{NODE_ROLES.get(one.role, '')} {one.role}",
                    " ".join(one.scope),
                    " ".join(str(address.Address(host, one.port)) for host in one.addresses),
                    f"{NODE_STATES.get(one.state, '')} {one.state}",
                )
                for one in found
            ),
        )
        output.err.print("据根区副本 by the copy of the root zone", markup=False)
    if more:
        output.note_more(found[-1].name)
    return output.EXIT_OK


def _matching(seen: View, args: argparse.Namespace) -> Iterator[tuple[str, Node]]:
    """The nodes asked for; those that were removed only where their state is asked for."""
    start = args.after.lower().encode() + b"\0" if args.after else b""
    for key, value in seen.scan(codec.NODES, b"", start):
        node = codec.decode_node(value)
        state = NODE_STATE_WORDS[node.state][0]
        is_wanted = state == args.state if args.state else node.state is not NodeState.REMOVED
        if is_wanted and args.role in (None, NODE_ROLE_WORDS[node.role][0]):
            yield key.decode("ascii"), node


def _words(words: tuple[str, str]) -> str:
    word, zh = words
    return f"{zh} {word}"


def _addresses(node: Node) -> list[str]:
    return [str(address.Address(*one)) for one in node.addresses]


def _keys_text(name: str, node: Node) -> str:
    if node.state is NodeState.REMOVED:
        return ""
    text = f"{name}-{node.generation}"
    if node.until > time.time():
        text += f", {name}-{node.generation - 1} 至 until {output.moment(node.until)}"
    return text


def _as_json(name: str, node: Node, use: tuple[int, int], heard: int) -> dict[str, Any]:
    return {
        "node": name,
        "role": NODE_ROLE_WORDS[node.role][0],
        "scope": list(node.scope),
        "addresses": _addresses(node),
        "contact": node.contact,
        "state": NODE_STATE_WORDS[node.state][0],
        "generation": node.generation,
        "previous_key_until": iso_or_none(node.until),
        "waiting": use[0],
        "filed": use[1],
        "last_seen": iso_or_none(heard),
        "since": iso(node.since),
    }
