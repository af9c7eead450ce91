"""A process that serves HTTP, from its first connection to its last answer."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.http.connections import HEAD_SECONDS, Connection, Places
from resolver.server.sockets import BACKLOG
from resolver.server.supervised import answer, tell_ready

END_SECONDS: Final = 5  # for calls that are under way
IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)  # the supervisor's to handle


async def serve(
    asgi: Any,
    connection: Callable[[Config, ServerState, Places], Connection],
    options: argparse.Namespace,
    tls: ssl.SSLContext | None,
    leave: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGTERM, then answer what was asked.

    Args:
        asgi: the application.
        connection: makes the protocol of one connection.
        options: of the process: `fd`, where the supervisor asks and where others connect,
            `ready_fd`, and `per_address`, the connections of one address.
        leave: awaited once nobody can connect any more.
    """
    asker, listener = (socket.socket(fileno=fd) for fd in options.fd)
    for sock in (asker, listener):
        sock.setblocking(False)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(asker, answer, asker)
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    config = Config(
        asgi,
        http=Connection,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=HEAD_SECONDS,
    )
    config.load()
    state = ServerState()
    # Behind a server that ends TLS, all come from its address.
    places = Places(options.per_address if tls is not None else None)
    server = await loop.create_server(
        lambda: connection(config, state, places),
        sock=listener,
        backlog=BACKLOG,
        ssl=tls,
        ssl_handshake_timeout=HEAD_SECONDS if tls is not None else None,
    )
    loop.call_soon(tell_ready, options.ready_fd)
    gc.freeze()  # what is there now stays
    await ended.wait()
    server.close()
    for one in list(state.connections):
        one.shutdown()
    if leave is not None:
        await leave()
    if state.tasks:
        await asyncio.wait(list(state.tasks), timeout=END_SECONDS)
