"""`csid select`: the compute that a demand needs, as a process that runs selection knows it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import httpx

from csid.fields import PRECISIONS
from gateway.cli import options, output
from gateway.cli.remote import RemoteError, add_remote, remote, said
from gateway.language import shown
from gateway.systems.event_stream import Events

NOTHING_FITS: Final = 1
_TOP: Final = 10
_PRECISIONS: Final = tuple(column.partition("_")[0] for column in PRECISIONS.values())


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid select`."""
    parser = subparsers.add_parser(
        "select",
        description="Find the compute that a demand needs, the best first 选择算力: of a process "
        "that runs the system of selection (csid system run selection). Exit code: 0 something "
        "fits, 1 nothing does, and why is said, 2 nobody can say.",
    )
    for name, words in _TEXTS.items():
        parser.add_argument(f"--{name}", metavar=words[0], help=words[1])
    for name, words in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=float, metavar=words[0], help=words[1])
    parser.add_argument(
        "--precision", choices=_PRECISIONS, help="of the performance that --pflops asks for 精度"
    )
    parser.add_argument(
        "--measured",
        action="store_true",
        help="performance as measured, not nominal 实测",
    )
    parser.add_argument(
        "--free", action="store_true", help="to be had now, as a status says that holds 当前空闲"
    )
    parser.add_argument(
        "--weight",
        action="append",
        default=[],
        metavar="PART=N",
        help="of a part of the score: fit, price, latency, green, trust, stability, freshness; "
        "repeatable, what is not named has 0 评分权重",
    )
    parser.add_argument(
        "--demand", metavar="FILE", type=options.path, help="the demand as JSON instead 需求文件"
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="say why each stands where it does 说明",
    )
    parser.add_argument(
        "--reserve",
        type=options.count,
        metavar="SECONDS",
        help="reserve what is asked for of the best, so that others are not sent there 短时预留",
    )
    parser.add_argument(
        "--follow", action="store_true", help="go on, and say it again when it changes 持续跟踪"
    )
    add_remote(parser)
    options.add_json(parser)
    parser.set_defaults(run=run)


# Option → metavar and help; those of one name in the demand are in _MEMBERS.
_TEXTS: Final = {
    "type": ("TYPE", "class, tier and form, or as much of it as matters, such as A or A?P 类型"),
    "chip": ("NAMES", "models, families or vendors, in Chinese or English, with commas 芯片"),
    "price-max": ("PRICE", "at most, such as 12/卡时 or 3.5/card-hour 最高价格"),
    "near": ("PLACE", "where the data are: a location code 数据所在地"),
    "where": (
        "EXPRESSION",
        "further conditions, such as 'bandwidth_gbps >= 200' 其他条件",
    ),
    "valid-until": ("DATE", "it is to be valid on that day 有效期至"),
}
_NUMBERS: Final = {
    "cards": ("N", "chips in all 卡数"),
    "per-node": ("N", "chips on one node 单节点卡数"),
    "nodes": ("N", "nodes with as many each 节点数"),
    "vcpu": ("N", "virtual processors on each node 核数"),
    "memory": ("GIB", "of one chip 单卡显存"),
    "node-memory": ("GIB", "main memory on each node 内存"),
    "pflops": ("N", "performance of all cards together, in PFLOPS 算力"),
    "rtt": ("MS", "round trip to --near, at most 最大往返时延"),
    "gbps": ("N", "bandwidth to --near over dedicated lines, in Gbit/s, at least 专线带宽"),
    "green": ("SHARE", "of green power, 0 to 1, at least 绿电占比"),
    "trust": ("N", "level of protection, 1 to 5, at least 可信等级"),
    "age": ("SECONDS", "of the status, at most 状态最大时长"),
    "pools": ("N", "over how many pools it may be spread 最多资源池数"),
    "top": ("N", "how many are wanted (10) 数量"),
}
_MEMBERS: Final = {
    "price-max": "price",
    "memory": "chip_memory",
    "node-memory": "memory",
}


def demand_of(args: argparse.Namespace) -> dict[str, Any]:
    """The demand that options say, as JSON has it.

    Raises:
        RemoteError: a file is none, or a weight; options are given beside a file.
    """
    if args.demand is not None:
        if beside := _asked_by_options(args):
            raise RemoteError(f"--demand: the file says all of it; leave out {', '.join(beside)}")
        try:
            found: dict[str, Any] = json.loads(args.demand.read_text("utf-8"))
        except ValueError as error:
            raise RemoteError(f"{args.demand}: no JSON: {error}") from None
        return found
    demand: dict[str, Any] = {}
    for name in (*_TEXTS, *_NUMBERS):
        value = getattr(args, name.replace("-", "_"))
        if value is not None:
            whole = isinstance(value, float) and value.is_integer()
            member = _MEMBERS.get(name, name.replace("-", "_"))
            demand[member] = int(value) if whole else value
    if "chip" in demand:
        names = demand.pop("chip").replace("，", ",").split(",")
        demand["chips"] = [one.strip() for one in names if one.strip()]
    for name in ("precision", "measured", "free"):
        if getattr(args, name):
            demand[name] = getattr(args, name)
    if args.weight:
        demand["weights"] = dict(map(_weight, args.weight))
    return demand


def _asked_by_options(args: argparse.Namespace) -> list[str]:
    """The options that are given of those that say what is asked for."""
    names = (*_TEXTS, *_NUMBERS, "precision", "measured", "free", "weight")
    said = ((name, getattr(args, name.replace("-", "_"))) for name in names)
    return [f"--{name}" for name, one in said if one is not None and one is not False and one != []]


def _weight(text: str) -> tuple[str, int]:
    part, _, number = text.partition("=")
    if not number.isdecimal():
        raise RemoteError(f"--weight {text}: expected PART=N, such as price=40")
    return part, int(number)


