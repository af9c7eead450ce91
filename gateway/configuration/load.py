"""Reading the configuration: which file, and what it says.

What is given on the command line goes before the environment, that before the file, that before
the defaults.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from gateway.configuration.places import DEFAULT_FILE as DEFAULT_FILE
from gateway.configuration.places import file_here
from gateway.configuration.sections import KINDS, Configuration
from gateway.configuration.values import ConfigurationError
from gateway.systems.settings import Systems

DATA_VARIABLE: Final = "CSID_DATA"
OCTETS_MAX: Final = 1 << 20  # of a file

S = TypeVar("S")
Table = Mapping[str, Any]


def load(file: Path | None = None, environ: Mapping[str, str] = os.environ) -> Configuration:
    """The configuration that holds here.

    Args:
        file: to be read; None: that of $CSID_CONFIG, otherwise DEFAULT_FILE if it is there.

    Raises:
        ConfigurationError: the file cannot be read, or says what cannot be.
    """
    chosen = file_here(file, environ)
    found = Configuration() if chosen is None else parse(_read(chosen), str(chosen))
    if environ.get(DATA_VARIABLE):
        found = replace(found, node=replace(found.node, data=Path(environ[DATA_VARIABLE])))
    return found


def parse(octets: bytes, where: str) -> Configuration:
    """What a file says.

    Args:
        where: named in errors.

    Raises:
        ConfigurationError: it is no TOML in UTF-8, or has what is no option or no value of one.
    """
    try:
        said = tomllib.loads(octets.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{where}: no TOML: {error}") from None
    elsewhere = _elsewhere(said, where)
    own = [one.replace("_", "-") for one in KINDS]
    _require_known(said, [*own, *elsewhere], f"{where}: ", "section")
    found: dict[str, Any] = {"elsewhere": {}}
    for name, value in said.items():
        key = name.replace("-", "_")
        if name in elsewhere:
            found["elsewhere"][name] = value
            continue
        many = get_args(KINDS[key])
        if many and isinstance(value, list):
            found[key] = tuple(
                section(many[0], one, f"{where}: [[{name}]] number {number}")
                for number, one in enumerate(value, start=1)
            )
        elif many:
            raise ConfigurationError(f"{where}: {name}: may come many times: write [[{name}]]")
        else:
            found[key] = section(KINDS[key], value, f"{where}: [{name}]")
    return Configuration(**found)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            octets = stream.read(OCTETS_MAX + 1)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    if len(octets) > OCTETS_MAX:
        raise ConfigurationError(f"{file}: longer than {OCTETS_MAX:,} octets: no configuration")
    return octets


def section(kind: type[S], said: Any, where: str) -> S:
    """What a section says.

    Args:
        kind: a dataclass, whose fields are `options.option`.
        where: named in errors.

    Raises:
        ConfigurationError: it says what cannot be.
    """
    if not isinstance(said, dict):
        raise ConfigurationError(f"{where}: expected a section, with its options below it")
    options: dict[str, Field[Any]] = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    _require_known(said, [one.replace("_", "-") for one in options], f"{where} ", "option")
    found: dict[str, Any] = {}
    for name, value in said.items():
        key = name.replace("-", "_")
        try:
            found[key] = options[key].metadata["read"](value)
        except ValueError as error:
            shown = str(value)[:80]
            raise ConfigurationError(f"{where} {name}: {shown!r}: expected {error}") from None
    try:
        return kind(**found)
    except ValueError as error:
        raise ConfigurationError(f"{where}: expected {error}") from None


def _elsewhere(said: Table, where: str) -> list[str]:
    """The names of systems that lie in folders, whose sections are looked at by whoever runs them
    (`gateway.systems.run`). A section of ours is ours, whatever lies there.
    """
    systems = said.get("systems", {})
    if not isinstance(systems, dict) or "folders" not in systems:
        return []
    from gateway.systems.known import elsewhere  # which nobody needs who has none

    folders = section(Systems, {"folders": systems["folders"]}, f"{where}: [systems]").folders
    return [one for one in elsewhere(folders) if one not in KINDS]


def _require_known(said: Table, known: Iterable[str], where: str, what: str) -> None:
    """Raises ConfigurationError for a name that nobody knows, with the one that was meant."""
    names = list(known)
    for name in said:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names)}"
            raise ConfigurationError(f"{where}{name[:80]}: no such {what}{meant}")
