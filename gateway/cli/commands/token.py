"""`csid token`: the tokens by which systems act over HTTPS. Each is shown once, when it is made."""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

from csid.moments import iso, iso_or_none
from csid.vocabulary import ROLES, TOKEN_ROLES
from gateway.cli import options, output, request
from gateway.http.tokens import make
from registry.rules import tokens
from registry.rules.requests import AddToken, RevokeToken
from registry.service import Registry
from registry.tables import codec
from registry.tables.rows import Token

VALID: Final = 365 * 86_400  # seconds, unless said otherwise
LIST_LIMIT: Final = 100
_ROLE_OPTION: Final = "--actor-role"


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid token` with its actions."""
    parser = subparsers.add_parser(
        "token",
        description="The tokens by which systems act over HTTPS 令牌. The registry keeps a digest "
        "of each, never the token.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make a token, and print it once 登记令牌")
    add.add_argument("name", metavar="NAME", help="a-z 0-9 - 名称")
    add.add_argument(
        "--role",
        dest="token_role",
        required=True,
        choices=tuple(ROLES),
        help="in what capacity it acts 角色",
    )
    add.add_argument(
        "--for-owner", default="", metavar="CODE", help="the owner that a registrar acts for 主体"
    )
    add.add_argument(
        "--prefix",
        action="append",
        default=[],
        metavar="PREFIX",
        help="all that it touches lies at or below it, such as OWNER/INDUSTRY; repeatable 前缀",
    )
    add.add_argument(
        "--valid",
        type=options.period,
        default=VALID,
        metavar="TIME",
        help="for how long it holds, such as 30d 有效期 (365d; 0: without end)",
    )
    request.add_request(add, _ROLE_OPTION)
    add.set_defaults(run=run_add)
    revoke = actions.add_parser("revoke", help="let it hold no more, for ever 撤销令牌")
    revoke.add_argument("name", metavar="NAME", help="its name 名称")
    request.add_request(revoke, _ROLE_OPTION)
    revoke.set_defaults(run=run_revoke)
    listing = actions.add_parser("list", help="list tokens 列出令牌")
    options.add_page(listing, LIST_LIMIT, "NAME")
    options.add_data(listing)
    listing.set_defaults(run=run_list)


def run_add(args: argparse.Namespace) -> int:
    """Make a token; what is printed is nowhere else."""
    token, digest = make(args.name)
    until = int(time.time()) + args.valid if args.valid else 0
    body = AddToken(args.name, digest, args.token_role, args.for_owner, tuple(args.prefix), until)
    return request.carry_out_for_a_token(args, body, token)


def run_revoke(args: argparse.Namespace) -> int:
    """Let a token hold no more."""
    with request.open_registry(args) as registry:
        return request.carry_out(registry, args, RevokeToken(args.name))


def run_list(args: argparse.Namespace) -> int:
    """List tokens in the order of their names."""
    start = args.after.encode() + b"\0" if args.after else b""
    with Registry.open(args.data) as registry, registry.view() as seen:
        rows = (
            (key.decode("ascii"), codec.decode_token(value))
            for key, value in seen.scan(codec.TOKENS, b"", start)
        )
        found, more = output.take(rows, args.limit)
    if args.json:
        for name, token in found:
            output.print_json(_as_json(name, token))
    else:
        output.print_list(
            ("令牌 Token", "角色 Role", "主体 Owner", "前缀 Prefixes", "至 Until", "状态 State"),
            ((name, *_cells(token)) for name, token in found),
        )
    if more:
        output.note_more(found[-1][0])
    return output.EXIT_OK


def _cells(token: Token) -> tuple[str, ...]:
    role = f"{TOKEN_ROLES[token.role]} {token.role}"
    until = output.moment(token.until) if token.until else "—"
    return role, token.owner, " ".join(token.prefixes), until, _state(token)


def _state(token: Token) -> str:
    if token.revoked:
        return "已撤销 revoked"
    return "有效 valid" if tokens.holds(token, int(time.time())) else "已过期 expired"


def _as_json(name: str, token: Token) -> dict[str, Any]:
    return {
        "name": name,
        "role": token.role,
        "owner": token.owner,
        "prefixes": list(token.prefixes),
        "until": iso_or_none(token.until),
        "revoked": token.revoked,
        "leaf": token.leaf,
        "since": iso(token.since),
    }
