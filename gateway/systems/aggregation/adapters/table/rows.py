"""A row of a table as the units that it tells of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, get_args

from csid.columns import BY_NAME, folded
from csid.status import Health
from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.readings import CHIPS, DISK_GIB, MEMORY_GIB, VCPU, Unit

_ALIKE_MAX: Final = 10_000  # units of a row
_TOTALS: Final = {CHIPS: "count", VCPU: "vcpu", MEMORY_GIB: "memory_gib", DISK_GIB: "disk_gib"}

_LABELS: Final = BY_NAME.keys() - {*_TOTALS.values(), "name", "chip", "chip_memory_gib"}
_HEALTHS: Final[Mapping[str, Health]] = {
    **{word: word for word in get_args(Health)},
    "": "ok",
    "正常": "ok",
    "降级": "degraded",
    "故障": "failed",
    "维护": "maintenance",
}


def units_of(said: Mapping[str, str], all_free: bool) -> Iterator[Unit]:
    """The units of a row, and what of them is free as it says: of which kinds how much, or how many
    of them as a whole.

    What is free of several units together is spread as evenly as can be: over those that are free
    as a whole, all of them where nobody says, and what is more than these have over the others.
    Then no more is promised of one than must be there.

    Raises:
        ValueError: it says something that cannot be, and why.
    """
    key = said.get("key") or said.get("identifier") or said.get("name")
    if not key:
        raise ValueError("it says of no resource what it is: key, identifier and name are empty")
    alike, nodes, total, free = _amounts(said)
    health, why = _health(said)
    is_known = bool(free) or all_free or "free_nodes" in said
    if not is_known:
        why = why or "the table does not say what is free"
    labels = {name: text(value) for name, value in said.items() if name in _LABELS}
    for number in range(alike):
        its = {kind: _share(kind, one, alike, number) for kind, one in total.items()}
        if why or (not free and number >= nodes):
            can_be_had = dict.fromkeys(its, 0.0)
        elif free:
            can_be_had = {
                kind: min(_free(kind, one, total[kind], nodes, alike, number), its[kind])
                for kind, one in free.items()
            }
        else:
            can_be_had = its
        yield Unit(
            key=text(key) if alike == 1 else f"{text(key)}#{number + 1}",
            name=text(said.get("name", key)),
            total=its,
            free=can_be_had,
            health=health,
            why=text(why),
            chip=text(said.get("chip", "")),
            chip_memory_gib=_number(said, "chip_memory_gib", 0),
            group=text(said.get("group", "")),
            labels=labels,
            is_known=is_known,
        )


def _amounts(said: Mapping[str, str]) -> tuple[int, int, dict[str, float], dict[str, float]]:
    """How many units a row is, and how many of them are free as a whole; what they have together,
    and what of that is free, of the kinds of which it says that.
    """
    alike = _count(said, "nodes", 1)
    if not 1 <= alike <= _ALIKE_MAX:
        raise ValueError(f"nodes={alike}: expected 1 to {_ALIKE_MAX}")
    nodes = _count(said, "free_nodes", alike)
    if nodes > alike:
        raise ValueError(f"free_nodes={nodes} of {alike}")
    total = {kind: _number(said, name) for kind, name in _TOTALS.items() if name in said}
    free = {kind: _number(said, f"free_{kind}") for kind in total if f"free_{kind}" in said}
    for kind, has in free.items():
        if has > total[kind]:
            raise ValueError(f"free_{kind}={has:g} of {total[kind]:g}")
        # Of a node that is not free as a whole a card at least is in use.
        rest = has - _first(kind, total[kind], nodes, alike)
        if kind == CHIPS and rest > max(0, total[kind] - has + rest - (alike - nodes)):
            raise ValueError(
                f"free_{kind}={has:g} of {total[kind]:g}: so much is not free where {nodes} of "
                f"{alike} nodes are free as a whole"
            )
    return alike, nodes, total, free


def _share(kind: str, has: float, among: int, number: int) -> float:
    """The part of one of some units; chips are whole, the first ones have one more."""
    if kind != CHIPS:
        return amount(round(has / among, 3))
    each, over = divmod(int(has), among)
    return float(each + (number < over))


def _first(kind: str, total: float, some: int, alike: int) -> float:
    """What the first of some units have."""
    if kind != CHIPS:
        return total * some / alike
    each, over = divmod(int(total), alike)
    return each * some + min(over, some)


def _free(kind: str, free: float, total: float, nodes: int, alike: int, number: int) -> float:
    """What is free of one of some units, of which so many are free as a whole."""
    whole = _first(kind, total, nodes, alike)
    if free <= whole:
        return _share(kind, free, nodes, number) if number < nodes else 0.0
    if number < nodes:
        return _share(kind, total, alike, number)
    return _share(kind, free - whole, alike - nodes, number - nodes)


def _health(said: Mapping[str, str]) -> tuple[Health, str]:
    word = folded(said.get("health", ""))
    health = _HEALTHS.get(word)
    if health is None:
        known = ", ".join(filter(None, _HEALTHS))
        raise ValueError(f"health={word!r}: expected one of {known}")
    *_, state = ["", *said.get("state", "active").split()]
    if state not in ("active", "有效"):
        return "maintenance", f"state {state}"
    return health, said.get("why", "") or (health if health in ("failed", "maintenance") else "")


def _count(said: Mapping[str, str], name: str, without: int) -> int:
    found = _number(said, name, without)
    if found != int(found):
        raise ValueError(f"{name}={found:g}: expected a whole number")
    return int(found)


def _number(said: Mapping[str, str], name: str, without: float | None = None) -> float:
    value = said.get(name)
    if value is None and without is not None:
        return without
    try:
        found = float(value or "")
    except ValueError:
        found = -1
    if not 0 <= found <= 2**53 or not (value or "").isascii():
        raise ValueError(f"{name}={text(value or '')!r}: expected a number")
    return found
