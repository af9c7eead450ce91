"""`csid sync status`: what became of zones between this node and others."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from typing import Any, Final

from csid import names
from csid.moments import iso_or_none
from gateway.cli import options, output
from gateway.status.followed import apexes, state_of
from resolver.store.apexes import NOT_READY, split_zone_entry
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync import states
from resolver.sync.settings import follow_of, targets_of, where
from resolver.sync.timers import soa_of

LIMIT: Final = 50
WATCH_SECONDS: Final = 1.0
_MOMENTS: Final = ("refreshed", "expires", "next", "transferred", "at", "since")
_WORDS: Final = {
    "current": "最新 current",
    "behind": "落后 behind",
    "ahead": "超前 ahead",
    "overdue": "逾期 overdue",
    "expired": "过期 expired",
    "waiting": "未就绪 not here yet",
    "failing": "失败 failing",
    "own": "本节点 own",
}


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add the group `sync` with its command."""
    group = subparsers.add_parser("sync", description="Zones between servers 区同步.")
    commands = group.add_subparsers(required=True, metavar="COMMAND")
    status = commands.add_parser(
        "status",
        help="serials, lag, last transfer, errors 同步状态",
        description="What became of the zones that follow other servers, and of those that others "
        "are notified of 同步状态: serial here and there, when it was last confirmed, the last "
        "transfer and how, the last error, the next look. Exit code 1 if one is expired, not here, "
        "or could not be confirmed lately.",
    )
    status.add_argument("origin", nargs="?", metavar="ORIGIN", help="one zone 区名 (all)")
    options.add_data(status)
    status.add_argument(
        "--watch", action="store_true", help="again every second, until Ctrl-C 持续显示"
    )
    options.add_page(status, LIMIT, "ORIGIN")
    status.set_defaults(run=run_status)


def run_status(args: argparse.Namespace) -> int:
    """Print a line for each zone; exit code 1 if one of them is not well."""
    with Store.open(args.data) as store:
        if not args.watch:
            return _show(store, args)
        code = output.EXIT_OK
        with suppress(KeyboardInterrupt):
            while True:
                if output.out.is_terminal and not args.json:
                    output.out.clear()
                code = _show(store, args)
                sys.stdout.flush()  # whoever reads it through a pipe sees it now
                time.sleep(WATCH_SECONDS)
        return code


def _show(store: Store, args: argparse.Namespace) -> int:
    now = int(time.time())
    with store.read() as read:
        if args.origin is not None:
            apex = names.key_of(names.from_text(args.origin.lower()))
            rows, is_more = [_row(read, apex, now)], False
        else:
            start = b""
            if args.after:
                start = names.key_of(names.from_text(args.after.lower())) + b"\0"
            found = (_row(read, apex, now) for apex in apexes(read, start))
            rows, is_more = output.take(found, args.limit)
    if args.json:
        for row in rows:
            output.print_json(_json_of(row))
    else:
        _print(rows, is_one=args.origin is not None)
    if is_more:
        output.note_more(rows[-1]["origin"])
    is_well = all(row["state"] in ("current", "own") and not row["error"] for row in rows)
    return output.EXIT_OK if is_well else output.EXIT_BAD_INPUT


def _row(read: ReadTransaction, apex: bytes, now: int) -> dict[str, Any]:
    """What is to be said of a zone."""
    origin = names.to_text(names.wire_of_key(apex))
    follow, state = follow_of(read, apex), states.state_of(read, apex)
    soa = soa_of(read, apex)
    entry = read.table(b"apexes").get(where(apex))
    flags = split_zone_entry(entry).flags if entry is not None else NOT_READY
    row: dict[str, Any] = {
        "origin": origin,
        "state": "own",
        "serial": soa.serial if soa is not None else None,
        "error": "",
        "notified": _notified(read, apex, soa.serial if soa is not None else None),
    }
    if follow is None or state is None:
        if entry is None:
            row |= {"state": "waiting", "error": "no zone with this apex is held here"}
        return row
    row |= {
        "state": state_of(flags, state, soa.serial if soa is not None else None, now),
        "primaries": follow.servers,
        "there": state.there,
        "lag_seconds": now - state.refreshed if state.refreshed else None,
        "refreshed": state.refreshed,
        "expires": state.expires,
        "next": max(state.due, now),
        "transferred": state.changed,
        "kind": state.kind,
        "octets": state.octets,
        "milliseconds": state.milliseconds,
        "failures": state.failures,
        "error": state.error,
    }
    if row["state"] == "overdue" and not row["error"]:
        row["error"] = (
            f"nobody has looked at it for {now - state.due:,} s though it was due: csid serve does"
        )
    return row


