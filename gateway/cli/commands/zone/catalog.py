"""`csid zone catalog`: lists of zones that secondaries follow (RFC 9432), made and consumed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final

from csid import names
from csid.address import Address
from csid.errors import CsidError, ZoneError
from gateway.cli import acting, options, output
from gateway.cli.commands.zone.reach import add_reach, target
from registry.network import catalogs
from registry.service import Registry
from registry.zones.asked import Asked
from registry.zones.serials import Mode
from resolver.store.build import build
from resolver.store.read import ReadTransaction
from resolver.sync.catalog import listing, members
from resolver.sync.catalog.listing import Member
from resolver.sync.settings import CATALOGS, Target, catalog_of, follow_of

NOWHERE: Final = "-"  # in place of a catalog: to none


class CatalogError(CsidError):
    """What was asked for does not go together."""


def register(commands: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add it to the group `zone`."""
    group = commands.add_parser(
        "catalog",
        help="lists of zones for secondaries 目录区",
        description="Catalog zones (RFC 9432) 目录区: a zone that lists zones, so that secondaries "
        "hold what it lists.",
    )
    verbs = group.add_subparsers(required=True, metavar="COMMAND")

    produce = verbs.add_parser(
        "produce",
        help="make a catalog, or change what it lists 生成目录区",
        description="Make a catalog, or change what it lists 生成目录区. All is changed at once.",
    )
    produce.add_argument("catalog", metavar="CATALOG", help="name of the catalog zone 目录区名")
    produce.add_argument(
        "--add", action="append", default=[], metavar="ORIGIN", help="list this zone 加入"
    )
    produce.add_argument(
        "--remove", action="append", default=[], metavar="ORIGIN", help="list it no longer 移除"
    )
    produce.add_argument(
        "--group",
        dest="groups",
        action="append",
        metavar="G",
        help="group property of those that are added, repeatable; '' for none 分组",
    )
    produce.add_argument(
        "--coo",
        metavar="CATALOG",
        help="give those that are added over to another catalog, whose consumers keep their data; "
        f"{NOWHERE} keeps them here 移交 (RFC 9432 section 4.3.1)",
    )
    produce.add_argument(
        "--reset", action="store_true", help="consumers are to get those added anew 重置"
    )
    _add_change(produce)
    produce.set_defaults(run=run_produce)

    consume = verbs.add_parser(
        "consume",
        help="hold the zones that a catalog lists 跟随目录区",
        description="Hold the zones that a catalog lists, as their secondary 跟随目录区; csid "
        "serve does the work. Given again, it has other primaries from then on.",
    )
    consume.add_argument("catalog", metavar="CATALOG", help="name of the catalog zone 目录区名")
    consume.add_argument(
        "--from",
        dest="primaries",
        action="append",
        required=True,
        metavar="HOST[:PORT]",
        help="a primary of the catalog and its zones, repeatable 主服务器",
    )
    add_reach(consume)
    consume.add_argument(
        "--group",
        dest="groups",
        action="append",
        default=[],
        metavar="G=HOST:PORT[,KEY]",
        help="primary of the members that have this group property, repeatable 分组",
    )
    _add_change(consume)
    consume.set_defaults(run=run_consume)

    stop = verbs.add_parser("stop", help="hold a catalog and its zones no longer 停止跟随目录区")
    stop.add_argument("catalog", metavar="CATALOG", help="name of the catalog zone 目录区名")
    _add_change(stop)
    stop.set_defaults(run=run_stop)

    listing = verbs.add_parser("list", help="what catalogs list 列出目录区")
    listing.add_argument(
        "catalog", metavar="CATALOG", nargs="?", help="one catalog, with its members"
    )
    options.add_data(listing)
    options.add_json(listing)
    listing.set_defaults(run=run_list)


