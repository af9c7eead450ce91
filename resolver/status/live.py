"""What a server says at `_status.NAME` of the names it holds (`schemas/status.md`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from csid import names, status
from resolver.status.store import FOLDER, Readable
from resolver.store.environment import Store
from resolver.sync.settings import follow_of


class Live:
    """Answers of a node's status store, for `resolver.answer.resolve.TreeSource`.

    Args:
        statuses: the store.
        top: canonical key of the name at and below which there are statuses.
        is_followed: whether a zone is a copy, given a moment of the store and the key of its apex.
        clock: Unix seconds.
    """

    def __init__(
        self,
        statuses: Any,
        top: bytes,
        is_followed: Callable[[Any, bytes], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._statuses = statuses
        self._top = top
        self._is_followed = is_followed
        self._clock = clock

    def covers(self, key: bytes) -> bool:
        """Whether a name may have a status."""
        return key.startswith(self._top)

    def say(self, key: bytes, moment: Any, apex: bytes) -> tuple[int, bytes] | None:
        """TTL and RDATA of TXT for a name that there is; None if only others know: the zone is a
        copy, and no status was reported here.
        """
        found = self._statuses.find(key)
        if found is None and moment is not None and self._is_followed(moment, apex):
            return None
        now = int(self._clock() * 1_000)
        return status.ttl(found, now), status.rdata(found, now)


def live_of(data: Path, store: Store) -> Live:
    """Those of the node whose directory this is."""
    suffix = names.key_of(names.from_text(store.settings().suffix))

    def is_followed(moment: Any, apex: bytes) -> bool:
        return follow_of(store.reading(moment), apex) is not None

    return Live(Readable(data / FOLDER), suffix, is_followed)
