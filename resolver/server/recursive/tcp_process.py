"""The process around the TCP server of a recursive resolver: one for all listeners.

    python -m resolver.server.recursive.tcp_process --data DIR --pair-fd N --fd N [--fd N ...]

Over the pair it asks the process that asks others; signals are as `resolver.server.tcp_process` has
them.
"""

from __future__ import annotations

import signal
import socket
import sys

from csid.errors import CsidError
from resolver.server.counters import open_inherited
from resolver.server.notices import tell
from resolver.server.recursive import options
from resolver.server.recursive.folder import cache_in
from resolver.server.recursive.near import Near
from resolver.server.recursive.tcp import RecursiveTcpServer
from resolver.server.tcp_process import IGNORED_AT_FIRST, add_options, most_connections, serve


def main() -> int:
    """Serve TCP on inherited sockets until ended by a signal."""
    for number in IGNORED_AT_FIRST:
        signal.signal(number, signal.SIG_IGN)
    parser = options.parser("resolver.server.recursive.tcp_process", __doc__)
    add_options(parser)
    parser.add_argument("--pair-fd", type=int, required=True, help="who asks others")
    arguments = parser.parse_args()
    try:
        server = RecursiveTcpServer(
            cache_in(arguments.data),
            options.answerer_of(arguments),
            most_connections(),
            open_inherited(arguments.counters_fd),
            Near(socket.socket(fileno=arguments.pair_fd)),
            options.served_keys(arguments),
        )
    except (CsidError, OSError) as error:
        tell(str(error), "error", "ended")
        return 1
    return serve(server.cache, server, arguments)


if __name__ == "__main__":
    sys.exit(main())
