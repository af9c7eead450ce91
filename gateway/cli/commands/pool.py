"""`csid pool`: blocks of codes for like resources 算力资源池编码, and codes minted in them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any, Final

from csid.errors import CsidError
from csid.identifier import fold
from csid.moments import iso
from gateway.cli import options, output, record_options, request
from registry.rules import pools, serials
from registry.rules.decision import Refusal
from registry.rules.plan import MintAll
from registry.rules.requests import AddPool, Mint
from registry.service import Registry
from registry.tables import codec
from registry.tables.rows import Pool, PoolUse
from registry.tables.view import View, get_use

LIST_LIMIT: Final = 100  # pools, unless asked for more
POOL_FORM: Final = "OWNER/INDUSTRY/LOCATION/TYPE/CLASS[/FIRST-LAST]"


class PoolError(CsidError):
    """A pool that is not there, or serials that are none."""


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid pool` with its actions."""
    parser = subparsers.add_parser(
        "pool",
        description="Blocks of codes for like resources 算力资源池编码, and codes minted in them.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _register_add(actions)
    _register_mint(actions)
    show = actions.add_parser("show", help="show the pools of a class 查看资源池")
    show.add_argument("pool", metavar="POOL", help=POOL_FORM)
    options.add_json(show)
    show.set_defaults(run=run_show)
    listing = actions.add_parser("list", help="list pools by prefix 列出资源池")
    listing.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="all if left out")
    options.add_page(listing, LIST_LIMIT, "POOL")
    listing.set_defaults(run=run_list)
    for reading in (show, listing):
        options.add_data(reading)


def _register_add(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    add = actions.add_parser("add", help="set a block of codes aside 新建资源池")
    add.add_argument("place", metavar="PLACE", help="OWNER/INDUSTRY/LOCATION/TYPE")
    add.add_argument("--class", dest="capability", required=True, help="capability class 能力级")
    add.add_argument("--count", type=options.count, metavar="N", help="how many codes 数量")
    add.add_argument(
        "--serials", metavar="FROM-TO", help="these, of one width 序号 (the next that are free)"
    )
    add.add_argument(
        "--quota", type=options.count, metavar="N", help="how many may be given 配额 (all)"
    )
    request.add_request(add)
    add.set_defaults(run=run_add)


def _register_mint(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    mint = actions.add_parser(
        "mint",
        help="assign codes of a pool 池内赋码",
        description="Assign the next free codes of a pool, all with one record; prints them. "
        "Interrupted, it goes on when given again: --all by itself, --number with the same --key.",
    )
    mint.add_argument("pool", metavar="POOL", help=POOL_FORM)
    many = mint.add_mutually_exclusive_group()
    many.add_argument(
        "--number", type=options.count, default=1, metavar="N", help="so many 数量 (1)"
    )
    many.add_argument("--all", action="store_true", help="all that are left 全部")
    options.add_ttl(mint)
    request.add_request(mint)
    record_options.add_record(mint)
    mint.set_defaults(run=run_mint)


def run_add(args: argparse.Namespace) -> int:
    """Set a block of codes aside; prints the pool's code."""
    first, _, last = fold(args.serials or "").partition("-")
    count = args.count
    if count is None:
        count = _size(first, last)
    body = AddPool(args.place, args.capability, count, args.quota, first, last)
    with request.open_registry(args) as registry:
        return request.carry_out(registry, args, body, bare=True)


def _size(first: str, last: str) -> int:
    """How many serials there are from one to another of the same width."""
    if not first:
        raise PoolError("how large is the pool? give --count, or --serials FROM-TO, or both")
    try:
        return max(serials.number(last) - serials.number(first) + 1, 0)
    except ValueError:
        raise PoolError(f"--serials {first}-{last}: expected FROM-TO, each of 0-9 A-Z") from None


def run_mint(args: argparse.Namespace) -> int:
    """Assign codes of a pool; prints each."""
    record = record_options.record_of(args)
    with request.open_registry(args) as registry:
        number = args.number
        if args.all:
            number = _left(registry, args.pool)
        elif number == 1:
            return request.carry_out(registry, args, Mint(args.pool, record, args.ttl), bare=True)
        if not number and not args.key:
            output.err.print("无可赋码 no codes are left", markup=False)
            return output.EXIT_OK
        work = MintAll(args.pool, record, number, args.ttl, rest=args.all)
        show = _print_json if args.json else _print
        return request.carry_out_plan(registry, args, work, number, show)


def _print(subjects: Iterable[str]) -> None:
    for subject in subjects:
        print(subject)


def _print_json(subjects: Iterable[str]) -> None:
    for subject in subjects:
        output.print_json({"identifier": subject})


def _left(registry: Registry, text: str) -> int:
    """How many codes may still be given in a pool, or in the pools of a class."""
    with registry.view() as seen:
        return sum(max(pool.quota - use.assigned, 0) for pool, use in _meant(seen, text))


def _meant(seen: View, text: str) -> list[tuple[Pool, PoolUse]]:
    found = pools.candidates(seen, text)
    if isinstance(found, Refusal):
        raise PoolError(found.detail)
    return [(pool, get_use(seen, pool)) for pool in found]


def run_show(args: argparse.Namespace) -> int:
    """Show a pool, or the pools of a class; exit 1 if there are none."""
    with Registry.open(args.data) as registry, registry.view() as seen:
        try:
            found = _meant(seen, args.pool)
        except PoolError as error:
            output.complain(error)
            return output.EXIT_BAD_INPUT
    for pool, use in found:
        if args.json:
            output.print_json(_as_json(pool, use))
            continue
        rows = [
            ("资源池编码 Pool", pool.code),
            ("序号 Serials", f"{pool.first} - {pool.last}"),
            ("编码数 Codes", f"{_codes(pool):,}"),
            ("配额 Quota", f"{pool.quota:,}"),
            ("已赋码 Assigned", f"{use.assigned:,}"),
            ("设立时间 Since", output.moment(pool.since)),
        ]
        output.print_facts(rows)
    return output.EXIT_OK


def run_list(args: argparse.Namespace) -> int:
    """List pools in the order of their codes."""
    with Registry.open(args.data) as registry, registry.view() as seen:
        found, more = output.take(_listed(seen, args), args.limit)
        used = [(pool, get_use(seen, pool)) for pool in found]
    if args.json:
        for pool, use in used:
            output.print_json(_as_json(pool, use))
    else:
        output.print_list(
            ("资源池编码 Pool", "编码数 Codes", "配额 Quota", "已赋码 Assigned"),
            ((pool.code, _codes(pool), pool.quota, use.assigned) for pool, use in used),
        )
    if more:
        output.note_more(found[-1].code)
    return output.EXIT_OK


def _listed(seen: View, args: argparse.Namespace) -> Iterator[Pool]:
    prefix = fold(args.prefix).encode()
    start = b""
    if args.after:
        after = _meant(seen, args.after)
        start = codec.pool_key(after[-1][0]) + b"\0"
    for _, value in seen.scan(codec.POOLS, prefix, start):
        yield codec.decode_pool(value)


def _codes(pool: Pool) -> int:
    return serials.number(pool.last) - serials.number(pool.first) + 1


def _as_json(pool: Pool, use: PoolUse) -> dict[str, Any]:
    return {
        "pool": pool.code,
        "place": pool.place,
        "class": pool.capability,
        "first": pool.first,
        "last": pool.last,
        "codes": _codes(pool),
        "quota": pool.quota,
        "assigned": use.assigned,
        "since": iso(pool.since),
    }
