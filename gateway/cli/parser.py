"""The parser of the command line: what holds for all commands, and what is said of slips."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from gateway.cli import errors
from gateway.cli.escape import one_line
from gateway.language import LANGUAGES, shown
from gateway.language.choose import OPTION

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

GENERAL: Final = (
    "--data",
    "--config",
    OPTION,
)  # options that may stand before the command as behind it

_ANY_WIDTH: Final = 80  # columns

# argparse would look for catalogues of its own texts, of which there are none: they are in ours.
vars(argparse)["_"] = str


class Parser(argparse.ArgumentParser):
    """A parser that names what was meant, that says when its help could not be printed, and what is
    wrong in one line.
    """

    def __init__(
        self,
        *,
        formatter_class: type[argparse.HelpFormatter] = argparse.HelpFormatter,
        **options: Any,
    ) -> None:
        self._is_raw = issubclass(formatter_class, argparse.RawDescriptionHelpFormatter)
        # With each argument that is added argparse makes one, to look whether it can be shown; the
        # width of the terminal takes long to find out, and counts for nothing there.
        unsized = partial(formatter_class, width=_ANY_WIDTH)
        super().__init__(formatter_class=unsized, **options)
        # Which language it is has been found out before (gateway.language.choose).
        self.add_argument(
            OPTION,
            choices=LANGUAGES,
            default=argparse.SUPPRESS,
            help="language of texts 语言 ($CSID_LANG, or as the locale has it)",
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end."""
        meant = self._meant(message)
        if errors.are_json():
            errors.print_error(message + meant, hint=meant.removeprefix("; "))
            self.exit(2)
        said = one_line(shown(message + meant))
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {shown('error: ')}{said}\n")

    def format_help(self) -> str:
        """Help in the language, within the columns of the terminal."""
        self._use_own_formatter()
        return super().format_help()

    def format_usage(self) -> str:
        """The same of its first lines."""
        self._use_own_formatter()
        return super().format_usage()

    def _use_own_formatter(self) -> None:
        from gateway.cli.help import HelpFormatter, RawHelpFormatter  # which few commands need

        self.formatter_class = RawHelpFormatter if self._is_raw else HelpFormatter

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print it; argparse's own passes over errors."""
        (file or sys.stdout).write(self.format_help())

    def _meant(self, message: str) -> str:
        unknown_option = re.compile(r"unrecognized arguments: (?:[^-]\S* )*(-[^\s=]+)")
        unknown_choice = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")
        if option := unknown_option.match(message):
            given, known = option[1], list(_options(self))
        elif choice := unknown_choice.search(message):
            given, known = choice[1], re.findall(r"'([^']*)'", choice[2])
        else:
            return ""
        import difflib  # which no right command needs

        near = difflib.get_close_matches(given, known, n=1, cutoff=0.7)
        return f"; did you mean {near[0]}?" if near else ""


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The options of a parser and of those of its actions."""
    for action in parser._actions:  # for what there is no public name
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _options(below)


def in_order(words: Sequence[str]) -> list[str]:
    """The words with the general options behind all others, where each command expects them. Behind
    `--` no word is an option.
    """
    end = words.index("--") if "--" in words else len(words)
    general: list[str] = []
    others: list[str] = []
    at = 0
    while at < end:
        name, sign, _ = words[at].partition("=")
        takes_next = not sign and at + 1 < end
        if name in GENERAL and (sign or takes_next):
            general += words[at : at + 1 + takes_next]
            at += 1 + takes_next
        else:
            others.append(words[at])
            at += 1
    return [*others, *general, *words[end:]]
