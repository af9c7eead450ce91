"""Which version this is: of the program, of its data, and of what it runs on."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from resolver.answer import process
from resolver.store.meta import SCHEMA_VERSION


def version() -> str:
    """The version of the program, such as 0.1.0."""
    return metadata.version("csid")


def line() -> str:
    """One line for an administrator, and for whoever is told of a fault."""
    compiled = "interpreted" if process.__file__.endswith(".py") else "compiled"
    return (
        f"csid {version()} ({compiled}), data of schema {SCHEMA_VERSION}, "
        f"Python {platform.python_version()}"
    )


class ShowVersion(argparse.Action):
    """`--version`."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str = "") -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print it, and end."""
        print(line())
        parser.exit()
