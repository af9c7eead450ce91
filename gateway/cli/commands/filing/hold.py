"""`csid filing hold`, `release` and `holds`: what a region node suspends in the cuts of others."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from csid.identifier import fold
from csid.moments import iso
from csid.vocabulary import HOLD_STATES
from gateway.cli import options, output, request
from gateway.cli.commands.filing.waiting import answered, without_answer
from registry.rules.decision import Decision
from registry.rules.requests import AskHold, Body, EndHold, LiftHold, SetHold
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec
from registry.tables.enums import HOLD_WORDS, HoldState
from registry.tables.naming import Names
from registry.tables.network import is_national
from registry.tables.rows import AskedHold, Hold, Holder
from registry.tables.transaction import TransactionView
from registry.tables.view import View, get_asked_hold, get_place
from registry.zones import held
from resolver.store.read import ReadTransaction

LIST_LIMIT: Final = 100  # holds, unless asked for more
_TARGET: Final = "CUT, a prefix in it, or an identifier 切分点、前缀或标识"
_HELD: Final = HOLD_WORDS[HoldState.HELD][0]
# How it ends, by what was asked for.
_ENDS: Final[Mapping[HoldState, int]] = {
    HoldState.HELD: output.EXIT_OK,
    HoldState.SENT: output.EXIT_OK,
    HoldState.RELEASED: output.EXIT_OK,
    HoldState.REFUSED: output.EXIT_BAD_INPUT,
}


class Row(NamedTuple):
    """A hold as it is listed: of one who holds it."""

    target: str
    state: str
    holder: Holder
    why: str = ""


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add them."""
    hold = actions.add_parser(
        "hold",
        help="suspend what lies in another node's cut 监管暂停",
        description="Suspend a cut of another node, a prefix in it, or one identifier, as the "
        "region node of its location, or the national node 监管暂停. What is active there becomes "
        "suspended, and nothing new is given or taken in it, until it is released. Exit code: 0 "
        "held, or asked for without --wait; 1 refused; 2 no answer in time.",
    )
    release = actions.add_parser(
        "release",
        help="end a hold 解除监管暂停",
        description="End a hold of this node; at the national node whosever it is 解除监管暂停.",
    )
    for parser in (hold, release):
        parser.add_argument("target", metavar="TARGET", help=_TARGET)
        parser.add_argument(
            "--wait",
            type=options.count,
            default=0,
            metavar="SECONDS",
            help="for the answer of the national node, and print it 等待答复",
        )
        request.add_request(parser)
    hold.set_defaults(run=run_hold)
    release.set_defaults(run=run_release)
    holds = actions.add_parser(
        "holds",
        help="what is held: by whom, since when and why 列出监管暂停",
        description="What is held by whom, since when and why, as the root zone says; at the node "
        "that asked for it also what waits or was refused 列出监管暂停.",
    )
    holds.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="all if left out")
    holds.add_argument("--node", default="", metavar="NAME", help="by this node 节点")
    options.add_page(holds, LIST_LIMIT, "TARGET")
    options.add_data(holds)
    holds.set_defaults(run=run_holds)


def run_hold(args: argparse.Namespace) -> int:
    """Hold something, or ask the national node to."""
    return _ask(args, SetHold(args.target, ""), AskHold(args.target))


def run_release(args: argparse.Namespace) -> int:
    """Release it, or ask the national node to."""
    return _ask(args, LiftHold(args.target, ""), EndHold(args.target))


def _ask(args: argparse.Namespace, national: Body, elsewhere: Body) -> int:
    with request.open_registry(args) as registry:
        with registry.view() as seen:
            is_here = is_national(seen)
        asked = request.request_of(args, national if is_here else elsewhere)
        decision = registry.weigh(asked) if args.dry_run else registry.submit(asked)
        if is_here or args.dry_run or not decision.status.success:
            if decision.detail and decision.status is Status.UNCHANGED:
                output.err.print(decision.detail, markup=False)
            request.show(args, decision)
            return output.EXIT_OK if decision.status.success else output.EXIT_BAD_INPUT
        row = answered(
            registry,
            lambda seen: get_asked_hold(seen, decision.subject),
            lambda row: row.state in _ENDS,
            args.wait,
        )
    if row is None:  # another key was given before: nothing is known of it
        request.show(args, decision)
        return output.EXIT_OK
    if args.json:
        output.print_json(_asked_json(decision.subject, row))
    else:
        out = output.err if row.state is HoldState.REFUSED else output.out
        out.print(_text_of(decision.subject, row), markup=False)
    if row.state in _ENDS or not args.wait:
        return output.EXIT_BAD_INPUT if _is_refused(row, elsewhere) else output.EXIT_OK
    return without_answer(args.wait, "csid filing holds")


