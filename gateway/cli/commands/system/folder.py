"""The folder of systems, as commands about them are told."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.cli import options
from gateway.configuration.load import load
from gateway.systems.contract import Place, System
from gateway.systems.run import folder_of, settings_of
from gateway.systems.running import is_begun, opened


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add --data, the folder of the systems, and --config."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of the systems, in which each has one 系统目录",
    )
    options.add_config(parser)


@contextmanager
def place_of(args: argparse.Namespace, system: System) -> Iterator[Place]:
    """The place of a system, whether it runs or not.

    Raises:
        CsidError: nobody says where, or it cannot be used.
    """
    found = load(args.config)
    with opened(system, settings_of(found, system), folder_of(found, args.data)) as place:
        yield place


@contextmanager
def looked_at(args: argparse.Namespace, system: System) -> Iterator[Place]:
    """The same for a command that only looks: where there is nothing yet, nothing is made, and a
    place that is gone at the end is looked at.

    Raises:
        CsidError: nobody says where, or it cannot be used.
    """
    found = load(args.config)
    settings, data = settings_of(found, system), folder_of(found, args.data)
    with ExitStack() as stack:
        if not is_begun(system, data):
            passing = tempfile.TemporaryDirectory(prefix="csid-")
            data = Path(stack.enter_context(passing))
        yield stack.enter_context(opened(system, settings, data))
