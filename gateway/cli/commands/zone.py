"""`csid zone`: load, dump, list and drop zones of a data directory."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from csid import names
from gateway.cli import options, output, progress
from registry.service import Registry
from registry.zone_guard import zone_guard
from resolver.files import write_whole
from resolver.store.environment import Store
from resolver.zonefile.load import Loaded, Refused, Step, load
from resolver.zonefile.writer import dump

FILES_NAMED: Final = 10  # with up to so many files, each zone loaded is told of


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add the group `zone` with its commands."""
    group = subparsers.add_parser("zone", description="Load, dump, list and drop zones 区数据管理.")
    commands = group.add_subparsers(required=True, metavar="COMMAND")

    load = commands.add_parser(
        "load",
        help="load zones from zone files 载入区文件",
        description="Load zones from zone files (RFC 1035) 载入区文件, one zone a file, each in "
        "place of what is served for its origin. A file that is wrong is refused as a whole, the "
        "others are loaded. Exit code: 0 all are loaded, 1 some were refused, 2 could not be done.",
    )
    load.add_argument("files", type=Path, nargs="+", metavar="FILE", help="zone files 区文件")
    options.add_data(load)
    load.set_defaults(run=run_load)

    dump = commands.add_parser("dump", help="write a zone as a zone file 导出区文件")
    dump.add_argument("origin", metavar="ORIGIN", help="name of the zone 区名")
    options.add_data(dump)
    dump.add_argument("--output", type=Path, metavar="FILE", help="(stdout)")
    dump.set_defaults(run=run_dump)

    listing = commands.add_parser("list", help="list the zones 列出区")
    options.add_data(listing)
    options.add_json(listing)
    listing.set_defaults(run=run_list)

    drop = commands.add_parser("drop", help="serve a zone no longer 删除区")
    drop.add_argument("origin", metavar="ORIGIN", help="name of the zone 区名")
    options.add_data(drop)
    drop.set_defaults(run=run_drop)


# -- load


def run_load(args: argparse.Namespace) -> int:
    """Load each file; exit code 1 if one was refused."""
    loaded: list[int] = []  # nodes of each zone
    refused = 0
    with (
        Registry.alone(args.data) as registry,
        progress.bar(len(args.files)) as bar,
    ):

        def told(step: Step) -> None:
            files = len(loaded) + refused
            bar.show(
                files,
                f"{files:,}/{len(args.files):,} {step.action} {step.path.name}: {step.done:,}",
            )

        for outcome in load(registry.store, args.files, told, guard=zone_guard(registry.store)):
            if isinstance(outcome, Refused):
                refused += 1
                output.complain(outcome.reason)
                continue
            loaded.append(outcome.nodes)
            for warning in outcome.warnings:
                output.err.print(f"csid: warning: {warning}", markup=False, style="yellow")
            if len(args.files) <= FILES_NAMED:
                _tell_loaded(outcome)
    if len(args.files) > 1:
        output.out.print(
            f"载入 loaded {len(loaded):,} zones, {sum(loaded):,} names; 拒绝 refused {refused:,}"
        )
    return output.EXIT_BAD_INPUT if refused else output.EXIT_OK


def _tell_loaded(zone: Loaded) -> None:
    output.out.print(
        f"{names.to_text(zone.origin)} serial {zone.serial}, {zone.nodes:,} names", markup=False
    )


# -- dump


def run_dump(args: argparse.Namespace) -> int:
    """Write one zone; the file appears whole or not at all."""
    origin = names.from_text(args.origin.lower())
    with Store.open(args.data) as store, store.read() as read:
        lines = dump(origin, read.rows(read.zone(origin)))
        if args.output is None:
            output.for_data().writelines(lines)
            return output.EXIT_OK
        with write_whole(args.output) as file:
            file.writelines(lines)
    return output.EXIT_OK


# -- list, drop


def run_list(args: argparse.Namespace) -> int:
    """Print a line for each zone."""
    with Store.open(args.data) as store, store.read() as read:
        summaries = ((names.to_text(zone.origin), read.summary(zone)) for zone in read.zones())
        if args.json:
            for origin, summary in summaries:
                output.print_json({"origin": origin, **summary._asdict()})
            return output.EXIT_OK
        heads = ("区 Zone", "序列号 Serial", "名称 Names", "字节 Octets")
        output.print_table(
            heads, ((zone, s.serial, f"{s.names:,}", f"{s.octets:,}") for zone, s in summaries)
        )
    return output.EXIT_OK


def run_drop(args: argparse.Namespace) -> int:
    """Drop one zone."""
    origin = names.from_text(args.origin.lower())
    with Store.open(args.data, writable=True) as store:
        with store.write() as txn:
            txn.drop_zone(origin)
        store.sweep()
    output.out.print(f"{names.to_text(origin)} 已删除 dropped", markup=False)
    return output.EXIT_OK
