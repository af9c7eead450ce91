"""`csid template`: an empty sheet for registrations."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import BinaryIO, Final, cast

from csid.errors import CsidError
from gateway.cli import configured, options, output
from gateway.cli.commands.pool import POOL_FORM
from gateway.sheets import template
from registry.rules import pools, serials
from registry.rules.decision import Refusal
from registry.rules.free import Serials
from registry.service import Registry
from registry.tables.view import View, get_use
from resolver.files import write_whole

ROWS: Final = 20  # of a pool, unless asked for more


class TemplateError(CsidError):
    """No template can be made so."""


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid template`."""
    parser = subparsers.add_parser(
        "template",
        description="Write an empty sheet for registrations (.xlsx) 登记表模板: heads in Chinese "
        "and English, lists of the codes to choose from, notes, an example, and columns that a "
        "spreadsheet takes for text. csid import takes what it is filled with.",
    )
    parser.add_argument("file", type=Path, metavar="FILE.xlsx", help="the sheet to write 登记表")
    parser.add_argument(
        "--pool",
        metavar="POOL",
        help=f"fill in the codes of a pool that are free next 资源池: {POOL_FORM}",
    )
    parser.add_argument(
        "--rows",
        type=options.count,
        default=ROWS,
        metavar="N",
        help=f"so many of them, with --pool 行数 ({ROWS})",
    )
    options.add_data(parser)
    parser.set_defaults(run=run_template, needs_data=False)


def run_template(args: argparse.Namespace) -> int:
    """Write a template."""
    if args.file.suffix.lower() != ".xlsx":
        raise TemplateError(f"{args.file}: a template is a sheet; give a name ending in .xlsx")
    prefilled = None
    if args.pool is not None:
        if not 0 < args.rows <= template.ROWS_MAX:
            raise TemplateError(f"--rows {args.rows}: expected 1 to {template.ROWS_MAX:,}")
        data = args.data if args.data is not None else configured.data(args)
        with Registry.open(data) as registry, registry.view() as seen:
            prefilled = _prefilled(seen, args.pool, args.rows)
    with write_whole(args.file) as file:
        template.write(cast(BinaryIO, file.buffer), options.today().year, prefilled)
    output.err.print(f"已写出 written {args.file}", markup=False)
    return output.EXIT_OK


def _prefilled(seen: View, text: str, rows: int) -> template.Prefilled:
    """The codes of a pool that are free next."""
    found = pools.candidates(seen, text)
    if isinstance(found, Refusal):
        raise TemplateError(f"{found.status.zh} {found.detail}")
    pool = found[0]
    width = len(pool.first)
    free = Serials(seen, pool.place, pool.capability, width)
    last = serials.number(pool.last)
    number: int | None = max(get_use(seen, pool).next, serials.number(pool.first))
    texts: list[str] = []
    while number is not None and len(texts) < rows:
        number = free.next_free(number, last)
        if number is not None:
            texts.append(serials.text(number, width))
            number += 1
    if not texts:
        raise TemplateError(f"资源池序号已用尽 all codes of pool {pool.code} are assigned")
    return template.Prefilled((*pool.place.split("/"), pool.capability), texts, width)
