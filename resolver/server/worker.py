"""The process around a UDP worker: `python -m resolver.server.worker --data DIR --fd N`.

The supervisor hands over a bound socket, the end of a pipe to be told of readiness, and memory for
the counters. On SIGTERM the batch at hand is answered; what waits in the socket is for others.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import struct
import sys
from functools import partial
from typing import Final

from csid.errors import CsidError
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.server import child_options
from resolver.server.bell import Bell
from resolver.server.counters import open_inherited
from resolver.server.datagrams import send_later
from resolver.server.forwarding import Forwarder
from resolver.server.notices import tell
from resolver.server.special import Special
from resolver.server.udp import serve
from resolver.store.environment import Store

try:
    from resolver.server.cdatagrams import Datagrams
except ImportError:  # not compiled on this machine
    from resolver.server.datagrams import Datagrams

# A signal that comes just before the wait for datagrams does not end it; this does.
_PATIENCE_US: Final = 500_000


def main() -> int:
    arguments = child_options.parser("resolver.server.worker", __doc__).parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    try:
        run(arguments)
    except (CsidError, OSError) as error:
        tell(str(error))
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
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, _PATIENCE_US))
    store = Store.open(arguments.data)
    opt = OptWriter(store.settings().cookie_secret, arguments.nsid.encode())
    answerer = Answerer(opt, tell=tell)
    forwarder = Forwarder(arguments.data, partial(send_later, sock))
    special = Special(store, answerer, opt, Bell(arguments.data), forwarder.hand_over)
    datagrams = Datagrams(sock)
    signal.signal(signal.SIGTERM, lambda *_: datagrams.stop())
    if arguments.ready_fd is not None:
        os.write(arguments.ready_fd, b"+")
        os.close(arguments.ready_fd)
    serve(store, answerer, datagrams, counters, special)


if __name__ == "__main__":
    sys.exit(main())
