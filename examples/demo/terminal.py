"""What the demo shows: each command as it is typed, and what it prints."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from gateway.cli import EXIT_INTERRUPTED, main, output

POLL_SECONDS: Final = 0.05


class DemoError(Exception):
    """What the demo has said did not happen."""


def heading(zh: str, en: str) -> None:
    """Begin a part of the story."""
    print(f"\n\n=== {zh}  {en}", flush=True)


_interrupts: Final[list[int]] = []


def interrupt(number: int, _frame: object) -> NoReturn:
    """Ctrl-C: end here, or before the next step, if it comes while nothing can be raised."""
    _interrupts.append(number)
    raise KeyboardInterrupt


def go_on() -> None:
    """Raises KeyboardInterrupt if Ctrl-C came."""
    if _interrupts:
        raise KeyboardInterrupt


def show(words: Sequence[object], note: str = "") -> None:
    """Show a command as a user types it."""
    go_on()
    print(f"\n$ csid {' '.join(map(str, words))}{note}", flush=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Show a table as commands do."""
    print()
    output.print_list(heads, rows)


def csid(*words: object, code: int = 0, says: str = "", within: float = 0.0) -> str:
    """Run a command in this process, which spares its start, and show it.

    Args:
        code: the exit code that it has to have.
        says: what it has to print, among the rest.
        within: seconds in which it may be run again, until it has them.

    Returns:
        What it printed.

    Raises:
        DemoError: it ended otherwise, or printed something else.
    """
    show(words)
    ends = time.perf_counter() + within
    found, text = quietly(*words)
    while (found != code or says not in text) and time.perf_counter() < ends:
        time.sleep(POLL_SECONDS)
        found, text = quietly(*words)
    print(text, end="", flush=True)
    if found != code:
        raise DemoError(f"csid {words[0]} ended with exit code {found}; expected {code}")
    if says not in text:
        raise DemoError(f"csid {words[0]} did not say {says!r}")
    return text


def quietly(*words: object) -> tuple[int, str]:
    """Run a command and show nothing; its exit code and what it printed."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        code = main([str(word) for word in words])
    if code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    return code, text.getvalue()


def until(what: str, holds: Callable[[], bool], seconds: float = 60.0) -> float:
    """Wait until something holds; the seconds it took.

    Raises:
        DemoError: it does not in that time.
    """
    begun = time.perf_counter()
    while not holds():
        go_on()
        if time.perf_counter() - begun > seconds:
            raise DemoError(f"not within {seconds:.0f} s: {what}")
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - begun
