"""Whether effort grows in proportion: told by a ratio, which holds on a machine of any speed."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

FEW = 1_000
MANY = 10_000
IN_PROPORTION = 3.0  # what grows with the square comes near MANY / FEW
_PASSES = 3


def seconds(work: Callable[[], object]) -> float:
    """Seconds of the CPU, the least of several passes."""
    spent = []
    for _ in range(_PASSES):
        gc.collect()
        gc.disable()  # what it costs grows with all that there is, whoever made it
        try:
            begun = time.process_time()
            work()
            spent.append(time.process_time() - begun)
        finally:
            gc.enable()
    return min(spent)


def growth(few: Callable[[], object], many: Callable[[], object]) -> float:
    """How many times as much one of MANY costs as one of FEW; 1 where it makes no difference."""
    return seconds(many) / seconds(few) / (MANY / FEW)
