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


def answer_batch(answerer: Answerer, datagrams: Any, count: int, source: Source, now: int) -> None:
    """Answer the first `count` datagrams from one source and send the answers."""
    first = 0
    for slot in range(count):
        packet: bytes = datagrams.packet(slot)
        address: bytes = datagrams.address(slot)
        reply = answerer.answer(packet, source, now, address, False)
        if reply is None:
            datagrams.send(first, slot)
            first = slot + 1
        else:
            datagrams.put(slot, reply)
    datagrams.send(first, count)


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
                answer_batch(answerer, datagrams, count, source, int(time.time()))
            except Exception as error:  # damaged data cost this batch, and not the worker
                failures.tell(f"a batch of questions was given up: {error!r}")
            else:
                counters[QUERIES] += count
                counters[BATCHES] += 1
