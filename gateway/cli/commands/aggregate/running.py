"""`csid aggregate run` and `test`: sources polled, as a service or once."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import Any

from csid.errors import CsidError
from gateway.cli import options, output
from gateway.cli.commands.aggregate import shown
from gateway.cli.commands.system import serving
from gateway.cli.commands.system.folder import add_folder, looked_at, place_of
from gateway.systems.aggregation.difference import applied
from gateway.systems.aggregation.known import Pool, Settings
from gateway.systems.aggregation.quarantine import ACCEPTED, held
from gateway.systems.aggregation.readings import Reading
from gateway.systems.aggregation.region import Aggregating
from gateway.systems.aggregation.service import Decided, Service, look
from gateway.systems.aggregation.system import SYSTEM
from gateway.systems.contract import Place
from gateway.systems.running import Lock
from resolver.server.sockets import listen_address


class RunError(CsidError):
    """Sources are not polled: another process does, or not so."""


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid aggregate run`."""
    run = actions.add_parser(
        "run",
        help="poll all sources until SIGTERM or Ctrl-C, or once 运行采集",
        description="Poll all sources until SIGTERM or Ctrl-C, as csid system run aggregation "
        "does 运行采集. Exit code: 0 it was told to end, 2 it could not start, or not go on. With "
        "--once: 0 all was done, 1 something is held back or was refused, or a source could not "
        "be read, 2 none could be.",
    )
    run.add_argument(
        "names", nargs="*", metavar="NAME", help="with --once: only these sources 来源名称"
    )
    run.add_argument("--once", action="store_true", help="poll once and end 采集一次")
    run.add_argument(
        "--dry-run", action="store_true", help="show what would change, and change nothing 试运行"
    )
    run.add_argument(
        "--listen",
        type=listen_address,
        metavar="ADDRESS:PORT",
        help="where to listen over HTTP HTTP 监听地址; port 0 takes a free one",
    )
    add_folder(run)
    options.add_json(run)
    run.set_defaults(run=run_run)


def run_run(args: argparse.Namespace) -> int:
    """Poll all sources."""
    if not args.once and not args.dry_run:
        if args.names:
            raise RunError("only some sources are polled once: --once, or csid aggregate pause")
        return serving.run(args, [SYSTEM.name])
    with (looked_at if args.dry_run else place_of)(args, SYSTEM) as place:
        service = Aggregating(place).poller
        sources = [service.book.source(name) for name in args.names] or [
            one for one in service.book.sources() if not one.paused
        ]
        if args.dry_run:
            return asyncio.run(_try(args, service, place, sources))
        lock = Lock(place.folder)
        try:
            if not lock.take():
                raise RunError(f"{place.folder}: another process polls these sources already")
            return asyncio.run(_once(args, service, sources))
        finally:
            lock.close()


def run_test(args: argparse.Namespace) -> int:
    """Poll a source once, and show what it says; exit code 2 if it cannot be read."""
    with looked_at(args, SYSTEM) as place:
        service = Aggregating(place).poller
        reading = asyncio.run(_read(service, service.book.source(args.name)))
    if args.json:
        for one in reading.units:
            output.print_json(shown.unit(one))
    else:
        shown.print_units(reading)
    return output.EXIT_OK


async def _read(service: Service, source: Settings) -> Reading:
    reader = service.reader(source)
    try:
        return await reader.read()
    finally:
        await reader.close()
        await service.close()


async def _try(
    args: argparse.Namespace, service: Service, place: Place, sources: Sequence[Settings]
) -> int:
    """Show what polls would change, and what of before would be asked for with it."""
    results = await asyncio.gather(*(_tried(service, one) for one in sources))
    await service.close()
    codes = []
    book, now, grace = service.book, place.now(), place.settings.grace * 1_000
    for source, found in zip(sources, results, strict=True):
        if isinstance(found, CsidError):
            output.complain(f"{source.name}: {found}")
            codes.append(2)
            continue
        known, change, why = look(book, source, found, now, grace)
        verdict = held(change, why, book.held_back(source.name), now).verdict if why else None
        is_held = verdict not in (None, ACCEPTED)
        after = known if is_held else applied(known, change)
        pools = {key: after.pools.get(key) for key in known.pools if _is_left(known.pools[key])}
        owed = {key: pool for key, pool in pools.items() if pool is not None and _is_left(pool)}
        row = shown.difference(source, found, change, why, verdict, owed)
        if args.json:
            output.print_json(row)
        else:
            output.out.print(f"{source.name}: {len(found.units)} 个单元 units", markup=False)
            shown.print_held(row)
            if verdict == ACCEPTED:
                said = "已接受，将生效 accepted: would be applied"
                output.out.print(f"{source.name}  {said}", markup=False)
        if is_held:
            output.complain(f"{source.name}: would be held back: {why[0].text}")
        refused = sum(bool(pool.refusal) for pool in owed.values())
        if refused:
            said = f"{refused} refused; csid aggregate show {source.name}"
            output.complain(f"{source.name}: {said}")
        codes.append(int(is_held or bool(refused)))
    return _code(codes)


def _is_left(pool: Pool) -> bool:
    return pool.is_owed or bool(pool.refusal)


async def _tried(service: Service, source: Settings) -> Reading | CsidError:
    try:
        reader = service.reader(source)
        try:
            return await reader.read()
        finally:
            await reader.close()
    except CsidError as error:
        return error


async def _once(args: argparse.Namespace, service: Service, sources: Sequence[Settings]) -> int:
    """Poll once, and do what follows."""
    codes = []
    rows: list[dict[str, Any]] = []
    try:
        for found in await asyncio.gather(*(_polled(service, one) for one in sources)):
            source, decided, error = found
            row = shown.source(service.book, source)
            rows.append(row)
            wrong = error or row["registry_error"] or row["status_error"]
            if decided is not None and decided.held is not None:
                wrong = wrong or f"held back: {decided.reasons[0].text}"
            if row["refused"]:
                wrong = wrong or f"{row['refused']} refused; csid aggregate show {source.name}"
            if wrong:
                output.complain(f"{source.name}: {wrong}")
            codes.append(2 if decided is None else int(bool(wrong)))
    finally:
        await service.close()
    if args.json:
        for row in rows:
            output.print_json(row)
    else:
        heads = ("来源 Source", "类型 Kind", "状态 State", "单元 Units", "资源池 Pools")
        output.print_list((*heads, "已登记 Registered"), (shown.cells(row) for row in rows))
    return _code(codes)


async def _polled(service: Service, source: Settings) -> tuple[Settings, Decided | None, str]:
    try:
        decided, _, polled = await service.once(source)
    except CsidError as error:
        return source, None, str(error)
    return source, decided, polled.error if decided is None else ""


def _code(codes: Sequence[int]) -> int:
    """0 all was done, 2 nothing could be, else 1."""
    if not any(codes):
        return 0
    return 2 if all(code == 2 for code in codes) else 1
