"""The results of a slice of a batch that were made before: what most of one costs. Compiled where
that can be done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.resolving.remembered import Made
from resolver.cache.sieve import ASKED


def fill(
    given: Sequence[Any],
    known: Callable[[str], Made | None],
    get: Callable[[bytes], bytes | None],
    marks: memoryview,
    now: int,
    tail: Callable[[int], bytes],
) -> tuple[list[bytes], list[int], list[Made]]:
    """The parts of results, two for each of those given; which of these are open: they were not
    made before, or the cache says something else by now; and those that are to be found out anew.

    Args:
        known: gives what was made of what was given, or None.
        get: the entry of a key, or None.
        marks: of the slots of the cache.
        now: Unix seconds.
        tail: of a result with so many seconds of TTL.
    """
    parts: list[bytes] = []
    still: list[int] = []
    soon: list[Made] = []
    for index, text in enumerate(given):
        made = known(text) if type(text) is str else None
        if made is None or made.until <= now or get(made.key) != made.entry:
            still.append(index)
            parts.append(b"")
            parts.append(b"")
            continue
        made.asked = True
        mark = marks[made.slot]
        if not mark & ASKED:
            marks[made.slot] = mark | ASKED
        elif mark == ASKED and now >= made.ahead:
            soon.append(made)
        parts.append(made.head)
        parts.append(tail(made.until - now))
    return parts, still, soon
