"""Probes 拨测 as they are written, and what a probe comes to. Pure: `measuring` makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from csid.address import Address, AddressError, parse
from csid.errors import CsidError
from gateway.systems.selection.paths.places import UnknownPlaceError, location_of


class ProbeError(CsidError):
    """A probe that nobody can make, or that had no answer."""


class Probe(NamedTuple):
    """Between which places is measured, by connections to which server; the first is where this
    process runs, the server is at the other.
    """

    one: str
    other: str
    server: Address


def probe_of(text: str) -> Probe:
    """The probe written as `FROM TO HOST:PORT`.

    Raises:
        ProbeError: it is none.
    """
    words = text.split()
    if len(words) != 3:
        raise ProbeError(f"probe {text[:80]!r}: expected FROM TO HOST:PORT")
    try:
        return Probe(location_of(words[0]), location_of(words[1]), parse(words[2]))
    except (UnknownPlaceError, AddressError) as error:
        raise ProbeError(f"probe {text[:80]!r}: {error}") from None


class Made:
    """A probe as it goes on.

    Attributes:
        taken: when it has measured last, Unix ms; 0: never.
        why: it has not, the last time, or so much was lost that it does not count.
    """

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.taken = 0
        self.why = ""


def made_of(texts: Sequence[str]) -> list[Made]:
    """The probes of `[selection]`, not made yet.

    Raises:
        ProbeError: a text is none; two measure between the same places; or they begin in several,
            and this process runs in one.
    """
    found: dict[tuple[str, ...], Made] = {}
    for text in texts:
        one = Made(probe_of(text))
        pair = tuple(sorted((one.probe.one, one.probe.other)))
        if pair in found:
            raise ProbeError(
                f"probe {text[:80]!r}: {pair[0]} – {pair[1]} is measured already, at "
                f"{found[pair].probe.server}"
            )
        first = next(iter(found.values()), one).probe.one
        if one.probe.one != first:
            raise ProbeError(
                f"probe {text[:80]!r}: begins at {one.probe.one}, another one at {first}; this "
                "process runs in one place"
            )
        found[pair] = one
    return list(found.values())


def quantiles(took: Sequence[float]) -> tuple[float, float]:
    """Median and p90, each one of the values (nearest rank)."""
    ordered = sorted(took)
    last = len(ordered) - 1
    return ordered[last // 2], ordered[-(-9 * len(ordered) // 10) - 1]
