"""`csid latency`: round trips between places 时延, measured by probes 拨测 or as a range."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import msgspec

from csid.address import parse
from csid.errors import CsidError
from csid.moments import iso
from gateway.cli import options, output
from gateway.cli.commands.line.folder import folder_of_lines, latencies_in
from gateway.cli.commands.line.told import public_json
from gateway.cli.commands.system.folder import add_folder
from gateway.cli.progress import bar
from gateway.cli.remote import add_key, remote, said
from gateway.systems.selection.measuring import COUNT, COUNT_MAX, measure
from gateway.systems.selection.paths.latency import (
    NOTHING,
    Between,
    Measured,
    Measuring,
    about,
    between,
    counts,
)
from gateway.systems.selection.paths.measured import (
    Measurement,
    MeasurementError,
    believed,
    measurement,
    require_name,
)
from gateway.systems.selection.paths.measured_store import Latencies
from gateway.systems.selection.paths.places import location_of, members
from gateway.systems.selection.paths.probing import Probe

LIST_LIMIT: Final = 100
_PLACE: Final = "a location code, or an identifier 位置代码或标识"
_MARKS: Final = {
    "measured": "实测 measured",
    "estimated": "估计 estimated",
    "unknown": "未知 unknown",
}


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
    probe.set_defaults(run=run_probe)
    add = actions.add_parser("add", help="take in what was measured 登记实测时延")
    _add_pair(add, _PLACE, "the other place 另一端")
    add.add_argument(
        "--median-ms", type=float, required=True, metavar="MS", help="round trip, median 中位数"
    )
    add.add_argument("--p90-ms", type=float, metavar="MS", help="the same, p90 (the median)")
    add.add_argument("--loss", type=float, default=0.0, metavar="SHARE", help="丢包率 (0)")
    add.add_argument("--taken", metavar="TIME", help="when, as 2026-11-27T08:00:00Z 测量时间 (now)")
    _add_change(add)
    add.set_defaults(run=run_add)
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
    remove.set_defaults(run=run_remove)


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
    show.set_defaults(run=run_show)
    listing = actions.add_parser("list", help="list what was measured 列出实测时延")
    listing.add_argument("--at", metavar="PLACE", help="from or to here, or in this city 位置")
    options.add_page(listing, LIST_LIMIT, "FROM/TO/BY")
    add_folder(listing)
    listing.set_defaults(run=run_list)


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


def run_show(args: argparse.Namespace) -> int:
    """Show the round trip between two places."""
    one, other = location_of(args.one), location_of(args.other)
    now = _now()
    found: list[Measured] = []
    known: Measuring = NOTHING
    with latencies_in(args) as latencies:
        if latencies is not None:
            known, found = latencies, about(one, other, latencies)
        public = between(one, other, known, now)
    estimated = between(one, other)
    if args.json:
        output.print_json(
            {
                "from": one,
                "to": other,
                "public": public_json(public),
                "estimated": public_json(estimated),
                "measured": [_json(told, now) for told in found],
            }
        )
    else:
        rows = [("两地 Between", f"{one} – {other}"), ("公网时延 RTT", _range(public))]
        if public.mark == "measured":
            rows.append(("估计 Estimate", _range(estimated)))
        output.print_facts(rows)
        if found:
            _print(found, now)
    return output.EXIT_OK


def run_list(args: argparse.Namespace) -> int:
    """List what was measured, by places and who has measured."""
    after = args.after.split("/", 2) if args.after else []
    if len(after) not in (0, 3):
        output.complain(f"--after {args.after}: expected FROM/TO/BY, the last of the page before")
        return output.EXIT_BAD_INPUT
    of = members(location_of(args.at)) if args.at else ("",)
    found: list[Measured] = []
    more = False
    with latencies_in(args) as latencies:
        if latencies is not None:
            with contextlib.closing(latencies.all(after, of)) as every:
                found, more = output.take(every, args.limit)
    if args.json:
        for told in found:
            output.print_json(_json(told, _now()))
    else:
        _print(found, _now())
    if more:
        output.note_more(f"{found[-1].one}/{found[-1].other}/{found[-1].by}")
    return output.EXIT_OK


def run_probe(args: argparse.Namespace) -> int:
    """Measure, and keep what comes of it."""
    probe = Probe(location_of(args.one), location_of(args.other), parse(args.server))
    try:
        with contextlib.ExitStack() as opened:
            keep = None if args.dry_run else opened.enter_context(_keeping(args))
            with bar(args.count) as shown:
                told = asyncio.run(measure(probe, args.count, on_progress=shown.show))
            return _take_in(args, told, keep)
    except MeasurementError as error:
        output.complain(error)
        return output.EXIT_BAD_INPUT


def run_add(args: argparse.Namespace) -> int:
    """Take in what was measured."""
    values: dict[str, Any] = {
        "from": args.one,
        "to": args.other,
        "median_ms": args.median_ms,
        "p90_ms": args.p90_ms,
        "loss": args.loss,
        "taken": args.taken,
    }
    try:
        told = measurement(**values)
        believed(told, args.actor, _now())
        with _keeping(args) as keep:
            return _take_in(args, told, keep)
    except MeasurementError as error:
        output.complain(error)
        return output.EXIT_BAD_INPUT


# Keeps what was measured; as whose, and whether it was not, as a newer one was there.
_Keep = Callable[[Measurement], tuple[str, bool]]


@contextlib.contextmanager
def _keeping(args: argparse.Namespace) -> Iterator[_Keep]:
    """Where what is measured is kept: seen to before anything is measured.

    Raises:
        CsidError: nobody can have such a name; there is no such place, or it cannot be used.
    """
    if args.url:
        with remote(args) as client:
            _told(client, [])  # whether it answers, and the key allows that
            yield lambda told: _told(client, [msgspec.to_builtins(told)])
        return
    require_name(args.actor)
    with contextlib.closing(Latencies(folder_of_lines(args))) as latencies:

        def keep(told: Measurement) -> tuple[str, bool]:
            now = _now()
            return args.actor, bool(latencies.put([believed(told, args.actor, now)], now))

        yield keep


def _told(client: httpx.Client, items: list[dict[str, Any]]) -> tuple[str, bool]:
    """Tell a process what was measured: as whose, and whether a newer one was there."""
    answer = said(client.post("/v1/latencies", json={"items": items}))
    return answer["by"], bool(answer["older"])


def _take_in(args: argparse.Namespace, told: Measurement, keep: _Keep | None) -> int:
    """Keep what was measured, and print it, even if it cannot be kept."""
    now = _now()
    if told.taken is None:
        told = msgspec.structs.replace(told, taken=datetime.fromtimestamp(now / 1_000, UTC))
    by, is_older, failure = args.actor, False, None
    if keep is not None:
        try:
            by, is_older = keep(told)
        except CsidError as error:  # what was measured is shown all the same
            failure = error
    found = believed(told, by, now)
    if args.json:
        is_in = keep is not None and not is_older and failure is None
        output.print_json(_json(found, now) | {"taken_in": is_in})
    else:
        _print([found], now)
    if failure is not None:
        raise failure
    if is_older:
        output.err.print("已有更新的实测值 a newer one was there, and stays", markup=False)
    return output.EXIT_OK


def run_remove(args: argparse.Namespace) -> int:
    """Forget what was measured; exit 1 if nothing was."""
    if (args.one is None) != (args.other is None) or (args.one is None and args.by is None):
        output.complain("say between which places, FROM and TO, or by whom, --by NAME, or both")
        return output.EXIT_BAD_INPUT
    if args.by == "":
        output.complain("--by is empty; give the name of who has measured")
        return output.EXIT_BAD_INPUT
    pair = None
    if args.one is not None:
        pair = location_of(args.one), location_of(args.other)
    with latencies_in(args) as latencies:
        gone = latencies.remove(args.by or "", pair) if latencies is not None else 0
    if not gone:
        output.complain("nothing of that was measured; csid latency list shows what was")
        return output.EXIT_BAD_INPUT
    if args.json:
        output.print_json({"removed": gone})
    else:
        output.out.print(f"已删除实测值 measurements removed: {gone}", markup=False)
    return output.EXIT_OK


def _range(found: Between) -> str:
    mark = _MARKS[found.mark]
    if found.mark == "unknown":
        return mark
    return f"{found.low:.1f} – {found.middle:.1f} – {found.high:.1f} ms, {mark}"


def _print(found: list[Measured], now: int) -> None:
    output.print_list(
        ("起点 From", "终点 To", "中位数 ms", "p90 ms", "丢包 Loss", "测量方 By", "时间 Taken", ""),
        (
            (
                told.one,
                told.other,
                f"{told.median:.3f}",
                f"{told.p90:.3f}",
                f"{told.loss:.1%}",
                told.by,
                output.moment(told.taken // 1_000),
                "" if counts(told, now) else "不采信 not believed",
            )
            for told in found
        ),
    )


def _json(told: Measured, now: int) -> dict[str, Any]:
    return {
        "from": told.one,
        "to": told.other,
        "median_ms": told.median,
        "p90_ms": told.p90,
        "loss": round(told.loss, 4),
        "by": told.by,
        "taken": iso(told.taken / 1_000, "milliseconds"),
        "is_believed": counts(told, now),
    }


def _now() -> int:
    return int(time.time() * 1_000)