def _is_refused(row: AskedHold, body: Body) -> bool:
    """Whether what was asked for is not done, and will not be."""
    return row.state is HoldState.REFUSED or (
        isinstance(body, EndHold) and row.state in (HoldState.SENT, HoldState.HELD)
    )


def run_holds(args: argparse.Namespace) -> int:
    """List what is held, and what was asked for."""
    with Registry.open(args.data) as registry, registry.store.read() as read:
        seen, named = TransactionView(read), Names(registry.settings.suffix)
        is_asked = next(seen.scan(codec.ASKED_HOLDS, b""), None) is not None
        if not held.is_told(read, named) and not is_asked:
            detail = (
                "holds are listed at the national node, and at nodes that follow its root zone, "
                "which is not here (yet): csid sync status"
            )
            request.complain_of(Decision(Status.NOT_NATIONAL, "", detail))
            return output.EXIT_BAD_INPUT
        rows = _rows(read, seen, named, fold(args.prefix), fold(args.after))
        by = args.node.lower()
        of_node = (row for row in rows if by in ("", row.holder.node))
        found, more = output.take(of_node, args.limit)
    if args.json:
        for row in found:
            output.print_json(_as_json(row))
    else:
        output.print_list(
            ("对象 Target", "状态 State", "节点 By", "时间 Since", "事由 Reason", "答复 Answer"),
            (
                (
                    one.target,
                    f"{HOLD_STATES[one.state]} {one.state}",
                    one.holder.node or "national",
                    output.moment(one.holder.since),
                    one.holder.reason,
                    one.why,
                )
                for one in found
            ),
        )
    if more:
        output.note_more(found[-1].target)
    return output.EXIT_OK


def _rows(
    read: ReadTransaction, seen: View, named: Names, prefix: str, after: str
) -> Iterator[Row]:
    """What is held, then what this node has asked for that the copy does not show as it is."""
    place = get_place(seen)
    own = place.name if place is not None else ""
    for one in held.all_of(read, named, prefix, after):
        asked = get_asked_hold(seen, one.target)
        for holder in one.hold.by:
            is_ours = asked is not None and bool(own) and holder.node == own
            state = asked.state if asked is not None and is_ours else HoldState.HELD
            word = HOLD_WORDS[state][0] if state is HoldState.RELEASING else _HELD
            yield Row(one.target, word, holder, asked.why if asked is not None and is_ours else "")
    start = after.encode("ascii", "replace") + b"\0" if after else b""
    for key, value in seen.scan(codec.ASKED_HOLDS, prefix.encode("ascii", "replace"), start):
        target, asked = key.decode("ascii"), codec.decode_asked_hold(value)
        shown: Hold | None = held.at(read, named, target)
        if shown is None or all(holder.node != own for holder in shown.by):
            holder = Holder(own, asked.since, asked.reason)
            yield Row(target, HOLD_WORDS[asked.state][0], holder, asked.why)


def _text_of(target: str, row: AskedHold) -> str:
    """A hold that was asked for, in one line."""
    word, zh = HOLD_WORDS[row.state]
    return "  ".join(filter(None, (target, f"{zh} {word}", row.why)))


def _asked_json(target: str, row: AskedHold) -> dict[str, Any]:
    word = HOLD_WORDS[row.state][0]
    return {"target": target, "state": word, "reason": row.reason} | {
        "answer": row.why,
        "since": iso(row.since),
        "changed": iso(row.changed),
    }


def _as_json(row: Row) -> dict[str, Any]:
    return {
        "target": row.target,
        "state": row.state,
        "node": row.holder.node or None,
        "since": iso(row.holder.since),
        "reason": row.holder.reason,
        "answer": row.why,
    }
