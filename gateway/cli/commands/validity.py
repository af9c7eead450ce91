"""`csid renew` and `csid validity`: until when identifiers are valid, and what follows."""

from __future__ import annotations

import argparse
from itertools import islice
from typing import Any, Final

from csid.identifier import parse
from csid.vocabulary import PHASES
from gateway.cli import acting, options, output, request
from registry.expiring import UNIT, Swept, terms
from registry.rules.requests import Renew, SetValidity
from registry.rules.validity import EXPIRED, EXPIRING, Term
from registry.service import Registry
from registry.tables.view import get_validity

LIST_LIMIT: Final = 100


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add both."""
    renew = subparsers.add_parser(
        "renew",
        description="Let an identifier be valid for longer 续期; one that has expired is in use "
        "again.",
    )
    options.add_identifier(renew)
    renew.add_argument(
        "--until", type=options.day, required=True, metavar="DAY", help="last day 失效日期"
    )
    request.add_request(renew)
    renew.set_defaults(run=run_renew)
    parser = subparsers.add_parser(
        "validity",
        description="What becomes of identifiers at the end of the time for which they are valid "
        "有效期: some days before, they are expiring 即将到期; behind the last day they have "
        "expired 已到期, which suspends them; not renewed in some days of grace 宽限期, "
        "they end.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="the days that hold here 查看")
    options.add_json(show)
    show.set_defaults(run=run_show)
    setting = actions.add_parser("set", help="set the days 设定", description="Set the days 设定.")
    setting.add_argument(
        "--expiring", type=options.count, metavar="DAYS", help="before the last day 提前提示天数"
    )
    setting.add_argument(
        "--grace", type=options.count, metavar="DAYS", help="behind it, to renew in 宽限天数"
    )
    request.add_request(setting)
    setting.set_defaults(run=run_set)
    listing = actions.add_parser("list", help="what is expiring or has expired 列出")
    listing.add_argument("--phase", choices=(EXPIRING, EXPIRED), help="these alone 仅列")
    options.add_page(listing, LIST_LIMIT, "ID")
    listing.set_defaults(run=run_list)
    sweep = actions.add_parser(
        "sweep",
        help="suspend what has expired, end what was not renewed, now 立即处理",
        description="Suspend what has expired, and end what was not renewed in time 立即处理. The "
        "writer of a running node does so by itself, each hour.",
    )
    options.add_json(sweep)
    sweep.set_defaults(run=run_sweep)
    for one in (show, listing, sweep):
        options.add_data(one)


def run_renew(args: argparse.Namespace) -> int:
    """Renew one."""
    with request.open_registry(args) as registry:
        identifier = parse(args.id, suffix=registry.settings.suffix)
        return request.carry_out(registry, args, Renew(identifier, args.until.isoformat()))


def run_show(args: argparse.Namespace) -> int:
    """Show the days."""
    with Registry.open(args.data) as registry, registry.view() as seen:
        days = get_validity(seen)
    if args.json:
        output.print_json({"expiring": days.expiring, "grace": days.grace})
    else:
        output.print_facts(
            [
                ("即将到期 Expiring", f"{days.expiring} d"),
                ("宽限期 Grace", f"{days.grace} d"),
            ]
        )
    return output.EXIT_OK


def run_set(args: argparse.Namespace) -> int:
    """Set the days; those that are not given stay."""
    with request.open_registry(args) as registry:
        with registry.view() as seen:
            days = get_validity(seen)
        expiring = days.expiring if args.expiring is None else args.expiring
        grace = days.grace if args.grace is None else args.grace
        return request.carry_out(registry, args, SetValidity(expiring, grace))


def run_list(args: argparse.Namespace) -> int:
    """List what is expiring or has expired."""
    with Registry.open(args.data) as registry, registry.view() as seen:
        all_of_them = (
            one
            for one in terms(seen, args.after.upper(), options.today())
            if args.phase in (None, one[1].phase)
        )
        found = list(islice(all_of_them, args.limit or None))
    if args.json:
        for name, term in found:
            output.print_json({"identifier": name} | json_of(term))
    else:
        output.print_list(
            ("标识 Identifier", "有效期 Validity", "失效日期 Until", "可续期至 Renewable"),
            ((name, text_of(term), term.until, term.renewable) for name, term in found),
        )
    if args.limit and len(found) == args.limit:
        output.note_more(found[-1][0])
    return output.EXIT_OK


def run_sweep(args: argparse.Namespace) -> int:
    """Carry out what is due."""
    total = Swept("", 0, 0, 0)
    with acting.open_for_writing(args) as registry:
        while True:
            piece = Swept(*registry.perform(UNIT, total.cursor))
            total = Swept(piece.cursor, *(a + b for a, b in zip(total[1:], piece[1:], strict=True)))
            if not piece.cursor:
                break
    if args.json:
        counts = {"expired": total.expired, "ended": total.lapsed, "refused": total.refused}
        output.print_json(counts)
    else:
        output.out.print(
            f"到期 expired {total.expired:,}, 终止 ended {total.lapsed:,}, "
            f"未办理 refused {total.refused:,}",
            markup=False,
        )
    return output.EXIT_OK


def text_of(term: Term) -> str:
    """Where an identifier is in its time, for people."""
    return f"{PHASES[term.phase]} {term.phase}"


def json_of(term: Term) -> dict[str, Any]:
    """The same, for scripts."""
    return {
        "phase": term.phase,
        "until": term.until.isoformat(),
        "renewable_until": term.renewable.isoformat(),
    }
