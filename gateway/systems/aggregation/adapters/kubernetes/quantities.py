"""Amounts as Kubernetes writes them: 100m, 1Ki, 1.5Gi, 1e3
(apimachinery, pkg/api/resource: Quantity).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from gateway.systems.aggregation.adapters.bodies import AMOUNT_MAX, text
from gateway.systems.aggregation.readings import ReadingError

Said = str | int | float
Amounts = Mapping[str, float]

_SUFFIXES: Final = {
    "": 1.0,
    **{letter: 1000.0**power for power, letter in enumerate("num kMGTPE", -3) if letter != " "},
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", 1)},
}
_FORM: Final = re.compile(
    r"(\+?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40}))"
    r"(?:([eE][+-]?[0-9]{1,4})|([numkMGTPE]|[KMGTPE]i)?)"
)


@lru_cache(50_000)
def quantity(said: Said) -> float:
    """An amount, at most AMOUNT_MAX; what is below 0 is refused, as requests and capacities are
    not.

    Raises:
        ReadingError: it is none.
    """
    found = _FORM.fullmatch(str(said)) if isinstance(said, str | int | float) else None
    if found is None:
        raise ReadingError(f"quantity {text(str(said)[:40])!r}: expected one such as 100m or 1.5Gi")
    number, exponent, suffix = found.groups(default="")
    return min(float(number + exponent) * _SUFFIXES[suffix], AMOUNT_MAX)


def amounts(said: Mapping[str, Said | None] | None) -> dict[str, float]:
    """Amounts by the names of resources; null is 0, as it is for Kubernetes.

    Raises:
        ReadingError: one of them is none.
    """
    if not said:
        return {}
    return {name: 0.0 if one is None else quantity(one) for name, one in said.items()}


def add(to: dict[str, float], more: Amounts) -> None:
    """Add amounts to others."""
    for name, one in more.items():
        to[name] = to.get(name, 0) + one


def raise_to(to: dict[str, float], least: Amounts) -> None:
    """Let amounts be at least what others are."""
    for name, one in least.items():
        if one > to.get(name, 0):
            to[name] = one


def sum_of(all_of_them: Iterable[Amounts]) -> dict[str, float]:
    """The sum of amounts."""
    total: dict[str, float] = {}
    for one in all_of_them:
        add(total, one)
    return total
