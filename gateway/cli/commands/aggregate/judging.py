"""`csid aggregate accept` and `refuse`: a word about what is held back, and was looked at."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Final

from csid.errors import CsidError
from gateway.cli import output
from gateway.cli.commands.aggregate import shown
from gateway.cli.commands.aggregate.book import book_of
from gateway.systems.aggregation.quarantine import ACCEPTED, REFUSED
from gateway.systems.aggregation.tables import Book

_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")


class UnseenError(CsidError):
    """Nobody says what was looked at that is to be accepted or refused."""


def add_shown(parser: argparse.ArgumentParser) -> None:
    """Add --shown."""
    parser.add_argument(
        "--shown",
        type=_digest,
        metavar="DIGEST",
        help="the digest of what was looked at, or its first 8 digits; on a terminal it is "
        "shown otherwise, and asked about 所查看变更的摘要",
    )


def run_accept(args: argparse.Namespace) -> int:
    """Apply what is held back, once the source says the same again."""
    return _judge(args, ACCEPTED)


def run_refuse(args: argparse.Namespace) -> int:
    """Leave what is held back, until the source says something else."""
    return _judge(args, REFUSED)


def _judge(args: argparse.Namespace, verdict: str) -> int:
    action = "accept" if verdict == ACCEPTED else "refuse"
    with book_of(args) as book:
        digest = args.shown or _asked(book, args.name, action)
        if not digest:
            output.out.print(f"{args.name}  未处理 left as it is", markup=False)
            return output.EXIT_BAD_INPUT
        held = book.judge(args.name, verdict, digest)
    if args.shown:
        shown.print_held(shown.held_row(held))
    if verdict == ACCEPTED:
        said = "已接受，下次采集仍如此即生效 accepted: done if the next poll says the same"
    else:
        said = "已拒绝，来源改变后再提示 refused: shown again when the source says something else"
    output.out.print(f"{args.name}  {said}", markup=False)
    return output.EXIT_OK


def _asked(book: Book, name: str, action: str) -> str:
    """Show what is held back on a terminal, and ask about it; the digest of what was shown, empty
    if the answer is no.

    Raises:
        UnseenError: nothing is held back, or there is no terminal.
        BookError: there is no such source.
    """
    book.source(name)
    held = book.held_back(name)
    if held is None:
        raise UnseenError(f"{name}: nothing is held back")
    if not all(one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr)):
        raise UnseenError(
            f"{name}: say what was looked at: csid aggregate {action} {name} --shown DIGEST, as "
            f"csid aggregate show {name} has it"
        )
    shown.print_held(shown.held_row(held))
    question = "接受吗 accept it?" if action == "accept" else "拒绝吗 refuse it?"
    output.err.print(f"{name}  {held.digest[:8]}  {question} [y/N] ", end="", markup=False)
    is_agreed = sys.stdin.readline().strip().lower() in ("y", "yes", "是")
    return held.digest if is_agreed else ""


def _digest(text: str) -> str:
    if _DIGEST.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(f"{text[:40]!r}: expected at least 8 digits of 0-9 a-f")
