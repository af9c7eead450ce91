"""`csid transfer`: an identifier, or all below a prefix, given to another owner: by an
administrator, or by both owners, of whom one offers it and the other accepts.
"""

from __future__ import annotations

import argparse
import os
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from csid.errors import CsidError
from csid.identifier import Identifier, fold, parse
from csid.moments import iso
from csid.prefix import is_whole_identifier
from gateway.cli import acting, options, output, request
from registry.rules.moves import moved
from registry.rules.offers import SECONDS_DEFAULT, digest_of, is_open
from registry.rules.plan import Transfer
from registry.rules.requests import (
    AcceptTransfer,
    CancelTransfer,
    Move,
    OfferTransfer,
    RejectTransfer,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec
from registry.tables.enums import OFFER_WORDS
from registry.tables.rows import Offer
from registry.tables.search import read_query
from registry.tables.view import View, get_offer

CODE_VARIABLE: Final = "CSID_TRANSFER_CODE"
CODE_OCTETS: Final = 16
DAY: Final = 86_400


class TransferError(CsidError):
    """It is not clear what is to be transferred, or to whom."""


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid transfer`."""
    parser = subparsers.add_parser(
        "transfer",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Give identifiers to another owner 转移. Each gets a new identifier, to which\n"
        "the old one leads; given back, it has its old one again.\n\n"
        "  csid transfer ID|PREFIX --to OWNER   an administrator alone 管理员直接转移;\n"
        "                                       interrupted, it goes on when given again\n"
        "  csid transfer offer ID --to OWNER    its owner offers it 提出\n"
        "  csid transfer accept ID              the other takes it 接受\n"
        "  csid transfer reject ID              or does not 拒绝\n"
        "  csid transfer cancel ID              its owner takes the offer back 撤回\n"
        "  csid transfer list                   offers that are open 待接受",
    )
    parser.add_argument("what", metavar="ID|PREFIX|ACTION", help="identifier or prefix 标识或前缀")
    parser.add_argument("id", metavar="ID", nargs="?", help="identifier, behind an action 标识")
    parser.add_argument(
        "--to", default="", metavar="OWNER", help="owner code of the receiver 受让主体"
    )
    parser.add_argument(
        "--new-code",
        action="store_true",
        help="offer: make and print an authorisation code, without which it is not taken 授权码",
    )
    parser.add_argument(
        "--code", default="", metavar="TEXT", help=f"accept: that code (${CODE_VARIABLE})"
    )
    parser.add_argument(
        "--days",
        type=options.count,
        default=SECONDS_DEFAULT // DAY,
        metavar="N",
        help="offer: how long it holds 有效天数 (%(default)s)",
    )
    request.add_request(parser)
    parser.set_defaults(run=run_transfer)


def run_transfer(args: argparse.Namespace) -> int:
    """What the first word asks for."""
    action = _ACTIONS.get(args.what)
    if action is None and args.id is not None:
        known = ", ".join(_ACTIONS)
        raise TransferError(f"{args.what[:40]!r} is no action; use one of {known}")
    if action is not None and action is not run_list and args.id is None:
        raise TransferError(f"csid transfer {args.what}: say which identifier")
    return (action or run_move)(args)


def run_move(args: argparse.Namespace) -> int:
    """One identifier, or all below a prefix; the first prints the new identifier."""
    if not args.to:
        raise TransferError("say with --to which owner gets it")
    with request.open_registry(args) as registry:
        if is_whole_identifier(args.what):
            old = parse(args.what, suffix=registry.settings.suffix)
            body = Move(old, moved(old, owner=fold(args.to)))
            return request.carry_out(registry, args, body, bare=True)
        work = Transfer(args.what, args.to)
        return request.carry_out_plan(registry, args, work, read_query(args.what))


def run_offer(args: argparse.Namespace) -> int:
    """Offer one; prints the code, if one is asked for and the offer was made."""
    with request.open_registry(args) as registry:
        identifier = _identifier(args, registry)
        code = secrets.token_urlsafe(CODE_OCTETS) if args.new_code else ""
        digest = digest_of(identifier, code) if code else b""
        asked = request.request_of(
            args, OfferTransfer(identifier, args.to, digest, args.days * DAY)
        )
        decision = registry.weigh(asked) if args.dry_run else registry.submit(asked)
    is_made = decision.status is Status.DONE and bool(code) and not args.dry_run
    if args.json:
        more = {"dry_run": True} if args.dry_run else {}
        output.print_json(request.json_of(decision) | more | ({"code": code} if is_made else {}))
        if not decision.status.success:
            request.complain_of(decision)
    else:
        request.show(args, decision)
        if is_made:
            print(code)
    return output.EXIT_OK if decision.status.success else output.EXIT_BAD_INPUT


def run_accept(args: argparse.Namespace) -> int:
    """Take one; prints the new identifier."""
    code = args.code or os.environ.get(CODE_VARIABLE, "")
    with request.open_registry(args) as registry:
        body = AcceptTransfer(_identifier(args, registry), _receiver(args), code)
        return request.carry_out(registry, args, body, bare=True)


def run_cancel(args: argparse.Namespace) -> int:
    """Take an offer back."""
    with request.open_registry(args) as registry:
        return request.carry_out(registry, args, CancelTransfer(_identifier(args, registry)))


def run_reject(args: argparse.Namespace) -> int:
    """Turn an offer down."""
    with request.open_registry(args) as registry:
        body = RejectTransfer(_identifier(args, registry), _receiver(args))
        return request.carry_out(registry, args, body)


def _identifier(args: argparse.Namespace, registry: Registry) -> Identifier:
    return parse(args.id, suffix=registry.settings.suffix)


def _receiver(args: argparse.Namespace) -> str:
    """The owner that answers: the one that is named, or the registrar's own."""
    owner = args.to or acting.actor_of(args).owner
    if not owner:
        raise TransferError("say with --to for which owner; a registrar's is that of --owner")
    return owner


def run_list(args: argparse.Namespace) -> int:
    """List the offers that are open, to one owner if asked for."""
    now = int(time.time())
    with Registry.open(args.data) as registry, registry.view() as seen:
        found = [
            (name, row)
            for name, row in _offered(seen)
            if is_open(row, now) and fold(args.to) in ("", row.to)
        ]
    if args.json:
        for name, row in found:
            output.print_json({"identifier": name} | json_of(row))
        return output.EXIT_OK
    output.print_list(
        ("标识 Identifier", "受让主体 To", "提出人 By", "有效至 Until"),
        (
            (name, row.to or "凭授权码 by code", f"{row.by} ({row.role})", output.moment(row.until))
            for name, row in found
        ),
    )
    return output.EXIT_OK


def _offered(seen: View) -> Iterator[tuple[str, Offer]]:
    head = codec.state_key(codec.OFFERED, "")
    for key, _ in seen.scan(codec.BY_STATE, head):
        name = key[len(head) :].decode("ascii")
        row = get_offer(seen, name)
        if row is not None:
            yield name, row


def json_of(row: Offer) -> dict[str, Any]:
    """An offer for scripts."""
    return {
        "state": OFFER_WORDS[row.state][0],
        "to": row.to or None,
        "by_code": bool(row.digest),
        "until": iso(row.until),
        "offered_by": row.by,
        "offered_role": row.role,
        "offered": iso(row.since),
        "answered_by": row.answered or None,
        "answered_role": row.answered_role or None,
        "changed": iso(row.changed),
    }


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "offer": run_offer,
    "accept": run_accept,
    "reject": run_reject,
    "cancel": run_cancel,
    "list": run_list,
}
