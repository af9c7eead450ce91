"""Waiting for what the national node answers to what a running node asks it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from gateway.cli import output
from registry.service import Registry
from registry.tables.view import View

EXIT_NO_ANSWER: Final = 2
POLL_SECONDS: Final = 0.1
R = TypeVar("R")


def answered(
    registry: Registry,
    row_of: Callable[[View], R | None],
    is_answered: Callable[[R], bool],
    seconds: int,
) -> R | None:
    """A row once it is answered for good, or when the time is over; None if there is none."""
    until = time.monotonic() + seconds
    while True:
        with registry.view() as seen:
            row = row_of(seen)
        if row is None or is_answered(row) or time.monotonic() >= until:
            return row
        time.sleep(POLL_SECONDS)


def without_answer(seconds: int, command: str) -> int:
    """Say that the time is over, and which command says what comes of it; the exit code."""
    output.complain(
        f"{seconds} 秒内未获答复 no answer within {seconds} s; the running node (csid serve) "
        f"asks on; {command} says what came of it"
    )
    return EXIT_NO_ANSWER
