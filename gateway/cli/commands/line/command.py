"""`csid line`: its actions and their options."""

from __future__ import annotations

import argparse
import getpass
from typing import Final

from csid.vocabulary import Words
from gateway.cli import options
from gateway.cli.commands.line import changing, looking
from gateway.cli.commands.system.folder import add_folder
from gateway.systems.selection.paths.lines import LINE_STATES, NEXT, ORDER_STATES, TARIFFS
from gateway.systems.selection.paths.ways import WAYS_MAX

LIST_LIMIT: Final = 100
TOP: Final = 3
_ANSWERS: Final = sorted({state for following in NEXT.values() for state in following})
_PLACE: Final = "a location code, or an identifier 位置代码或标识"


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid line` with its actions."""
    parser = subparsers.add_parser(
        "line",
        description="Dedicated lines and ways over them 专线与算网路径. They are kept in the "
        "folder of a selection system.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _register_changes(actions)
    _register_orders(actions)
    _register_looks(actions)


def _register_changes(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    add = actions.add_parser("add", help="take in a line 登记专线")
    add.add_argument("name", metavar="NAME", help="a-z 0-9 - 名称")
    add.add_argument("one", metavar="FROM", help=_PLACE)
    add.add_argument("other", metavar="TO", help="the other end 另一端")
    _add_facts(add, required=True)
    _add_change(add)
    add.set_defaults(run=changing.run_add)
    change = actions.add_parser("change", help="change a line, or its state 变更专线")
    change.add_argument("name", metavar="NAME", help="its name 名称")
    _add_facts(change, required=False)
    change.add_argument("--why", default="", metavar="TEXT", help="why 事由")
    _add_change(change)
    change.set_defaults(run=changing.run_change)
    close = actions.add_parser(
        "close",
        help="close a line for ever, or end one order 关闭专线",
        description="Close a line for ever; what was ordered of it ends 关闭专线. With --order "
        "that order ends alone, and its bandwidth is free again.",
    )
    close.add_argument("name", metavar="NAME", help="its name 名称")
    close.add_argument("--order", metavar="KEY", help="only this order 仅终止该申请")
    _add_orderer(close)
    close.add_argument("--why", default="", metavar="TEXT", help="why 事由")
    _add_change(close)
    close.set_defaults(run=changing.run_close)


def _add_facts(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument(
        "--provider", required=required, metavar="CODE", help="owner code 专线服务商"
    )
    parser.add_argument(
        "--bandwidth", type=float, required=required, metavar="GBPS", help="Gbit/s 带宽"
    )
    parser.add_argument("--free", type=float, metavar="GBPS", help="what of it is free 可用带宽")
    parser.add_argument(
        "--state", choices=tuple(LINE_STATES), help=f"{_words(LINE_STATES)} 状态 (planned)"
    )
    parser.add_argument(
        "--tariff", choices=tuple(TARIFFS), help=f"{_words(TARIFFS)} 计费方式 (elastic)"
    )
    parser.add_argument(
        "--price",
        type=float,
        metavar="PRICE",
        help="for a Gbit/s and hour, a task, or a terabyte 单价",
    )
    parser.add_argument("--currency", metavar="CODE", help="币种 (CNY)")
    parser.add_argument(
        "--stated-ms", type=float, metavar="MS", help="round trip, as its provider states 承诺时延"
    )
    parser.add_argument(
        "--measured-ms", type=float, metavar="MS", help="the same, median of what was measured 实测"
    )
    parser.add_argument("--p90-ms", type=float, metavar="MS", help="the same, p90 (the median)")
    parser.add_argument("--loss", type=float, default=0.0, metavar="SHARE", help="丢包率 (0)")
    parser.add_argument("--from", dest="first", metavar="DAY", help="first day 生效日期")
    parser.add_argument("--until", dest="last", metavar="DAY", help="last day 失效日期")
    parser.add_argument("--note", metavar="TEXT", help="what it is made of, for people 说明")


def _register_orders(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    order = actions.add_parser(
        "open",
        help="order that a line be opened 申请开通",
        description="Order bandwidth of a line 申请开通专线. Given again with the same --key it is "
        "the same order, and how it stands is told.",
    )
    order.add_argument("name", metavar="NAME", help="its name 名称")
    order.add_argument("--bandwidth", type=float, required=True, metavar="GBPS", help="带宽")
    order.add_argument("--key", metavar="KEY", help="what the order is called 申请号 (one is made)")
    _add_change(order)
    order.set_defaults(run=changing.run_open)
    answer = actions.add_parser(
        "answer",
        help="what becomes of an order 答复申请",
        description="Say what becomes of an order 答复开通申请: accepted, then open, or refused; "
        "at last, ended.",
    )
    answer.add_argument("key", metavar="KEY", help="of the order 申请号")
    answer.add_argument("state", choices=_ANSWERS, help=_words(ORDER_STATES))
    _add_orderer(answer)
    answer.add_argument("--why", default="", metavar="TEXT", help="why 事由")
    _add_change(answer)
    answer.set_defaults(run=changing.run_answer)


def _register_looks(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    listing = actions.add_parser("list", help="list lines 列出专线")
    listing.add_argument("--at", metavar="PLACE", help="that end here, or in this city 端点")
    listing.add_argument("--state", choices=tuple(LINE_STATES), help=f"{_words(LINE_STATES)} 状态")
    options.add_page(listing, LIST_LIMIT, "NAME")
    add_folder(listing)
    listing.set_defaults(run=looking.run_list)
    show = actions.add_parser("show", help="a line, its orders and its history 查看专线")
    show.add_argument("name", metavar="NAME", help="its name 名称")
    options.add_json(show)
    add_folder(show)
    show.set_defaults(run=looking.run_show)
    path = actions.add_parser(
        "path",
        help="the best ways between two places 查询算网路径",
        description="The best ways over lines between two places, beside the public internet "
        "算网路径. Exit code: 0 there is one, 1 there is none, and why.",
    )
    path.add_argument("one", metavar="FROM", help=_PLACE)
    path.add_argument("other", metavar="TO", help="where to 目的地")
    path.add_argument("--bandwidth", type=float, default=0.0, metavar="GBPS", help="at least 带宽")
    path.add_argument("--max-ms", type=float, metavar="MS", help="round trip at most 时延上限")
    path.add_argument("--max-price", type=float, metavar="PRICE", help="at most 价格上限")
    path.add_argument("--max-lines", type=options.count, metavar="N", help="at most 专线数上限")
    path.add_argument(
        "--without", action="append", default=[], metavar="CODE", help="not of this provider 排除"
    )
    path.add_argument(
        "--by",
        choices=("latency", "price"),
        default="latency",
        help="what is to be least 优先 (latency 时延; price 价格)",
    )
    path.add_argument(
        "--hours", type=float, default=1.0, metavar="N", help="for how long, for prices 时长 (1)"
    )
    path.add_argument("--tasks", type=options.count, default=1, metavar="N", help="任务数 (1)")
    path.add_argument(
        "--terabytes", type=float, default=1.0, metavar="N", help="how much is carried 数据量 (1)"
    )
    path.add_argument("--currency", default="CNY", metavar="CODE", help="币种 (CNY)")
    path.add_argument(
        "--top",
        type=options.count,
        default=TOP,
        metavar="N",
        help=f"so many ways 条数 ({TOP}; at most {WAYS_MAX})",
    )
    options.add_json(path)
    add_folder(path)
    path.set_defaults(run=looking.run_path)


def _add_change(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as", dest="actor", default=getpass.getuser(), metavar="NAME", help="操作人 (the user)"
    )
    options.add_json(parser)
    add_folder(parser)


def _add_orderer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--of",
        default="",
        metavar="NAME",
        help="who has ordered, where several have ordered under this key 申请人",
    )


def _words(of: object) -> str:
    table: dict[str, Words] = dict(of)  # type: ignore[call-overload]
    return ", ".join(f"{word} {words.zh}" for word, words in table.items())
