"""The progress bar of the commands that take long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from gateway.cli import output
from gateway.language import shown


class Bar:
    """How far a command is. Made with `bar`."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    @property
    def seen(self) -> bool:
        """Whether anybody sees it: if not, nothing need be counted for it."""
        return not self._progress.disable

    def expect(self, total: int) -> None:
        """How much there is to do, if that is known only now."""
        self._progress.update(self._task, total=total)

    def show(self, done: int, note: str = "") -> None:
        """Show how much is done, and a note beside the bar."""
        self._progress.update(self._task, completed=done, note=shown(note))


@contextmanager
def bar(total: int | None = None) -> Iterator[Bar]:
    """A bar on a terminal, gone at the end; nothing elsewhere.

    Args:
        total: how much there is to do, in any unit; None if it is not known.
    """
    with Progress(
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
        console=output.err,
        transient=True,
        disable=not output.err.is_terminal,
    ) as progress:
        yield Bar(progress, progress.add_task("", total=total, note=""))
