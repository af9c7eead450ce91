"""Which systems a configuration has a process run, with what settings, and where."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gateway.configuration.load import section
from gateway.configuration.sections import Configuration
from gateway.configuration.values import ConfigurationError
from gateway.systems.contract import System
from gateway.systems.known import system
from gateway.systems.running import Configured


def configured(found: Configuration, names: Iterable[str]) -> list[Configured]:
    """Systems with what their sections say.

    Raises:
        CsidError: there is no such system, or its section says what cannot be.
    """
    systems = [system(one, found.systems.folders) for one in dict.fromkeys(names)]
    return [Configured(one, settings_of(found, one)) for one in systems]


def settings_of(found: Configuration, one: System) -> Any:
    """What the section of a system says.

    Raises:
        ConfigurationError: it says what cannot be.
    """
    own = getattr(found, one.name, None)  # of those of this program
    if isinstance(own, one.settings):
        return own
    return section(one.settings, found.elsewhere.get(one.name, {}), f"[{one.name}]")


def folder_of(found: Configuration, given: Path | None) -> Path:
    """The folder of the process.

    Args:
        given: on the command line.

    Raises:
        ConfigurationError: nobody says where it is.
    """
    data = given or found.systems.data
    if data is None:
        raise ConfigurationError(
            "where is the folder of the systems? Give --data DIR, or write data under [systems]"
        )
    return data
