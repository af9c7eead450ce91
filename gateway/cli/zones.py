"""`csid zone`: load, dump, list and drop zones of a data directory."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.cli import options

if TYPE_CHECKING:
    from rich.progress import Progress

    from resolver.store.read import Held, ReadTransaction
    from resolver.zonefile.load import Loaded, Step
    from resolver.zonefile.writer import Row

FILES_NAMED: Final = 10  # with up to so many files, each zone loaded is told of


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add the group `zone` with its commands."""
    group = subparsers.add_parser("zone", help="load, dump, list and drop zones 区数据管理")
    commands = group.add_subparsers(required=True, metavar="COMMAND")

    load = commands.add_parser(
        "load",
        help="load zones from master files 载入区文件",
        description="Load zones from master files (RFC 1035) 载入区文件, one zone a file, each in "
        "place of what is served for its origin. A file that is wrong is refused as a whole, the "
        "others are loaded. Exit code: 0 all are loaded, 1 some were refused, 2 could not be done.",
    )
    load.add_argument("files", type=Path, nargs="+", metavar="FILE", help="master files 区文件")
    options.add_data(load)
    load.set_defaults(run=run_load)

    dump = commands.add_parser("dump", help="write a zone as a master file 导出区文件")
    dump.add_argument("origin", metavar="ORIGIN", help="name of the zone 区名")
    options.add_data(dump)
    dump.add_argument("--output", type=Path, metavar="FILE", help="(stdout)")
    dump.set_defaults(run=run_dump)

    listing = commands.add_parser("list", help="list the zones 列出区")
    options.add_data(listing)
    listing.add_argument("--json", action="store_true", help="print JSON, a zone a line")
    listing.set_defaults(run=run_list)

    drop = commands.add_parser("drop", help="serve a zone no longer 删除区")
    drop.add_argument("origin", metavar="ORIGIN", help="name of the zone 区名")
    options.add_data(drop)
    drop.set_defaults(run=run_drop)


# -- load


def run_load(args: argparse.Namespace) -> int:
    """Load each file; exit code 1 if one was refused."""
    from gateway.cli import console
    from registry.service import Registry
    from registry.zone_guard import zone_guard
    from resolver.zonefile.load import Refused, load

    loaded: list[int] = []  # nodes of each zone
    refused = 0
    with Registry.open(args.data, writable=True) as registry, _progress() as progress:
        guard = zone_guard(registry.store)
        task = progress.add_task("", total=len(args.files), step="")

        def told(step: Step) -> None:
            shown = f"{step.action} {step.path.name}: {step.done:,}"
            progress.update(task, step=shown)

        for outcome in load(registry.store, args.files, told, guard=guard):
            progress.advance(task)
            if isinstance(outcome, Refused):
                refused += 1
                console.complain(outcome.reason)
                continue
            loaded.append(outcome.nodes)
            for warning in outcome.warnings:
                console.err.print(f"csid: warning: {warning}", markup=False, style="yellow")
            if len(args.files) <= FILES_NAMED:
                _tell_loaded(outcome)
    if len(args.files) > 1:
        console.out.print(
            f"载入 loaded {len(loaded):,} zones, {sum(loaded):,} names; 拒绝 refused {refused:,}"
        )
    return console.EXIT_BAD_INPUT if refused else console.EXIT_OK


def _tell_loaded(zone: Loaded) -> None:
    from csid import names
    from gateway.cli import console

    console.out.print(
        f"{names.to_text(zone.origin)} serial {zone.serial}, {zone.nodes:,} names", markup=False
    )


def _progress() -> Progress:
    """A progress bar on a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from gateway.cli import console

    return Progress(
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[step]}"),
        console=console.err,
        transient=True,
        disable=not console.err.is_terminal,
    )


# -- dump


def run_dump(args: argparse.Namespace) -> int:
    """Write one zone; the file appears whole or not at all."""
    from csid import names
    from gateway.cli import console
    from resolver.files import write_whole
    from resolver.store.environment import Store
    from resolver.zonefile.writer import dump

    origin = names.from_text(args.origin.lower())
    with Store.open(args.data) as store, store.read() as read:
        lines = dump(origin, _rows(read, read.zone(origin)))
        if args.output is None:
            console.for_data().writelines(lines)
            return console.EXIT_OK
        with write_whole(args.output) as file:
            file.writelines(lines)
    return console.EXIT_OK


def _rows(read: ReadTransaction, zone: Held) -> Iterator[Row]:
    from csid import names
    from resolver.store import node

    for key, blob in read.nodes(zone.generation):
        owner = names.wire_of_key(zone.apex + key)
        for rrtype, (ttl, rdatas) in node.rrsets_of(blob):
            for rdata in rdatas:
                yield owner, rrtype, ttl, rdata


# -- list, drop


class Summary(NamedTuple):
    """A zone as `csid zone list` shows it."""

    origin: str
    serial: int
    names: int  # that have records
    octets: int  # of keys and nodes


def run_list(args: argparse.Namespace) -> int:
    """Print a line for each zone."""
    from gateway.cli import console
    from resolver.store.environment import Store

    with Store.open(args.data) as store, store.read() as read:
        summaries = (_summary(read, zone) for zone in read.zones())
        if args.json:
            for summary in summaries:
                console.print_json(summary._asdict())
            return console.EXIT_OK
        heads = ("区 Zone", "序列号 Serial", "名称 Names", "字节 Octets")
        rows = ((s.origin, s.serial, f"{s.names:,}", f"{s.octets:,}") for s in summaries)
        console.print_table(heads, rows)
    return console.EXIT_OK


def _summary(read: ReadTransaction, zone: Held) -> Summary:
    from csid import names
    from csid.protocol import SOA
    from resolver.store import node
    from resolver.store.build import serial_of

    serial = count = octets = 0
    for key, blob in read.nodes(zone.generation):
        if not key:
            serial = serial_of(dict(node.rrsets_of(blob))[SOA])
        count += len(blob) > len(node.EMPTY)
        octets += len(zone.generation) + len(key) + len(blob)
    return Summary(names.to_text(zone.origin), serial, count, octets)


def run_drop(args: argparse.Namespace) -> int:
    """Drop one zone."""
    from csid import names
    from gateway.cli import console
    from resolver.store.environment import Store

    origin = names.from_text(args.origin.lower())
    with Store.open(args.data, writable=True) as store:
        with store.write() as txn:
            txn.drop_zone(origin)
        store.sweep()
    console.out.print(f"{names.to_text(origin)} 已删除 dropped", markup=False)
    return console.EXIT_OK
