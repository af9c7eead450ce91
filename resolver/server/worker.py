"""The process around a UDP worker: `python -m resolver.server.worker --data DIR --fd N`.

The supervisor hands over a bound socket and, to be told of readiness, the end of a pipe.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from pathlib import Path

from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.server.udp import serve
from resolver.store.environment import Store

try:
    from resolver.server.cdatagrams import Datagrams
except ImportError:  # not compiled on this machine
    from resolver.server.datagrams import Datagrams


def main() -> int:
    parser = argparse.ArgumentParser(prog="resolver.server.worker", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True, help="bound UDP socket")
    parser.add_argument("--ready-fd", type=int, help="gets one octet once we answer")
    parser.add_argument("--nsid", default="", help="server name given to those who ask (RFC 5001)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    sock = socket.socket(fileno=arguments.fd)
    sock.setblocking(True)
    store = Store.open(arguments.data)
    answerer = Answerer(OptWriter(store.settings().cookie_secret, arguments.nsid.encode()))
    datagrams = Datagrams(sock)
    if arguments.ready_fd is not None:
        os.write(arguments.ready_fd, b"+")
        os.close(arguments.ready_fd)
    serve(store, answerer, datagrams)
    return 0


if __name__ == "__main__":
    sys.exit(main())
