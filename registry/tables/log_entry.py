"""The entry of a change in the audit log: the data of one leaf, a canonical msgpack map with always
the same keys, ascending (schemas/registry.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgpack

from registry.tables.rows import DEFAULT_TTL

VERSION: Final = 2
_pack: Final[Callable[[object], bytes]] = msgpack.Packer().pack


class LogEntry(NamedTuple):
    """One change. The state before it is the ``after`` of leaf ``prev``."""

    after: bytes  # the record of an identifier, else the row of the subject; empty if none
    by: str  # name of the actor
    for_: str  # the owner a registrar acts for
    key: bytes  # of an idempotency key its digest and that of the request, 32 octets each, or empty
    kind: str  # of the request
    on: str  # the subject
    peer: str  # user and group that asked, as the operating system knows them: "UID/GID", or empty
    prev: int  # leaf of the subject's change before this one, NO_LEAF if it is the first
    role: str
    serial: tuple[int, ...]  # what the zones of the names that were changed have since, in order
    status: int
    time: int  # Unix seconds
    to: str  # what takes the subject's place
    ttl: int  # seconds, of the names that were written; 0 if there are none
    version: int
    why: str
    year: int  # of registration, where it was said; 0 is that of ``time``


_KEYS: Final = [
    "after",
    "by",
    "for",
    "key",
    "kind",
    "on",
    "peer",
    "prev",
    "role",
    "serial",
    "status",
    "t",
    "to",
    "ttl",
    "v",
    "why",
    "year",
]
_HEAD: Final = b"\xde" + len(_KEYS).to_bytes(2, "big") + _pack("after")
# Entries of version 1, which old logs begin with, lack some of them.
_KEYS_1: Final = [key for key in _KEYS if key not in ("key", "peer", "serial", "ttl", "year")]


class EntryWriter:
    """Writes entries that share who, why and when: the shared parts are encoded once."""

    def __init__(
        self,
        by: str,
        role: str,
        for_: str,
        kind: str,
        now: int,
        reason: str,
        year: int = 0,
        peer: str = "",
    ) -> None:
        """The fields of `LogEntry` that are shared; ``now`` in Unix seconds."""
        self._before_key = b"".join(_pack(item) for item in ("by", by, "for", for_, "key"))
        self._kind = b"".join(map(_pack, ("kind", kind, "on")))
        self._peer = b"".join(map(_pack, ("peer", peer, "prev")))
        self._role = b"".join(map(_pack, ("role", role, "serial")))
        self._time = b"".join(map(_pack, ("t", now, "to")))
        self._why = b"".join(map(_pack, ("v", VERSION, "why", reason, "year", year)))

    def entry(
        self,
        subject: str,
        after: bytes,
        prev: int,
        to: str,
        status: int,
        serial: Sequence[int] = (),
        ttl: int = 0,
        key: bytes = b"",
    ) -> bytes:
        """The entry of one change."""
        return b"".join(
            (
                _HEAD,
                _pack(after),
                self._before_key,
                _pack(key),
                self._kind,
                _pack(subject),
                self._peer,
                _pack(prev),
                self._role,
                _pack(tuple(serial)),
                _pack("status"),
                _pack(status),
                self._time,
                _pack(to),
                _pack("ttl"),
                _pack(ttl),
                self._why,
            )
        )

    def first(self, status: int, serial: int, ttl: int) -> Callable[[str, bytes], bytes]:
        """A quicker `entry` for subjects that have no history and no successor, in one zone."""
        middle = self._before_key + _pack(b"") + self._kind
        end = b"".join(
            (
                self._peer,
                _pack(-1),
                self._role,
                _pack((serial,)),
                _pack("status"),
                _pack(status),
                self._time,
                _pack(""),
                _pack("ttl"),
                _pack(ttl),
                self._why,
            )
        )

        def entry(subject: str, after: bytes) -> bytes:
            return b"".join((_HEAD, _pack(after), middle, _pack(subject), end))

        return entry

    def alike(
        self, status: int, serial: Sequence[int] = (), ttl: int = 0
    ) -> Callable[[str, bytes, int, str], bytes]:
        """A quicker `entry` for many changes (subject, after, prev, to) that share all else."""
        middle = self._before_key + _pack(b"") + self._kind
        rest = (_pack(tuple(serial)), _pack("status"), _pack(status), self._time)
        between = self._role + b"".join(rest)
        end = _pack("ttl") + _pack(ttl) + self._why
        peer = self._peer

        def entry(subject: str, after: bytes, prev: int, to: str) -> bytes:
            about, last, place = _pack(subject), _pack(prev), _pack(to)
            return b"".join((_HEAD, _pack(after), middle, about, peer, last, between, place, end))

        return entry


def decode(leaf: bytes) -> LogEntry:
    """An entry that the registry wrote.

    Raises:
        ValueError: it is none, or of a version this program does not know.
    """
    values: Any = msgpack.unpackb(leaf, use_list=False)
    version = values.get("v") if isinstance(values, dict) else None
    if version == VERSION and list(values) == _KEYS:
        return LogEntry(*values.values())
    if version == 1 and list(values) == _KEYS_1:
        ttl = DEFAULT_TTL  # it was no fact of the registry then
        values |= {"key": b"", "peer": "", "serial": (), "ttl": ttl, "year": 0}
        return LogEntry(*(values[key] for key in _KEYS))
    raise ValueError(f"no leaf of the registry of version 1 or {VERSION}: {leaf[:40].hex()}")
