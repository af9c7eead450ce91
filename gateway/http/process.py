"""The process that serves the interface: `python -m gateway.http.process --data DIR --fd N --fd N`.

Started by the supervisor of `csid serve`, which asks over the first socket whether it answers; the
second one listens. On SIGTERM it answers what was asked, and ends.

HTTP/1.1 alone (docs/decisions/0021).
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
from gateway.acting import ConfiguredActors
from gateway.http import connections
from gateway.http.actors import Certificates
from gateway.http.app import Application
from gateway.http.listening import IGNORED, serve
from gateway.http.work import Work
from resolver.server import child_options
from resolver.server.counters import open_inherited
from resolver.server.notices import Repeated, tell


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
        await serve(application.asgi, connections.Connection, options, tls)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    for number in IGNORED:
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
