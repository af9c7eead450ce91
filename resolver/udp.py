"""A UDP worker: receive a batch, answer each datagram from one snapshot, send the batch.

It holds no state worth saving and writes nothing, so it may be killed at any moment; its supervisor
keeps the socket and starts another.
"""

from __future__ import annotations

import time
from typing import Any

from resolver.answer import Answerer
from resolver.mmsg import (
    IN_OCTETS,
    LENGTH_HALF,
    MSGHDR_HALVES,
    NAME_OCTETS,
    OUT_OCTETS,
    Datagrams,
)


def answer_batch(
    answerer: Answerer, datagrams: Datagrams, count: int, snapshot: Any, now: int, ipv6: bool
) -> None:
    """Answer the first `count` datagrams from one snapshot and send the answers."""
    inbox = datagrams.inbox
    outbox = datagrams.outbox
    peers = datagrams.peers
    received = datagrams.received
    to_send = datagrams.to_send
    address_at, address_octets = (8, 16) if ipv6 else (4, 4)
    first = 0
    for slot in range(count):
        start = slot * IN_OCTETS
        size = received[slot * MSGHDR_HALVES + LENGTH_HALF]
        peer = slot * NAME_OCTETS + address_at
        reply = answerer.answer(
            bytes(inbox[start : start + size]),
            snapshot,
            now,
            bytes(peers[peer : peer + address_octets]),
            False,
        )
        if reply is None:
            datagrams.send(first, slot)
            first = slot + 1
            continue
        size = len(reply)
        start = slot * OUT_OCTETS
        outbox[start : start + size] = reply
        to_send[2 * slot + 1] = size
    datagrams.send(first, count)


def serve(store: Any, answerer: Answerer, datagrams: Datagrams, ipv6: bool) -> None:
    """Answer until the process is ended."""
    while True:
        count = datagrams.receive()
        if not count:
            continue
        # Held for one batch only: an older snapshot would keep the store from reusing its pages.
        with store.moment() as txn:
            snapshot = store.snapshot_in(txn)
            answer_batch(answerer, datagrams, count, snapshot, int(time.time()), ipv6)
