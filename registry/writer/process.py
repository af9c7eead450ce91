"""The process around the writer of a node: `python -m registry.writer.process --data DIR --fd N`.

Started by the supervisor of `csid serve`, which asks over the socket it hands over whether this
process answers, and gives the end of a pipe to be told of readiness, and memory for the counters.
One process writes a data directory: the one that has its lock (`registry.writer.address`). Others
wait and follow it: the next one when the directory is opened anew, or that of a second server.
Where the directory may not be written, the node is served without a writer.

On SIGTERM it carries out what was asked so far, answers, and ends.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

from csid.errors import CsidError
from csid.limits import MAX_WRITER_CONNECTIONS
from registry.network import wanted
from registry.writer.keeper import NO_ACTORS, Actors, Keeper
from resolver.answer.source import NO_STAGES, Stages
from resolver.server import child_options
from resolver.server.counters import open_inherited
from resolver.server.notices import tell
from resolver.server.supervised import answer, tell_ready

FILES_RESERVED: Final = 64  # descriptors for everything that is no connection
_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)  # the supervisor's to handle


def main(arguments: Sequence[str] | None = None) -> int:
    """Write until SIGTERM; who may ask is not configured."""
    return serve(parser_of("registry.writer.process").parse_args(arguments))


def parser_of(module: str) -> argparse.ArgumentParser:
    """A parser with the options of a writer, for the module that runs one."""
    parser = child_options.parser(module, __doc__)
    parser.add_argument(
        "--configured-fd", type=int, help="memory with what registry.network.wanted.packed gave"
    )
    return parser


def serve(
    options: argparse.Namespace, actors: Actors = NO_ACTORS, stages: Stages = NO_STAGES
) -> int:
    """Write until SIGTERM; the exit code.

    Args:
        options: of `parser_of`.
        actors: who may ask.
        stages: what plugins add.
    """
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    try:
        run(options, actors, stages)
    except (CsidError, OSError) as error:
        tell(f"writer: {error}", "error", "ended")
        return 1
    return 0


def run(options: argparse.Namespace, actors: Actors, stages: Stages) -> None:
    """Write until SIGTERM.

    Raises:
        StoreError: the data directory can no longer be used.
    """
    counters = open_inherited(options.counters_fd)
    configured = _configured(options.configured_fd)
    keeper = Keeper(options.data, counters, _most_connections(), actors, configured, stages)
    server = keeper.server
    asker = socket.socket(fileno=options.fd[0])
    asker.setblocking(False)
    server.watch(asker.fileno(), partial(answer, asker))
    wake_fd, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(told)  # so that one which comes just before a wait ends it
    signal.signal(signal.SIGTERM, lambda *_: server.end())
    server.watch(wake_fd, partial(os.read, wake_fd, 64))
    keeper.look()
    tell_ready(options.ready_fd)
    gc.freeze()  # what is there now stays; looking through it again and again takes time
    server.run(keeper.look)
    keeper.close()


def _configured(fd: int | None) -> wanted.Configured | None:
    """What the configuration says of keys and zones."""
    if fd is None:
        return None
    # Where others have read to, who have inherited it as well, says nothing.
    return wanted.unpacked(os.pread(fd, os.fstat(fd).st_size, 0))


def _most_connections() -> int:
    """As many as this process may have files open, which it is allowed all there may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return MAX_WRITER_CONNECTIONS
    return max(1, min(MAX_WRITER_CONNECTIONS, hard - FILES_RESERVED))


if __name__ == "__main__":
    sys.exit(main())
