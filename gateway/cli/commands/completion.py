"""`csid completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import shtab

from gateway.cli import options

SHELLS = ("bash", "zsh", "fish")


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid completion`."""
    parser = subparsers.add_parser(
        "completion",
        description="Print what a shell needs to complete commands and options, for its file of "
        "completions: csid completion bash > /etc/bash_completion.d/csid. 命令行补全",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell 命令解释器")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print it."""
    from gateway.cli import whole_parser  # it imports every command, this one as well

    parser = whole_parser()
    for action in _actions(parser):
        if action.type in (Path, options.path):
            place = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
            action.complete = place  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(parser, args.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All options and arguments of a parser and of those below it."""
    for action in parser._actions:  # for what there is no public name
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
