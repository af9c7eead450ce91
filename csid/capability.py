"""The capability class (能力级): precision, nominal performance, memory and chip family.

Eight characters such as H71M10N4. Performance is ten times the decimal logarithm of GFLOPS (of
GOPS for INT8, of vCPU for general compute), memory the binary logarithm of GiB, each rounded and
in two digits. It is nominal; what a resource has in fact is in its record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from csid import scheme
from csid.errors import IdentifierError
from csid.scheme import Words

LARGEST = 99  # what two digits can say


@dataclass(frozen=True, slots=True)
class Capability:
    """What a capability class says: ``performance`` in ``unit``, ``memory_gib`` in GiB."""

    precision: str
    performance: float
    unit: str
    memory_gib: int
    family: str


def decode(capability_class: str) -> Capability:
    """Return what the eight characters of a valid identifier's capability class say."""
    precision, family = capability_class[0], capability_class[6:]
    performance = 10 ** (int(capability_class[1:3]) / 10)
    memory = 2 ** int(capability_class[4:6])
    return Capability(precision, performance, precisions()[precision].unit, memory, family)


def encode(precision: str, performance: float, memory_gib: float, family: str) -> str:
    """Return the capability class of a resource.

    ``performance`` is in GFLOPS, GOPS for INT8 ("N"), vCPU for general compute ("G"). What is
    below 1 GFLOPS or 1 GiB is written as 00, the smallest class. Raises IdentifierError where a
    value is not positive or beyond what two digits say, or the precision is not in the scheme;
    the chip family is looked at when the identifier is made.
    """
    if precision not in precisions():
        expected = ", ".join(precisions())
        raise IdentifierError("spec", 1, f"precision {precision!r} is none of {expected}")
    tenths = _step("performance", 2, performance, 10, 10)
    doublings = _step("memory in GiB", 5, memory_gib, 1, 2)
    return f"{precision}{tenths:02d}M{doublings:02d}{family}"


def precisions() -> dict[str, Words]:
    """Return the precisions of the default scheme by their letter, with the unit each counts."""
    return dict(scheme.load().segment("spec").forms[0].part("precision").values)


def _step(what: str, position: int, value: float, steps: int, base: int) -> int:
    """``steps`` to each power of ``base``, rounded."""
    step = max(0, round(steps * math.log(value, base))) if 0 < value < math.inf else -1
    if not 0 <= step <= LARGEST:
        raise IdentifierError("spec", position, f"{what} {value} is outside what a class can say")
    return step
