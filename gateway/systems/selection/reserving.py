"""What is reserved, with the supply that it is taken off. It is found and reserved in one step:
nothing is awaited between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import msgspec

from csid.status import Status, Told
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.reservations import Item, NotFreeError, Reservation, without
from gateway.systems.selection.state import Selecting


def status_of(state: Selecting, identifier: str) -> Status | None:
    """What is told of a resource here now, reservations left out of it; None where nothing is known
    that holds.
    """
    supply = state.supply
    slot = supply.index.find(identifier, supply.index.digest(identifier))
    known: dict[str, Any] = {} if slot < 0 else supply.told(slot, state.now())
    if "until" not in known:
        return None
    told = Told(
        health=known["health"],
        load=known.get("load"),
        free={kind: float(amount) for kind, amount in known.get("free", {}).items()},
    )
    return Status(known["taken"], known["until"], known.get("source") or "", 0, told)


def is_free(state: Selecting, item: Item) -> bool:
    """Whether as much could be reserved of a resource now."""
    status = status_of(state, item.identifier)
    if status is None:
        return False
    try:
        without(status, item)
    except NotFreeError:
        return False
    return True


def take(
    state: Selecting, by: str, items: tuple[Item, ...], seconds: int, key: str, asked: str = ""
) -> Reservation:
    """Reserve, all of it or nothing; arguments as those of `Reservations.take`.

    Raises:
        NotFreeError: nothing is reserved.
    """
    told = {
        name: status
        for name in {one.identifier for one in items}
        if (status := status_of(state, name)) is not None
    }
    until = state.now() + seconds * 1_000
    made, after = state.reservations.take(by, items, until, told, key, asked)
    state.reserved(after)
    return made


def words_of(demand: Demand) -> str:
    """What tells a demand from others, for what is reserved for it."""
    return blake2b(msgspec.json.encode(demand), digest_size=16).hexdigest()


@contextmanager
def put_back(state: Selecting, made: Reservation) -> Iterator[None]:
    """While a reservation does not count, for who has made it and asks again. Nothing may be
    awaited within.
    """
    names = {one.identifier for one in made.items}
    try:
        for name in names:
            state.supply.status(name, state.reservations.left(name, but=made.name))
        yield
    finally:
        for name in names:
            state.supply.status(name, state.reservations.left(name))
