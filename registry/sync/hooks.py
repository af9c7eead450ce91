"""What the role of a node adds to its sync process: duties, and a watch over transfers.

A duty keeps in the store what is to be sent, and gives it out as errands until it is answered, so
nothing is lost or done twice, whoever is killed. The sync process asks for errands whenever the
store has changed, sends those to one server one after the other, again and again until the server
answers (resolver/sync/peer.py), and has the writer carry out what follows from the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync.actions import Errand
from resolver.sync.transfer.fetch import NO_WATCH, Together, Watch


class Unit(NamedTuple):
    """A unit of the writer (`registry.units`); its last argument is a cursor: it is carried out
    again with what it returns there, until that is empty.
    """

    name: str
    args: list[Any]


class Duty(Protocol):
    """One kind of things to be sent."""

    def due(self, read: ReadTransaction, now: int, /) -> Sequence[Errand]:
        """What is to be sent now (`now` in Unix seconds). Quick, as it is asked after every change.
        An errand whose name is under way already is left alone.
        """
        ...

    def wake(self) -> int | None:
        """When there may be more though nothing has changed, in Unix seconds; None: never."""
        ...

    def answered(self, errand: Errand, answer: bytes, reason: str, now: int, /) -> Unit | None:
        """What is to be written; None if nothing is.

        Args:
            answer: the message without its TSIG record; empty if what came is none, or no key is
                there to sign with, for a reason in words.
        """
        ...


# A bounded piece of work that transfers leave behind, or that has waited for the time that a duty
# wakes at; returns whether there is more.
Work = Callable[[], bool]


class Network(NamedTuple):
    """What a node's role adds."""

    duties: Sequence[Duty] = ()
    watch: Watch = NO_WATCH  # looks on while zones are transferred
    # Done at the start, after transfers, and when a duty wakes, in threads.
    works: Sequence[Work] = ()


# What a role adds for a store; where a directory has not that role, nothing.
Adds = Callable[[Store], Network]


def network_of(store: Store, roles: Sequence[Adds]) -> Network:
    """What all roles of a directory add; their watches are asked in the order of the roles."""
    found = [adds(store) for adds in roles]
    duties = [duty for one in found for duty in one.duties]
    watches = [one.watch for one in found if one.watch is not NO_WATCH]
    works = [work for one in found for work in one.works]
    return Network(duties, Together(watches), works)
