"""`csid status`: what a node is doing, and what is not well with it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from csid.moments import iso_or_none
from gateway.cli import options, output
from gateway.metrics.samples import TCP, by_transport
from gateway.status.gather import Status, status

WATCH_SECONDS: Final = 1.0
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))
_PROCESS_HEADS: Final = (
    "进程 Process",
    "进程号 PID",
    "状态 State",
    "运行 Up",
    "启动 Starts",
    "计数 Counted",
    "丢弃 Dropped",
)


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid status`."""
    parser = subparsers.add_parser(
        "status",
        help="what the node is doing, and what is not well 节点状态",
        description="What the node is doing 节点状态: processes, what was answered, zones, sync, "
        "filing, data, the log, and whether the registry agrees with what resolves (at 64 names; "
        "csid audit verify compares all). Exit code 1 if something is not well; where no server "
        "runs, that is what is not well, and the data is told of nevertheless.",
    )
    options.add_data(parser)
    parser.add_argument(
        "--watch", action="store_true", help="again every second, until Ctrl-C 持续显示"
    )
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print it; exit code 1 if something is not well."""
    if not args.watch:
        return _show(args)
    code = output.EXIT_OK
    with suppress(KeyboardInterrupt):
        while True:
            code = _show(args)
            sys.stdout.flush()  # whoever reads it through a pipe sees it now
            time.sleep(WATCH_SECONDS)
    return code


def _show(args: argparse.Namespace) -> int:
    found = status(args.data)
    if args.json:
        output.print_json(_json_of(found))
    else:
        if args.watch and output.out.is_terminal:
            output.out.clear()
        _print(found)
    return output.EXIT_BAD_INPUT if found["problems"] else output.EXIT_OK


def _json_of(found: Status) -> dict[str, Any]:
    """The same with times as ISO 8601 has them."""
    server, log, filing = found["server"], found["log"], found["filing"]
    others = {name: value for name, value in found.items() if name != "name"}
    return others | {
        "time": iso_or_none(found["time"]),
        "node": found["name"] or None,
        "server": server and _server_json(server),
        "log": log | {one: iso_or_none(log[one]) for one in ("covered_at", "uncovered_since")},
        "filing": filing and filing | {"oldest": iso_or_none(filing["oldest"])},
    }


def _server_json(server: dict[str, Any]) -> dict[str, Any]:
    listen = [{"address": address, "tls": tls} for address, tls in server["listen"]]
    return server | {"started": iso_or_none(server["started"]), "listen": listen}


def _print(found: Status) -> None:
    output.print_facts(list(_facts(found)))
    if found["server"] is not None:
        output.out.print()
        output.print_list(_PROCESS_HEADS, map(_process, found["server"]["processes"]))
        output.out.print()
        output.print_list(
            ("传输 Transport", "应答 Answers", "截断 Truncated", "应答码 By code"),
            (
                (name, f"{codes.total():,}", f"{truncated:,}", _codes(codes))
                for name, codes, truncated, _ in by_transport(found)
            ),
        )
    output.out.print()
    output.print_list(
        ("区 Zone", "序列号 Serial", "状态 State"),
        ((one["origin"], one["serial"], one["state"]) for one in found["zones"]["first"]),
    )
    if found["problems"]:
        output.out.print()
    for one in found["problems"]:
        output.out.print(f"! {one['zh']} {one['en']}", style="red", markup=False)


def _process(one: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        one["name"],
        one["pid"],
        "就绪 ready" if one["ready"] else "未就绪 not ready",
        _period(one["up"]),
        one["starts"],
        f"{one['counted'][0]} {one['counters'].get('queries', 0):,}",
        one["dropped"],
    )


def _facts(found: Status) -> Iterator[tuple[str, str]]:
    yield "数据目录 data", f"{found['data']} (schema {found['schema']})"
    yield "后缀 suffix", found["suffix"]
    if found["role"] is not None:
        yield "节点 node", f"{found['name']} {found['role']}".strip()
    yield from _server_facts(found["server"])
    yield "区 zones", f"{found['zones']['count']:,}, 名称 names {found['store']['nodes']:,}"
    if found["sync"]["states"]:
        states = sorted(found["sync"]["states"].items())
        said = ", ".join(f"{word} {count:,}" for word, count in states)
        yield "同步 sync", said + _more(found["sync"])
    yield from _filing_facts(found["filing"])
    yield from _data_facts(found)


def _server_facts(server: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if server is None:
        yield "服务 server", "未运行 not running"
        return
    up = f"运行 up {_period(server['up'])}, 自 since {_moment(server['started'])}"
    yield "服务 server", f"csid {server['software']}, 进程 process {server['pid']}, {up}"
    listen = (f"{address} tls" if tls else address for address, tls in server["listen"])
    yield "监听 listen", ", ".join(listen)
    for one in server["processes"]:
        if one["kind"] == TCP:
            words = ("open", "accepted", "refused", "shed", "expired")
            yield "TCP", ", ".join(f"{word} {one['counters'].get(word, 0):,}" for word in words)


def _filing_facts(filing: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if filing is not None:
        oldest = f", 最早 since {_moment(filing['oldest'])}" if filing["oldest"] else ""
        yield (
            "备案 filing",
            f"待备案切分点 cuts {filing['cuts']:,}, 待回执 wait {filing['identifiers']:,}{oldest}, "
            f"未通过 refused {filing['refused']:,}{_more(filing)}",
        )


def _data_facts(found: Status) -> Iterator[tuple[str, str]]:
    store, log, registry = found["store"], found["log"], found["registry"]
    share = store["octets"] / store["map_octets"]
    yield (
        "数据 store",
        f"{store['octets'] / 2**20:,.1f} MiB, 映射 map {share:.1%}, "
        f"磁盘余 disk free {store['free_octets'] / 2**30:,.1f} GiB",
    )
    yield (
        "读者 readers",
        f"{store['readers']}, 失效 stale {store['stale_readers']}, "
        f"落后 behind {store['oldest_reader_behind']:,}",
    )
    covered = f", 截至 until {_moment(log['covered_at'])}" if log["covered"] else ""
    since = log["uncovered_since"]
    age = f", 未签 unsigned for {_period(found['time'] - since)}" if since is not None else ""
    yield "审计 log", f"{log['leaves']:,}, 检查点 checkpoint {log['covered']:,}{covered}{age}"
    agree = registry["compared"] - len(registry["faults"])
    yield "登记与解析 registry", f"{agree} / {registry['compared']} 一致 agree"


def _more(counted: Mapping[str, Any]) -> str:
    return " (+)" if counted["is_more"] else ""


def _codes(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in codes.items() if count)


def _moment(seconds: float | None) -> str | None:
    return output.moment(int(seconds)) if seconds else None


def _period(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"
