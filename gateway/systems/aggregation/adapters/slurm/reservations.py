"""Which of Slurm's nodes are kept by reservations, now or soon."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from csid.moments import iso
from csid.status import Health
from gateway.systems.aggregation.adapters.bodies import amount, text
from gateway.systems.aggregation.adapters.slurm.forms import Reservation, number, words
from gateway.systems.aggregation.adapters.slurm.hostlist import NAME_MAX, beginning, hosts
from gateway.systems.aggregation.adapters.units import UNITS_MAX

_HOSTS_MAX: Final = 10 * UNITS_MAX  # in all reservations together


class Held(NamedTuple):
    """What a reservation says of its nodes.

    Attributes:
        name: of it, with its beginning where that is still to come.
        why: the same, with what it is.
        health: of its nodes.
        is_sure: it keeps them; otherwise it may, since its list of nodes cannot be read.
        rank: of several, that of the highest one is said: one that runs before one to come,
            maintenance before others.
    """

    name: str
    why: str
    health: Health
    is_sure: bool
    rank: tuple[bool, bool, bool]


def reserved(
    reservations: Sequence[Reservation],
    names: Collection[str],
    now: int,
    soon: float,
    notes: list[str],
) -> Mapping[str, Held]:
    """What keeps nodes, by their names: reservations of now and of the next seconds.

    Args:
        names: of all nodes.
        now: Unix seconds.
        soon: how many seconds a reservation keeps its nodes before it begins.
        notes: lists that cannot be read are added.
    """
    held: dict[str, Held] = {}
    perhaps: dict[str, Held] = {}  # by what the names of nodes begin with
    left = _HOSTS_MAX
    for one in reservations:
        begin, end = number(one.start_time) or 0, number(one.end_time)
        if not one.node_list or begin > now + soon or (end is not None and end <= now):
            continue
        found = hosts(one.node_list, min(left, UNITS_MAX))
        left -= len(found.names)
        sure = _held(one, begin, now)
        for name in found.names:
            if name in names:
                _keep(held, name, sure)
        if found.unread:
            unsure = _unsure(sure)
            for item in found.unread:
                _keep(perhaps, beginning(item), unsure)
            notes.append(_unread(sure, found.unread[0]))
    for name in names if perhaps else ():
        for unsure in _begun(perhaps, name):
            _keep(held, name, unsure)
    return held


def _held(one: Reservation, begin: float, now: int) -> Held:
    maintenance, runs = "MAINT" in words(one.flags), begin <= now
    since = "" if runs else f", from {iso(amount(begin))}"
    title = text(f"{one.name}{since}")
    why = text(f"{'MAINT' if maintenance else 'RESERVED'}: {title}")
    health: Health = "maintenance" if maintenance and runs else "ok"
    return Held(title, why, health, True, (True, runs, maintenance))


def _unsure(sure: Held) -> Held:
    why = text(f"{sure.why}; which nodes it keeps cannot be read")
    return Held(sure.name, why, "ok", False, (False, *sure.rank[1:]))


def _keep(held: dict[str, Held], name: str, one: Held) -> None:
    if name not in held or held[name].rank < one.rank:
        held[name] = one


def _begun(perhaps: Mapping[str, Held], name: str) -> Iterator[Held]:
    """Of lists that cannot be read: reservations that may keep a node."""
    for length in range(1, min(len(name), NAME_MAX) + 1):
        if name[:length] in perhaps:
            yield perhaps[name[:length]]


def _unread(one: Held, item: str) -> str:
    """A note of a list of which an item cannot be read."""
    if begin := text(beginning(item)):
        return (
            f"reservation {one.name}: {text(item)} is no list of nodes; all that begin with "
            f"{begin} count as reserved"
        )
    return f"reservation {one.name}: {text(item)} is no list of nodes; which it keeps is not known"
