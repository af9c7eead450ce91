"""`csid system new`: a system to begin with, which works as it stands."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

from gateway.cli import options, output
from gateway.systems.known import BUILT_IN, NAME, UnknownSystemError, taken

_TEMPLATE = "template"
_PACKAGE = f"gateway.systems.{_TEMPLATE}"
_FILES = ("__init__.py", "system.py", "hooks.py", "README.md")


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid system new`."""
    parser = actions.add_parser("new", help="make a system to begin with 新建系统")
    parser.add_argument("name", metavar="NAME", help="of its folder: a-z 0-9 _ 名称")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where its folder is made (here) 所在目录",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make it, and say how it is run.

    Raises:
        UnknownSystemError: there is one of this name, something else has it, or it is no name.
        OSError: the folder cannot be written.
    """
    name, folder = args.name, args.folder / args.name
    if not NAME.fullmatch(name) or name in (_TEMPLATE, *BUILT_IN):
        raise UnknownSystemError(
            f"{name[:40]!r}: expected 1 to 32 of a-z 0-9 _, beginning with a letter, and not "
            f"{', '.join((_TEMPLATE, *BUILT_IN))}"
        )
    if why := taken(name):
        raise UnknownSystemError(f"{name}: {why}; choose another name")
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UnknownSystemError(f"{folder}: is there already; choose another name") from None
    for file in _FILES:
        text = (resources.files(_PACKAGE) / file).read_text("utf-8")
        text = text.replace(_PACKAGE, name).replace(_TEMPLATE, name)
        (folder / file).write_text(text.replace("FOLDER", str(args.folder.absolute())), "utf-8")
    output.out.print(f"{folder}: made; {folder / 'README.md'} says how it is run", markup=False)
    return output.EXIT_OK
