"""Trying to load or drop zones: the same answers, and nothing is written or locked."""

from __future__ import annotations

import time
from typing import Any

from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.zones.asked import Asked
from registry.zones.drop import Dropping
from registry.zones.serials import Mode
from registry.zones.small import DROPPED, REFUSED, Answer, Node, serial_held, weigh
from resolver.store.environment import Store


class Trial:
    """Answers units of loading and dropping zones as `registry.zones.work` would now."""

    def __init__(self, store: Store) -> None:
        """Over a store that is open for reading."""
        self._store = store
        self._named = Names(store.settings().suffix)
        self._built: dict[bytes, tuple[int, bytes, list[Node]]] = {}  # since, origin, nodes

    def perform(self, name: str, args: Any = None) -> Any:
        """Answer one unit."""
        return getattr(self, f"_{name.replace('.', '_')}")(args)

    def _sweep(self, _args: Any) -> int:
        return 0

    def _zone_since(self, _args: Any) -> int:
        with self._store.read() as read:
            return TransactionView(read).leaves()

    def _zone_load(self, args: Any) -> list[Answer]:
        asked, mode, since, zones = args
        Asked.of(asked)
        return [self._weigh(mode, since, origin, nodes) for origin, nodes in zones]

    def _zone_begin(self, args: Any) -> bytes:
        asked, origin, since = args
        Asked.of(asked)
        generation = len(self._built).to_bytes(8, "big")
        self._built[generation] = (since, origin, [])
        return generation

    def _zone_nodes(self, args: Any) -> int:
        generation, nodes = args
        held = self._built[generation][2]
        held += nodes
        return len(held)

    def _zone_check(self, generation: Any) -> tuple[bool, int, list[str]]:
        return True, len(self._built[generation][2]), []

    def _zone_publish(self, args: Any) -> Answer:
        generation, _, mode = args
        return self._weigh(mode, *self._built[generation])

    def _zone_abandon(self, generation: Any) -> None:
        del self._built[generation]

    def _weigh(self, mode: str, since: int, origin: bytes, nodes: list[Node]) -> Answer:
        with self._store.read() as read:
            return weigh(read, self._named, Mode(mode), int(time.time()), since, origin, nodes)[0]

    def _zone_drop(self, args: Any) -> Answer:
        asked, origin = args
        Asked.of(asked)
        with self._store.read() as read:
            dropping = Dropping(read, self._named, origin)
            dropping.look_on(read, float("inf"))
            if dropping.fault:
                return Answer(REFUSED, 0, [dropping.fault])
            loss = [dropping.loss] if dropping.loss else []
            return Answer(DROPPED, serial_held(read, origin) or 0, loss)
