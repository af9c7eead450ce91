"""Who acts: who a process is to the operating system, and not what it says of itself.

root, and whose the data are        may do all of it by hand: is believed, whoever it says acts,
                                    unless the configuration says who it is
whom the node's configuration has   acts as it says there; in the name of others only if it may,
                                    and then both are written down
anybody else                        is nobody
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from csid.errors import CsidError
from registry.rules.requests import Actor, Role

_KEPT: Final = 4_096  # actors that asked last: most requests have those of others


class ActingError(CsidError):
    """Somebody asks in a name or a role that is not his."""


class Known(NamedTuple):
    """An actor of the configuration: a user, a group, or a user while in a group."""

    name: str
    role: Role
    owner: str  # that a registrar acts for
    uid: int | None
    gid: int | None
    acts_for_others: bool

    def is_who(self, uid: int, groups: Collection[int]) -> bool:
        """Whether a process of a user and some groups is meant."""
        return (self.uid is None or self.uid == uid) and (self.gid is None or self.gid in groups)


@dataclass(frozen=True, slots=True, eq=False)
class Asker:
    """A process that asks.

    Attributes:
        peer: who it is to the operating system, as `Actor.peer` has it; empty: it is this one.
        known: who that is to the node; None: nobody, or whom it believes anything.
        is_believed: whether it may act in any name and role.
    """

    peer: str = ""
    known: Known | None = None
    is_believed: bool = True

    def actor(self, name: str, role: str, owner: str) -> Actor:
        """Who acts if it says so of itself.

        Raises:
            ActingError: it may not.
            ValueError: there is no such role.
        """
        return _actor(self, name, role, owner)


OWN: Final = Asker()  # this very process, which is asked by nobody


def asker_of(
    uid: int, gid: int, groups: Collection[int], known: Iterable[Known], trusted: Collection[int]
) -> Asker:
    """Who a process is to a node.

    Args:
        groups: all that it is in.
        known: the actors of the configuration; the first that is meant counts.
        trusted: users who may do all by hand, unless the configuration says who they are.
    """
    peer = f"{uid}/{gid}"
    for one in known:
        if one.is_who(uid, groups):
            return Asker(peer, one, False)
    return Asker(peer, None, uid in trusted)


@lru_cache(_KEPT)
def _actor(asker: Asker, name: str, role: str, owner: str) -> Actor:
    known, said = asker.known, Role(role)
    if known is None:
        if asker.is_believed:
            return Actor(name, said, owner, asker.peer)
        raise ActingError(
            f"user/group {asker.peer} is nobody here: neither root nor whose the data are, and no "
            "[[actor]] of the node's configuration has this uid or gid"
        )
    if (name, said, owner) == (known.name, known.role, known.owner):
        return Actor(name, said, owner, asker.peer)
    if known.acts_for_others and said is not Role.NODE:
        return Actor(name, said, owner, f"{asker.peer} {known.name}")
    acts_as = f"{known.name}, {known.role.value}" + (f" of {known.owner}" if known.owner else "")
    asks_as = f"{name[:40]}, {role}" + (f" of {owner[:40]}" if owner else "")
    raise ActingError(
        f"user/group {asker.peer} is {acts_as}, and asks as {asks_as}; it acts for others only if "
        "acts-for-others stands in its [[actor]]"
    )
