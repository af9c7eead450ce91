"""The sync process of a node: `python -m registry.sync.process --data DIR --fd N`.

It alone opens connections to other servers: it keeps the zones that follow others up to date,
notifies those who follow ours, and sends what the node has to say (`registry.network.duties`).
Started by the supervisor of `csid serve`, which asks over the socket it hands over whether this
process answers. One process does this for a data directory: the one that has its lock; another
waits. On SIGTERM it ends at once: transfers that are under way are begun anew by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from csid.errors import BusyError, CsidError, StoreError
from registry.sync.driver import Driver
from registry.sync.hooks import network_of
from registry.sync.roles import ROLES
from registry.tables import transaction
from registry.tables.rollback import RollbackWatch
from resolver.server import child_options
from resolver.server.counters import Counters, open_inherited
from resolver.server.notices import tell
from resolver.server.supervised import answer, tell_ready
from resolver.store.access import open_shared
from resolver.store.environment import Store

LOCK: Final = "sync.lock"
STANDBY_SECONDS: Final = 0.02  # between two attempts to take the place of another
PATIENCE_SECONDS: Final = 0.5  # for other processes to end what they write, before it looks around
RETRY_SECONDS: Final = 30.0  # between two attempts to open a directory that could not be opened
_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)  # the supervisor's to handle


async def run(data: Path, asker: socket.socket, counters: Counters, ready_fd: int | None) -> None:
    """Go on until SIGTERM.

    Raises:
        ExceptionGroup: of what has ended it.
    """
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_answer, asker)
            nursery.start_soon(_serve, data, counters)
            tell_ready(ready_fd)
            async for _ in signals:
                nursery.cancel_scope.cancel()


async def _answer(asker: socket.socket) -> None:
    """Answer the supervisor."""
    asker.setblocking(False)
    while True:
        await trio.lowlevel.wait_readable(asker)
        answer(asker)
        await trio.lowlevel.checkpoint()


async def _serve(data: Path, counters: Counters) -> None:
    """Do the work, once nobody else does and the directory can be written."""
    said = ""
    while True:
        try:
            with contextlib.ExitStack() as opened:
                lock = open_shared(data / LOCK)
                opened.callback(os.close, lock)
                await _taken(lock)
                store = await trio.to_thread.run_sync(_open, data)
                opened.callback(store.close)
                driver = Driver(store, network_of(store, ROLES), counters)
                gc.freeze()  # what is there now stays
                await driver.run()
        except BusyError:
            pause = PATIENCE_SECONDS
        except (StoreError, OSError) as error:
            pause = RETRY_SECONDS
            if str(error) != said:
                said = str(error)
                said = f"{data}: zones are not kept up to date, as it cannot be written: {error}"
                tell(said, "error", "not-written")
        await trio.sleep(pause)


async def _taken(lock: int) -> None:
    """Wait until no other process does this work; the kernel lets go of the lock with it."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            await trio.sleep(STANDBY_SECONDS)


def _open(data: Path) -> Store:
    store = Store.open(data, writable=True, patience=PATIENCE_SECONDS)
    store.watch = RollbackWatch(store.path)  # receipts and cuts that are looked at have leaves
    transaction.open_tables(store)
    store.patience = RETRY_SECONDS
    return store


def main(arguments: Sequence[str] | None = None) -> int:
    """Go on until SIGTERM."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    options = child_options.parser("registry.sync.process", __doc__).parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asker = socket.socket(fileno=options.fd[0])
    try:
        trio.run(run, options.data, asker, open_inherited(options.counters_fd), options.ready_fd)
    except ExceptionGroup as group:  # how trio gives what has ended a task
        cause: Exception = group
        while isinstance(cause, ExceptionGroup):
            cause = cause.exceptions[0]
        said = f"sync: {cause}" if isinstance(cause, CsidError) else f"sync: {cause!r}"
        tell(said, "error", "ended")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
