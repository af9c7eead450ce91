"""`csid resolve`: ask a server for the record of an identifier."""

from __future__ import annotations

import argparse
import os
from typing import Final

from csid import address
from csid.identifier import Identifier, parse
from gateway.cli import options, output
from resolver import client
from resolver.client import Resolution

DEFAULT_SERVER: Final = "127.0.0.1:5300"

EXIT_RESOLVED: Final = 0
EXIT_ABSENT: Final = 1  # the server says that there is no such identifier, or no record at it


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid resolve`."""
    parser = subparsers.add_parser(
        "resolve",
        description="Ask a server for the record of an identifier 解析标识. Exit code: 0 resolved, "
        "1 no such identifier or no record, 2 could not be asked.",
    )
    options.add_identifier(parser)
    parser.add_argument(
        "--server",
        default=os.environ.get("CSID_SERVER", DEFAULT_SERVER),
        metavar="HOST:PORT",
        help=f"whom to ask 解析服务器 (default: CSID_SERVER, or {DEFAULT_SERVER})",
    )
    parser.add_argument("--tcp", action="store_true", help="ask over TCP at once 使用 TCP")
    options.add_json(parser)
    parser.add_argument(
        "--suffix", metavar="NAME", help="DNS suffix of the deployment 域名后缀 (csid.internal.)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print; the exit code says what came of it."""
    identifier = parse(arguments.id, suffix=arguments.suffix)
    server = address.parse(arguments.server, client.DEFAULT_PORT)
    name = identifier.to_dns_name(arguments.suffix)
    found = client.resolve(name, server, arguments.tcp)
    show = _print_json if arguments.json else _print_table
    show(identifier, found, server)
    return EXIT_RESOLVED if found.record is not None else EXIT_ABSENT


def _print_json(identifier: Identifier, found: Resolution, server: object) -> None:
    value: dict[str, object] = {
        "identifier": str(identifier),
        "name": found.name,
        "rcode": found.rcode,
        "ttl": found.ttl,
    }
    if found.canonical != found.name:
        value["alias_of"] = found.canonical
    if found.record is not None:
        value["record"] = found.record.json()
    value |= {
        "server": str(server),
        "transport": found.reply.transport,
        "milliseconds": round(found.reply.seconds * 1000, 3),
        "octets": found.reply.octets,
    }
    output.print_json(value)


def _print_table(identifier: Identifier, found: Resolution, server: object) -> None:
    reply = found.reply
    rows = [("标识 Identifier", str(identifier)), ("域名 DNS name", found.name)]
    if found.canonical != found.name:
        rows.append(("别名指向 Alias of", found.canonical))
    if found.record is not None:
        rows += output.facts_of(found.record)
    elif found.rcode == "NXDOMAIN":
        rows.append(("结果 Result", "标识不存在 no such identifier (NXDOMAIN)"))
    else:
        rows.append(("结果 Result", "无记录 the name exists and holds no record"))
    rows.append(("生存时间 TTL", f"{found.ttl} s"))
    rows.append(
        (
            "应答 Answer",
            f"{reply.seconds * 1000:.1f} ms, {reply.octets} octets, {reply.transport} {server}",
        )
    )
    output.print_facts(rows)
