"""Commands that systems elsewhere add, looked for only where a first word is none of our own: so no
word of ours can be taken over, and no command of ours waits for somebody's system.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from csid.errors import CsidError
from gateway.cli.options import Subparsers, add_config
from gateway.cli.parser import Parser
from gateway.configuration.load import load
from gateway.systems.contract import Command
from gateway.systems.known import UnknownSystemError, elsewhere, system

_CONFIG: Final = "--config"


class Added(NamedTuple):
    """What was found.

    Attributes:
        commands: by their words, each with the names of the systems that have it.
        why: what could not be looked at, and why.
    """

    commands: Mapping[str, list[tuple[str, Command]]] = {}
    why: tuple[str, ...] = ()


def look(words: Sequence[str]) -> Added:
    """The commands of the systems in the folders of the configuration that a command line means."""
    found: dict[str, list[tuple[str, Command]]] = {}
    why: list[str] = []
    try:
        folders = load(_config_of(words)).systems.folders
    except CsidError as error:
        return Added(found, (str(error),))
    for name in elsewhere(folders):
        try:
            one = system(name, folders)
        except CsidError as error:
            why.append(str(error))
            continue
        for word, command in one.commands.items():
            found.setdefault(word, []).append((name, command))
    return Added(found, tuple(why))


def register(
    subparsers: Subparsers[Parser],
    word: str,
    having: Sequence[tuple[str, Command]],
) -> None:
    """Add the parser of a command.

    Args:
        having: the systems that have it.

    Raises:
        UnknownSystemError: several have it, or it cannot be loaded.
    """
    (name, command), *others = having
    if others:
        names = ", ".join(one for one, _ in having)
        raise UnknownSystemError(f"csid {word}: several systems have this command: {names}")
    try:
        importlib.import_module(command.module).register(subparsers)
    except (Exception, SystemExit) as error:  # whatever somebody's module does
        said = f"{type(error).__name__}: {error}"
        raise UnknownSystemError(
            f"system {name}: {command.module} cannot be loaded: {said}"
        ) from error
    parser = subparsers.choices.get(word)
    if parser is None:
        raise UnknownSystemError(f"system {name}: {command.module} adds no command {word}")
    _let_config_be_said(parser)


def _let_config_be_said(parser: argparse.ArgumentParser) -> None:
    """Have --config taken, by which the command was found, also where its author has not asked."""
    if _CONFIG not in parser._option_string_actions:  # for what there is no public name
        add_config(parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _let_config_be_said(below)


def _config_of(words: Sequence[str]) -> Path | None:
    """The file that is given last as --config FILE or --config=FILE, before `--`."""
    found = None
    end = words.index("--") if "--" in words else len(words)
    for word, following in zip(words[:end], [*words[1:end], ""], strict=True):
        name, sign, value = word.partition("=")
        if name == _CONFIG and (value := value if sign else following):
            found = Path(value)
    return found
