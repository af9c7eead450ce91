"""`csid resolve`: ask a server for the record of an identifier."""

from __future__ import annotations

import argparse
import os
from typing import Final

import dns.rdatatype

from csid import address, names, scheme
from csid.identifier import Identifier, parse
from gateway.cli import options, output
from registry.rules.held import holders_text
from registry.zones.held import Seen, hold_of
from resolver import client
from resolver.client import AskError, Resolution
from resolver.walk import Step

DEFAULT_SERVER: Final = "127.0.0.1:5300"

_TRACE_HEADS: Final = ("步骤 Step", "服务器 Server", "毫秒 ms", "问 Asked", "答 Said")

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
    parser.add_argument(
        "--root",
        action="append",
        metavar="HOST:PORT",
        help="ask the root and go where it refers to 从根逐级解析 (several may be given)",
    )
    parser.add_argument(
        "--trace", action="store_true", help="with --root: show each step 显示每一步"
    )
    parser.add_argument(
        "--referred-port",
        type=int,
        metavar="PORT",
        help="with --root: port of the servers it refers to 下级服务器端口 (that of the root; of "
        "nodes the one in the node register)",
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
    if arguments.root:
        return _run_from_root(arguments, identifier)
    if arguments.trace or arguments.referred_port is not None:
        raise AskError("--trace and --referred-port go with --root HOST:PORT")
    server = address.parse(arguments.server, client.DEFAULT_PORT)
    name = identifier.to_dns_name(arguments.suffix)
    found = client.resolve(name, server, arguments.tcp)
    held = _held_by(found, server, arguments)
    show = _print_json if arguments.json else _print_table
    show(identifier, found, server, held)
    return EXIT_RESOLVED if found.record is not None else EXIT_ABSENT


def _run_from_root(arguments: argparse.Namespace, identifier: Identifier) -> int:
    """Walk from the root and print; what was walked is shown even if it leads nowhere."""
    roots = [address.parse(one, client.DEFAULT_PORT) for one in arguments.root]
    suffix = arguments.suffix or scheme.load().dns_suffix
    name = identifier.to_dns_name(arguments.suffix)
    walked = client.walk(name, roots, suffix, arguments.referred_port, arguments.tcp)
    if arguments.json:
        trace = [_step_json(step) for step in walked.steps] if arguments.trace else None
        if walked.found is not None:
            held = _held_by(walked.found, roots[0], arguments)
            _print_json(identifier, walked.found, walked.server, held, trace)
        else:
            value = {"identifier": str(identifier), "name": name, "error": str(walked.error)}
            output.print_json(value | ({} if trace is None else {"trace": trace}))
    else:
        if arguments.trace:
            output.print_list(_TRACE_HEADS, map(_step_row, enumerate(walked.steps, start=1)))
        if walked.found is not None:
            held = _held_by(walked.found, roots[0], arguments)
            _print_table(identifier, walked.found, walked.server, held)
    if walked.found is None:
        assert walked.error is not None
        raise walked.error
    return EXIT_RESOLVED if walked.found.record is not None else EXIT_ABSENT


def _held_by(
    found: Resolution, server: address.Address, arguments: argparse.Namespace
) -> list[Seen]:
    """What the root zone says, as a server has it, of who holds an identifier that is suspended:
    nothing if it cannot be asked, or nobody does.
    """
    if found.record is None or found.record.state != "suspended":
        return []
    suffix = names.to_text(names.from_text(arguments.suffix or scheme.load().dns_suffix))
    labels = found.canonical.removesuffix(suffix).rstrip(".").split(".")
    held: list[Seen] = []
    for depth in range(len(labels), 0, -1):
        above = labels[depth - 1 :]
        try:
            asked = f"{'.'.join(above)}.holds.{suffix}"
            reply = client.ask(asked, dns.rdatatype.TXT, server, arguments.tcp)
        except AskError:
            return held
        answer = [one for one in reply.message.answer if one.rdtype == dns.rdatatype.TXT]
        hold = hold_of([one.to_wire() or b"" for rrset in answer for one in rrset])
        if hold is not None:
            held.append(Seen("/".join(reversed(above)).upper(), hold))
    return held


def _step_row(numbered: tuple[int, Step]) -> tuple[str, ...]:
    number, step = numbered
    question = step.question
    return (
        f"{'  ' * step.depth}{number}",
        str(question.server),
        f"{step.milliseconds:.1f}",
        f"{question.name} {dns.rdatatype.to_text(dns.rdatatype.RdataType(question.rrtype))}",
        step.said,
    )


def _step_json(step: Step) -> dict[str, object]:
    question = step.question
    name = question.server.name
    return {
        "server": str(question.server.address),
        "server_name": None if name is None else str(name),
        "name": str(question.name),
        "type": dns.rdatatype.to_text(dns.rdatatype.RdataType(question.rrtype)),
        "depth": step.depth,
        "milliseconds": round(step.milliseconds, 3),
        "outcome": step.outcome,
        "said": step.said,
    }


def _print_json(
    identifier: Identifier,
    found: Resolution,
    server: object,
    held: list[Seen],
    trace: list[dict[str, object]] | None = None,
) -> None:
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
    if held:
        value["held"] = [one.json() for one in held]
    value |= {
        "server": str(server),
        "transport": found.reply.transport,
        "milliseconds": round(found.reply.seconds * 1000, 3),
        "octets": found.reply.octets,
    }
    if trace is not None:
        value["trace"] = trace
    output.print_json(value)


def _print_table(
    identifier: Identifier, found: Resolution, server: object, held: list[Seen]
) -> None:
    reply = found.reply
    rows = [("标识 Identifier", str(identifier)), ("域名 DNS name", found.name)]
    if found.canonical != found.name:
        rows.append(("别名指向 Alias of", found.canonical))
    if found.record is not None:
        rows += output.facts_of(found.record)
        rows += [("监管暂停 Held", f"{one.target} {holders_text(one.hold)}") for one in held]
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
