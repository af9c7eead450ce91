"""The options with which a node of the network is made, and what they say."""

from __future__ import annotations

import argparse
import base64
import binascii
import re
from pathlib import Path
from typing import Final

from csid import address, names
from csid.errors import CsidError
from csid.identifier import fold
from gateway.cli.hidden import hide
from registry.network.joining import JoinError, Key, Membership
from registry.network.receipt_seal import PUBLIC_OCTETS
from registry.tables.enums import NodeRole
from registry.tables.node_keys import node_of
from resolver.sync.tsig import algorithm_fault

NATIONAL: Final = "national"
ROLES: Final = {
    "region": NodeRole.REGION,
    "industry": NodeRole.INDUSTRY,
    "aggregate": NodeRole.AGGREGATE,
}
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # one label of a host name
_OPTIONS: Final = (
    "scope",
    "root",
    "key",
    "name",
    "with_registry",
    "network_secret",
    "receipt_key",
)
_NEEDED: Final = ("root", "key", "name")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add those that a node of the network takes beside --role."""
    group = parser.add_argument_group("a node of the network 区域、行业、汇聚节点")
    group.add_argument(
        "--scope",
        action="append",
        default=[],
        metavar="PREFIX",
        help="what it assigns for 管辖范围: how locations begin, such as 33; of an industry node "
        "how industries begin, such as 64; repeatable",
    )
    group.add_argument("--root", metavar="HOST:PORT", help="the national node 国家节点")
    group.add_argument(
        "--key",
        metavar="NAME:ALGORITHM:BASE64",
        help="its key, as csid node add printed it on the national node, or @FILE that has it 密钥",
    )
    add_receipt_key(group)
    group.add_argument("--name", metavar="NAME", help="in the register of nodes 节点名称")
    group.add_argument(
        "--with-registry",
        action="store_true",
        help="let an industry node assign identifiers itself 自行赋码",
    )
    group.add_argument(
        "--network-secret",
        metavar="BASE64",
        help="of an aggregate: from which the keys of all nodes are derived, or @FILE 网络密钥",
    )


def add_receipt_key(parser: argparse._ActionsContainer) -> None:
    """Add the option that says how receipts are known."""
    parser.add_argument(
        "--receipt-key",
        metavar="BASE64",
        help="the public key of the national node's receipts, as csid node add printed it there "
        "回执公钥 (without one, whoever has the node's own key can make receipts)",
    )


def receipt_key_of(args: argparse.Namespace) -> bytes:
    """The key that --receipt-key says; empty if it is not given.

    Raises:
        JoinError: none.
    """
    if args.receipt_key is None:
        return b""
    try:
        key = base64.b64decode(args.receipt_key, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != PUBLIC_OCTETS:
        raise JoinError(
            f"--receipt-key {args.receipt_key[:60]!r}: expected {PUBLIC_OCTETS} octets in base64; "
            "csid node key prints it at the national node"
        )
    return key


def require_none(args: argparse.Namespace) -> None:
    """Refuse options of a node of the network where none is made.

    Raises:
        JoinError: one is given.
    """
    for name in _OPTIONS:
        if getattr(args, name):
            option = name.replace("_", "-")
            raise JoinError(f"--{option} is for --role {', '.join(ROLES)}: give that as well")


def membership_of(args: argparse.Namespace) -> Membership:
    """What the options say.

    Raises:
        JoinError: one is missing, wrong, or does not go with the role.
    """
    role = ROLES[args.node_role]
    missing = [f"--{one}" for one in _NEEDED if not getattr(args, one)]
    if role is not NodeRole.AGGREGATE and not args.scope:
        missing.append("--scope")
    if missing:
        raise JoinError(f"--role {args.node_role} needs {', '.join(missing)} as well")
    if args.ns:
        raise JoinError("--ns: a node of the network has the name servers of its register entry")
    if (args.network_secret is not None) != (role is NodeRole.AGGREGATE):
        raise JoinError("--network-secret is for --role aggregate, which needs it")
    if args.with_registry and role is not NodeRole.INDUSTRY:
        raise JoinError("--with-registry is for --role industry; a region node has one anyway")
    name = args.name.lower()
    if _NAME.fullmatch(name) is None:
        raise JoinError(f"--name {args.name[:70]!r}: expected one label of 1 to 63 of a-z 0-9 -")
    if args.address:
        raise JoinError("--address: a node of the network has the addresses of its register entry")
    root = address.parse(args.root)
    registers = role is NodeRole.REGION or args.with_registry
    scope = tuple(fold(one) for text in args.scope for one in text.split(",") if one)
    secret = b""
    if args.network_secret is not None:
        secret = _octets("--network-secret", _given(args.network_secret))
    key = key_of(args.key, "--key")
    if (of := node_of(key.name)) not in ("", name):
        raise JoinError(f"--key {names.to_text(key.name)} is that of node {of}; --name says {name}")
    receipts = receipt_key_of(args)
    if receipts and role is NodeRole.AGGREGATE:
        raise JoinError("--receipt-key is for nodes that get receipts; an aggregate gives them")
    return Membership(role, name, scope, (root.host, root.port), key, registers, secret, receipts)


def _given(text: str) -> str:
    """The text of an option, or of the file that it names: secrets are seen in a list of
    processes.
    """
    if not text.startswith("@"):
        hide(text)
        return text
    try:
        return Path(text[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise JoinError(f"{text[1:]}: cannot be read: {error}") from None


def key_of(text: str, option: str) -> Key:
    """The key that an option says, or the file that it names.

    Raises:
        JoinError: none. The message does not show it.
    """
    parts = _given(text).split(":")
    if len(parts) != 3:
        raise JoinError(f"{option} has {len(parts)} parts; expected NAME:ALGORITHM:BASE64")
    name, algorithm, secret = parts
    try:
        wire = names.from_text(f"{name.rstrip('.')}.".lower())
    except CsidError as error:
        raise JoinError(f"{option}: {error}") from None
    if fault := algorithm_fault(algorithm.lower()):
        raise JoinError(f"{option}: {fault}")
    return Key(wire, algorithm.lower(), _octets(option, secret))


def _octets(option: str, text: str) -> bytes:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not octets:
        raise JoinError(f"{option}: the secret is no base64 (RFC 4648 section 4)")
    return octets
