"""`csid aggregate picture` and `history`: what compute there is, and how it was used."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from gateway.cli import options, output
from gateway.cli.commands.system.folder import add_folder, looked_at
from gateway.cli.escape import one_line
from gateway.systems.aggregation import calls
from gateway.systems.aggregation.asked import AskedError, When, Where, dimensions
from gateway.systems.aggregation.history import BY, STEPS
from gateway.systems.aggregation.picture import DIMENSIONS
from gateway.systems.aggregation.region import Aggregating
from gateway.systems.aggregation.shapes import Amount, Counted, Span
from gateway.systems.aggregation.system import SYSTEM

_HEADS = {
    "region": "区域 Region",
    "province": "省 Province",
    "prefecture": "地市 Prefecture",
    "place": "位置 Place",
    "type": "类型 Type",
    "chip": "芯片 Chip",
    "owner": "主体 Owner",
    "industry": "行业 Industry",
    "state": "标识状态 State",
    "status": "状态 Status",
    "source": "来源 Source",
}


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid aggregate picture` and `csid aggregate history`."""
    picture = actions.add_parser(
        "picture",
        help="what compute there is, and what of it can be had 全域算力资源感知",
        description="What compute there is, of own sources and of regions that report here, and "
        "what of it can be had 全域算力资源感知. What is not known any more is not counted free.",
    )
    picture.add_argument(
        "--by",
        default="chip",
        metavar="NAME,NAME",
        help=f"at most two of {', '.join(DIMENSIONS)} 分组",
    )
    _add_where(picture)
    picture.set_defaults(run=run_picture)
    history = actions.add_parser(
        "history",
        help="how compute was used 算力使用历史",
        description="How compute was used 算力使用历史: by minute for 48 hours, by hour for 90 "
        "days, by day for 5 years. Amounts are averages over the minutes that were taken.",
    )
    history.add_argument(
        "--from", dest="begin", default="", metavar="TIME", help="ISO 8601 起始时间"
    )
    history.add_argument(
        "--to", default="", metavar="TIME", help="ISO 8601, such as 2026-11-26T08:00Z 截止时间"
    )
    history.add_argument(
        "--step", choices=list(STEPS), default="hour", help="of one row 步长 (hour)"
    )
    history.add_argument("--by", default="", metavar="NAME,NAME", help=f"of {', '.join(BY)} 分组")
    _add_where(history)
    history.set_defaults(run=run_history)


def _add_where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        type=_condition,
        metavar="NAME=VALUE",
        help="only what is so, repeatable 筛选",
    )
    add_folder(parser)
    options.add_json(parser)


def run_picture(args: argparse.Namespace) -> int:
    """Show what there is."""
    with _state_of(args) as state:
        by = dimensions(args.by)
        where: Where = _converted({"by": args.by}, args.where, Where, DIMENSIONS)
        found = calls.picture_of(state, by, where.chosen)
    if args.json:
        for one in (*found.items, found.total):
            output.print_json(msgspec.to_builtins(one))
        return output.EXIT_OK
    heads = (
        "资源 Resources",
        "未知 Unknown",
        "单元 Units",
        "卡 Chips",
        "空闲 Free",
        "在用 Used",
        "不可用 Out",
        "未知 Unknown",
        "核 vCPU",
        "内存 GiB",
        "算力 PFLOPS",
        "最旧 Oldest",
    )
    rows = [(*_named(one.by, by), *_cells(one)) for one in found.items]
    total = ("合计 total", *("",) * (len(by) - 1)) if by else ()
    rows.append((*total, *_cells(found.total)))
    output.print_list((*(_HEADS[name] for name in by), *heads), rows)
    return output.EXIT_OK


def run_history(args: argparse.Namespace) -> int:
    """Show how it was used."""
    said = {"from": args.begin, "to": args.to, "step": args.step, "by": args.by}
    with _state_of(args) as state:
        by = dimensions(args.by, BY, len(BY))
        found = calls.history_of(state, _converted(said, args.where, When, BY))
    if args.json:
        for one in found.items:
            output.print_json(msgspec.to_builtins(one))
        return output.EXIT_OK
    heads = (
        "分钟 Minutes",
        "资源 Resources",
        "卡 Chips",
        "空闲 Free",
        "在用 Used",
        "使用率 Utilisation",
        "卡分钟 Chip-minutes",
        "核 vCPU",
    )
    names = tuple(_HEADS[name] for name in by)
    rows = [(one.at, *_named(one.by, by), *_past(one)) for one in found.items]
    output.print_list(("起始 From", *names, *heads), rows)
    return output.EXIT_OK


@contextmanager
def _state_of(args: argparse.Namespace) -> Iterator[Aggregating]:
    """The tables of the system, whether it runs or not."""
    with looked_at(args, SYSTEM) as place:
        yield Aggregating(place)


def _named(of: dict[str, str], by: Iterable[str]) -> list[str]:
    return [one_line(of[name]) or "—" for name in by]


def _cells(one: Counted) -> list[object]:
    chips = one.amounts.get("chips")
    letters = (f"{letter} {parts.total:.4g}" for letter, parts in one.pflops.items())
    units = one.amounts.get("units")
    return [
        one.resources,
        one.unknown,
        _figure(units, lambda parts: parts.total),
        _figure(chips, lambda parts: parts.total),
        _figure(chips, lambda parts: parts.free),
        _figure(chips, lambda parts: parts.used),
        _figure(chips, lambda parts: parts.failed + parts.maintenance + parts.gone),
        _figure(chips, lambda parts: parts.unknown),
        _share(one.amounts.get("vcpu")),
        _share(one.amounts.get("memory_gib")),
        "  ".join(letters),
        "—" if one.oldest_age is None else f"{one.oldest_age:.0f} s",
    ]


def _past(one: Span) -> list[object]:
    chips = one.chips
    share = "—" if chips.utilisation is None else f"{chips.utilisation:.1%}"
    return [
        one.minutes,
        f"{one.resources:g}",
        f"{chips.total:g}",
        f"{chips.free:g}",
        f"{chips.used:g}",
        share,
        f"{chips.minutes['used']:g}",
        f"{one.vcpu.free:g}/{one.vcpu.total:g}",
    ]


def _figure(parts: Amount | None, of: Callable[[Amount], float]) -> str:
    return "" if parts is None else f"{of(parts):g}"


def _share(parts: Amount | None) -> str:
    return "" if parts is None else f"{parts.free:g}/{parts.total:g}"


def _condition(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if sign and name in DIMENSIONS and value:
        return name, value
    raise argparse.ArgumentTypeError(
        f"{text[:40]!r}: expected NAME=VALUE, of {', '.join(DIMENSIONS)}"
    )


def _converted(
    said: dict[str, str],
    where: Sequence[tuple[str, str]],
    wanted: type[Any],
    known: Sequence[str],
) -> Any:
    """What was given as the calls take it.

    Raises:
        AskedError: something else was given.
    """
    for name, _ in where:
        if name not in known:
            raise AskedError(f"--where {name}: there are {', '.join(known)}")
    return msgspec.convert(said | dict(where), wanted)
