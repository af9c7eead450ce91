"""`csid zone`: load, dump, list, drop and rebuild zones of a data directory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from csid import names
from csid.errors import ZoneError
from gateway.cli import acting, options, output, progress
from gateway.cli.commands.zone import allow, catalog, follow, notify, zonemd
from gateway.cli.request import trial_text
from registry.service import Registry
from registry.tables.naming import Names
from registry.zones import rebuild
from registry.zones.asked import Asked
from registry.zones.serials import Mode
from registry.zones.trial import Trial
from resolver.files import write_whole
from resolver.store import node
from resolver.store.build import ZoneData
from resolver.store.environment import Store
from resolver.sync.zonemd import DEFAULT_HASH, HASH_NAMES
from resolver.zonefile.load import Loaded, Refused, Step, load, write
from resolver.zonefile.writer import dump

FILES_NAMED: Final = 10  # with up to so many files, each zone loaded is told of
FINDINGS_SHOWN: Final = 20
GOING_SHOWN: Final = 5  # names that go away
_MODES: Final = (Mode.KEEP.value, Mode.INCREMENT.value, Mode.UNIXTIME.value)


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add the group `zone` with its commands."""
    group = subparsers.add_parser("zone", description="Load, dump, list and drop zones 区数据管理.")
    commands = group.add_subparsers(required=True, metavar="COMMAND")

    load = commands.add_parser(
        "load",
        help="load zones from zone files 载入区文件",
        description="Load zones from zone files (RFC 1035) 载入区文件, one zone a file, each in "
        "place of what is served for its origin. A file that is wrong is refused as a whole, the "
        "others are loaded. Below the suffix the registry is the authority: a file that would take "
        "a registered name away, change it, or answer for an identifier that is not assigned, is "
        "refused. Exit code: 0 all are loaded, 1 some were refused, 2 could not be done.",
    )
    load.add_argument("files", type=Path, nargs="+", metavar="FILE", help="zone files 区文件")
    load.add_argument(
        "--serial",
        choices=_MODES,
        default=Mode.KEEP.value,
        help="the serial 序列号: that of the file, one more than is served, or the time (keep)",
    )
    load.add_argument(
        "--zonemd",
        action="append",
        nargs="?",
        const=DEFAULT_HASH,
        choices=tuple(HASH_NAMES),
        metavar="HASH",
        help="give the zones a digest 区摘要 (RFC 8976): " + ", ".join(HASH_NAMES),
    )
    _add_change(load)
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

    drop = commands.add_parser(
        "drop",
        help="serve a zone no longer 删除区",
        description="Serve a zone no longer 删除区. Refused while live identifiers resolve in it.",
    )
    drop.add_argument("origin", metavar="ORIGIN", help="name of the zone 区名")
    _add_change(drop)
    drop.set_defaults(run=run_drop)

    rebuild = commands.add_parser(
        "rebuild",
        help="make zones anew from the registry 按登记重建区",
        description="Make the zones of the registry anew 按登记重建区, while they answer: all "
        "registered names as the registry has them, and of the other names those that take nothing "
        "away. Repairs whatever csid audit verify finds wrong with them.",
    )
    rebuild.add_argument("origins", nargs="*", metavar="ORIGIN", help="zones 区名 (all)")
    _add_change(rebuild)
    rebuild.set_defaults(run=run_rebuild)
    catalog.register(commands)
    follow.register(commands)
    zonemd.register(commands)
    allow.register(commands)
    notify.register(commands)


