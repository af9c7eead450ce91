"""Manual pages (man 1), made of the parsers: `python -m gateway.cli.manual DIR` writes csid.1 and
one page a command. Packages make theirs with it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from argparse_manpage.manpage import Manpage

from gateway.cli import COMMANDS, whole_parser
from gateway.cli.version import version


def pages() -> Iterator[tuple[str, str]]:
    """(name of the file, page) of the program and of each command."""
    parser = whole_parser()
    yield "csid.1", _page(parser, "csid", "compute identifiers: assign, store, resolve")
    for action in parser._actions:  # for what there is no public name
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield f"csid-{name}.1", _page(below, f"csid-{name}", COMMANDS[name].purpose)


def _page(parser: argparse.ArgumentParser, name: str, purpose: str) -> str:
    page = Manpage(parser, format="single-commands-section")
    page.source = f"csid {version()}"
    page.manual = "csid"
    lines = str(page).splitlines()
    # The program's own name has a space where that of a page has none, and no purpose behind it.
    own = parser.prog.upper().replace("-", "\\-")
    lines[0] = lines[0].replace(own, name.upper(), 1)
    at = lines.index(".SH NAME") + 1
    lines[at] = f"{name} \\- {purpose}"
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write them into the directory given."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages():
        (folder / name).write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
