"""`csid aggregate`: which sources there are, how they are, and what is held back of them."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, Final

from csid.identifier import make
from gateway.cli import options, output
from gateway.cli.commands.aggregate import judging, picture, running, shown
from gateway.cli.commands.aggregate.book import book_of
from gateway.cli.commands.system.folder import add_folder, looked_at
from gateway.systems.aggregation.adapters.by_kind import ADAPTERS
from gateway.systems.aggregation.fetching import Fetcher
from gateway.systems.aggregation.known import INTERVAL_SECONDS, Settings
from gateway.systems.aggregation.pace import Limits
from gateway.systems.aggregation.system import SYSTEM
from gateway.systems.aggregation.tables import Book

LEAST_INTERVAL: Final = 5  # seconds between two polls
MOST_INTERVAL: Final = 1_800  # so that a status holds until the next one
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_OPTION: Final = re.compile(r"([a-z][a-z0-9_]{0,31})=(.*)", re.DOTALL)
_TYPE: Final = re.compile(r"[A-Z]{3}")


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid aggregate` with its actions."""
    parser = subparsers.add_parser(
        "aggregate",
        description="Read compute where it is managed, register it in pools of alike units, and "
        "tell what of it is free 算力资源汇聚. What looks wrong is held back until somebody has "
        "looked at it.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _add_add(actions)
    for name, help_, run in (
        ("list", "list sources, and how they are 列出来源", run_list),
        ("show", "show a source: its pools, and what is held back 查看来源", run_show),
        ("test", "poll a source once, and write nothing 试采来源", running.run_test),
        ("pause", "poll a source no more 暂停采集", run_pause),
        ("resume", "poll it again, and ask again for what was refused 恢复采集", run_resume),
        ("remove", "forget a source; its identifiers stay 移除来源", run_remove),
        (
            "accept",
            "apply what is held back, if the source still says it 接受变更",
            judging.run_accept,
        ),
        ("refuse", "leave what is held back as it is 拒绝变更", judging.run_refuse),
    ):
        one = actions.add_parser(name, help=help_)
        if name != "list":
            one.add_argument("name", metavar="NAME", help="of the source 来源名称")
        if name in ("accept", "refuse"):
            judging.add_shown(one)
        if name == "resume":
            one.add_argument(
                "--adopt",
                action="store_true",
                help="identifiers that exist already, and say that they are of this source, are "
                "taken for its own 认领已登记的标识",
            )
        if name in ("list", "show", "test"):
            options.add_json(one)
        add_folder(one)
        one.set_defaults(run=run)
    running.register(actions)
    picture.register(actions)


def _add_add(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    add = actions.add_parser("add", help="add a source 添加来源")
    add.add_argument("name", type=_name, metavar="NAME", help="a-z 0-9 - 名称")
    add.add_argument(
        "--kind", required=True, choices=sorted(ADAPTERS), help="what manages it 来源类型"
    )
    add.add_argument(
        "--url", required=True, metavar="URL", help="of its interface; of a table, its file 地址"
    )
    add.add_argument(
        "--owner", required=True, metavar="CODE", help="whose the resources are 所属主体"
    )
    add.add_argument("--location", required=True, metavar="CODE", help="where they are 位置")
    add.add_argument("--industry", default="0000", metavar="CODE", help="行业 (0000)")
    add.add_argument(
        "--type",
        type=_type,
        metavar="TYPE",
        help="of the identifiers, three letters such as ACP 类型 (AC and P, or B with --each; "
        "G where there are no accelerators)",
    )
    add.add_argument(
        "--interval",
        type=_interval,
        default=INTERVAL_SECONDS,
        metavar="TIME",
        help=f"between two polls 采集间隔 ({INTERVAL_SECONDS}s)",
    )
    add.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with a token, or with header fields, one a line; read at each poll 令牌文件",
    )
    add.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="authorities of its certificate (PEM) 证书的签发机构",
    )
    add.add_argument(
        "--set",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of its kind (docs/sources.md), repeatable 来源选项",
    )
    add.add_argument(
        "--each", action="store_true", help="an identifier for each unit, not for pools 逐台赋码"
    )
    add.add_argument(
        "--elastic",
        action="store_true",
        help="its units come and go: half of them gone is not held back 弹性伸缩",
    )
    add_folder(add)
    add.set_defaults(run=run_add)


