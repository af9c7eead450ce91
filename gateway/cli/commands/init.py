"""`csid init`: make a data directory."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from csid import names, scheme
from csid.address import Address
from csid.errors import ZoneError
from csid.identifier import Identifier
from csid.limits import MAP_OCTETS
from csid.vocabulary import NODE_ROLES
from gateway.cli import acting, joining, options, output
from registry import deployment
from registry.network.joining import create as create_node
from registry.zones.asked import Asked
from registry.zones.first import Address as IPAddress
from registry.zones.first import first_servers

SIZE_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
NATIONAL: Final = "national"
ROLES: Final = (NATIONAL, *joining.ROLES)
LEAST_MAP_OCTETS: Final = 1 << 20
MOST_MAP_OCTETS: Final = 1 << 46  # of address space, all that a process has
_SIZE = re.compile(r"([0-9]{1,15})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid init`."""
    parser = subparsers.add_parser(
        "init",
        description="Make a data directory with the zone of the deployment's suffix 建立数据目录",
    )
    options.add_data(parser)
    parser.add_argument(
        "--suffix", metavar="NAME", help="DNS suffix of the deployment 域名后缀 (csid.internal.)"
    )
    parser.add_argument(
        "--handle-authority",
        metavar="PREFIX",
        help="Handle naming authority 前缀, as allotted to you (0.EXAMPLE, nobody's)",
    )
    parser.add_argument(
        "--ns",
        action="append",
        metavar="NAME[=ADDRESS,...]",
        help="a name server of the zone 名称服务器, repeatable (default: ns1.SUFFIX)",
    )
    parser.add_argument(
        "--address",
        action="append",
        type=_address,
        metavar="ADDRESS",
        help="address of the name servers in the zone that are given without one 地址, "
        "repeatable (default for ns1.SUFFIX: 127.0.0.1)",
    )
    parser.add_argument(
        "--map-size",
        type=_size,
        metavar="SIZE",
        help="the most that the data file may grow to, such as 64GiB 最大容量 (1TiB); takes no "
        "space by itself",
    )
    parser.add_argument(
        "--role",
        dest="node_role",
        choices=ROLES,
        help="what the node is in the network 节点角色 (none: it is by itself); national 国家节点: "
        "the suffix is the root zone, and the register of nodes is kept here; the others join one: "
        + ", ".join(f"{word} {NODE_ROLES[word]}" for word in joining.ROLES),
    )
    joining.add_options(parser)
    acting.add_actor(parser, role_option="--actor-role")
    parser.set_defaults(run=run_init)


def run_init(args: argparse.Namespace) -> int:
    """Make the directory and its zone."""
    rules = scheme.load()
    origin = names.from_text((args.suffix or rules.dns_suffix).lower())
    suffix = names.to_text(origin)
    authority = _authority(args.handle_authority or rules.handle_authority)
    map_octets = args.map_size or MAP_OCTETS
    asked = Asked(acting.actor_of(args), "")
    if args.node_role in joining.ROLES:
        of = joining.membership_of(args)
        create_node(args.data, suffix, authority, of, map_octets, asked)
        _tell(args, suffix, authority)
        root = Address(*of.root)
        output.out.print(f"节点名称 node            {of.name}", markup=False)
        output.out.print(f"国家节点 national node   {root}", markup=False)
        return output.EXIT_OK
    joining.require_none(args)
    servers = _servers(args.ns, args.address, origin)
    is_national = args.node_role == NATIONAL
    deployment.create(args.data, suffix, authority, servers, map_octets, asked, is_national)
    _tell(args, suffix, authority)
    for server, addresses in servers.items():
        shown = " ".join([names.to_text(server), *map(str, addresses)])
        output.out.print(f"名称服务器 name server   {shown}", markup=False)
    return output.EXIT_OK


def _tell(args: argparse.Namespace, suffix: str, authority: str) -> None:
    output.out.print(f"数据目录 data directory  {args.data}", markup=False)
    if args.node_role:
        word = f"{NODE_ROLES[args.node_role]} {args.node_role}"
        output.out.print(f"节点角色 role            {word}", markup=False)
    output.out.print(f"域名后缀 suffix          {suffix}", markup=False)
    output.out.print(f"Handle 前缀 authority    {authority}", markup=False)


def _authority(text: str) -> str:
    """A Handle naming authority, if it is one."""
    Identifier("", "", "", "", "").to_handle(text)
    return text


def _servers(
    given: Sequence[str] | None, shared: Sequence[IPAddress] | None, origin: bytes
) -> dict[bytes, list[IPAddress]]:
    """The name servers with their addresses, as the options give them."""
    if not given:
        return {server: list(shared or own) for server, own in first_servers(origin).items()}
    servers: dict[bytes, list[IPAddress]] = {}
    for text in given:
        name, _, addresses = text.partition("=")
        wire = names.from_text(name.lower())
        servers[wire] = [_address(one) for one in addresses.split(",") if one]
    apex = names.key_of(origin)
    without = [
        wire for wire, own in servers.items() if not own and names.key_of(wire).startswith(apex)
    ]
    if shared and not without:
        raise ZoneError("--address", "no name server of the zone is without an address")
    for wire in without:
        servers[wire] = list(shared or [])
    return servers


def _size(text: str) -> int:
    """Octets of a size such as 64GiB; units are powers of 1024."""
    match = _SIZE.fullmatch(text.strip())
    octets = int(match[1]) * SIZE_UNITS[match[2].upper()] if match else 0
    if LEAST_MAP_OCTETS <= octets <= MOST_MAP_OCTETS:
        return octets
    raise argparse.ArgumentTypeError(f"{text!r}: expected a size from 1MiB to 64TiB")


def _address(text: str) -> IPAddress:
    try:
        return ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IPv4 or IPv6 address") from None
