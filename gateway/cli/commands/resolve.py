"""`csid resolve`: ask a server for the records of identifiers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from csid.client.answer import Answer, Result
from csid.errors import CsidError
from gateway import client
from gateway.cli import basic, plain
from gateway.cli.answers import (
    EXIT_ABSENT,
    EXIT_ERROR,
    EXIT_NOT_ACTIVE,
    EXIT_RESOLVED,
    MANY,
    exit_code,
    json_of,
    print_table,
)
from gateway.cli.escape import one_line
from resolver.client.settings import SERVERS_VARIABLE

if TYPE_CHECKING:
    from registry.zones.held import Seen

_LINE_MAX: Final = 65_536  # octets without an end of line; more is no list of identifiers
_READ_OCTETS: Final = 65_536

_GRAVITY: Final = (EXIT_RESOLVED, EXIT_NOT_ACTIVE, EXIT_ABSENT, EXIT_ERROR)  # of many the worst


class InputError(CsidError):
    """Standard input is no list of identifiers."""


def register(subparsers: basic.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid resolve`."""
    parser = subparsers.add_parser(
        "resolve",
        description="Ask a server for the record of an identifier, or of many on standard input, "
        "one a line 解析标识. Exit code: 0 resolved, 1 no such identifier or no record, 2 could "
        "not be asked, 3 not active (with --require-active); of many the worst: 2, 1, 3, 0.",
    )
    parser.add_argument(
        "id",
        metavar="ID",
        help="identifier, DNS name or Handle; - for those on standard input 标识",
    )
    parser.add_argument(
        "--server",
        action="append",
        metavar="HOST:PORT",
        help="whom to ask 解析服务器; several may be given, the fastest is asked first "
        f"(${SERVERS_VARIABLE}, or as the configuration has it; 127.0.0.1:5300)",
    )
    parser.add_argument(
        "--require-active",
        action="store_true",
        help="exit code 3 if the resource is not in state active 要求在用",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="for an answer, all attempts and servers together 超时 (5)",
    )
    parser.add_argument(
        "--root",
        action="append",
        metavar="HOST:PORT",
        help="ask the root and go where it refers to 从根逐级解析 (several may be given)",
    )
    parser.add_argument(
        "--trace",
        action="store_true",
        help="go from the root, that of --root or of [gateway] in the configuration, and show each "
        "step 显示每一步",
    )
    parser.add_argument(
        "--referred-port",
        type=int,
        metavar="PORT",
        help="with --root: port of the servers it refers to 下级服务器端口 (that of the root; of "
        "nodes the one in the node register)",
    )
    parser.add_argument("--tcp", action="store_true", help="ask over TCP at once 使用 TCP")
    basic.add_json(parser)
    parser.add_argument(
        "--suffix", metavar="NAME", help="DNS suffix of the deployment 域名后缀 (csid.internal.)"
    )
    basic.add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print; the exit code says what came of it."""
    if arguments.root or arguments.trace or arguments.referred_port is not None:
        from gateway.cli import walking  # and with it dnspython and rich

        return walking.run(arguments)
    with client.Client(
        arguments.server,
        suffix=arguments.suffix,
        timeout=arguments.timeout,
        config=arguments.config,
    ) as asking:
        if arguments.id == MANY:
            return _run_many(arguments, asking)
        (result,) = asking.resolve_many((arguments.id,), over_tcp=arguments.tcp)
    suffix = asking.settings.suffix
    held = [] if result.answer is None else held_by(result.answer, arguments, suffix)
    if arguments.json:
        _print_json(result, suffix, held)
    answer = result.require()
    if not arguments.json:
        print_table(answer, suffix, str(answer.authority.server), held)
    return exit_code(answer, arguments.require_active)


def held_by(answer: Answer, arguments: argparse.Namespace, suffix: str | None) -> list[Seen]:
    """Who holds an identifier that is suspended (`gateway.cli.supervising`)."""
    if answer.record is None or answer.record.state != "suspended":
        return []
    from gateway.cli import supervising  # and with it dnspython

    return supervising.held_by(answer, suffix, arguments.tcp)


def _run_many(arguments: argparse.Namespace, asking: client.Client) -> int:
    """Resolve what standard input has, as it comes; each has a line of its own, in order."""
    worst = EXIT_RESOLVED
    suffix = asking.settings.suffix
    show = _print_json if arguments.json else _many_line
    for texts in _batches(sys.stdin.fileno()):
        for result in asking.resolve_each(texts, over_tcp=arguments.tcp):
            answer = result.answer
            code = EXIT_ERROR
            if answer is not None:
                code = exit_code(answer, arguments.require_active)
            worst = max(worst, code, key=_GRAVITY.index)
            show(result, suffix)
        sys.stdout.flush()
    return worst


def _batches(file: int) -> Iterator[list[str]]:
    """The lines that have come, as soon as they have; empty ones and comments (#) are left out."""
    rest = b""
    while octets := os.read(file, _READ_OCTETS):
        *lines, rest = (rest + octets).split(b"\n")
        if len(rest) > _LINE_MAX:
            raise InputError(
                f"standard input has a line of over {_LINE_MAX:,} octets; expected one identifier "
                "a line"
            )
        yield _texts(lines)
    yield _texts([rest])


def _texts(lines: list[bytes]) -> list[str]:
    texts = [line.decode("utf-8", "replace").strip(" \t\r\ufeff") for line in lines]
    return [text for text in texts if text and not text.startswith("#")]


def _print_json(result: Result, suffix: str | None, held: Sequence[Seen] = ()) -> None:
    if result.answer is not None:
        plain.print_json(json_of(result.answer, suffix, held))
    else:
        plain.print_json({"identifier": str(result.given), "error": str(result.error)})


def _many_line(result: Result, suffix: str | None) -> None:
    """Identifier, what came of it, endpoints or why not; with tabs between, for cut and awk."""
    answer = result.answer
    if answer is None:
        columns = (str(result.given), "error", str(result.error))
    elif answer.record is None:
        columns = (str(answer.identifier), "absent" if not answer.exists else "no-record", "")
    else:
        uris = " ".join(endpoint.uri for endpoint in answer.endpoints)
        columns = (str(answer.identifier), answer.record.state, uris)
    sys.stdout.write("\t".join(map(one_line, columns)) + "\n")