def _notified(read: ReadTransaction, apex: bytes, serial: int | None) -> list[dict[str, Any]]:
    """What the servers have confirmed that are notified of a zone's changes."""
    told = {(one.host, one.port): one for one in states.told_of(read, apex)}
    away = dict(states.peers(read)) if targets_of(read, apex) else {}
    rows = []
    for target in targets_of(read, apex):
        one = told.get((target.host, target.port)) or states.Told(target.host, target.port)
        row = {
            "server": f"{target.host}:{target.port}",
            "serial": one.serial,
            "at": one.at,
            "is_current": serial is not None and one.serial == serial,
            "error": one.error,
        }
        peer = away.get(f"{target.host}:{target.port}")
        if peer is not None and peer.failures:
            row |= {"error": peer.error, "since": peer.since}
        rows.append(row)
    return rows


def _json_of(row: dict[str, Any]) -> dict[str, Any]:
    """The same with moments as programs read them."""
    said = row | {"notified": list(map(_json_of, row["notified"]))} if "notified" in row else row
    if "primaries" in said:
        said = said | {"primaries": said["primaries"].split(" or ")}
    return said | {name: iso_or_none(said[name]) for name in _MOMENTS if name in said}


def _moment(seconds: int | None) -> str | None:
    return output.moment(seconds) if seconds else None


def _print(rows: list[dict[str, Any]], is_one: bool) -> None:
    if is_one:
        _print_one(rows[0])
        return
    heads = (
        "区 Zone",
        "状态 State",
        "序列号 Serial",
        "主方 There",
        "确认 Confirmed",
        "传输 Transfer",
    )
    output.print_list(
        (*heads, "下次 Next", "通知 Notified", "错误 Error"),
        (
            (
                row["origin"],
                _WORDS[row["state"]],
                row["serial"],
                row.get("there"),
                _moment(row.get("refreshed")),
                _transfer(row),
                _moment(row.get("next")),
                _counted(row["notified"]),
                row["error"] or next(filter(None, (one["error"] for one in row["notified"])), ""),
            )
            for row in rows
        ),
    )


def _transfer(row: dict[str, Any]) -> str:
    if not row.get("kind"):
        return ""
    return f"{row['kind']} {row['octets']:,} B {row['milliseconds']} ms"


def _counted(notified: list[dict[str, Any]]) -> str:
    if not notified:
        return ""
    return f"{sum(one['is_current'] for one in notified)}/{len(notified)}"


def _print_one(row: dict[str, Any]) -> None:
    facts = [
        ("区 zone", row["origin"]),
        ("状态 state", _WORDS[row["state"]]),
        ("序列号 serial", row["serial"]),
        ("主服务器 primaries", row.get("primaries")),
        ("主方序列号 serial there", row.get("there")),
        ("最近确认 confirmed", _moment(row.get("refreshed"))),
        ("过期时间 expires", _moment(row.get("expires"))),
        ("最近传输 transferred", _moment(row.get("transferred"))),
        ("传输 transfer", _transfer(row)),
        ("下次 next look", _moment(row.get("next"))),
        ("连续失败 failures", row.get("failures")),
        ("错误 error", row["error"]),
    ]
    for one in row["notified"]:
        said = f"serial {one['serial']}" if one["serial"] is not None else "未确认 not confirmed"
        said += f", {_moment(one['at'])}" if one["at"] else ""
        said += f", {one['error']}" if one["error"] else ""
        facts.append(("通知 notified", f"{one['server']}: {said}"))
    output.print_facts([(label, str(value)) for label, value in facts if value not in (None, "")])
