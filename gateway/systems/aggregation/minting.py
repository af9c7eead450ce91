"""The identifier of a pool, made of what it is; the facts of its record. Pure.

    chips      H55M09N4   first precision of HBSDEN that the model has, of all chips of one unit;
                          their memory; their family
    no chips   G15M05X6   virtual processors and main memory of one unit, family by architecture

The serial is made of the names of source and pool, so that a poll that is made again after a crash
finds the same identifier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from csid import accelerators, capability
from csid.check import BASE36
from csid.fields import TEXT_MAX, hidden_in
from csid.identifier import Identifier, make
from gateway.systems.aggregation.known import Facts, Settings, Unit

SERIAL_CHARACTERS: Final = 10
ATTEMPTS: Final = 3  # serials for one pool
ANY_FAMILY: Final = "00"
_POOL, _BARE = "P", "B"  # forms of identifiers: of many units, of one
_FIGURES: Final = 4  # significant digits of facts: the rest is noise of the source
_SOURCE, _NODES, _PER_NODE, _KEY = "src", "nodes", "per_node", "pool"


class Minted(NamedTuple):
    """An identifier, and what had to be left open."""

    identifier: Identifier
    notes: tuple[str, ...]


def mint(
    source: Settings, key: str, unit: Unit, architecture: str, on: date, attempt: int = 0
) -> Minted:
    """The identifier of a pool.

    Args:
        key: of the pool.
        unit: one of it.
        architecture: chip family of its processors, or empty.
        attempt: another number gives another serial.

    Raises:
        IdentifierError: owner, industry, location or type of the source are none, or no class can
            say what a unit has.
    """
    notes: list[str] = []
    class_ = _class_of(unit, architecture, notes)
    serial = serial_of(source.name, key, attempt)
    made = make(
        source.owner, source.industry, source.location, type_of(source, unit), class_, serial, on
    )
    return Minted(made, tuple(notes))


def type_of(source: Settings, unit: Unit) -> str:
    """The type: that of the source, save that what has no chips is no AI compute (智算)."""
    given = source.type or f"AC{_BARE if source.each else _POOL}"
    return f"G{given[1:]}" if given[0] == "A" and not unit.chips else given


def serial_of(source: str, key: str, attempt: int) -> str:
    """Characters of 0-9 A-Z."""
    octets = blake2b(f"{source}\0{key}\0{attempt}".encode(), digest_size=16).digest()
    number = int.from_bytes(octets, "big")
    found = ""
    for _ in range(SERIAL_CHARACTERS):
        number, digit = divmod(number, len(BASE36))
        found += BASE36[digit]
    return found


def _class_of(unit: Unit, architecture: str, notes: list[str]) -> str:
    chip = accelerators.find(unit.chip, unit.chip_memory_gib) if unit.chips else None
    family = architecture or ANY_FAMILY
    if unit.chips:
        family = chip.family if chip is not None else ANY_FAMILY
        letter = next((one for one in accelerators.TOLD_IN if chip and one in chip.gflops), "")
        memory = unit.chip_memory_gib * unit.chips
        if chip is not None and letter and memory:
            return capability.encode(letter, chip.gflops[letter] * unit.chips, memory, family)
        what = unit.chip or "a chip without a name"
        notes.append(f"{what}: no nominal figures are known; the class tells of its processors")
    if not unit.vcpu or not unit.memory_gib:
        notes.append(f"{unit.name}: processors or memory are not known, and told as the smallest")
    return capability.encode("G", max(1, unit.vcpu), max(1, unit.memory_gib), family)


def facts_of(source: Settings, key: str, units: Sequence[Unit]) -> Facts:
    """The facts of a pool, as members of its record: sums over all units, those that are away for a
    while as well. What changes from poll to poll is no part of it.
    """
    one = min(units, key=lambda unit: unit.name)
    chips = math.fsum(unit.chips for unit in units)
    facts: dict[str, Any] = {"name": _name_of(source, one)}
    for name, value in (
        ("vcpu", math.fsum(unit.vcpu for unit in units)),
        ("memory_gib", math.fsum(unit.memory_gib for unit in units)),
    ):
        if value:
            facts[name] = _plain(value)
    extra: dict[str, Any] = {_KEY: key, _SOURCE: source.name}
    if not source.each:
        extra[_NODES] = len(units)
    if chips >= 1:
        facts |= _facts_of_chips(one, int(chips))
        if not source.each and one.chips == int(one.chips):
            extra[_PER_NODE] = int(one.chips)
    return {**facts, "extra": extra}


def _facts_of_chips(one: Unit, chips: int) -> Facts:
    chip = accelerators.find(one.chip, one.chip_memory_gib)
    facts: dict[str, Any] = {"count": chips}
    if chip is not None or one.chip:
        facts["chip"] = _text(chip.model if chip is not None else one.chip)
    if one.chip_memory_gib:
        facts["chip_memory_gib"] = _plain(one.chip_memory_gib)
    if chip is not None and chip.gflops:
        facts["gflops"] = {
            letter: _plain(chip.gflops[letter] * chips) for letter in sorted(chip.gflops)
        }
    return facts


def _name_of(source: Settings, unit: Unit) -> str:
    if source.each:
        return _text(f"{source.name} {unit.name}")
    return _text(" ".join(filter(None, (source.name, unit.group))))


def _text(text: str) -> str:
    """A text that a record takes."""
    seen = "".join(one for one in text if not hidden_in(one))
    return " ".join(seen.split())[:TEXT_MAX].strip() or "-"


def _plain(value: float) -> int | float:
    """A number as a record has it, without the noise of the source."""
    rounded = float(f"{value:.{_FIGURES}g}") if value != int(value) else value
    return int(rounded) if rounded == int(rounded) else rounded


def is_ours(record: dict[str, Any], source: str, key: str) -> bool:
    """Whether a record says that it is of this source's pool."""
    extra = record.get("extra", {})
    return bool(extra.get(_SOURCE) == source and extra.get(_KEY) == key)