def run(args: argparse.Namespace) -> int:
    """Ask, and show what fits."""
    demand = demand_of(args)
    with remote(args) as client:
        query = {"explain": "true"} if args.explain else {}
        if args.reserve:
            query["reserve"] = str(args.reserve)
        if args.follow:
            for found in _following(client, demand, query):
                _show(args, found)
                sys.stdout.flush()  # whoever reads it waits for it
            return output.EXIT_OK
        found = said(client.post("/v1/select", params=query, json=demand))
    _show(args, found)
    fits = found["results"] and found.get("allocation") != []
    return output.EXIT_OK if fits else NOTHING_FITS


def _following(
    client: httpx.Client, demand: dict[str, Any], query: dict[str, str]
) -> Iterator[dict[str, Any]]:
    headers = {"Accept": "text/event-stream"}
    asked = client.stream("POST", "/v1/select", params=query, json=demand, headers=headers)
    with asked as answer:
        if not answer.is_success:
            answer.read()
            said(answer)
        events = Events()
        for octets in answer.iter_raw():
            for event in events.feed(octets):
                if event.name == "selection":
                    yield json.loads(event.data)


def _show(args: argparse.Namespace, found: dict[str, Any]) -> None:
    if args.json:
        output.print_json(found)
        return
    rows = [_row(one, found["most"], args.explain) for one in found["results"]]
    if rows:
        heads = [*_HEADS, *(["Parts 得分构成"] if args.explain else [])]
        output.print_list(heads, rows)
        _show_allocation(found)
    else:
        output.out.print("没有符合条件的算力 nothing fits")
    if "why" in found:
        _show_why(found["why"])
    if found.get("reservation"):
        held = found["reservation"]
        output.out.print(
            f"已预留 reserved until {held['until']}: {held['reservation']}", markup=False
        )
    if not found["complete"]:
        output.err.print("供给尚未全部获知 not all of the supply is known yet", markup=False)
    output.err.print(
        f"{found['supply']:,} resources were looked at 已检索资源, {found['at']}", markup=False
    )


def _show_allocation(found: dict[str, Any]) -> None:
    """What is to be taken of which pools, unless that is all of the first."""
    pieces = found.get("allocation")
    if pieces is None or [one["identifier"] for one in pieces] == [
        found["results"][0]["identifier"]
    ]:
        return
    if not pieces:
        output.out.print("没有可行的分配方案 no allocation holds")
        return
    output.print_list(
        ("分配方案 Allocation", "块数 Blocks", "每块 Of each"),
        [(one["identifier"], str(one["blocks"]), f"{one['size']} {one['of']}") for one in pieces],
    )


def _show_why(why: dict[str, Any]) -> None:
    """What each condition keeps away."""
    if why["never"]:
        output.out.print("即使全部空闲也不符合 nothing would fit even if all of it were free")
    output.print_list(
        (
            "条件 Condition",
            "滤除 Removes",
            "单独滤除 Alone",
            "仅差此项 But for it",
            "最接近 Nearest",
        ),
        (
            (
                one["name"],
                str(one["of_left"]),
                str(one["alone"]),
                str(one["nothing_else"]),
                _near(one["near"]),
            )
            for one in why["conditions"]
        ),
    )


def _near(near: dict[str, Any] | None) -> str:
    if near is None:
        return ""
    asked = near["asked"]
    if isinstance(asked, dict):  # a condition of several values
        asked = asked.get("value", asked)
    if isinstance(asked, list):
        asked = ", ".join(map(str, asked))
    return f"{near['identifier']}: {near['field']} {near['has']} ({asked})"


_HEADS: Final = (
    "标识 Identifier",
    "得分 Score",
    "芯片 Chip",
    "空闲 Free",
    "价格 Price",
    "往返 RTT, ms",
    "绿电 Green",
    "可信 Trust",
    "状态时长 Age, s",
)


def _row(one: dict[str, Any], most: int, explain: bool) -> list[str]:
    record, status = one["record"], one.get("status", {})
    row = [
        one["identifier"],
        f"{100 * one['points'] / most:.1f} %" if most else "",  # all are as good
        f"{record.get('chip', '')} × {record['count']}" if "count" in record else "",
        _free(status),
        _price(record),
        _way(one["way"]) if "way" in one else _rtt(one.get("rtt")),
        f"{record['green_share']:.0%}" if "green_share" in record else "",
        str(record.get("trust", "")),
        f"{status['age']:.0f}" if status else "",
    ]
    if explain:
        row.append(" ".join(f"{name} {part:.2f}" for name, part in one["parts"].items()))
    return row


def _price(record: dict[str, Any]) -> str:
    if "price" not in record:
        return ""
    return f"{record['price']} {record['currency']}/{record['price_unit']}"


def _free(status: dict[str, Any]) -> str:
    if not status:
        return shown("unknown 未知")
    free = status.get("free", {})
    shape = [f"{n} × {kind[6:]}" for kind, n in free.items() if kind.startswith("nodes_")]
    total = next((f"{free[kind]} {kind}" for kind in ("chips", "vcpu") if kind in free), "")
    return f"{total} ({', '.join(shape)})" if shape else total


def _way(way: dict[str, Any]) -> str:
    return f"{way['ms']:.1f} ({' '.join(way.get('lines', ('…',)))})"


def _rtt(rtt: dict[str, Any] | None) -> str:
    if rtt is None:
        return ""
    if "middle" not in rtt:
        return shown("unknown 未知")
    mark = shown("measured 实测" if rtt["mark"] == "measured" else "estimated 估算")
    return f"{rtt['low']:.1f}–{rtt['high']:.1f} ({mark})"
