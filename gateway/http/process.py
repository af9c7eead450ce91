"""The process that serves the interface: `python -m gateway.http.process --data DIR --fd N --fd N`.

Started by the supervisor of `csid serve`, which asks over the first socket whether it answers; the
second one listens. On SIGTERM it answers what was asked, and ends.

HTTP/1.1 alone (docs/decisions/0021).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop
from uvicorn.config import Config
from uvicorn.server import ServerState

from csid.errors import CsidError
from gateway.acting import ConfiguredActors
from gateway.http import connections
from gateway.http.actors import Certificates
from gateway.http.app import Application
from gateway.http.work import Work
from resolver.server import child_options
from resolver.server.counters import open_inherited
from resolver.server.notices import Repeated, tell
from resolver.server.sockets import BACKLOG

END_SECONDS: Final = 5  # for calls that are under way
_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)  # the supervisor's to handle


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM.

    Raises:
        CsidError: the data directory cannot be read, or the configuration says what cannot be.
        OSError: a certificate cannot be read.
    """
    connections.quiet()
    complaints = Repeated()
    tls = None
    if options.tls_cert is not None:
        key = options.tls_key or options.tls_cert
        tls = connections.context_of(options.tls_cert, key, options.client_ca)
    with contextlib.ExitStack() as opened:
        asker, listener = (socket.socket(fileno=fd) for fd in options.fd)
        for sock in (asker, listener):
            sock.setblocking(False)
        work = Work(options.data, complaints)
        opened.callback(work.close)
        application = Application(
            work,
            options.per_second,
            open_inherited(options.counters_fd),
            complaints,
            options.public_url,
            Certificates(ConfiguredActors(options.config) if options.client_ca else None),
        )
        opened.callback(application.close)
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(asker, _answer, asker)
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        config = Config(
            application.asgi,
            http=connections.Connection,
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=connections.HEAD_SECONDS,
        )
        config.load()
        state = ServerState()
        # Behind a server that ends TLS, all come from its address.
        places = connections.Places(options.per_address if tls is not None else None)
        server = await loop.create_server(
            lambda: connections.Connection(config, state, places),
            sock=listener,
            backlog=BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=connections.HEAD_SECONDS if tls is not None else None,
        )
        loop.call_soon(_tell_ready, options.ready_fd)
        gc.freeze()  # what is there now stays
        await ended.wait()
        server.close()
        for one in list(state.connections):
            one.shutdown()
        if state.tasks:
            await asyncio.wait(list(state.tasks), timeout=END_SECONDS)


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
    parser.add_argument("--client-ca", type=Path, help="authorities of clients' certificates")
    parser.add_argument("--config", type=Path, help="the configuration, for whose they are")
    parser.add_argument("--per-address", type=int, default=64, help="connections of one address")
    parser.add_argument("--per-second", type=float, required=True, help="items of one caller")
    parser.add_argument("--public-url", default="", help="what links begin with")
    options = parser.parse_args(arguments)
    try:
        uvloop.run(run(options))
    except (CsidError, OSError) as error:
        tell(f"http: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
