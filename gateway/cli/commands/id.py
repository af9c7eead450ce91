"""``csid id``: explain, check and make compute identifiers; needs no data directory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Final

from csid.errors import FileError, IdentifierError
from csid.explain import explain
from csid.identifier import Identifier, make, parse
from gateway.cli import options, output
from resolver.files import bounded_lines

TEXT_OCTETS_MAX: Final = 4_096  # of a line with one identifier; a DNS name has at most 1,004


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add the group ``id`` with its commands."""
    group = subparsers.add_parser(
        "id", description="Explain, check and make compute identifiers 算力标识; needs no node."
    )
    commands = group.add_subparsers(dest="id_command", required=True, metavar="COMMAND")

    explain = commands.add_parser("explain", help="say what each segment means 逐段释义")
    explain.add_argument("id", metavar="ID", help="identifier, DNS name or Handle")
    _add_reading_options(explain)
    explain.set_defaults(run=run_explain)

    check = commands.add_parser("check", help="check identifiers, exit 1 if any is bad 校验")
    check.add_argument("ids", metavar="ID", nargs="+", help="- reads one a line from stdin")
    _add_reading_options(check)
    _add_date(check)
    check.set_defaults(run=run_check)

    make = commands.add_parser("make", help="make an identifier, check characters included 编制")
    make.add_argument("--owner", required=True, help="18 characters, GB 32100-2015 所属主体")
    make.add_argument("--industry", required=True, help="4 digits, 0000 not specific 行业")
    make.add_argument("--location", required=True, help="GB/T 2260 or UN/LOCODE 位置")
    make.add_argument("--type", required=True, help="3 letters: class, tier, form 类型")
    make.add_argument("--spec", required=True, help="capability class, 8 characters 能力级")
    make.add_argument("--serial", required=True, help="1 to 12 of 0-9 A-Z 序号")
    _add_date(make)
    options.add_json(make)
    make.set_defaults(run=run_make)


def _add_reading_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suffix", help="suffix of DNS names (default: the scheme's)")
    options.add_json(parser)


def _add_date(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--on", type=options.day, metavar="DATE", help="date of registration, YYYY-MM-DD 赋码日期"
    )


def run_explain(args: argparse.Namespace) -> int:
    """Print what each part of one identifier means; exit 1 if it is none."""
    try:
        identifier = parse(args.id, suffix=args.suffix)
    except IdentifierError as error:
        output.complain(f"{_shown(args.id)}: {error}")
        return output.EXIT_BAD_INPUT
    rows = explain(identifier)
    if args.json:
        forms = _forms(identifier, args.suffix)
        output.print_json(forms | {"meanings": list(map(asdict, rows))})
        return output.EXIT_OK
    output.print_meanings(rows, title=f"算力标识 {identifier}")
    output.out.print(f"DNS     {identifier.to_dns_name(args.suffix)}", markup=False)
    output.out.print(f"Handle  {identifier.to_handle()}", markup=False)
    return output.EXIT_OK


def run_check(args: argparse.Namespace) -> int:
    """Print one line for each bad identifier (with --json one for each); exit 1 if any is bad."""
    bad = good = 0
    for text in _texts(args.ids):
        try:
            identifier = parse(text, args.on, args.suffix)
        except IdentifierError as error:
            bad += 1
            if args.json:
                fault = {"segment": error.segment, "position": error.position}
                output.print_json({"given": text, "ok": False, **fault, "reason": error.reason})
            output.complain(f"{_shown(text)}: {error}")
            continue
        good += 1
        if args.json:
            output.print_json({"given": text, "ok": True, "identifier": str(identifier)})
    if not args.json:
        output.out.print(f"{good} valid, {bad} bad  有效 {good}，无效 {bad}")
    return output.EXIT_BAD_INPUT if bad else output.EXIT_OK


def run_make(args: argparse.Namespace) -> int:
    """Print the identifier of the given segments; exit 1 if one of them is wrong."""
    segments = (args.owner, args.industry, args.location, args.type, args.spec, args.serial)
    try:
        identifier = make(*segments, on=args.on)
    except IdentifierError as error:
        output.complain(error)
        return output.EXIT_BAD_INPUT
    if args.json:
        output.print_json(_forms(identifier, None))
    else:
        output.out.print(str(identifier), markup=False)
    return output.EXIT_OK


def _texts(given: Iterable[str]) -> Iterator[str]:
    """The identifiers to check: those given, and the lines of stdin where ``-`` is; no blanks."""
    for text in given:
        if text == "-":
            yield from filter(None, _lines_of_stdin())
        else:
            yield text


def _lines_of_stdin() -> Iterator[str]:
    try:
        for line in bounded_lines(sys.stdin.buffer, TEXT_OCTETS_MAX):
            yield line.decode(errors="replace").strip()
    except OSError as error:
        raise FileError(f"-: cannot be read: {error.strerror or error}") from None


def _shown(text: str) -> str:
    return text if text.isprintable() and len(text) <= 120 else f"{text[:120]!r}"


def _forms(identifier: Identifier, suffix: str | None) -> dict[str, Any]:
    return {
        "identifier": str(identifier),
        "dns": identifier.to_dns_name(suffix),
        "handle": identifier.to_handle(),
    }
