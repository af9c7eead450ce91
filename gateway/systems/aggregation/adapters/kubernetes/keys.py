"""What is remembered of a cluster from one poll to the next, and what its nodes are known by.

Whoever has had a key keeps it: what a newcomer says of itself moves nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from gateway.systems.aggregation.adapters.kubernetes.cards import Card


class Named(NamedTuple):
    """What is said of a node's identity.

    Attributes:
        uid: of its object.
        machine: what it is however its object is made anew; empty if nothing says it.
        created: when its object was, as Kubernetes writes it; empty if that is not said.
    """

    uid: str
    machine: str
    created: str


class Remembered:
    """What goes on from poll to poll.

    Attributes:
        keys: by the UIDs of nodes: the machine that each is said to be, and its key.
        cards: by the UIDs of nodes that have cards by DRA: those that were told last.
        had_devices: devices by DRA have been read.
    """

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, str]] = {}
        self.cards: dict[str, tuple[Card, ...]] = {}
        self.had_devices = False

    def keep(self, uids: Collection[str]) -> None:
        """Forget the nodes that are not among these."""
        for known in (self.keys, self.cards):
            for uid in known.keys() - uids:
                del known[uid]


class Keys:
    """The keys of nodes that are there."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        self._holders = {key: uid for uid, (_, key) in remembered.keys.items()}

    def give(self, nodes: Iterable[Named]) -> None:
        """Give keys to nodes that have none, or are said to be another machine: its machine's to
        the first of them, their own to others. Of those that come together the oldest is the first.
        """
        for one in sorted(nodes, key=lambda x: (x.created or "~", x.uid)):
            if (known := self._remembered.keys.get(one.uid)) is not None:
                if known[0] == one.machine:
                    continue
                self.drop(one.uid)
            key = one.machine if one.machine and one.machine not in self._holders else one.uid
            self._holders[key] = one.uid
            self._remembered.keys[one.uid] = (one.machine, key)

    def of(self, uid: str) -> str:
        """The key of a node that was given one."""
        return self._remembered.keys[uid][1]

    def is_second(self, uid: str) -> bool:
        """Is it said to be a machine that another is?"""
        machine, key = self._remembered.keys[uid]
        return bool(machine) and key != machine

    def drop(self, uid: str) -> None:
        """A node is there no more."""
        known = self._remembered.keys.pop(uid, None)
        if known is not None and self._holders.get(known[1]) == uid:
            del self._holders[known[1]]
