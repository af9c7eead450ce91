"""From Redfish's systems to units: what each machine has, and whether it can be taken for free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from csid.status import Health
from gateway.systems.aggregation.adapters import models, options
from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.adapters.identity import machine_key
from gateway.systems.aggregation.adapters.redfish.forms import (
    Processor,
    Status,
    System,
    number,
)
from gateway.systems.aggregation.adapters.units import labels
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU, ReadingError, Source, Unit

_HEALTH: Final[Mapping[str, Health]] = {"OK": "ok", "WARNING": "degraded", "CRITICAL": "failed"}
# States of a resource (DSP0268, Status) in which it can be used; those of work being done on it.
_USABLE: Final = frozenset(("", "ENABLED", "QUALIFIED", "DEGRADED"))
_WORKED_ON: Final = frozenset(("INTEST", "UPDATING", "QUIESCED", "STARTING"))
_ACCELERATORS: Final = frozenset(("GPU", "ACCELERATOR"))
_BOARD: Final = "HGX_"  # a board of accelerators that its controller lists as a system of its own
_NOT_MACHINES: Final = frozenset(("DPU",))
_STATED_MAX: Final = 1_000_000
_FREE: Final = {"on": "ON", "off": "OFF", "none": ""}


class Inside(NamedTuple):
    """Processors of a system, and when they were looked at (Unix milliseconds)."""

    taken: int
    processors: tuple[Processor, ...]


class _Cards(NamedTuple):
    there: int = 0
    well: int = 0
    chip: str = ""
    memory_gib: float = 0


def units_of(
    systems: Sequence[System],
    inside: Mapping[str, Inside],
    source: Source,
    notes: list[str],
    missing: list[str],
) -> list[Unit]:
    """A unit of each machine; what is none is noted, and machines without an identity are missing:
    an index or an address may be another machine's tomorrow.
    """
    machines, boards = _told_apart(systems, notes)
    on_boards = [one for path in boards if path in inside for one in inside[path].processors]
    if boards and len(machines) != 1:
        notes.append(f"{len(boards):,} boards of accelerators are left out: whose is not known")
        on_boards = []
    found: list[Unit] = []
    for system in machines:
        key = machine_key(system.uuid, system.manufacturer, system.serial_number)
        if not key:
            missing.append(f"{_name(system)}: left out, it has neither UUID nor serial number")
            continue
        of_it = inside.get(system.path or "")
        parts = [*(of_it.processors if of_it else ()), *on_boards]
        found.append(_unit(key, system, parts, source, notes))
    return found


def _told_apart(systems: Sequence[System], notes: list[str]) -> tuple[list[System], list[str]]:
    """Machines, and the paths of boards that are listed beside the machine they are in."""
    machines, boards = [], []
    for system in systems:
        if (system.id or "").startswith(_BOARD):
            boards.append(system.path or "")
        elif (system.system_type or "").upper() in _NOT_MACHINES:
            notes.append(f"{_name(system)}: a {text(system.system_type)} is no machine: left out")
        else:
            machines.append(system)
    return machines, boards


def _unit(
    key: str, system: System, parts: Sequence[Processor], source: Source, notes: list[str]
) -> Unit:
    cards = _cards(parts, source)
    total = _total(system, parts, cards, source)
    if VCPU not in total or MEMORY_GIB not in total:
        notes.append(f"{_name(system)}: not said how many processors or how much memory it has")
    health, why = _hindered(system, source)
    free: dict[str, float] = dict.fromkeys(total, 0) if why else dict(total)
    if CHIPS in free:
        free[CHIPS] = min(free[CHIPS], cards.well)
    if not why and cards.well < cards.there:
        why = f"{cards.there - cards.well} of {cards.there} accelerators are not well"
        health = "degraded"
    summary = system.processor_summary
    return Unit(
        key=key,
        name=_name(system),
        total=total,
        free=free,
        health=health,
        why=why,
        chip=cards.chip,
        chip_memory_gib=cards.memory_gib,
        labels=labels(
            {
                "power": system.power_state or "",
                "estimated": "power" if source.options.get("free") != "none" else "",
                "maker": system.manufacturer or "",
                "model": system.model or "",
                "serial": system.serial_number or "",
                "processor": (summary.model or "") if summary else "",
            }
        ),
    )


def _name(system: System) -> str:
    return text(system.host_name) or text(system.name) or text(system.id) or "a system"


def _total(
    system: System, parts: Sequence[Processor], cards: _Cards, source: Source
) -> dict[str, float]:
    """What is said by its summary, else by its processors, else by options."""
    summary, memory = system.processor_summary, system.memory_summary
    threads = number(summary.logical_processor_count) if summary else 0.0
    threads = threads or (number(summary.core_count) if summary else 0.0)
    if not threads:
        of_processors = [one for one in parts if (one.processor_type or "").upper() == "CPU"]
        threads = sum(
            amount(number(one.total_threads) or number(one.total_cores)) for one in of_processors
        )
    gib = number(memory.gib) if memory else 0.0
    said = {
        VCPU: amount(threads) or _stated(source, VCPU),
        MEMORY_GIB: amount(gib) or _stated(source, MEMORY_GIB),
        CHIPS: float(cards.there),
    }
    return {kind: there for kind, there in said.items() if there}


def _cards(parts: Sequence[Processor], source: Source) -> _Cards:
    """Of the model that there are most of."""
    there = [
        one
        for one in parts
        if (one.processor_type or "").upper() in _ACCELERATORS and _state(one.status) != "ABSENT"
    ]
    if not there:
        count = _stated(source, CHIPS)
        size = _stated(source, "chip_memory_gib")
        return _Cards(count, count, text(source.options.get("chip")), size) if count else _Cards()
    by_model = Counter(text(one.model) for one in there)
    said, count = max(by_model.items(), key=lambda item: (item[1], item[0]))
    alike = [one for one in there if text(one.model) == said]
    well = [one for one in alike if _well(one.status)]
    return _Cards(
        count,
        len(well),
        text(source.options.get("chip")) or models.model(said),
        models.memory_gib(said, max(one.memory_mib for one in alike))
        or _stated(source, "chip_memory_gib"),
    )


def _hindered(system: System, source: Source) -> tuple[Health, str]:
    """What keeps it from being had, and its health; nothing, and ("ok", "degraded") if nothing
    does.

    Raises:
        ReadingError: option `free` is none of those there are.
    """
    wanted = _FREE.get(source.options.get("free", "on"))
    if wanted is None:
        raise ReadingError(f"option free: expected one of {', '.join(_FREE)}")
    worst = (system.status.worst if system.status else "").upper()
    state, power = _state(system.status), (system.power_state or "").upper()
    health = _HEALTH.get(worst, "ok")
    if health == "failed":
        return health, f"Health {text(worst.capitalize())}"
    if state in _WORKED_ON:
        return "maintenance", f"State {text(state.capitalize())}"
    if power != wanted or not wanted:
        return health, f"PowerState {text(system.power_state) or 'not said'}"
    if state not in _USABLE and wanted == "ON":  # what is off need not be enabled
        return health, f"State {text(state.capitalize())}"
    return health, ""


def _state(status: Status | None) -> str:
    return ((status.state if status else None) or "").upper()


def _well(status: Status | None) -> bool:
    critical = (status.worst if status else "").upper() == "CRITICAL"
    return not critical and _state(status) in _USABLE


def _stated(source: Source, option: str) -> int:
    """What an option says that all machines have."""
    return options.number(source, option, 0, 0, _STATED_MAX)
