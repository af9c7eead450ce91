"""What a node has to say to others of its own accord: duties, carried out by the sync process.

A duty keeps in the store what is to be sent, and gives it out as errands until it is answered; so
nothing is lost or done twice, whoever is killed. The sync process asks for errands whenever the
store has changed, sends those to one server one after the other, again and again until the server
answers (resolver/sync/peer.py), and hands the answer back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync.actions import Errand
from resolver.sync.fetch import NO_WATCH, Watch


class Due(NamedTuple):
    """What is to be sent now, and when to ask again though nothing has changed (Unix seconds; None:
    not before something has).
    """

    errands: Sequence[Errand] = ()
    again: int | None = None


class Duty(Protocol):
    """One kind of things to be sent."""

    def due(self, read: ReadTransaction, now: int, /) -> Due:
        """What is to be sent. An errand whose name is under way already is left alone, so the same
        may be given out again; quick, as it is asked after every change.
        """
        ...

    def answered(self, store: Store, errand: Errand, answer: bytes, reason: str, /) -> None:
        """Write what follows from an answer, in a thread; raises StoreError to be told once more.

        Args:
            answer: the message without its TSIG record; empty if what came is none, or no key is
                there to sign with, for a reason in words.
        """
        ...


class Network(NamedTuple):
    """What a node's role adds to the sync process."""

    duties: Sequence[Duty] = ()
    watch: Watch = NO_WATCH  # looks on while zones are transferred


# Each makes what it adds from a store; a role that a directory does not have adds nothing.
Adds = Callable[[Store], Network]
ROLES: list[Adds] = []


def network_of(store: Store) -> Network:
    """What all roles of a directory add."""
    found = [adds(store) for adds in ROLES]
    duties = [duty for one in found for duty in one.duties]
    watches = [one.watch for one in found if one.watch is not NO_WATCH]
    return Network(duties, watches[0] if watches else NO_WATCH)
