"""Work that others are not to wait for: in a thread that runs when nobody else wants to."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Thread, get_native_id
from typing import Final, TypeVar

T = TypeVar("T")
_NICE: Final = 10  # of the thread, and of those that it starts


def in_background(work: Callable[[], T]) -> T:
    """Do it, and give what it gives or raises. Where whoever waits is interrupted, it ends with the
    process.
    """
    given: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)
        try:
            given.append(work())
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return given[0]
