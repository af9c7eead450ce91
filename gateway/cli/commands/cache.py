"""`csid cache`: what a gateway remembers, looked at and forgotten."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import dns.rcode
import dns.rdatatype

from csid import names, prefix, scheme
from csid.errors import StoreError
from csid.names import to_text, wire_of_key
from gateway.cli import options, output
from gateway.cli.configured import gateway_folder
from gateway.configuration.gateway_sections import Gateway
from gateway.configuration.load import load
from resolver.cache import entry as entries
from resolver.cache.store import Cache, Readable
from resolver.server import control
from resolver.server.recursive import orders
from resolver.server.recursive.folder import cache_in

SHOWN: Final = 100  # entries, unless asked for more
_HEADS: Final = (
    "域名 Name",
    "类型 Type",
    "应答码 RCODE",
    "记录 Records",
    "剩余 TTL left",
    "字节 Octets",
)
_TYPE_OCTETS: Final = 2
_COUNTERS: Final = {  # of which process, and its word for people
    "queries": ("UDP worker", "UDP 查询 asked over UDP"),
    "missed": ("UDP worker", "未命中 not known"),
    "upstream": ("recursion", "上行查询 questions to other servers"),
    "unanswered": ("recursion", "无应答 answered by nobody"),
    "stale": ("recursion", "过期应答 given though expired"),
    "under-way": ("recursion", "进行中 under way"),
}


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid cache`."""
    parser = subparsers.add_parser("cache", description="What a gateway remembers. 网关缓存")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser(
        "show",
        help="list what is remembered 查看",
        description="List what is remembered, in the order of names 查看缓存内容.",
    )
    _add_what(show, "?")
    show.add_argument(
        "--limit",
        type=options.count,
        default=SHOWN,
        metavar="N",
        help=f"at most so many 最多 ({SHOWN}; 0: all)",
    )
    show.set_defaults(run=run_show)
    flush = actions.add_parser(
        "flush",
        help="forget what is at and below a name 清除",
        description="Forget what is at and below a name, an identifier or the beginning of one, "
        "and ask for it anew when somebody wants to know 清除缓存.",
    )
    _add_what(flush, "?")
    flush.add_argument("--all", action="store_true", help="forget everything 全部清除")
    flush.set_defaults(run=run_flush)
    stats = actions.add_parser(
        "stats",
        help="how much is remembered, and of what use that is 统计",
        description="How much is remembered, and of what use that is 缓存统计.",
    )
    stats.set_defaults(run=run_stats)
    for one in (show, flush, stats):
        one.add_argument("--data", type=Path, metavar="DIR", help="the gateway's folder 网关目录")
        options.add_config(one)
        options.add_json(one)


def _add_what(parser: argparse.ArgumentParser, count: str) -> None:
    parser.add_argument(
        "what",
        nargs=count,
        metavar="NAME",
        help="a DNS name, an identifier, or how identifiers begin (whole segments) 域名或标识",
    )


class CacheError(StoreError):
    """What is remembered cannot be looked at, or not so."""


def run_show(args: argparse.Namespace) -> int:
    """Print what is remembered."""
    said = _gateway(args)
    key = names.key_of(_name_of(args.what, said.suffix)) if args.what else b""
    now = int(time.time())
    with closing(Readable(cache_in(gateway_folder(said)))) as cache:
        found, has_more = output.take((_row(*one, now) for one in cache.entries(key)), args.limit)
    if args.json:
        for one in found:
            output.print_json(one)
    else:
        output.print_list(_HEADS, [_cells(one) for one in found])
        if has_more:
            output.err.print("还有更多 there are more: --limit 0 for all")
    return output.EXIT_OK


def run_flush(args: argparse.Namespace) -> int:
    """Forget it, and tell how much that was."""
    said = _gateway(args)
    if bool(args.what) == args.all:
        raise CacheError("what is to be forgotten? Give a name, or --all for everything")
    name = names.ROOT if args.all else _name_of(args.what, said.suffix)
    folder = gateway_folder(said)
    gone = orders.forget(folder, name)
    if gone is None:  # no gateway runs
        with closing(Cache(cache_in(folder), said.cache << 20)) as cache:
            gone = cache.clear() if args.all else cache.drop(names.key_of(name))
    if args.json:
        output.print_json({"forgotten": gone})
    else:
        output.out.print(f"已清除 {gone} 条 {gone} forgotten")
    return output.EXIT_OK


def run_stats(args: argparse.Namespace) -> int:
    """Print how much is remembered."""
    said = _gateway(args)
    folder = gateway_folder(said)
    with closing(Readable(cache_in(folder))) as cache:
        kept = cache.kept()
    found: dict[str, Any] = {
        "present": kept.present,
        "absent": kept.absent,
        "octets": kept.octets,
        "octets_max": said.cache << 20,
        "running": False,
    }
    facts = [
        ("有应答 what is there", f"{kept.present:,}"),
        ("无应答 what is not", f"{kept.absent:,}"),
        ("占用 octets", f"{kept.octets:,} / {said.cache << 20:,}"),
    ]
    server = control.ask(folder)
    if server is not None:
        found["running"] = True
        for counter, (kind, words) in _COUNTERS.items():
            total = sum(
                process["counters"].get(counter, 0)
                for process in server["processes"]
                if process["kind"] == kind
            )
            found[counter.replace("-", "_")] = total
            facts.append((words, f"{total:,}"))
    if args.json:
        output.print_json(found)
    else:
        output.print_facts(facts)
    return output.EXIT_OK


def _gateway(args: argparse.Namespace) -> Gateway:
    said = load(args.config).gateway
    if args.data is not None:
        return replace(said, data=args.data)
    return said


def _name_of(what: str, suffix: str | None) -> bytes:
    """The name in wire form, lower case, of what people write."""
    below = suffix or scheme.load().dns_suffix
    if prefix.SEPARATOR in what:
        text = ".".join(reversed(prefix.whole(what, len(prefix.SEGMENTS)).split(prefix.SEPARATOR)))
        what = f"{text}.{below}"
    return names.from_text(what).lower()


def _row(key: bytes, entry: bytes, now: int) -> dict[str, Any]:
    rcode = entries.rcode_of(entry)
    rrtype = int.from_bytes(key[-_TYPE_OCTETS:])
    return {
        "name": to_text(wire_of_key(key[:-_TYPE_OCTETS])),
        "type": dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rrtype)),
        "rcode": dns.rcode.to_text(dns.rcode.Rcode.make(rcode)),
        "records": entries.answers_of(entry),
        "ttl": max(0, entries.expires(entry) - now),
        "good": entries.good_until(entry) > now,
        "octets": len(key) + len(entry),
    }


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    left = row["ttl"] if row["good"] or not row["ttl"] else f"{row['ttl']} (过期 stale)"
    return row["name"], row["type"], row["rcode"], row["records"], left, row["octets"]
