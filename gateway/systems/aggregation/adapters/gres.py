"""Generic resources as Slurm writes them, which say of accelerators what `tres` says only where
there is a database: `gpu:h100:8(S:0-1)`, in use `gpu:h100:3(IDX:0,2-3)`, without type `gpu:8` and
`gpu:(null):3(IDX:0-2)`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

# What accelerators are called. Parts of cards (shard, mps) are not counted beside them.
NAMES: Final = ("gpu", "npu", "dcu", "mlu", "gcu", "xpu", "ppu")

_ASIDE: Final = re.compile(r"\([^()]*\)")  # sockets, indices; a type that is none
_COUNT: Final = re.compile(r"([0-9]{1,9})([KMG]?)", re.ASCII)
_TIMES: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def cards(said: str | None, names: frozenset[str]) -> Counter[str]:
    """How many there are of each type; "" is no type. What has another name is left out."""
    found: Counter[str] = Counter()
    if not said or not any(name in said for name in names):
        return found
    for item in _ASIDE.sub("", said).split(","):
        name, *rest = item.strip().split(":")
        if name not in names:
            continue
        match = _COUNT.fullmatch(rest[-1]) if rest else None
        if match:
            rest.pop()
        count = int(match[1]) * _TIMES[match[2]] if match else 1
        found[rest[0] if rest else ""] += count
    return found


def cards_of_tres(said: str | None, names: frozenset[str]) -> Counter[str]:
    """The same of trackable resources, which say it with a database: all together, and by type
    where types are tracked: `cpu=16,gres/gpu=6,gres/gpu:h100=6`.
    """
    found = cards((said or "").replace("gres/", "").replace("=", ":"), names)
    if len(found) > 1:
        del found[""]
    return found
