"""A UDP worker: receive a batch, answer each datagram from one snapshot, send the batch.

It holds no state worth saving and writes nothing, so it may be killed at any moment; its supervisor
keeps the socket and starts another.
"""

from __future__ import annotations

import time
from typing import Any

from resolver.answer.process import Answerer
from resolver.server.counters import BATCHES, QUERIES
from resolver.server.notices import Repeated


def answer_batch(answerer: Answerer, datagrams: Any, count: int, snapshot: Any, now: int) -> None:
    """Answer the first `count` datagrams from one snapshot and send the answers."""
    first = 0
    for slot in range(count):
        packet: bytes = datagrams.packet(slot)
        # Only EDNS, in the additional section, makes an answer depend on who asks.
        address: bytes = datagrams.address(slot) if packet[10:12] != b"\0\0" else b""
        reply = answerer.answer(packet, snapshot, now, address, False)
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
            snapshot = store.snapshot_in(txn)
            try:
                answer_batch(answerer, datagrams, count, snapshot, int(time.time()))
            except Exception as error:  # damaged data cost this batch, and not the worker
                failures.tell(f"a batch of questions was given up: {error!r}")
            else:
                counters[QUERIES] += count
                counters[BATCHES] += 1
