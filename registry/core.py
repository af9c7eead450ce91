"""What the registry's work is done on: the store, open for writing, and what plugins add."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from registry.desk import Desk
from registry.rules.acting import OWN, Asker
from registry.tables.rollback import RollbackWatch
from registry.zones.replays import Replays
from registry.zones.updates import Claim, Result
from registry.zones.work import Zones
from resolver.answer.source import NO_STAGES, Stages
from resolver.store.environment import Store


@dataclass(slots=True)
class Core:
    """A store that is open for writing, with the tables of the registry.

    ``asker`` is the process that the unit at hand is carried out for; ``process`` is its number, 0
    if it is this one or cannot be known. At
    ``desk`` all requests are decided, and UPDATEs by ``claims`` where one of them takes them;
    ``replays`` has what those that were signed got.
    """

    store: Store
    stages: Stages = NO_STAGES
    asker: Asker = OWN
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


def own_peer() -> str:
    """This process, as the operating system knows it: what `Actor.peer` has where nobody asks."""
    return f"{os.geteuid()}/{os.getegid()}"
