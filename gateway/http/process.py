"""The process that serves the interface: `python -m gateway.http.process --data DIR --fd N --fd N`.

Started by the supervisor of `csid serve`, which asks over the first socket whether it answers; the
second one listens. On SIGTERM it answers what was asked, and ends.

HTTP/1.1 alone: where a server finds out by the first octets which version is spoken, one that sends
none is waited for without end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from csid.errors import CsidError
from gateway.http.app import Application
from gateway.http.work import Work
from resolver.server import child_options
from resolver.server.counters import open_inherited
from resolver.server.notices import Repeated, tell
from resolver.server.sockets import BACKLOG

HEAD_SECONDS: Final = 10  # for a head, and between two calls of a connection
HEAD_OCTETS: Final = 65_536
CONNECTIONS: Final = 4_096
END_SECONDS: Final = 5  # for calls that are under way
_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)  # the supervisor's to handle


class Listening(Server):
    """granian on a socket that is there already."""

    def __init__(self, sock: socket.socket, application: Application, **options: Any) -> None:
        super().__init__(
            target=application.asgi,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=1_000 * HEAD_SECONDS, max_buffer_size=HEAD_OCTETS
            ),
            backpressure=CONNECTIONS,
            websockets=False,
            log_enabled=False,
            **options,
        )
        self.workers_kill_timeout = END_SECONDS
        self._sock = sock

    def _init_shared_socket(self) -> None:
        # Its stubs say nothing of how one is made: descriptor, whether it is a local one, backlog.
        holder: Any = SocketHolder
        self._shd = holder(self._sock.fileno(), False, BACKLOG)


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM.

    Raises:
        CsidError: the data directory cannot be read.
    """
    logging.getLogger("_granian").disabled = True  # what there is to say, the process says
    complaints = Repeated()
    with contextlib.ExitStack() as opened:
        asker, listener = (socket.socket(fileno=fd) for fd in options.fd)
        for sock in (asker, listener):
            sock.setblocking(False)
        work = Work(options.data, complaints)
        opened.callback(work.close)
        counters = open_inherited(options.counters_fd)
        application = Application(
            work, options.per_second, counters, complaints, options.public_url
        )
        opened.callback(application.close)
        server = Listening(
            listener, application, ssl_cert=options.tls_cert, ssl_key=options.tls_key
        )
        loop = asyncio.get_running_loop()
        loop.add_reader(asker, _answer, asker)
        loop.add_signal_handler(signal.SIGTERM, server.stop)
        serving = loop.create_task(server.serve())
        loop.call_soon(_tell_ready, options.ready_fd)
        gc.freeze()  # what is there now stays
        await serving


def _tell_ready(fd: int | None) -> None:
    if fd is not None:
        os.write(fd, b"+")
        os.close(fd)


def _answer(asker: socket.socket) -> None:
    """Answer the supervisor."""
    with contextlib.suppress(OSError):
        asker.send(asker.recv(64)[:1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    parser = child_options.parser("gateway.http.process", __doc__)
    parser.add_argument("--tls-cert", type=Path, help="certificate with those of its issuers")
    parser.add_argument("--tls-key", type=Path, help="its private key")
    parser.add_argument("--per-second", type=float, required=True, help="items of one caller")
    parser.add_argument("--public-url", default="", help="what links begin with")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(run(options))
    except (CsidError, OSError) as error:
        tell(f"http: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
