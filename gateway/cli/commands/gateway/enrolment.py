"""`csid gateway enrol`, `list` and `remove`: the gateways that may report to a node.

The key of a gateway is a token of the role `gateway` (docs/decisions/0023), so that it is in the
log, verified and carried over as every token is.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, Final

from csid.errors import CsidError
from csid.moments import iso, iso_or_none
from gateway.cli import options, output, request
from gateway.http.tokens import make, named
from registry.reported import FOLDER, LastSeen, last_seen
from registry.rules import tokens
from registry.rules.requests import AddToken, RevokeToken, Role
from registry.service import Registry
from registry.tables import codec
from registry.tables.rows import Token

LIST_LIMIT: Final = 100
_KEY_OCTETS: Final = 1_000  # of a file with a key


class KeyFileError(CsidError):
    """A file that has no key of the gateway."""


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add the actions of `csid gateway` that a node has."""
    enrol = actions.add_parser(
        "enrol",
        help="let a gateway report, and print its key once 登记网关",
        description="Let a gateway report statuses and events of what lies below some prefixes, "
        "and print its key, once 登记算力标识网关.",
    )
    enrol.add_argument("name", metavar="NAME", help="a-z 0-9 - 名称")
    enrol.add_argument(
        "--prefix",
        action="append",
        required=True,
        metavar="PREFIX",
        help="what it reports of lies at or below it, such as OWNER/INDUSTRY; repeatable 前缀",
    )
    enrol.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="file with a key that was made before, as it is printed here; without it a new one is "
        "made 密钥文件",
    )
    enrol.add_argument(
        "--valid",
        type=options.period,
        default=0,
        metavar="TIME",
        help="for how long it holds, such as 365d 有效期 (0: without end)",
    )
    request.add_request(enrol)
    enrol.set_defaults(run=run_enrol)
    listing = actions.add_parser("list", help="list gateways, and when each was seen 列出网关")
    options.add_page(listing, LIST_LIMIT, "NAME")
    options.add_data(listing)
    listing.set_defaults(run=run_list)
    remove = actions.add_parser("remove", help="take no more reports of one, for ever 注销网关")
    remove.add_argument("name", metavar="NAME", help="its name 名称")
    request.add_request(remove)
    remove.set_defaults(run=run_remove)


def run_enrol(args: argparse.Namespace) -> int:
    """Enrol a gateway; a key that is printed is nowhere else."""
    key, digest = make(args.name) if args.key_file is None else ("", _digest(args))
    until = int(time.time()) + args.valid if args.valid else 0
    body = AddToken(args.name, digest, Role.GATEWAY.value, "", tuple(args.prefix), until)
    return request.carry_out_for_a_token(args, body, key)


def run_remove(args: argparse.Namespace) -> int:
    """Take no more reports of a gateway."""
    with request.open_registry(args) as registry:
        with registry.view() as seen:
            row = seen.get(codec.TOKENS, args.name.encode())
        if row is not None and codec.decode_token(row).role != Role.GATEWAY.value:
            raise KeyFileError(f"{args.name} is a token, and no gateway; csid token revoke")
        return request.carry_out(registry, args, RevokeToken(args.name))


def run_list(args: argparse.Namespace) -> int:
    """List gateways in the order of their names."""
    start = args.after.encode() + b"\0" if args.after else b""
    with Registry.open(args.data) as registry, registry.view() as seen:
        rows = (
            (key.decode("ascii"), token)
            for key, value in seen.scan(codec.TOKENS, b"", start)
            if (token := codec.decode_token(value)).role == Role.GATEWAY.value
        )
        found, more = output.take(rows, args.limit)
    times = list(last_seen(args.data / FOLDER, [name for name, _ in found]))
    if args.json:
        for (name, token), at in zip(found, times, strict=True):
            output.print_json(_as_json(name, token, at))
    else:
        output.print_list(
            ("网关 Gateway", "前缀 Prefixes", "至 Until", "状态 State", "最近上报 Last seen"),
            ((name, *_cells(token, at)) for (name, token), at in zip(found, times, strict=True)),
        )
    if more:
        output.note_more(found[-1][0])
    return output.EXIT_OK


def _digest(args: argparse.Namespace) -> bytes:
    """The digest of the key in a file.

    Raises:
        KeyFileError: it has none, or that of another gateway.
    """
    path = args.key_file
    try:
        with path.open("rb") as file:
            text = file.read(_KEY_OCTETS).decode("ascii").strip()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    found = named(text)
    if found is None or found[0] != args.name:
        raise KeyFileError(f"{path}: expected one line csid_{args.name}_SECRET, as enrol prints it")
    return found[1]


def _cells(token: Token, at: LastSeen | None) -> tuple[str, ...]:
    until = output.moment(token.until) if token.until else "—"
    seen = "—" if at is None else output.moment(at.at // 1_000)
    return " ".join(token.prefixes), until, _state(token), seen


def _state(token: Token) -> str:
    if token.revoked:
        return "已注销 removed"
    return "有效 valid" if tokens.holds(token, int(time.time())) else "已过期 expired"


def _as_json(name: str, token: Token, at: LastSeen | None) -> dict[str, Any]:
    return {
        "name": name,
        "prefixes": list(token.prefixes),
        "until": iso_or_none(token.until),
        "revoked": token.revoked,
        "last_seen": None if at is None else iso(at.at / 1_000),
        "statuses": 0 if at is None else at.statuses,
        "events": 0 if at is None else at.events,
        "leaf": token.leaf,
        "since": iso(token.since),
    }