def run_add(args: argparse.Namespace) -> int:
    """Add a source; nothing is asked of it yet."""
    is_path = "://" not in args.url
    made = Settings(
        name=args.name,
        kind=args.kind,
        url=str(Path(args.url).absolute()) if is_path else args.url,
        owner=args.owner,
        industry=args.industry,
        location=args.location,
        options=dict(args.set),
        type=args.type or "",
        each=args.each,
        elastic=args.elastic,
        interval=args.interval,
        token_file=str(args.token_file.absolute()) if args.token_file else "",
        authorities=str(args.ca.absolute()) if args.ca else "",
    )
    # An identifier as its own will be: whatever is wrong with owner, place or type is told now.
    kind = made.type or "ACP"
    make(made.owner, made.industry, made.location, kind, "G00M0000", "0", options.today())
    fetcher = Fetcher(made, Limits())
    if made.token_file:
        fetcher.require_sealed()
    with book_of(args) as book:
        book.add(made)
    output.out.print(f"{made.name}  已添加 added; csid aggregate test {made.name}", markup=False)
    return output.EXIT_OK


def run_list(args: argparse.Namespace) -> int:
    """List sources."""
    with looked_at(args, SYSTEM) as place:
        book = Book(place.tables)
        rows = [shown.source(book, one) for one in book.sources()]
    if args.json:
        for row in rows:
            output.print_json(row)
        return output.EXIT_OK
    output.print_list(
        (
            "来源 Source",
            "类型 Kind",
            "状态 State",
            "单元 Units",
            "资源池 Pools",
            "已登记 Registered",
            "最近采集 Last poll",
        ),
        ([*shown.cells(row), row["polled"] or "—"] for row in rows),
    )
    return output.EXIT_OK


def run_show(args: argparse.Namespace) -> int:
    """Show a source."""
    with looked_at(args, SYSTEM) as place:
        book = Book(place.tables)
        source = book.source(args.name)
        row: dict[str, Any] = shown.source(book, source)
        row |= shown.details(book, source)
    if args.json:
        output.print_json(row)
    else:
        shown.print_source(row)
    return output.EXIT_OK


def run_pause(args: argparse.Namespace) -> int:
    """Poll a source no more."""
    with book_of(args) as book:
        book.pause(args.name, True)
    output.out.print(f"{args.name}  已暂停 paused", markup=False)
    return output.EXIT_OK


def run_resume(args: argparse.Namespace) -> int:
    """Poll a source again."""
    with book_of(args) as book:
        book.pause(args.name, False, args.adopt)
    output.out.print(f"{args.name}  已恢复 resumed", markup=False)
    return output.EXIT_OK


def run_remove(args: argparse.Namespace) -> int:
    """Forget a source."""
    with book_of(args) as book:
        identifiers = len(book.known(args.name).pools)
        book.remove(args.name)
    said = f"已移除，保留标识 {identifiers} 个 removed; {identifiers} identifiers stay as they are"
    output.out.print(f"{args.name}  {said}", markup=False)
    return output.EXIT_OK


def _name(text: str) -> str:
    if _NAME.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(f"{text[:40]!r}: expected 1 to 32 of a-z 0-9 -")


def _type(text: str) -> str:
    if _TYPE.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(f"{text[:40]!r}: expected three letters such as ACP")


def _option(text: str) -> tuple[str, str]:
    match = _OPTION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: expected NAME=VALUE")
    return match[1], match[2]


def _interval(text: str) -> int:
    seconds = options.period(text)
    if LEAST_INTERVAL <= seconds <= MOST_INTERVAL:
        return seconds
    raise argparse.ArgumentTypeError(
        f"{text[:40]!r}: expected {LEAST_INTERVAL}s to {MOST_INTERVAL // 60}m"
    )
