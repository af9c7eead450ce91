"""Options that several commands take, and the values of options."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

Subparsers = argparse._SubParsersAction  # what argparse gives no public name


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add --data."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the data directory 数据目录"
    )


def day(text: str) -> date:
    """A date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; expected YYYY-MM-DD") from None


def count(text: str) -> int:
    """A number from 0."""
    if text.isascii() and text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number, 0 for all")
