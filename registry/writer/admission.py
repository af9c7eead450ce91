"""Who a node takes those for who ask its writer: by the owner of its data and by its configuration
(`registry.rules.acting`).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from registry.rules.acting import Asker, Known, asker_of
from registry.rules.requests import Role

ROOT: Final = 0


class Admission:
    """Tells who asks.

    Args:
        data: the data directory; whose it is may change. None: what is asked for needs none.
        known: the actors of the configuration.
        node: users as whom the node's own processes run, which act for others: callers over HTTPS,
            nodes of the network. They are believed whatever the configuration says of them.
    """

    def __init__(
        self, data: Path | None, known: Sequence[Known] = (), node: Collection[int] = ()
    ) -> None:
        self._data = data
        self._known = known
        self._node = node

    def asker(self, uid: int, gid: int, groups: Collection[int]) -> Asker:
        """Who a process of a user and groups is."""
        if uid in self._node:
            return Asker(f"{uid}/{gid}")
        return asker_of(uid, gid, {gid, *groups}, self._known, {ROOT, *self._owner()})

    def own(self) -> Asker:
        """Who this process is."""
        return self.asker(os.geteuid(), os.getegid(), os.getgroups())

    def _owner(self) -> set[int]:
        with contextlib.suppress(OSError):
            if self._data is not None:
                return {self._data.stat().st_uid}
        return {os.geteuid()}  # of one that is yet to be made


def packed(known: Sequence[Known]) -> str:
    """As an option of a process has it, for `unpacked`."""
    return json.dumps([[one.name, one.role.value, *one[2:]] for one in known])


def unpacked(text: str) -> tuple[Known, ...]:
    """What `packed` has made."""
    return tuple(Known(name, Role(role), *rest) for name, role, *rest in json.loads(text))
