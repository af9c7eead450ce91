"""The process around a UDP worker: `python -m resolver.server.worker --data DIR --fd N`.

The supervisor hands over a bound socket, the end of a pipe to be told of readiness, and memory for
the counters. On SIGTERM the batch at hand is answered; what waits in the socket is for others.
"""

from __future__ import annotations

import argparse
import signal
import socket
import struct
import sys
from functools import partial
from typing import Final

from csid.errors import CsidError
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.server import child_options, rate_limit
from resolver.server.bell import Bell
from resolver.server.counters import LATER, PLAIN, open_inherited
from resolver.server.forwarding import Forwarder
from resolver.server.hooks import stages_of
from resolver.server.notices import tell
from resolver.server.special import Special
from resolver.server.supervised import tell_ready
from resolver.server.tap import COLLECT_SECONDS, Tap, unpacked
from resolver.server.tap_frames import UDP
from resolver.server.udp import serve
from resolver.status.live import live_of
from resolver.store.environment import Store

try:
    from resolver.server.cdatagrams import Datagrams, Tally, send_later
except ImportError:  # not compiled on this machine
    from resolver.server.datagrams import Datagrams, Tally, send_later

# A signal that comes just before the wait for datagrams does not end it; this does.
PATIENCE_SECONDS: Final = 0.5


def main() -> int:
    arguments = child_options.answering("resolver.server.worker", __doc__).parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    try:
        run(arguments)
    except (CsidError, OSError) as error:
        tell(str(error), "error", "ended")
        return 1
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Answer until SIGTERM.

    Raises:
        StoreError: the data directory cannot be used, or no longer.
        OSError: the socket is of no more use.
    """
    counters = open_inherited(arguments.counters_fd)
    sock = socket.socket(fileno=arguments.fd[0])
    sock.setblocking(True)
    wait_at_most(sock, PATIENCE_SECONDS)
    store = Store.open(arguments.data)
    store.live = live_of(arguments.data, store)
    opt = OptWriter(store.settings().cookie_secret, arguments.nsid.encode())
    answerer = Answerer(opt, stages_of(arguments), tell)
    forwarder = Forwarder(arguments.data, partial(_send_later, sock, Tally(counters, LATER)))
    bell = Bell(arguments.data)
    special = Special(store, answerer, opt, bell, forwarder.hand_over, counters)
    limiter = None
    if arguments.rate_limit:
        limits = rate_limit.unpacked(arguments.rate_limit)
        limiter = rate_limit.RateLimiter(limits, store.settings().cookie_secret, counters)
    datagrams = Datagrams(sock, Tally(counters, PLAIN))
    tap = None
    if arguments.dnstap:
        tap = Telling(Tap(unpacked(arguments.dnstap), counters), sock, datagrams)
        wait_at_most(sock, COLLECT_SECONDS)
    signal.signal(signal.SIGTERM, lambda *_: datagrams.stop())
    tell_ready(arguments.ready_fd)
    serve(store, answerer, datagrams, counters, special, limiter, tap)
    if tap is not None:
        tap.flush()


def wait_at_most(sock: socket.socket, seconds: float) -> None:
    """Give up waiting for a datagram after a part of a second."""
    timeout = struct.pack("ll", 0, round(seconds * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)


class Telling:
    """What tells of each batch (`resolver.server.udp`)."""

    def __init__(self, tap: Tap, sock: socket.socket, datagrams: Datagrams) -> None:
        self._tap = tap
        self._place = tap.place(UDP, sock)
        self._ports = datagrams.ports
        self.flush = tap.flush

    def __call__(
        self, packets: list[bytes], addresses: list[bytes], replies: list[bytes | None]
    ) -> None:
        self._tap.tell(self._place, packets, addresses, self._ports(), replies)


def _send_later(sock: socket.socket, tally: Tally, origin: bytes, message: bytes) -> None:
    """Send what the writer has answered."""
    send_later(sock, origin, message)
    tally.count(message)


if __name__ == "__main__":
    sys.exit(main())
