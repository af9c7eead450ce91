"""The process that runs systems: `python -m gateway.systems.process --data DIR --fd N --fd N`.

Started by the supervisor of `csid system run`, which asks over the first socket whether it answers;
the second one listens. On SIGTERM it answers what was asked, ends tasks and systems, and itself.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from csid.errors import CsidError
from gateway.configuration.load import load
from gateway.http.connections import quiet
from gateway.http.listening import IGNORED, serve
from gateway.resolving.app import Application
from gateway.resolving.connections import Connection, context_of
from gateway.systems.app import Interface
from gateway.systems.keys import Keys
from gateway.systems.run import configured
from gateway.systems.running import Running
from resolver.server import child_options
from resolver.server.counters import open_inherited
from resolver.server.notices import Repeated, tell
from resolver.server.recursive.options import allowing


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM.

    Raises:
        CsidError: a system cannot begin.
        OSError: a certificate cannot be read.
    """
    quiet()
    complaints = Repeated()
    found = load(options.config)
    said = found.systems
    tls = None
    if said.tls_cert is not None:
        tls = context_of(said.tls_cert, said.tls_key or said.tls_cert)
    with contextlib.ExitStack() as opened:
        keys = Keys(options.data)
        opened.callback(keys.close)
        running = Running(configured(found, options.system), options.data)
        counters = open_inherited(options.counters_fd)
        application = Application(
            Interface(running, keys, complaints, counters).routes(),
            counters,
            complaints,
            allows=allowing([str(one) for one in said.allow]),
        )
        running.start()
        try:
            await serve(
                application.asgi,
                lambda config, state, places: Connection(config, state, places, application),
                options,
                tls,
            )
        finally:
            await running.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    parser = child_options.parser("gateway.systems.process", __doc__)
    parser.add_argument("--config", type=Path, help="the configuration")
    parser.add_argument("--system", action="append", required=True, help="which it runs")
    parser.add_argument("--per-address", type=int, default=64, help="connections of one address")
    options = parser.parse_args(arguments)
    try:
        uvloop.run(run(options))
    except (CsidError, OSError) as error:
        tell(f"systems: {error}", "error", "ended")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
