"""A UDP worker: receive a batch, answer each datagram from one snapshot, send the batch.

It holds no state worth saving and writes nothing, so it may be killed at any moment; its supervisor
keeps the socket and starts another.
"""

from __future__ import annotations

import time
from typing import Any

from resolver.answer.process import Answerer
from resolver.answer.source import Source
from resolver.server.counters import BATCHES, QUERIES
from resolver.server.notices import Repeated


def answer_batch(
    answerer: Answerer,
    datagrams: Any,
    source: Source,
    now: int,
    special: Any = None,
    limiter: Any = None,
    tap: Any = None,
) -> None:
    """Answer the datagrams that were received, all from one source, and send the answers.

    Args:
        special: looks after what the answerer has left to be done, if anybody does
            (`resolver.server.special`).
        limiter: holds answers back, if that is wanted (`resolver.server.rate_limit`).
        tap: is told the packets, the addresses they came from, and the answers, once these are
            sent (`resolver.server.tap`), and when nothing has come for a while.
    """
    packets: list[bytes] = datagrams.packets()
    addresses: list[bytes] = datagrams.addresses()
    replies: list[bytes | None] = []
    for slot in range(len(packets)):
        reply = answerer.answer(packets[slot], source, now, addresses[slot], False)
        if reply is None and special is not None:
            left = special.take()
            if left is not None:
                reply = special.hand_over(left, datagrams.origin(slot), now)
        replies.append(reply)
    if limiter is not None:
        limiter.limit(packets, addresses, replies, now)
    datagrams.send(replies)
    if tap is not None:
        tap(packets, addresses, replies)


def serve(
    sources: Any,
    answerer: Answerer,
    datagrams: Any,
    counters: Any,
    special: Any = None,
    limiter: Any = None,
    tap: Any = None,
) -> None:
    """Answer until `datagrams` is stopped.

    Args:
        sources: gives a moment of what is answered from, and its source (`Store`).
        counters: those of `resolver.server.counters`; a batch counts once it is answered.
        special, limiter, tap: as those of `answer_batch`.

    Raises:
        StoreError: the store can no longer be read at all.
    """
    failures = Repeated()
    while True:
        count: int = datagrams.receive()
        if count <= 0:
            if count < 0:
                return
            if tap is not None:
                tap.flush()
            continue
        # Held for one batch only: an older snapshot would keep the store from reusing its pages.
        with sources.moment() as txn:
            source = sources.source_in(txn)
            try:
                now = int(time.time())
                answer_batch(answerer, datagrams, source, now, special, limiter, tap)
            except Exception as error:  # damaged data cost this batch, and not the worker
                failures.tell(f"a batch of questions was given up: {error!r}", "batch-failed")
            else:
                counters[QUERIES] += count
                counters[BATCHES] += 1
