"""Options that several commands take, and the values of options."""

from __future__ import annotations

import argparse
import re
import time
from datetime import date
from pathlib import Path
from typing import Final

from csid.limits import MAX_TTL
from gateway.cli.basic import Subparsers as Subparsers
from gateway.cli.basic import add_config as add_config
from gateway.cli.basic import add_identifier as add_identifier
from gateway.cli.basic import add_json as add_json
from gateway.cli.basic import path as path

COUNT_MAX: Final = 999_999_999_999  # more than there can be of anything

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_PERIOD: Final = re.compile(r"([0-9]{1,9})([smhd]?)")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add --data and --config. Where the first is not given, the configuration says which
    directory (`gateway.cli.configured`).
    """
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="the data directory 数据目录 ($CSID_DATA, or as the configuration has it)",
    )
    add_config(parser)
    parser.set_defaults(needs_data=True)


def add_ttl(parser: argparse.ArgumentParser, otherwise: str = "") -> None:
    """Add --ttl; ``otherwise`` is what holds where it is not given: the default of new codes."""
    from registry.tables.rows import DEFAULT_TTL  # and what else a row needs

    otherwise = otherwise or str(DEFAULT_TTL)
    parser.add_argument(
        "--ttl",
        type=ttl,
        metavar="SECONDS",
        help=f"how long what it resolves to may be kept elsewhere 缓存时间 ({otherwise})",
    )


def add_page(parser: argparse.ArgumentParser, limit: int, cursor: str) -> None:
    """Add --limit, --after and --json."""
    parser.add_argument(
        "--limit",
        type=count,
        default=limit,
        metavar="N",
        help=f"at most so many 最多 ({limit}; 0: all)",
    )
    parser.add_argument(
        "--after",
        default="",
        metavar=cursor,
        help="go on behind this one, the last of the page before 续查",
    )
    add_json(parser)


def day(text: str) -> date:
    """A date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; expected YYYY-MM-DD") from None


def today() -> date:
    """The day it is in China, whose calendar codes and endings follow."""
    from registry.rules.case import day_of  # and all that is decided

    return day_of(int(time.time()))


def ttl(text: str) -> int:
    """A TTL in seconds."""
    digits = text if text.isascii() and text.isdecimal() and len(text) < 20 else "-1"
    if 0 <= int(digits) <= MAX_TTL:
        return int(digits)
    raise argparse.ArgumentTypeError(f"{text[:40]!r}: expected seconds from 0 to {MAX_TTL}")


def period(text: str) -> int:
    """Seconds of a time such as 7d."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: expected a number and s, m, h or d")
    return int(match[1]) * _UNITS[match[2]]


def count(text: str) -> int:
    """A number from 0 to COUNT_MAX."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(COUNT_MAX)):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r}: expected a number from 0 to {COUNT_MAX}")
