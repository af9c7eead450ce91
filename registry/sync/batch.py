"""What the sync process writes beside the zones: the outcome of looks, once in a while together."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from csid import names
from csid.errors import StoreError, ZoneError
from registry.sync.hooks import Unit
from registry.writer import client
from resolver.store import parted
from resolver.store.environment import Store
from resolver.sync import feed, states
from resolver.sync.actions import Where
from resolver.sync.settings import follow_of, targets_of

PARTED_AT_ONCE: Final = 100  # zones that nobody lists any more, whose data goes with one commit


class Batch(NamedTuple):
    """What is written with one commit."""

    settled: list[states.Settled]
    rows: list[bytes]
    passed: bytes | None
    told: dict[bytes, dict[tuple[str, int], states.Told]]
    peers: list[tuple[Where, states.PeerRow]]
    forgotten: list[str]  # names of servers of which nothing is to be known any more


def write(store: Store, batch: Batch) -> None:
    with store.write() as txn:
        states.settle(txn, batch.settled)
        for one in batch.settled:
            # One that became this node's own meanwhile answers for itself, whatever was looked for.
            if one.flag is not None and follow_of(txn, one.apex) is not None:
                with suppress(ZoneError):  # it is not held any more
                    txn.set_flags(names.wire_of_key(one.apex), one.flag)
        feed.remove(txn, batch.rows, batch.passed)
        parted.expire(txn, int(time.time()), PARTED_AT_ONCE)
        for apex, told in batch.told.items():
            known = {(row.host, row.port): row for row in states.told_of(txn, apex)}
            wanted = {(one.host, one.port) for one in targets_of(txn, apex)}
            merged = {at: row for at, row in (known | told).items() if at in wanted}
            states.put_told(txn, apex, list(merged.values()))
        for name in batch.forgotten:
            states.put_peer(txn, name, None)
        for where, row in batch.peers:
            is_kept = row.failures or row.is_behind
            states.put_peer(txn, str(where), row if is_kept else None)


def perform(data: Path, unit: Unit) -> None:
    """Have a unit carried out by the writer of this node.

    Raises:
        CsidError: there is none now, or the unit says so.
    """
    writer = client.connected(data)
    if writer is None:
        raise StoreError("the writer of this node is not there")
    try:
        *args, cursor = unit.args
        while cursor := writer.perform(unit.name, [*args, cursor]):
            pass
    finally:
        writer.close()
