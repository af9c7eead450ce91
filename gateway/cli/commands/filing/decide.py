"""`csid filing approve, reject, withdraw, move, mode`: the national node decides on cuts."""

from __future__ import annotations

import argparse
from typing import Final

from csid.identifier import fold
from gateway.cli import options, output, request
from registry.rules.cuts import MODES
from registry.rules.decision import Decision
from registry.rules.requests import (
    REFERENCE_MAX,
    ApproveCut,
    Body,
    KeepCut,
    MoveCut,
    RejectCut,
    SetFiling,
    WithdrawCut,
)
from registry.rules.status import Status
from registry.tables.network import is_national
from registry.tables.view import get_cut, get_past_cut

_CUT: Final = "OWNER[/INDUSTRY[/LOCATION]] 切分点"
_STEPS: Final = {
    "approve": (ApproveCut, "file a cut that waits, or was rejected 批准"),
    "reject": (RejectCut, "refuse a cut that waits; --reason is what the node is told 驳回"),
}


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add them."""
    for word, (body, purpose) in _STEPS.items():
        step = actions.add_parser(word, help=purpose, description=purpose)
        step.add_argument("cut", metavar="CUT", help=_CUT)
        step.set_defaults(run=run_step, body=body)
        request.add_request(step)
    withdraw = actions.add_parser("withdraw", help="take a cut back 撤销")
    withdraw.add_argument("cut", metavar="CUT", help=_CUT)
    withdraw.set_defaults(run=run_withdraw)
    move = actions.add_parser(
        "move",
        help="let a cut move to another node 变更节点",
        description="Let a cut move to another node, with all that is registered in it 变更节点. "
        "The two nodes do their part by themselves; csid filing show says how far they are. Until "
        "the new node has it whole, the cut is the old one's, and --cancel takes the move back.",
    )
    move.add_argument("cut", metavar="CUT", help=_CUT)
    way = move.add_mutually_exclusive_group(required=True)
    way.add_argument("--to", default="", metavar="NODE", help="the node 节点")
    way.add_argument("--cancel", action="store_true", help="take the move back 取消变更")
    move.set_defaults(run=run_move)
    mode = actions.add_parser("mode", help="file cuts at once, or once approved 备案方式")
    mode.add_argument("mode", choices=tuple(MODES), help="automatic 自动, manual 人工")
    mode.set_defaults(run=run_mode)
    for parser in (withdraw, move, mode):
        request.add_request(parser)


def run_step(args: argparse.Namespace) -> int:
    """Approve or reject."""
    body: Body = args.body(args.cut)
    return _ask(args, body)


def run_withdraw(args: argparse.Namespace) -> int:
    """Take a cut back, whosever it is."""
    cut = fold(args.cut).rstrip("/")
    with request.open_registry(args) as registry:
        with registry.view() as seen:
            is_key = cut.isascii() and 0 < len(cut) < 200
            row = (get_cut(seen, cut) or get_past_cut(seen, cut)) if is_key else None
            national = is_national(seen)
        if row is None and national:
            detail = f"no cut is filed or awaits approval at {cut[:REFERENCE_MAX]}"
            request.show(args, Decision(Status.NOT_FOUND, cut[:REFERENCE_MAX], detail))
            return output.EXIT_BAD_INPUT
        node = row.node if row is not None else ""
        return request.carry_out(registry, args, WithdrawCut(args.cut, node))


def run_move(args: argparse.Namespace) -> int:
    """Let a cut move to another node, or stay where it is."""
    return _ask(args, KeepCut(args.cut) if args.cancel else MoveCut(args.cut, args.to))


def run_mode(args: argparse.Namespace) -> int:
    """Say how cuts are filed."""
    return _ask(args, SetFiling(args.mode))


def _ask(args: argparse.Namespace, body: Body) -> int:
    with request.open_registry(args) as registry:
        return request.carry_out(registry, args, body)
