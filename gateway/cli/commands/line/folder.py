"""What the selection system keeps of lines and latency, in a folder of systems."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from csid.errors import StoreError
from gateway.cli import output
from gateway.configuration.load import load
from gateway.systems.run import folder_of
from gateway.systems.selection.paths.lines_store import FILE, Lines
from gateway.systems.selection.paths.measured_store import FILE as LATENCIES
from gateway.systems.selection.paths.measured_store import Latencies

SYSTEM = "selection"


def folder_of_lines(args: argparse.Namespace) -> Path:
    """The folder of the selection system, in which lines and what was measured are.

    Raises:
        CsidError: nobody says where.
    """
    return folder_of(load(args.config), args.data) / SYSTEM


@contextmanager
def lines_in(args: argparse.Namespace, new: bool = False) -> Iterator[Lines]:
    """The lines, whether the system runs or not; with ``new`` they are made if there are none.

    Raises:
        CsidError: nobody says where, there are none, or they cannot be used.
    """
    folder = folder_of_lines(args)
    if not new and not (folder / FILE).exists():
        raise StoreError(f"{folder}: there are no lines here; csid line add takes one in")
    with closing(Lines(folder)) as lines:
        yield lines


@contextmanager
def latencies_in(args: argparse.Namespace) -> Iterator[Latencies | None]:
    """What was measured, whether the system runs or not; None where nothing ever was: a command
    that only looks makes no file. A folder that is not there is told of: it may be another one that
    was meant.

    Raises:
        CsidError: nobody says where, or it cannot be used.
    """
    folder = folder_of_lines(args)
    if not folder.exists():
        said = (
            f"{folder}：没有选择系统的数据 there is no selection system here, so nothing is known"
        )
        output.err.print(said, markup=False, style="yellow")
    if not (folder / LATENCIES).exists():
        yield None
        return
    with closing(Latencies(folder)) as latencies:
        yield latencies
