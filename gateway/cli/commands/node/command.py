"""`csid node`: the register of the network's nodes, which the national node keeps."""

from __future__ import annotations

import argparse
import base64
import shlex
from ipaddress import ip_address
from typing import Final

from csid import address, names
from csid.errors import CsidError
from csid.protocol import AAAA, NS, A
from gateway.cli import acting, options, output, request
from gateway.cli.commands.node import show, use_key
from gateway.cli.commands.node.show import ROLES
from registry.network.receipt_seal import public_key
from registry.rules.decision import Decision, Refusal
from registry.rules.nodes import OVERLAP, known, suffix_of
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
from registry.service import Registry
from registry.tables.enums import NODE_ROLE_WORDS, NodeRole
from registry.tables.node_keys import ALGORITHM, SECRET, derive
from registry.tables.view import get_node
from resolver.store import node as nodes
from resolver.store.read import ReadTransaction

DNS_PORT: Final = 53
_WHICH: Final = (
    "前一条用于已有节点，后一条用于新建 the first for the node that is there, else the second:"
)
_STEPS: Final = {
    "suspend": (SuspendNode, "take nothing from it any more; what it has filed resolves 暂停"),
    "reinstate": (ReinstateNode, "end a suspension 恢复"),
    "remove": (RemoveNode, "end a node that has no cuts; its keys never hold again 注销"),
}


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
        type=options.period,
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
    _register_key(actions)
    use_key.register(actions)
    show.register(actions)


def _register_key(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    key = actions.add_parser("key", help="print its present key again, for administrators 密钥")
    _add_name(key)
    _add_root(key)
    acting.add_actor(key)
    key.set_defaults(run=run_key)
    options.add_json(key)
    options.add_data(key)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="its name in the register 节点名称")


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        metavar="HOST:PORT",
        help="where the node finds this one, for the command that is printed 国家节点地址 (the "
        "address of the root zone's first name server, port 53)",
    )


# -- changing


def run_add(args: argparse.Namespace) -> int:
    """Register a node."""
    scope = _scope(args)
    if not scope and args.node_role != "aggregate":
        raise NodeError(
            f"a node of role {args.node_role} needs its --scope: how the "
            f"{'industries' if args.node_role == 'industry' else 'locations'} begin that it files "
            "for, such as 33"
        )
    body = AddNode(args.name, args.node_role, scope, tuple(args.address), args.contact)
    return _with_key(args, body)


def _scope(args: argparse.Namespace) -> tuple[str, ...]:
    """Prefixes, given one by one or with commas between them."""
    return tuple(one.strip() for text in args.scope or () for one in text.split(",") if one.strip())


def run_change(args: argparse.Namespace) -> int:
    """Change what is registered; what is not given stays."""
    given = {
        "role": args.node_role,
        "scope": None if args.scope is None else list(_scope(args)),
        "addresses": args.address,
        "contact": args.contact,
    }
    facts = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }
    if not facts:
        raise NodeError("what is to change? give --role, --scope, --address or --contact")
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
    if args.root is not None:
        address.parse(args.root, DNS_PORT)  # before anything is done
    with request.open_registry(args) as registry:
        code = request.carry_out(registry, args, body)
        if code == output.EXIT_OK and not args.dry_run:
            _print_key(registry, args, isinstance(body, RekeyNode))
    return code


def run_key(args: argparse.Namespace) -> int:
    """Print the key of a node."""
    actor = acting.actor_of(args)
    if actor.role is not Role.ADMINISTRATOR:
        raise NodeError(f"{actor.name} is {actor.role.value}; keys are for: administrator")
    with Registry.open(args.data) as registry:
        with registry.view() as seen:
            place = suffix_of(seen)
            node = place if isinstance(place, Refusal) else known(seen, args.name.lower())
        if isinstance(node, Refusal):
            request.complain_of(Decision(node.status, args.name, node.detail))
            return output.EXIT_BAD_INPUT
        _print_key(registry, args)
    return output.EXIT_OK


def _print_key(registry: Registry, args: argparse.Namespace, is_there: bool = False) -> None:
    """Print the command that makes the node, with the key it has; for one that is there first that
    which gives it the key.
    """
    name = args.name.lower()
    settings = registry.settings
    with registry.store.read() as read, registry.view() as seen:
        node = get_node(seen, name)
        assert node is not None
        secret = read.table(b"meta").get(SECRET) or b""
        root = args.root or _own_address(read, settings.suffix)
    own = base64.b64encode(derive(secret, name, node.generation)).decode()
    key = f"{name}-{node.generation}:{ALGORITHM}:{own}"
    words = ["csid", "init", "--data", "DIR", "--role", NODE_ROLE_WORDS[node.role][0]]
    words += ["--name", name, *(word for one in node.scope for word in ("--scope", one))]
    words += ["--suffix", settings.suffix, "--handle-authority", settings.handle_authority]
    words += ["--root", str(address.parse(root, DNS_PORT)), "--key", key]
    receipts: list[str] = []
    if node.role is NodeRole.AGGREGATE:
        words += ["--network-secret", base64.b64encode(secret).decode()]
    else:
        receipts = ["--receipt-key", base64.b64encode(public_key(secret)).decode()]
    command = shlex.join([*words, *receipts])
    use = shlex.join(["csid", "node", "use-key", key, *receipts, "--data", "DIR"])
    if args.json:
        output.print_json({"node": name, "key": key, "command": command, "use_key": use})
        return
    if is_there:
        output.err.print(_WHICH, markup=False, style="cyan")
        print(use)
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
