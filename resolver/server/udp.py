"""A UDP worker: receive a batch, answer each datagram from one snapshot, send the batch.

It holds no state worth saving and writes nothing, so it may be killed at any moment; its supervisor
keeps the socket and starts another.
"""

from __future__ import annotations

import time
from typing import Any

from resolver.answer.process import Answerer
from resolver.answer.resolve import TreeSource
from resolver.answer.source import Source
from resolver.server.counters import BATCHES, QUERIES
from resolver.server.notices import Repeated


def answer_batch(answerer: Answerer, datagrams: Any, source: Source, now: int) -> None:
    """Answer the datagrams that were received, all from one source, and send the answers."""
    packets: list[bytes] = datagrams.packets()
    addresses: list[bytes] = datagrams.addresses()
    replies: list[bytes | None] = []
    for slot in range(len(packets)):
        replies.append(answerer.answer(packets[slot], source, now, addresses[slot], False))
    datagrams.send(replies)


def serve(store: Any, answerer: Answerer, datagrams: Any, counters: Any) -> None:
    """Answer until `datagrams` is stopped.

    Args:
        counters: those of `resolver.server.counters`; a batch counts once it is answered.

    Raises:
        StoreError: the store can no longer be read at all.
    """
    failures = Repeated()
    while True:
        count: int = datagrams.receive()
        if count <= 0:
            if count < 0:
                return
            continue
        # Held for one batch only: an older snapshot would keep the store from reusing its pages.
        with store.moment() as txn:
            source = TreeSource(store.snapshot_in(txn))
            try:
                answer_batch(answerer, datagrams, source, int(time.time()))
            except Exception as error:  # damaged data cost this batch, and not the worker
                failures.tell(f"a batch of questions was given up: {error!r}")
            else:
                counters[QUERIES] += count
                counters[BATCHES] += 1
