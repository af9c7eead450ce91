"""Which systems there are: those of this program, and those in folders that are configured.

A system elsewhere is a package in such a folder, imported by its name, which nothing else has then.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from csid.errors import CsidError
from gateway.systems.contract import System

BUILT_IN: Final[Mapping[str, str]] = {
    "aggregation": "gateway.systems.aggregation.system",
    "selection": "gateway.systems.selection.system",
}
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
MODULE: Final = "system"
# Where the processes of a server find what systems add to them (`resolver.server.hooks`).
HOOKS: Final = "gateway.systems.hooks:of_file"


class UnknownSystemError(CsidError):
    """There is no such system, or it is not one."""


def system(name: str, folders: Iterable[Path] = ()) -> System:
    """The system of a name.

    Args:
        folders: in which systems lie besides those of this program.

    Raises:
        UnknownSystemError: there is none, or its module has no SYSTEM of that name.
    """
    place = BUILT_IN.get(name) or _elsewhere(name, folders)
    if place is None:
        known = ", ".join([*BUILT_IN, *elsewhere(folders)])
        raise UnknownSystemError(
            f"{name[:40]!r}: there is no such system; there are {known}. [systems] folders says "
            "where else they lie"
        )
    try:
        module = importlib.import_module(place)
    except (Exception, SystemExit) as error:  # whatever somebody's module does
        raise UnknownSystemError(
            f"system {name}: {place} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    return _of(module, name)


def taken(name: str) -> str:
    """What of this program has a name already, so that no system elsewhere can; empty if nothing
    has.
    """
    from gateway.cli.listed import COMMANDS  # these two know of systems themselves
    from gateway.configuration.sections import KINDS

    word = name.replace("_", "-")
    if name in KINDS:
        return f"[{word}] is a section of the configuration"
    return f"csid {word} is a command" if word in COMMANDS else ""


def elsewhere(folders: Iterable[Path]) -> list[str]:
    """The names of the systems that lie in folders, those of this program apart. One whose name is
    `taken` is among them, so that this is told when it is to be used.
    """
    found = {
        one.parent.name
        for folder in folders
        for one in folder.glob(f"*/{MODULE}.py")
        if NAME.fullmatch(one.parent.name) and one.parent.name not in BUILT_IN
    }
    return sorted(found)


def _elsewhere(name: str, folders: Iterable[Path]) -> str | None:
    """The module of a system in one of the folders; its folder is where that is looked for.

    Raises:
        UnknownSystemError: something else has its name.
    """
    if not NAME.fullmatch(name):
        return None
    for folder in folders:
        file = folder / name / f"{MODULE}.py"
        if not file.is_file():
            continue
        if why := taken(name):
            raise UnknownSystemError(
                f"system {name}: {folder / name}: {why}; give the folder another name"
            )
        known = sys.modules.get(name)
        if known is not None and not _is_in(known, folder / name):
            raise UnknownSystemError(f"system {name}: a module has this name already")
        where = str(folder.absolute())
        if where not in sys.path:
            sys.path.append(where)
        return f"{name}.{MODULE}"
    return None


def _is_in(module: ModuleType, folder: Path) -> bool:
    return any(Path(one).absolute() == folder.absolute() for one in getattr(module, "__path__", ()))


def _of(module: ModuleType, name: str) -> System:
    found = getattr(module, "SYSTEM", None)
    if not isinstance(found, System) or found.name != name:
        raise UnknownSystemError(f"system {name}: {module.__name__} has no SYSTEM of this name")
    return found
