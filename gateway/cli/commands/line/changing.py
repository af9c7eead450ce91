"""`csid line add|change|open|answer|close`: what is known of lines, and what is ordered of them."""

from __future__ import annotations

import argparse
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from csid.identifier import fold
from gateway.cli import output
from gateway.cli.commands.line.folder import lines_in
from gateway.cli.commands.line.told import line_json, order_json, price_of, show_line, show_order
from gateway.systems.selection.paths.lines import Line, LineError, Order, made
from gateway.systems.selection.paths.lines_store import Lines

CURRENCY: Final = "CNY"  # unless a line has another one
_RATE: Final = {"elastic": "per_gbps_hour", "task": "per_task", "express": "per_tb"}


def run_add(args: argparse.Namespace) -> int:
    """Take in a line; exit 1 where it is none."""
    with _changing(args, new=True) as lines:
        facts = _facts(args)
        facts.setdefault("free_gbps", facts["bandwidth_gbps"])
        line = made(name=args.name, ends=[args.one, args.other], **facts)
        new = lines.add(line, args.actor, _now())
        _tell_line(args, line)
        if not new:
            output.err.print("已有此专线 it was there already", markup=False)
        return output.EXIT_OK
    return output.EXIT_BAD_INPUT


def run_change(args: argparse.Namespace) -> int:
    """Change a line."""
    with _changing(args) as lines:
        facts = _facts(args, lines.find(args.name))
        _tell_line(args, lines.change(args.name, args.actor, _now(), args.why, **facts))
        return output.EXIT_OK
    return output.EXIT_BAD_INPUT


def run_open(args: argparse.Namespace) -> int:
    """Order that a line be opened."""
    now = _now()
    key = args.key or secrets.token_hex(8)
    with _changing(args) as lines:
        order = Order(key, args.name, args.actor, args.bandwidth, now, now)
        _tell_order(args, lines.order(order, now))
        return output.EXIT_OK
    return output.EXIT_BAD_INPUT


def run_answer(args: argparse.Namespace) -> int:
    """Say what becomes of an order."""
    with _changing(args) as lines:
        order = lines.answer(args.key, args.state, args.actor, _now(), args.why, args.of)
        _tell_order(args, order)
        return output.EXIT_OK
    return output.EXIT_BAD_INPUT


def run_close(args: argparse.Namespace) -> int:
    """Close a line, or end an order of it."""
    with _changing(args) as lines:
        if args.order is None:
            _tell_line(args, lines.close_line(args.name, args.actor, _now(), args.why))
            return output.EXIT_OK
        if args.order not in [order.key for order in lines.orders(args.name)]:
            raise LineError(
                f"line {args.name} has no order {args.order}; csid line show {args.name} lists them"
            )
        lines.answer(args.order, "ended", args.actor, _now(), args.why, args.of, args.name)
        found = lines.find(args.name)
        if found:
            _tell_line(args, found)
        return output.EXIT_OK
    return output.EXIT_BAD_INPUT


@contextmanager
def _changing(args: argparse.Namespace, new: bool = False) -> Iterator[Lines]:
    """The lines, to change; what is refused is told of."""
    try:
        with lines_in(args, new) as lines:
            yield lines
    except LineError as error:
        output.complain(error)


def _facts(args: argparse.Namespace, line: Line | None = None) -> dict[str, Any]:
    """What was given, as a line has it; a price without more is one as ``line`` has.

    Raises:
        LineError: what belongs together was not given together.
    """
    facts: dict[str, Any] = {
        "provider": args.provider and fold(args.provider),
        "bandwidth_gbps": args.bandwidth,
        "free_gbps": args.free,
        "state": args.state,
        "stated_ms": args.stated_ms,
        "valid_from": args.first,
        "valid_until": args.last,
        "note": args.note,
    }
    if args.price is not None:
        before = line.tariff if line is not None else None
        kind = args.tariff or (price_of(before)[0] if before else "elastic")
        currency = args.currency or (before.currency if before else CURRENCY)
        facts["tariff"] = {"kind": kind, _RATE[kind]: args.price, "currency": currency}
    elif args.tariff is not None:
        raise LineError(f"--tariff {args.tariff} without a price; give --price, too")
    elif args.currency is not None:
        raise LineError(f"--currency {args.currency} without a price; give --price, too")
    if args.measured_ms is not None:
        p90 = args.measured_ms if args.p90_ms is None else args.p90_ms
        facts["quality"] = {
            "median_ms": args.measured_ms,
            "p90_ms": p90,
            "taken": _now(),
            "by": args.actor,
            "loss": args.loss,
        }
    elif args.p90_ms is not None or args.loss:
        raise LineError(
            "--p90-ms and --loss say more of what was measured; give --measured-ms, too"
        )
    return {name: value for name, value in facts.items() if value is not None}


def _tell_line(args: argparse.Namespace, line: Line) -> None:
    if args.json:
        output.print_json(line_json(line))
    else:
        show_line(line)


def _tell_order(args: argparse.Namespace, order: Order) -> None:
    if args.json:
        output.print_json(order_json(order))
    else:
        show_order(order)


def _now() -> int:
    return int(time.time() * 1_000)
