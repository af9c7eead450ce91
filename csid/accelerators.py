"""Accelerators by the names that sources have for them: model, family, memory, nominal figures.

`schemas/accelerators.csv` has those whose figures are known, `chip_families.csv` further models of
each family. `NVIDIA H100 80GB HBM3`, `h100` and `nvidia-h100` are one model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

from csid import codes
from csid.fields import PRECISIONS

# Which precision the capability class of an accelerator is told in: the first that it has.
TOLD_IN: Final = "HBSDEN"
_MEMORY_NEAR: Final = 0.13  # of what a model has, by which tools say less (or GB for GiB)
_SHORTEST: Final = 3  # characters of a model that is known by its family alone
_HEADS: Final = 3  # columns before the figures
_KINDS_OF_CHIPS: Final = frozenset({"gpu", "npu", "fpga"})
_NAMES_REMEMBERED: Final = 4_096
_PARTS: Final = re.compile(r"[0-9]+|[a-z]+", re.IGNORECASE)


class Accelerator(NamedTuple):
    """A model.

    Attributes:
        model: its name, such as H100.
        family: its chip family (`schemas/chip_families.csv`).
        memory_gib: of one chip; 0 where it is not known.
        gflops: nominal dense GFLOPS of one chip (GOPS for N) by precision letter; empty where it
            is not known.
    """

    model: str
    family: str
    memory_gib: float = 0
    gflops: Mapping[str, float] = {}


def find(name: str, memory_gib: float = 0) -> Accelerator | None:
    """The model that a text names; None if it names none that is known.

    Args:
        memory_gib: of one chip, which tells apart what has one name; 0 where it is not known.
    """
    found = _named(name[:200])
    if not found:
        return None
    return min(found, key=lambda one: abs(one.memory_gib - memory_gib)) if memory_gib else found[0]


def memory_of(known: Accelerator | None, said_gib: float) -> float:
    """Memory of one chip in whole GiB: the nominal one where what was said is about that."""
    nominal = known.memory_gib if known is not None else 0
    if (nominal and abs(nominal - said_gib) <= _MEMORY_NEAR * nominal) or not said_gib:
        return nominal
    return max(1, round(said_gib))


@lru_cache(_NAMES_REMEMBERED)
def _named(name: str) -> tuple[Accelerator, ...]:
    """The rows of the model that a text names: that with the longest name."""
    best: tuple[Accelerator, ...] = ()
    longest = 0
    for pattern, rows in _patterns():
        match = pattern.search(name)
        if match is not None and len(match[0]) > longest:
            best, longest = rows, len(match[0])
    return best


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], tuple[Accelerator, ...]], ...]:
    rows: dict[str, list[Accelerator]] = {}
    for one in _all():
        rows.setdefault(one.model, []).append(one)
    return tuple((_pattern(model), tuple(found)) for model, found in rows.items())


def _pattern(model: str) -> re.Pattern[str]:
    """What a text has that names a model: its words, however they are joined, as a whole."""
    *before, last = model.split()
    optional = "".join(f"(?:{_joined(word)}[ _-]*)" for word in before)
    if before and re.search(r"[0-9][0-9A-Za-z]{2}|[A-Za-z][0-9]{3}", last):
        optional = f"(?:{optional})?"  # 910B is enough
    return re.compile(rf"(?<![0-9A-Za-z]){optional}{_joined(last)}(?![0-9A-Za-z])", re.IGNORECASE)


def _joined(word: str) -> str:
    return "[ _-]*".join(map(re.escape, _PARTS.findall(word)))


def _all() -> Iterator[Accelerator]:
    known = set()
    letters = {column: letter for letter, column in PRECISIONS.items()}
    head, *lines = codes.read("accelerators.csv").decode("utf-8").splitlines()
    columns = [letters[one] for one in head.split(",")[_HEADS:-1]]
    for line in lines:
        family, model, memory, *figures, _source = line.split(",")
        gflops = {
            letter: float(text) for letter, text in zip(columns, figures, strict=True) if text
        }
        known.add(model)
        yield Accelerator(model, family, float(memory or 0), gflops)
    for line in codes.read("chip_families.csv").decode("utf-8").splitlines()[1:]:
        family, kind, _vendor, _zh, _en, models = line.split(",")
        for model in map(str.strip, models.split(";")):
            if kind in _KINDS_OF_CHIPS and len(model) >= _SHORTEST and model not in known:
                yield Accelerator(model, family)
