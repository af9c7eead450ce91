"""Chips by the names that people use: a model, a family, a vendor or a kind, in Chinese or English.

`schemas/chip_families.csv` says which there are; a model that only some record names is found by
the words of that record.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

from csid import codes

_WORD: Final = re.compile(r"[a-z]+[0-9][0-9a-z]*|[0-9a-z]+|[^\W0-9a-z_]+")
_MODELS: Final = 5  # the column of models in chip_families.csv
_WORDS_JOINED: Final = 4  # of a record's text, as one name: RTX PRO 6000


class Wanted(NamedTuple):
    """What a name stands for: chip families by their codes, or models by their words as one."""

    families: frozenset[str]
    models: frozenset[str]


class ChipError(ValueError):
    """A name of no chip that is known; the message has what is near."""


def folded(name: str) -> str:
    """A name without case, spaces and punctuation."""
    return "".join(_WORD.findall(name.casefold()))


@cache
def _known() -> dict[str, Wanted]:
    """What each name stands for; a more exact one goes before."""
    found: dict[str, Wanted] = {}
    groups: dict[str, set[str]] = {}
    for line in codes.read("chip_families.csv").decode("utf-8").splitlines()[1:]:
        code, kind, vendor, zh, en, models = line.split(",")
        for model in filter(None, map(str.strip, models.split(";"))):
            short = model.split()[-1]
            names = [model, short] if len(short) > 2 and short[-2].isdigit() else [model]
            for name in names:
                found.setdefault(folded(name), Wanted(frozenset(), frozenset(map(folded, names))))
        for name in (code, kind, *vendor.split(), *zh.split("、"), *re.split(",| and ", en)):
            if folded(name):
                groups.setdefault(folded(name), set()).add(code)
    for name, families in groups.items():
        found.setdefault(name, Wanted(frozenset(families), frozenset()))
    return found


def wanted(names: Iterable[str], texts: Iterable[str] = ()) -> Wanted:
    """What any of the names stands for.

    Args:
        texts: what records call their chips, which may name models that no table has.

    Raises:
        ChipError: a name that neither a table nor a record has.
    """
    families: set[str] = set()
    models: set[str] = set()
    recorded: set[str] | None = None
    for name in names:
        key = folded(name)
        found = _known().get(key)
        if found is None:
            if recorded is None:
                recorded = set().union(*(_runs(text) for text in texts))
            if not key or key not in recorded:
                raise ChipError(_unknown(name, recorded))
            found = Wanted(frozenset(), frozenset({key}))
        families |= found.families
        models |= found.models
    return Wanted(frozenset(families), frozenset(models))


def _unknown(name: str, recorded: set[str]) -> str:
    shown = {folded(one): one for one in _names()} | {key: key.upper() for key in recorded}
    near = difflib.get_close_matches(folded(name), {*_known(), *recorded}, n=3, cutoff=0.5)
    hint = ", ".join(shown.get(key, key.upper()) for key in near)
    return f"no chip is called {name[:60]!r}" + (
        f"; near are {hint}" if hint else "; give a model, a family or a vendor"
    )


@cache
def _names() -> tuple[str, ...]:
    lines = codes.read("chip_families.csv").decode("utf-8").splitlines()[1:]
    rows = [line.split(",") for line in lines]
    models = [name.strip() for row in rows for name in row[_MODELS].split(";")]
    return (*models, *(word for row in rows for cell in row[2:5] for word in cell.split()))


def fits(one: Wanted, text: str, family: str) -> bool:
    """Whether a resource with such a chip, of such a family, is what is wanted. A variant fits its
    model: 910B3 is a 910B; H200 is no H20, A10G no A10.
    """
    if family in one.families:
        return True
    runs = _runs(text) if one.models else ()
    return any(_is(run, model) for run in runs for model in one.models)


def _is(run: str, model: str) -> bool:
    rest = run.removeprefix(model)
    return run.startswith(model) and (not rest or (model[-1].isalpha() and rest.isdigit()))


@cache
def _runs(text: str) -> frozenset[str]:
    """Words of a text that follow each other, as one."""
    words = _WORD.findall(text.casefold())
    return frozenset(
        "".join(words[start : start + length])
        for start in range(len(words))
        for length in range(1, _WORDS_JOINED + 1)
    )
