"""`csid node`: the register of the network's nodes, which the national node keeps."""

from __future__ import annotations

import argparse
import base64
import re
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

from csid import address, names
from csid.errors import CsidError
from csid.protocol import AAAA, NS, A
from csid.vocabulary import NODE_ROLES, NODE_STATES
from gateway.cli import acting, options, output, request
from registry.network import seen as hearing
from registry.network.keys import ALGORITHM, SECRET, derive
from registry.rules.decision import Refusal
from registry.rules.nodes import OVERLAP, known
from registry.rules.requests import (
    AddNode,
    Body,
    ChangeNode,
    ReinstateNode,
    RekeyNode,
    RemoveNode,
    Role,
    SuspendNode,
    facts_of,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec
from registry.tables.enums import NODE_ROLE_WORDS, NODE_STATE_WORDS, NodeRole, NodeState
from registry.tables.rows import Node
from registry.tables.view import View, get_node, get_node_use
from resolver.store import node as nodes
from resolver.store.read import ReadTransaction

ROLES: Final = tuple(word for word in NODE_ROLES if word != "national")
LIST_LIMIT: Final = 100  # nodes, unless asked for more
DNS_PORT: Final = 53
_STEPS: Final = {
    "suspend": (SuspendNode, "take nothing from it any more; what it has filed resolves 暂停"),
    "reinstate": (ReinstateNode, "end a suspension 恢复"),
    "remove": (RemoveNode, "end a node that has no cuts; its keys never hold again 注销"),
}
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_PERIOD: Final = re.compile(r"([0-9]{1,9})([smhd]?)")


class NodeError(CsidError):
    """A node that is not there, or that may not be looked at so."""


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid node` with its actions."""
    parser = subparsers.add_parser(
        "node", description="The nodes of the network 节点登记, at the national node."
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser(
        "add",
        help="register a node, and print how it is made 登记节点",
        description="Register a node, and print the command that makes it, with its key 登记节点.",
    )
    change = actions.add_parser("change", help="change what is registered 变更登记")
    for one, needed in ((add, True), (change, False)):
        _add_name(one)
        one.add_argument("--role", dest="node_role", choices=ROLES, required=needed, help="角色")
        one.add_argument(
            "--scope",
            action="append",
            metavar="PREFIX",
            help="how locations begin that it may file for, of an industry node industries; "
            "repeatable 管辖范围",
        )
        one.add_argument(
            "--address",
            action="append",
            required=needed,
            metavar="ADDRESS:PORT",
            help="where it answers; repeatable 地址",
        )
        one.add_argument("--contact", default="" if needed else None, help="contact 联系方式")
    add.set_defaults(run=run_add)
    change.set_defaults(run=run_change)
    rekey = actions.add_parser("rekey", help="give it another key, and print it 更换密钥")
    _add_name(rekey)
    rekey.add_argument(
        "--overlap",
        type=_period,
        default=OVERLAP,
        metavar="TIME",
        help="how long the key it has still holds, such as 12h 并行期 (7d; 0: not at all)",
    )
    rekey.set_defaults(run=run_rekey)
    for parser_ in (add, rekey):
        _add_root(parser_)
    for parser_ in (add, change, rekey):
        request.add_request(parser_, role_option="--actor-role")
    for word, (body, purpose) in _STEPS.items():
        step = actions.add_parser(word, help=purpose, description=purpose)
        _add_name(step)
        request.add_request(step)
        step.set_defaults(run=run_step, body=body)
    _register_reading(actions)


def _register_reading(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    key = actions.add_parser("key", help="print its present key again, for administrators 密钥")
    _add_name(key)
    _add_root(key)
    acting.add_actor(key)
    key.set_defaults(run=run_key)
    show = actions.add_parser("show", help="show one node 查看节点")
    _add_name(show)
    show.set_defaults(run=run_show)
    listing = actions.add_parser("list", help="list nodes 列出节点")
    listing.add_argument("--role", choices=ROLES, help="of this role 角色")
    listing.add_argument("--state", choices=tuple(NODE_STATES), help="in this state 状态")
    options.add_page(listing, LIST_LIMIT, "NAME")
    listing.set_defaults(run=run_list)
    for parser in (show, key):
        options.add_json(parser)
    for parser in (show, listing, key):
        options.add_data(parser)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="its name in the register 节点名称")


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        metavar="HOST:PORT",
        help="where the node finds this one, for the command that is printed 国家节点地址 (the "
        "address of the root zone's first name server, port 53)",
    )


def _period(text: str) -> int:
    """Seconds of a time such as 7d."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: expected a number and s, m, h or d")
    return int(match[1]) * _UNITS[match[2]]


# -- changing


def run_add(args: argparse.Namespace) -> int:
    """Register a node."""
    scope = tuple(args.scope or ())
    if not scope and args.node_role != "aggregate":
        raise NodeError(f"a node of role {args.node_role} needs its --scope")
    body = AddNode(args.name, args.node_role, scope, tuple(args.address), args.contact)
    return _with_key(args, body)


def run_change(args: argparse.Namespace) -> int:
    """Change what is registered; what is not given stays."""
    given = {
        "role": args.node_role,
        "scope": args.scope,
        "addresses": args.address,
        "contact": args.contact,
    }
    facts = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }
    return _ask(args, ChangeNode(args.name, facts_of(facts)))


def run_rekey(args: argparse.Namespace) -> int:
    """Give a node another key."""
    return _with_key(args, RekeyNode(args.name, args.overlap))


def run_step(args: argparse.Namespace) -> int:
    """Suspend, reinstate or remove a node."""
    body: Body = args.body(args.name)
    return _ask(args, body)


def _ask(args: argparse.Namespace, body: Body) -> int:
    with request.open_registry(args) as registry:
        return request.carry_out(registry, args, body)


def _with_key(args: argparse.Namespace, body: Body) -> int:
    """Ask, and print the key that the node has then."""
    with request.open_registry(args) as registry:
        code = request.carry_out(registry, args, body)
        if code == output.EXIT_OK and not args.dry_run:
            _print_key(registry, args)
    return code


def run_key(args: argparse.Namespace) -> int:
    """Print the key of a node."""
    actor = acting.actor_of(args)
    if actor.role is not Role.ADMINISTRATOR:
        raise NodeError(f"{actor.name} is {actor.role.value}; keys are for: administrator")
    with Registry.open(args.data) as registry:
        with registry.view() as seen:
            node = known(seen, args.name.lower())
        if isinstance(node, Refusal):
            output.complain(f"{args.name}  {request.status_text(node.status)}  {node.detail}")
            return output.EXIT_BAD_INPUT
        _print_key(registry, args)
    return output.EXIT_OK


def _print_key(registry: Registry, args: argparse.Namespace) -> None:
    """Print the command that makes the node, with the key it has."""
    name = args.name.lower()
    settings = registry.settings
    with registry.store.read() as read, registry.view() as seen:
        node = get_node(seen, name)
        assert node is not None
        secret = read.table(b"meta").get(SECRET) or b""
        root = args.root or _own_address(read, settings.suffix)
    own = base64.b64encode(derive(secret, name, node.generation)).decode()
    key = f"{name}-{node.generation}:{ALGORITHM}:{own}"
    words = ["csid init --data DIR --role", NODE_ROLE_WORDS[node.role][0], "--name", name]
    words += [f"--scope {one}" for one in node.scope]
    words += [f"--suffix {settings.suffix}", f"--handle-authority {settings.handle_authority}"]
    words += ["--root", str(address.parse(root, DNS_PORT)), "--key", key]
    if node.role is NodeRole.AGGREGATE:
        words += ["--network-secret", base64.b64encode(secret).decode()]
    command = " ".join(words)
    if args.json:
        output.print_json({"node": name, "key": key, "command": command})
    else:
        print(command)


def _own_address(read: ReadTransaction, suffix: str) -> str:
    """Where this node answers, as its root zone says."""
    held = read.zone(names.from_text(suffix))
    tree = read.tree(held.generation)
    servers = dict(nodes.rrsets_of(tree.get(b"") or b""))[NS].rdatas
    for key in sorted(map(names.key_of, servers)):
        blob = tree.get(key[len(held.apex) :]) if key.startswith(held.apex) else None
        found = dict(nodes.rrsets_of(blob)) if blob is not None else {}
        for rrtype in (A, AAAA):
            if rrtype in found:
                host = str(ip_address(found[rrtype].rdatas[0]))
                return str(address.Address(host, DNS_PORT))
    raise NodeError("the root zone says no address of this node: give it with --root HOST:PORT")


# -- reading


def run_show(args: argparse.Namespace) -> int:
    """Show one node; exit 1 if it is not registered."""
    name = args.name.lower()
    with Registry.open(args.data) as registry, registry.store.read() as read:
        with registry.view() as seen:
            node = get_node(seen, name) if name.isascii() and len(name) < 64 else None
            use = get_node_use(seen, name) if node is not None else (0, 0)
        heard = hearing.last(read, name) if node is not None else 0
    if node is None:
        output.complain(f"{name}  {request.status_text(Status.NODE_UNKNOWN)}")
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
        "previous_key_until": node.until or None,
        "waiting": use[0],
        "filed": use[1],
        "last_seen": heard or None,
        "since": node.since,
    }
