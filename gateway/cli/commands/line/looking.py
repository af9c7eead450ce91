"""`csid line list|show|path`: lines as they are, and ways over them."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from typing import Final

from csid.identifier import fold
from gateway.cli import options, output
from gateway.cli.commands.line import told
from gateway.cli.commands.line.folder import latencies_in, lines_in
from gateway.systems.selection.paths.graph import Graph, NoLineError
from gateway.systems.selection.paths.latency import NOTHING, Between, between
from gateway.systems.selection.paths.lines import LINE_STATES, ORDER_STATES, Line
from gateway.systems.selection.paths.places import UnknownPlaceError, area, location_of
from gateway.systems.selection.paths.ways import Found, Wanted, ways

_MARKS: Final = {
    "measured": "实测 measured",
    "stated": "承诺 stated",
    "estimated": "估计 estimated",
}


def run_list(args: argparse.Namespace) -> int:
    """List lines in the order of their names."""
    at = location_of(args.at) if args.at else None
    with lines_in(args) as lines, closing(lines.all(args.after)) as every:
        wanted = (
            line
            for line in every
            if (args.state is None or line.state == args.state)
            and (at is None or _ends_at(line, at))
        )
        found, more = output.take(wanted, args.limit)
    if args.json:
        for line in found:
            output.print_json(told.line_json(line))
    else:
        output.print_list(
            ("专线 Line", "端点 Ends", "可用 Gbit/s", "时延 ms", "状态 State"),
            (
                (
                    line.name,
                    "–".join(line.locations),
                    f"{line.free_gbps:g}/{line.bandwidth_gbps:g}",
                    line.quality.median_ms if line.quality else line.stated_ms,
                    str(LINE_STATES[line.state]),
                )
                for line in found
            ),
        )
    if more:
        output.note_more(found[-1].name)
    return output.EXIT_OK


def _ends_at(line: Line, place: str) -> bool:
    return any(place in (end, area(end)) for end in line.locations)


def run_show(args: argparse.Namespace) -> int:
    """Show a line, what was ordered of it and what became of it; exit 1 if there is none."""
    with lines_in(args) as lines:
        line = lines.find(args.name)
        orders, history = lines.orders(args.name), lines.history(args.name)
    if line is None:
        output.complain(f"there is no line {args.name}; csid line list shows all")
        return output.EXIT_BAD_INPUT
    if args.json:
        found = {
            "line": told.line_json(line),
            "orders": [told.order_json(order) for order in orders],
            "history": [told.change_json(change) for change in history],
        }
        output.print_json(found)
        return output.EXIT_OK
    told.show_line(line)
    if orders:
        output.print_table(
            ("申请号 Order", "申请人 By", "带宽 Gbit/s", "状态 State", "事由 Reason"),
            (
                (one.key, one.by, f"{one.bandwidth_gbps:g}", str(ORDER_STATES[one.state]), one.why)
                for one in orders
            ),
        )
    output.print_table(
        ("时间 Time", "操作人 By", "变更 What", "事由 Reason"),
        ((output.moment(one.at // 1_000), one.by, one.what, one.why) for one in history),
    )
    return output.EXIT_OK


def run_path(args: argparse.Namespace) -> int:
    """The best ways between two places; exit 1 if there is none."""
    wanted = Wanted(
        gbps=args.bandwidth,
        max_ms=args.max_ms,
        max_price=args.max_price,
        max_lines=args.max_lines,
        without=frozenset(map(fold, args.without)),
        per_ms=float(args.by == "latency"),
        per_price=float(args.by == "price"),
        hours=args.hours,
        tasks=args.tasks,
        terabytes=args.terabytes,
        currency=args.currency,
    )
    now = int(time.time() * 1_000)
    try:
        one, other = location_of(args.one), location_of(args.other)
        with lines_in(args) as lines:
            graph = Graph(lines.all(), options.today(), now)
        found = ways(graph, one, other, wanted, args.top)
    except (NoLineError, UnknownPlaceError) as error:
        output.complain(error)
        return output.EXIT_BAD_INPUT
    with latencies_in(args) as latencies:
        public = between(one, other, latencies or NOTHING, now)
    if args.json:
        output.print_json(
            {
                "from": one,
                "to": other,
                "public": told.public_json(public),
                "ways": [told.way_json(way) for way in found.ways],
                "whole": found.whole,
            }
        )
    elif found.ways:
        _print_ways(found, wanted.currency)
    if not args.json:
        output.out.print(_beside(found, public), markup=False)
    if not found.ways:
        output.complain(f"{one} – {other}: {found.why}")
        return output.EXIT_BAD_INPUT
    if not found.whole:
        output.err.print(
            "搜索未完成 the search was given up: there may be better ones", markup=False
        )
    return output.EXIT_OK


def _print_ways(found: Found, currency: str) -> None:
    output.print_table(
        (
            "时延 ms",
            "依据 Mark",
            f"价格 Price, {currency}",
            "可用 Gbit/s",
            "专线 Lines",
            "途经 Places",
        ),
        (
            (
                f"{way.ms:.1f}",
                _MARKS[way.mark],
                "—" if way.price is None else f"{way.price:g}",
                f"{way.gbps:g}",
                " ".join(way.lines),
                " ".join(way.places),
            )
            for way in found.ways
        ),
    )


def _beside(found: Found, public: Between) -> str:
    """The best way beside the public internet."""
    low, high = f"{public.low:.0f}", f"{public.high:.0f}"
    if public.mark == "unknown":
        return "公网时延未知 public internet: unknown, as a place has no coordinates"
    is_measured = public.mark == "measured"
    if not found.ways:
        if is_measured:
            return f"公网实测 {low}–{high} ms public internet: measured {low}–{high} ms"
        return f"公网估计 {low}–{high} ms public internet: estimated {low}–{high} ms"
    ms = f"{found.ways[0].ms:.1f}"
    if is_measured:
        return (
            f"专线 {ms} ms，公网实测 {low}–{high} ms "
            f"line {ms} ms, public internet: measured {low}–{high} ms"
        )
    return (
        f"专线 {ms} ms，公网估计 {low}–{high} ms "
        f"line {ms} ms, public internet: estimated {low}–{high} ms"
    )
