"""`csid latency`: its actions and their options."""

from __future__ import annotations

import argparse
import getpass
from typing import Final

from gateway.cli import options
from gateway.cli.commands.latency import changing, looking
from gateway.cli.commands.system.folder import add_folder
from gateway.cli.remote import add_key
from gateway.systems.selection.measuring import COUNT, COUNT_MAX

LIST_LIMIT: Final = 100
_PLACE: Final = "a location code, or an identifier 位置代码或标识"


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid latency` with its actions."""
    parser = subparsers.add_parser(
        "latency",
        description="Round trips between places over the public internet 公网时延: what was "
        "measured, and a range where nothing was. Kept in the folder of a selection system.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _register_show(actions)
    probe = actions.add_parser(
        "probe",
        help="measure, by connections to a server 拨测",
        description="Measure round trips to a server by opening TCP connections 时延拨测, and keep "
        "what comes of it. [selection] probe has it done all the time.",
    )
    _add_pair(probe, "where this machine is 本机位置", "where the server is 服务器位置")
    probe.add_argument("server", metavar="HOST:PORT", help="what answers there 服务器地址")
    probe.add_argument(
        "--count",
        type=_connections,
        default=COUNT,
        metavar="N",
        help=f"connections 次数 ({COUNT}; at most {COUNT_MAX})",
    )
    probe.add_argument("--dry-run", action="store_true", help="keep nothing 仅测量不保存")
    _add_change(probe)
    probe.set_defaults(run=changing.run_probe)
    add = actions.add_parser("add", help="take in what was measured 登记实测时延")
    _add_pair(add, _PLACE, "the other place 另一端")
    add.add_argument(
        "--median-ms", type=float, required=True, metavar="MS", help="round trip, median 中位数"
    )
    add.add_argument("--p90-ms", type=float, metavar="MS", help="the same, p90 (the median)")
    add.add_argument("--loss", type=float, default=0.0, metavar="SHARE", help="丢包率 (0)")
    add.add_argument("--taken", metavar="TIME", help="when, as 2026-11-27T08:00:00Z 测量时间 (now)")
    _add_change(add)
    add.set_defaults(run=changing.run_add)
    remove = actions.add_parser(
        "remove",
        help="forget what was measured 删除实测时延",
        description="Forget what was measured between two places, or, with --by alone, all that "
        "one has measured 删除实测时延.",
    )
    remove.add_argument("one", metavar="FROM", nargs="?", help=_PLACE)
    remove.add_argument("other", metavar="TO", nargs="?", help="the other place 另一端")
    remove.add_argument("--by", metavar="NAME", help="only what NAME measured 测量方")
    options.add_json(remove)
    add_folder(remove)
    remove.set_defaults(run=changing.run_remove)


def _register_show(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    show = actions.add_parser(
        "show",
        help="between two places, and what that rests on 查看两地时延",
        description="The round trip between two places 两地时延, and what that rests on: what was "
        "measured, else the distance; unknown where a place has no coordinates.",
    )
    _add_pair(show, _PLACE, "where to 目的地")
    options.add_json(show)
    add_folder(show)
    show.set_defaults(run=looking.run_show)
    listing = actions.add_parser("list", help="list what was measured 列出实测时延")
    listing.add_argument("--at", metavar="PLACE", help="from or to here, or in this city 位置")
    options.add_page(listing, LIST_LIMIT, "FROM/TO/BY")
    add_folder(listing)
    listing.set_defaults(run=looking.run_list)


def _connections(text: str) -> int:
    number = options.count(text)
    if not 1 <= number <= COUNT_MAX:
        raise argparse.ArgumentTypeError(f"{number} connections: expected 1 to {COUNT_MAX}")
    return number


def _add_pair(parser: argparse.ArgumentParser, one: str, other: str) -> None:
    parser.add_argument("one", metavar="FROM", help=one)
    parser.add_argument("other", metavar="TO", help=other)


def _add_change(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as", dest="actor", default=getpass.getuser(), metavar="NAME", help="测量方 (the user)"
    )
    parser.add_argument(
        "--url",
        metavar="URL",
        help="tell it a process of systems instead, as whose its key is 上报到系统接口",
    )
    add_key(parser)
    options.add_json(parser)
    add_folder(parser)
