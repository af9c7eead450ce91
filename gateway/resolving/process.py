"""The process that answers over HTTP in a gateway: `python -m gateway.resolving.process --data DIR
--pair-fd N --fd N --fd N`.

Started by the supervisor of `csid gateway`, which asks over the first socket whether it answers;
the second one listens. Over the pair it asks the process that asks others. It reads the cache in
the folder, and writes nothing but marks there of what was asked for, so it may be killed at any
moment. On SIGTERM it answers what was asked, and ends.

HTTP/1.1 and HTTP/2 (docs/decisions/0022).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop

from csid import scheme
from csid.errors import CsidError
from gateway.http.connections import quiet
from gateway.http.listening import IGNORED, serve
from gateway.reporting.routes import Node, Reporting, key_in
from gateway.resolving.connections import Connection, context_of
from gateway.resolving.lookups import Lookups
from gateway.resolving.searches import Searches
from gateway.resolving.serving import Gateway, application_of
from resolver.cache.store import Readable
from resolver.server.counters import open_inherited
from resolver.server.notices import Repeated, tell
from resolver.server.recursive import options as recursive
from resolver.server.recursive.folder import cache_in

MEMORY_MIB: Final = 128  # of answers that are ready, unless it is said


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM.

    Raises:
        CsidError: the folder cannot be read.
        OSError: a certificate cannot be read.
    """
    quiet()
    complaints = Repeated()
    tls = None
    if options.tls_cert is not None:
        tls = context_of(options.tls_cert, options.tls_key or options.tls_cert)
    with contextlib.ExitStack() as opened:
        cache = Readable(cache_in(options.data))
        opened.callback(cache.close)
        pair = socket.socket(fileno=options.pair_fd)
        lookups = Lookups(cache, pair, asyncio.get_running_loop())
        opened.callback(lookups.close)
        searches = Searches(options.registry, options.registry_token)
        gateway = Gateway(
            lookups,
            suffixes=options.suffix or [scheme.load().dns_suffix],
            authority=options.handle_authority or scheme.load().handle_authority,
            answerer=recursive.answerer_of(options),
            tops=recursive.tops_of(options),
            memory=options.memory_mib << 20,
            searches=searches,
        )
        reporting = Reporting(gateway, options.data, _node(options), complaints)
        counters = open_inherited(options.counters_fd)
        allows = recursive.allowing(options.allow)
        application = application_of(gateway, counters, complaints, allows, reporting.routes())
        reporting.start()
        await serve(
            application.asgi,
            lambda config, state, places: Connection(config, state, places, application),
            options,
            tls,
            lookups.leave,
        )
        await searches.close()
        await reporting.close()


def _node(options: argparse.Namespace) -> Node | None:
    """Where reports go.

    Raises:
        CsidError: the file with the key cannot be read, or has none.
    """
    if options.report_to is None:
        return None
    return Node(options.report_to, key_in(options.report_key), options.report_ca)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    parser = recursive.parser("gateway.resolving.process", __doc__)
    parser.add_argument("--pair-fd", type=int, required=True, help="who asks others")
    parser.add_argument("--report-to", help="URL of the node's interface, for reports")
    parser.add_argument("--report-key", type=Path, help="file with the key of this gateway")
    parser.add_argument("--report-ca", type=Path, help="authorities of the node's certificate")
    parser.add_argument("--suffix", action="append", help="of the DNS names of identifiers")
    parser.add_argument("--handle-authority", help="of their Handles")
    parser.add_argument("--registry", default="", help="URL of the interface that is searched")
    parser.add_argument("--registry-token", type=Path, help="the file of a token for it")
    parser.add_argument("--tls-cert", type=Path, help="certificate with those of its issuers")
    parser.add_argument("--tls-key", type=Path, help="its private key")
    parser.add_argument("--per-address", type=int, default=64, help="connections of one address")
    parser.add_argument("--memory-mib", type=int, default=MEMORY_MIB, help="for ready answers")
    options = parser.parse_args(arguments)
    try:
        uvloop.run(run(options))
    except (CsidError, OSError) as error:
        tell(f"http: {error}", "error", "ended")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
