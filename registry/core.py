"""What the registry's work is done on: the store, open for writing, and what plugins add."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from registry.desk import Desk
from registry.rules.acting import Acting, Known, Peer, nothing_said, trusted
from registry.tables.rollback import RollbackWatch
from registry.zones.replays import Replays
from registry.zones.updates import Claim, Result
from registry.zones.work import Zones
from resolver.answer.source import NO_STAGES, Stages
from resolver.store.environment import Store


@dataclass(slots=True)
class Core:
    """A store that is open for writing, with the tables of the registry.

    ``by`` is the process that the unit at hand is carried out for; ``process`` is its number, 0 if
    it is this one or cannot be known. At ``desk`` all requests are decided, and UPDATEs by
    ``claims`` where one of them takes them; ``replays`` has what those that were signed got.
    """

    store: Store
    stages: Stages = NO_STAGES
    by: Acting = field(default_factory=trusted)
    process: int = 0
    claims: list[Claim] = field(default_factory=list)
    replays: Replays[Result] = field(default_factory=Replays)
    suffix: str = field(init=False)
    zones: Zones = field(init=False)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.store.watch = RollbackWatch(self.store.path)
        self.suffix = self.store.settings().suffix
        self.desk = Desk(self.suffix, self.stages.check)
        self.zones = Zones(self.store, self.stages)

    @property
    def peer(self) -> str:
        """The process that the unit at hand is carried out for, as `Actor.peer` has it."""
        return self.by.label


def own_peer() -> Peer:
    """This process, as the operating system knows it."""
    return Peer(os.geteuid(), os.getegid(), frozenset(os.getgroups()))


def acting_here(data: Path, known: Callable[[], Sequence[Known]] = nothing_said) -> Acting:
    """How this process acts where it works on a data directory by itself.

    Args:
        known: as of `Acting`.
    """
    return Acting(own_peer(), keeper_of(data), known, login_of)


def keeper_of(data: Path) -> int:
    """The user that owns a data directory, or will, as it makes it."""
    try:
        return data.stat().st_uid
    except OSError:
        return os.geteuid()


@lru_cache(1_024)
def login_of(uid: int) -> str:
    """The name of a user; empty if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OSError):
        return ""
