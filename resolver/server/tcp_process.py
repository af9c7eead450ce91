"""The process around the TCP server: one for all listeners.

    python -m resolver.server.tcp_process --data DIR --fd N [--fd N ...]

Started by the supervisor, which binds the sockets and hands over the end of a pipe to be told of
readiness, and memory for the counters. On SIGTERM the connections get the answers to what was asked
on them, and are ended. On SIGUSR1 the counters are told on stderr; SIGHUP changes nothing.

It frees the reader slots of processes that died, for itself and all others.
"""

from __future__ import annotations

import argparse
import resource
import signal
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final

import trio

from csid.errors import CsidError, StoreError
from csid.limits import MAX_TCP_CONNECTIONS
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.server import child_options
from resolver.server.bell import Bell
from resolver.server.counters import open_inherited
from resolver.server.credentials import context
from resolver.server.hooks import stages_of
from resolver.server.notices import tell
from resolver.server.special import Special
from resolver.server.tap import Tap, unpacked
from resolver.server.tcp import TcpServer
from resolver.server.tcp_forwarding import TcpForwarder
from resolver.status.live import live_of
from resolver.store.environment import Store

FILES_RESERVED: Final = 64  # descriptors for everything that is no connection
READERS_SECONDS: Final = 60.0  # between two looks for reader slots of processes that died

IGNORED_AT_FIRST: Final = (signal.SIGHUP, signal.SIGUSR1)  # by default they end the process


async def run(
    store: Any,
    server: TcpServer,
    listeners: Sequence[socket.socket],
    ready_fd: int | None,
    tls: tuple[Sequence[socket.socket], ssl.SSLContext] | None = None,
) -> None:
    """Serve until SIGTERM, and tell the counters on SIGUSR1."""

    async def obey() -> None:
        async for number in signals:
            if number == signal.SIGTERM:
                server.end()
            elif number == signal.SIGUSR1:
                counters = " ".join(f"{name} {count}" for name, count in server.counters().items())
                tell(f"TCP server: {counters}", "info", "report")

    with trio.open_signal_receiver(*IGNORED_AT_FIRST, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(obey)
            nursery.start_soon(free_readers, store)
            await server.serve(listeners, ready_fd, tls)
            nursery.cancel_scope.cancel()


async def free_readers(store: Any) -> None:
    """Free reader slots again and again; what goes wrong is said, nobody depends on it."""
    while True:
        await trio.sleep(READERS_SECONDS)
        try:
            store.check_readers()
        except StoreError as error:
            tell(str(error), event="readers")


def raise_file_limit() -> int:
    """Allow this process all the open files it may have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return MAX_TCP_CONNECTIONS + FILES_RESERVED if hard == resource.RLIM_INFINITY else hard


def add_options(parser: argparse.ArgumentParser) -> None:
    """What a process is told besides that serves TCP."""
    parser.add_argument("--tls", type=int, default=0, help="of the sockets, the last, for TLS")
    parser.add_argument("--credentials-fd", type=int, action="append", help="what TLS shows")


def most_connections() -> int:
    """How many connections this process may have."""
    return min(MAX_TCP_CONNECTIONS, max(1, raise_file_limit() - FILES_RESERVED))


def serve(store: Any, server: TcpServer, options: argparse.Namespace) -> int:
    """Serve the inherited sockets until ended by a signal; gives the exit code.

    Args:
        store: whose reader slots are looked after.
    """
    try:
        listeners = [socket.socket(fileno=fd) for fd in options.fd]
        plain = listeners[: len(listeners) - options.tls]
        tls = options.tls and (listeners[len(plain) :], context(options.credentials_fd))
        trio.run(run, store, server, plain, options.ready_fd, tls or None)
    except (CsidError, OSError) as error:
        tell(str(error), "error", "ended")
        return 1
    except ExceptionGroup as group:  # how trio gives what has ended a task
        cause = first(group)
        said = str(cause) if isinstance(cause, CsidError) else f"TCP server: {cause!r}"
        tell(said, "error", "ended")
        return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve TCP on inherited sockets until ended by a signal."""
    for number in IGNORED_AT_FIRST:
        signal.signal(number, signal.SIG_IGN)
    parser = child_options.answering("resolver.server.tcp_process", __doc__)
    add_options(parser)
    options = parser.parse_args(arguments)
    connections = most_connections()
    shared = open_inherited(options.counters_fd)
    try:
        with Store.open(options.data) as store:
            store.live = live_of(options.data, store)
            opt = OptWriter(store.settings().cookie_secret, options.nsid.encode())
            answerer = Answerer(opt, stages_of(options), tell)
            special = Special(store, answerer, opt, Bell(options.data), counters=shared)
            forward = TcpForwarder(options.data).forward
            server = TcpServer(
                store,
                answerer,
                connections,
                shared=shared,
                special=special,
                forward=forward,
                tap=Tap(unpacked(options.dnstap), shared) if options.dnstap else None,
            )
            return serve(store, server, options)
    except (CsidError, OSError) as error:
        tell(str(error), "error", "ended")
        return 1


def first(error: Exception) -> Exception:
    """The exception that a group of them is about, whatever groups are in it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    raise SystemExit(main())
