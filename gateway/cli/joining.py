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
from registry.network.joining import JoinError, Key, Membership
from registry.tables.enums import NodeRole
from resolver.sync.tsig import algorithm_fault

NATIONAL: Final = "national"
ROLES: Final = {
    "region": NodeRole.REGION,
    "industry": NodeRole.INDUSTRY,
    "aggregate": NodeRole.AGGREGATE,
}
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # one label of a host name
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


def require_none(args: argparse.Namespace) -> None:
    """Refuse options of a node of the network where none is made.

    Raises:
        JoinError: one is given.
    """
    for name in ("scope", "root", "key", "name", "with_registry", "network_secret"):
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
    root = address.parse(args.root)
    registers = role is NodeRole.REGION or args.with_registry
    scope = tuple(fold(one) for text in args.scope for one in text.split(",") if one)
    secret = b""
    if args.network_secret is not None:
        secret = _octets("--network-secret", _given(args.network_secret))
    key = key_of(args.key)
    return Membership(role, name, scope, (root.host, root.port), key, registers, secret)


def _given(text: str) -> str:
    """The text of an option, or of the file that it names: secrets are seen in a list of
    processes.
    """
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise JoinError(f"{text[1:]}: cannot be read: {error}") from None


def key_of(given: str) -> Key:
    """A key as `csid node` prints it, NAME:ALGORITHM:BASE64, or in the file that @FILE names.

    Raises:
        JoinError: it is none.
    """
    parts = _given(given).split(":")
    if len(parts) != 3:
        raise JoinError(f"--key has {len(parts)} parts; expected NAME:ALGORITHM:BASE64")
    name, algorithm, secret = parts
    try:
        wire = names.from_text(f"{name.rstrip('.')}.".lower())
    except CsidError as error:
        raise JoinError(f"--key: {error}") from None
    if fault := algorithm_fault(algorithm.lower()):
        raise JoinError(f"--key: {fault}")
    return Key(wire, algorithm.lower(), _octets("--key", secret))


def _octets(option: str, text: str) -> bytes:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not octets:
        raise JoinError(f"{option}: the secret is no base64 (RFC 4648 section 4)")
    return octets
