"""Help as it is printed: in the language of who reads it, within the columns of the terminal."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from typing import Any, Final

from gateway.language import known, shown
from gateway.language.width import columns
from gateway.language.wrap import wrapped

WIDTH_MOST: Final = 100  # columns; longer lines are hard to read
WIDTH_LEAST: Final = 40
# An option with its value, or with others of which one is given; or a word.
_USAGE_PART: Final = re.compile(r"\(.*?\)+(?=\s|$)|\[.*?\]+(?=\s|$)|\S+")
_HELP_AT: Final = 24  # the column where what an option is for begins


def _width() -> int:
    given = shutil.get_terminal_size().columns
    return max(WIDTH_LEAST, min(given, WIDTH_MOST))


class HelpFormatter(argparse.HelpFormatter):
    """Puts texts into the language, and breaks lines where they are too wide for the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_HELP_AT, width=_width() - 1)

    def start_section(self, heading: str | None) -> None:
        """A group of options."""
        super().start_section(heading and shown(heading))

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help and shown(action.help)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrapped(text, width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in wrapped(shown(text), width - columns(indent)))

    def _format_usage(self, usage: str | None, *rest: Any) -> str:
        *others, prefix = rest
        said = shown("usage: " if prefix is None else prefix)
        if usage is not None:
            usage = shown(usage)
        # argparse breaks lines by characters, and far to the right: it is asked for one.
        width, self._width = self._width, sys.maxsize
        line = super()._format_usage(usage, others[0], others[1], "").rstrip()
        self._width = width
        lines = [said]
        for number, part in enumerate(_USAGE_PART.findall(line)):
            if columns(lines[-1]) + 1 + columns(part) > width and number:
                lines.append(" " * columns(said))
            lines[-1] += part if number == 0 or lines[-1].isspace() else f" {part}"
        return "\n".join(lines) + "\n\n"


class RawHelpFormatter(HelpFormatter, argparse.RawDescriptionHelpFormatter):
    """The same for texts that are broken into lines already, those that are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" not in text:
            return super()._fill_text(text, width, indent)
        return "\n".join(indent + line for line in known(text).splitlines())