def _add_change(parser: argparse.ArgumentParser) -> None:
    options.add_data(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    parser.add_argument("--dry-run", action="store_true", help="only try, keep nothing 试运行")
    parser.add_argument(
        "--yes", action="store_true", help="do not ask before names go away 不再询问"
    )
    options.add_json(parser)
    acting.add_actor(parser)


def _asked(args: argparse.Namespace) -> tuple[str, ...]:
    """Who asks and why, as units take it.

    Raises:
        ZoneError: the role may not.
    """
    told = Asked(acting.actor_of(args), args.reason).told()
    Asked.of(told)
    return told


def _opened(args: argparse.Namespace) -> Registry:
    return Registry.open(args.data) if args.dry_run else acting.open_for_writing(args)


def _performer(registry: Registry, args: argparse.Namespace) -> Callable[[str, Any], Any]:
    return Trial(registry.store).perform if args.dry_run else registry.perform


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _is_agreed(args: argparse.Namespace, question: str) -> bool:
    """Whether names may go away: asks on a terminal, goes on elsewhere."""
    if args.yes or args.dry_run or not _on_terminal():
        return True
    output.err.print(f"{question} 继续吗 go on? [y/N] ", end="", markup=False)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是")


# -- load


def run_load(args: argparse.Namespace) -> int:
    """Load each file; exit code 1 if one was refused."""
    asked = _asked(args)
    if args.zonemd and args.serial != Mode.KEEP.value:
        raise ZoneError("--zonemd", "is for the serial of the file: --serial keep goes with it")
    hashes = [HASH_NAMES[one] for one in args.zonemd or ()]
    loaded: list[int] = []  # nodes of each zone
    refused = 0
    with _opened(args) as registry, progress.bar(len(args.files)) as bar:

        def told(step: Step) -> None:
            files = len(loaded) + refused
            bar.show(
                files,
                f"{files:,}/{len(args.files):,} {step.action} {step.path.name}: {step.done:,}",
            )

        def agrees(origin: bytes, data: ZoneData) -> bool:
            question = _going(registry.store, origin, data)
            return not question or _is_agreed(args, question)

        perform = _performer(registry, args)
        for outcome in load(perform, asked, args.files, args.serial, told, agrees, hashes=hashes):
            if isinstance(outcome, Refused):
                refused += 1
                _tell_refused(args, outcome)
                continue
            loaded.append(outcome.nodes)
            _tell_loaded(args, outcome)
    if len(args.files) > 1 and not args.json:
        output.out.print(
            f"{trial_text(args)}载入 loaded {len(loaded):,} zones, {sum(loaded):,} names; "
            f"拒绝 refused {refused:,}"
        )
    return output.EXIT_BAD_INPUT if refused else output.EXIT_OK


def _going(store: Store, origin: bytes, data: ZoneData) -> str:
    """What to ask where names of a zone go away; empty if none do, or there is nobody to ask."""
    if not _on_terminal():
        return ""
    gone: list[str] = []
    count = 0
    with store.read() as read:
        try:
            held = read.zone(origin)
        except ZoneError:
            return ""
        for key, blob in read.nodes(held.generation):
            owner = names.wire_of_key(held.apex + key)
            if len(blob) > len(node.EMPTY) and owner not in data:
                count += 1
                if len(gone) < GOING_SHOWN:
                    gone.append(names.to_text(owner))
    more = ", ..." if count > len(gone) else ""
    said = (
        f"{names.to_text(origin)}: {count:,} 个名称将消失 names go away ({', '.join(gone)}{more})"
    )
    return said if count else ""


def _tell_refused(args: argparse.Namespace, refused: Refused) -> None:
    if args.json:
        output.print_json(
            {"file": refused.path, "outcome": "refused", "said": refused.reason.splitlines()}
        )
    for line in refused.reason.splitlines():
        output.complain(line)


def _tell_loaded(args: argparse.Namespace, zone: Loaded) -> None:
    origin = names.to_text(zone.origin)
    if args.json:
        value = {
            "file": zone.path,
            "origin": origin,
            "outcome": "unchanged" if zone.is_unchanged else "loaded",
            "serial": zone.serial,
            "names": zone.nodes,
            "said": zone.warnings,
        }
        output.print_json(value | ({"dry_run": True} if args.dry_run else {}))
        return
    for warning in zone.warnings:
        output.err.print(f"csid: warning: {warning}", markup=False, style="yellow")
    if len(args.files) <= FILES_NAMED:
        unchanged = " 无变化 unchanged" if zone.is_unchanged else ""
        output.out.print(
            f"{trial_text(args)}{origin} serial {zone.serial}, {zone.nodes:,} names{unchanged}",
            markup=False,
        )


# -- dump, list


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


# -- drop


def run_drop(args: argparse.Namespace) -> int:
    """Drop one zone; exit code 1 if it was refused."""
    origin = names.from_text(args.origin.lower())
    asked = _asked(args)
    shown = names.to_text(origin)
    with _opened(args) as registry:
        perform = _performer(registry, args)
        with registry.store.read() as read:
            nodes = read.nodes(read.zone(origin).generation)
            count = sum(len(blob) > len(node.EMPTY) for _, blob in nodes)
        if not _is_agreed(args, f"{shown}: {count:,} 个名称将消失 names go away"):
            output.complain(f"{shown}: not dropped 未删除")
            return output.EXIT_BAD_INPUT
        while (answer := perform("zone.drop", (asked, origin)))[0] == "again":
            pass
        outcome, serial, said = answer
        while perform("sweep", None):
            pass
    if args.json:
        value = {"origin": shown, "outcome": outcome, "serial": serial, "said": said}
        output.print_json(value | ({"dry_run": True} if args.dry_run else {}))
    if outcome == "refused":
        output.complain(f"{shown}: {'; '.join(said)}")
    elif not args.json:
        for line in said:
            output.err.print(f"csid: warning: {line}", markup=False, style="yellow")
        output.out.print(f"{trial_text(args)}{shown} 已删除 dropped", markup=False)
    return output.EXIT_BAD_INPUT if outcome == "refused" else output.EXIT_OK


# -- rebuild


def run_rebuild(args: argparse.Namespace) -> int:
    """Make zones anew; exit code 1 if one could not be."""
    asked = _asked(args)
    refused = 0
    with _opened(args) as registry, progress.bar() as bar:
        named = Names(registry.settings.suffix)
        with registry.store.read() as read:
            found = rebuild.origins(read, named)
        given = [names.from_text(one.lower()) for one in args.origins]
        for origin in given or found:

            def told(action: str, done: int, origin: bytes = origin) -> None:
                bar.show(0, f"{action} {names.to_text(origin)}: {done:,}")

            with registry.store.read() as read:
                made = rebuild.Remake(read, named, origin)
                made.look()
                answer: Any = ("tried", 0, [])
                if not args.dry_run:
                    mode = Mode.REBUILD.value
                    _, answer = write(
                        registry.perform, asked, mode, made.since, origin, made.nodes(), told
                    )
            refused += answer[0] == "refused"
            _tell_rebuilt(args, made, answer)
        if not args.dry_run:
            registry.perform("zone.strays")
            while registry.perform("sweep"):
                pass
    return output.EXIT_BAD_INPUT if refused else output.EXIT_OK


def _tell_rebuilt(args: argparse.Namespace, made: rebuild.Remake, answer: Any) -> None:
    outcome, serial, said = answer
    origin = names.to_text(made.origin)
    findings = [str(one) for one in made.findings]
    if args.json:
        value = {
            "origin": origin,
            "outcome": outcome,
            "serial": serial,
            "found": made.found,
            "findings": findings,
            "said": [*made.remarks, *said],
        }
        output.print_json(value | ({"dry_run": True} if args.dry_run else {}))
        if outcome == "refused":
            output.complain(f"{origin}: not rebuilt 未重建")
        return
    for line in findings[:FINDINGS_SHOWN]:
        output.err.print(f"csid: {origin}: {line}", markup=False)
    if made.found > FINDINGS_SHOWN:
        output.err.print(f"csid: {origin}: ... --json shows more of them", markup=False)
    for line in [*made.remarks, *said]:
        output.err.print(f"csid: warning: {origin}: {line}", markup=False, style="yellow")
    if outcome == "refused":
        output.complain(f"{origin}: not rebuilt 未重建")
        return
    done = "" if args.dry_run else f" 已重建 rebuilt, serial {serial},"
    output.out.print(
        f"{trial_text(args)}{origin}{done} {made.found:,} 处有误 found wrong", markup=False
    )