def _add_change(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    options.add_data(parser)
    options.add_json(parser)
    acting.add_actor(parser)


def _asked(args: argparse.Namespace) -> tuple[str, ...]:
    told = Asked(acting.actor_of(args), args.reason).told()
    Asked.of(told)
    return told


def _wire(text: str) -> bytes:
    return names.from_text(text.lower())


# -- produce


def run_produce(args: argparse.Namespace) -> int:
    """Change a catalog of this node, which is made if it is not there."""
    if (args.groups is not None or args.coo is not None or args.reset) and not args.add:
        raise CatalogError("--group, --coo and --reset are about zones that are given with --add")
    origin = _wire(args.catalog)
    asked = _asked(args)
    shown = names.to_text(origin)
    with acting.open_for_writing(args) as registry:
        with registry.store.read() as read:
            is_new = not _is_held(read, origin)
            changes = [] if is_new else list(_changes(args, _labels(read, origin, args)))
        if is_new:
            _make(registry, asked, origin)
            changes = list(_changes(args, {}))
        serial = registry.perform(catalogs.PRODUCE, (asked, origin, changes))
    if args.json:
        output.print_json({"catalog": shown, "serial": serial, "is_new": is_new})
    else:
        made = " 已建立 made," if is_new else ""
        output.out.print(f"{shown}{made} serial {serial}", markup=False)
    return output.EXIT_OK


def _changes(args: argparse.Namespace, labels: dict[bytes, bytes]) -> Iterator[tuple[Any, ...]]:
    groups = None if args.groups is None else [one for one in args.groups if one]
    for text in args.add:
        zone = _wire(text)
        yield "add", zone, groups, args.reset, labels.get(zone)
        if args.coo is not None:
            label = None if args.reset else labels.get(zone)
            yield "give", zone, None if args.coo == NOWHERE else _wire(args.coo), label
    for text in args.remove:
        yield "remove", _wire(text), labels.get(_wire(text))


def _is_held(read: ReadTransaction, origin: bytes) -> bool:
    try:
        read.zone(origin)
    except ZoneError:
        return False
    return True


def _labels(read: ReadTransaction, origin: bytes, args: argparse.Namespace) -> dict[bytes, bytes]:
    """Under which labels the zones that are asked about are listed, by origin. They need not be
    those that this node gives: the catalog may have been loaded.
    """
    zone = read.zone(origin)
    wanted = {names.key_of(_wire(text)): _wire(text) for text in (*args.add, *args.remove)}
    found: dict[bytes, bytes] = {}
    for label, member in listing.members(read.nodes(zone.generation, listing.ZONES)):
        if member.zone in wanted:
            found.setdefault(wanted[member.zone], label)
    return found


def _make(registry: Registry, asked: tuple[str, ...], origin: bytes) -> None:
    """Have a catalog made that lists nothing."""
    nodes = list(build(origin, listing.first_nodes(origin)))
    since = registry.perform("zone.since")
    arguments = (asked, Mode.KEEP.value, since, [(origin, nodes)])
    [(outcome, _, said)] = registry.perform("zone.load", arguments)
    if outcome not in ("loaded", "unchanged"):
        raise ZoneError(names.to_text(origin), "; ".join(said) or "was changed meanwhile")


# -- consume, stop


def run_consume(args: argparse.Namespace) -> int:
    """Hold what a catalog lists."""
    origin = _wire(args.catalog)
    primaries = [target(args, text) for text in args.primaries]
    groups: dict[str, list[Target]] = {}
    for text in args.groups:
        group, is_there, rest = text.partition("=")
        address, _, name = rest.partition(",")
        if not is_there or not group:
            raise CatalogError(f"--group {text[:80]!r}: write GROUP=HOST:PORT, or ...,KEY behind")
        groups.setdefault(group, []).append(target(args, address, name))
    given = (_asked(args), origin, primaries, list(groups.items()))
    with acting.open_for_writing(args) as registry:
        is_new = registry.perform(catalogs.CONSUME, given)
    shown = names.to_text(origin)
    if args.json:
        output.print_json({"catalog": shown, "is_new": is_new})
    else:
        output.out.print(f"{shown} 将跟随其所列的区 its zones are held", markup=False)
    return output.EXIT_OK


def run_stop(args: argparse.Namespace) -> int:
    """Hold a catalog and its members no longer."""
    origin = _wire(args.catalog)
    with acting.open_for_writing(args) as registry:
        gone, is_open = 0, True
        while is_open:
            count, is_open = registry.perform(catalogs.STOP, (_asked(args), origin))
            gone += count
    shown = names.to_text(origin)
    if args.json:
        output.print_json({"catalog": shown, "zones": gone})
    else:
        output.out.print(f"{shown} 已停止 and {gone:,} zones are held no longer", markup=False)
    return output.EXIT_OK


# -- list


def run_list(args: argparse.Namespace) -> int:
    """Say which catalogs are consumed, or what one lists; exit code 1 if that one is broken."""
    with Registry.open(args.data) as registry, registry.store.read() as read:
        if args.catalog is None:
            return _list_catalogs(args, read)
        return _list_members(args, read, _wire(args.catalog))


def _list_catalogs(args: argparse.Namespace, read: ReadTransaction) -> int:
    rows = []
    for key, _ in read.table(CATALOGS).scan(b""):
        apex = key[1:]
        settings = catalog_of(read, apex)
        assert settings is not None
        fault = members.fault_of(read, apex)
        primaries = [str(Address(one.host, one.port)) for one in settings.primaries]
        shown = names.to_text(names.wire_of_key(apex))
        if args.json:
            output.print_json({"catalog": shown, "primaries": primaries, "fault": fault})
        said = "尚未传输 not here yet" if fault is None else fault
        standing = members.standing_of(read, apex)
        if not said and standing is not None and standing.is_open:
            said = "处理中 not all of it is taken up yet"
        rows.append((shown, ", ".join(primaries), said))
    if not args.json:
        output.print_list(("目录区 Catalog", "主服务器 Primaries", "错误 Fault"), rows)
    return output.EXIT_OK


def _list_members(args: argparse.Namespace, read: ReadTransaction, origin: bytes) -> int:
    apex = names.key_of(origin)
    is_consumed = catalog_of(read, apex) is not None
    fault = members.fault_of(read, apex) if is_consumed else ""
    rows = []
    for label, member in _members(read, origin, is_consumed):
        zone = names.to_text(names.wire_of_key(member.zone))
        at = names.to_text(names.wire_of_key(label + b"\0"))[:-1]
        coo = names.to_text(names.wire_of_key(member.coo)) if member.coo else ""
        state = _state(read, apex, label, member) if is_consumed else ""
        if args.json:
            value = {"origin": zone, "label": at, "groups": member.groups, "coo": coo}
            output.print_json(value | ({"state": state} if is_consumed else {}))
        rows.append((zone, at, ", ".join(member.groups), coo, state))
    if not args.json:
        heads = ("区 Zone", "标签 Label", "分组 Groups", "移交 Given to", "状态 State")
        output.print_list(heads, rows)
    if fault:
        output.complain(f"{names.to_text(origin)}: broken, and not processed: {fault}")
    return output.EXIT_BAD_INPUT if fault else output.EXIT_OK


def _members(
    read: ReadTransaction, origin: bytes, is_consumed: bool
) -> Iterator[tuple[bytes, Member]]:
    if is_consumed:
        return members.members_of(read, names.key_of(origin))
    zone = read.zone(origin)
    listing.check_version(read.tree(zone.generation).get)
    return listing.members(read.nodes(zone.generation, listing.ZONES))


def _state(read: ReadTransaction, apex: bytes, label: bytes, member: Member) -> str:
    follow = follow_of(read, member.zone)
    if follow is not None and (follow.catalog, follow.member) == (apex, label):
        return "held"
    return "passed over: the zone is held otherwise, or may not be held"
