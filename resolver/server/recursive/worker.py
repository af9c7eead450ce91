"""A UDP worker of a recursive resolver: `python -m resolver.server.recursive.worker ...`.

It answers from the cache alone; what is not there is handed on (`missed.py`), and answered by the
process that asks others. It writes nothing but marks in the cache of what was asked for, so it may
be killed at any moment.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys

from csid.errors import CsidError
from resolver.cache.store import Readable
from resolver.server.counters import PLAIN, open_inherited
from resolver.server.notices import tell
from resolver.server.recursive import options
from resolver.server.recursive.folder import cache_in
from resolver.server.recursive.missed import Misses
from resolver.server.supervised import tell_ready
from resolver.server.udp import serve
from resolver.server.worker import PATIENCE_SECONDS, wait_at_most

try:
    from resolver.server.cdatagrams import Datagrams, Tally
except ImportError:  # not compiled on this machine
    from resolver.server.datagrams import Datagrams, Tally


def main() -> int:
    """Answer until SIGTERM."""
    parser = options.parser("resolver.server.recursive.worker", __doc__)
    parser.add_argument("--missed-fd", type=int, required=True, help="takes what is not known")
    arguments = parser.parse_args()
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
        StoreError: the cache cannot be read.
        OSError: the socket is of no more use.
    """
    counters = open_inherited(arguments.counters_fd)
    sock = socket.socket(fileno=arguments.fd[0])
    sock.setblocking(True)
    wait_at_most(sock, PATIENCE_SECONDS)
    served = options.served_keys(arguments)
    misses = Misses(socket.socket(fileno=arguments.missed_fd), sock, served, counters)
    cache = Readable(cache_in(arguments.data), misses.missed, misses.ahead)
    answerer = options.answerer_of(arguments, sock.getsockname()[0])
    datagrams = Datagrams(sock, Tally(counters, PLAIN))
    signal.signal(signal.SIGTERM, lambda *_: datagrams.stop())
    tell_ready(arguments.ready_fd)
    serve(cache, answerer, datagrams, counters, misses, tap=misses)


if __name__ == "__main__":
    sys.exit(main())
