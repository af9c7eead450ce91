"""What servers are told of changes here: rows of the feed (resolver/sync/feed.py) that are not done
with, and what was confirmed.
"""

from __future__ import annotations

from collections.abc import Callable

from resolver.sync.actions import Present, Where
from resolver.sync.job import Notice
from resolver.sync.peer import Peer
from resolver.sync.settings import Target, targets_of
from resolver.sync.states import Told


class _Row:
    """A row of the feed, and the servers that have not answered what it is about."""

    __slots__ = ("key", "left")

    def __init__(self, key: bytes, left: set[Where]) -> None:
        self.key = key
        self.left = left


class Telling:
    """One for an engine; ``peer`` gives what there is to do with a server."""

    def __init__(self, peer: Callable[[Target], Peer]) -> None:
        self._peer = peer
        self._rows: dict[bytes, _Row] = {}  # by apex
        self._done_rows: list[bytes] = []
        self._told: dict[bytes, dict[tuple[str, int], Told]] = {}

    @property
    def has_news(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._done_rows or self._told)

    def changed(self, present: Present, apex: bytes, key: bytes) -> None:
        """A zone has changed here.

        Args:
            key: of the row of the feed that says so; empty if none does.
        """
        before = self._rows.pop(apex, None)
        if before is not None and before.key != key:
            self._done_rows.append(before.key)
        targets = targets_of(present.moment, apex)
        peers = [self._peer(target) for target in targets]
        # Who is away is told when it is back; its rows would crowd out those of others.
        left = {peer.where for peer in peers if present.steady >= peer.down_until}
        if left:
            self._rows[apex] = _Row(key, left)
        else:
            self._done_rows.append(key)
        for peer, target in zip(peers, targets, strict=True):
            has_row = bool(key) and peer.where in left
            peer.notify(present, Notice(apex, target.key, present.steady), has_row)

    @property
    def count(self) -> int:
        """Zones whose change somebody is being told of."""
        return len(self._rows)

    def told(self, present: Present, peer: Peer, notice: Notice, reason: str) -> None:
        """A server has confirmed a notice, or answered something else."""
        where = (peer.where.host, peer.where.port)
        of_zone = self._told.setdefault(notice.apex, {})
        before = of_zone.get(where)
        if reason:
            serial = before.serial if before is not None else None
            of_zone[where] = Told(*where, serial, present.unix, reason)
        else:
            of_zone[where] = Told(*where, notice.sent, present.unix)

    def row_done(self, apex: bytes, peer: Peer) -> None:
        """A server needs to be told no more of a change."""
        row = self._rows.get(apex)
        if row is not None:
            row.left.discard(peer.where)
            if not row.left:
                self._done_rows.append(row.key)
                del self._rows[apex]

    def take_done_rows(self) -> list[bytes]:
        """The keys of rows of the feed that everybody has answered."""
        done, self._done_rows = self._done_rows, []
        return done

    def take_told(self) -> dict[bytes, dict[tuple[str, int], Told]]:
        """What servers have confirmed, by zone, and by host and port."""
        told, self._told = self._told, {}
        return told
