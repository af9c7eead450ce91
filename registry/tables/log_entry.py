"""The entry of a change in the audit log: the data of one leaf, a canonical msgpack map with always
the same keys, ascending.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgpack

VERSION: Final = 1
_pack: Final[Callable[[object], bytes]] = msgpack.Packer().pack
_HEAD: Final = bytes((0x80 | 12,)) + _pack("after")  # a map of 12


class LogEntry(NamedTuple):
    """One change. The state before it is the ``after`` of leaf ``prev``."""

    after: bytes  # the record of an identifier, else the row of the subject; empty if none
    by: str  # name of the actor
    for_: str  # the owner a registrar acts for
    kind: str  # of the request
    on: str  # the subject
    prev: int  # leaf of the subject's change before this one, NO_LEAF if it is the first
    role: str
    status: int
    time: int  # Unix seconds
    to: str  # what takes the subject's place
    version: int
    why: str


_KEYS: Final = ("after", "by", "for", "kind", "on", "prev", "role", "status", "t", "to", "v", "why")


class EntryWriter:
    """Writes entries that share who, why and when: the shared parts are encoded once."""

    def __init__(self, by: str, role: str, for_: str, kind: str, now: int, reason: str) -> None:
        """The fields of `LogEntry` that are shared; ``now`` in Unix seconds."""
        self._before_on = b"".join(
            _pack(item) for item in ("by", by, "for", for_, "kind", kind, "on")
        )
        self._role = b"".join(map(_pack, ("role", role, "status")))
        self._time = b"".join(map(_pack, ("t", now, "to")))
        self._why = b"".join(map(_pack, ("v", VERSION, "why", reason)))
        self._prev = _pack("prev")

    def entry(self, subject: str, after: bytes, prev: int, to: str, status: int) -> bytes:
        """The entry of one change."""
        return b"".join(
            (
                _HEAD,
                _pack(after),
                self._before_on,
                _pack(subject),
                self._prev,
                _pack(prev),
                self._role,
                _pack(status),
                self._time,
                _pack(to),
                self._why,
            )
        )

    def first(self, status: int) -> Callable[[str, bytes], bytes]:
        """A quicker `entry` for subjects that have no history and no successor."""
        end = b"".join(
            (
                self._prev,
                _pack(-1),
                self._role,
                _pack(status),
                self._time,
                _pack(""),
                self._why,
            )
        )
        middle = self._before_on

        def entry(subject: str, after: bytes) -> bytes:
            return b"".join((_HEAD, _pack(after), middle, _pack(subject), end))

        return entry


def decode(leaf: bytes) -> LogEntry:
    """An entry that the registry wrote.

    Raises:
        ValueError: it is none, or of a version this program does not know.
    """
    values: Any = msgpack.unpackb(leaf)
    if not isinstance(values, dict) or tuple(values) != _KEYS or values["v"] != VERSION:
        raise ValueError(f"no leaf of version {VERSION} of the registry: {leaf[:40].hex()}")
    return LogEntry(*values.values())
