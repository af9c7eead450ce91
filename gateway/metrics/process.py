"""The process that tells the state of a node to Prometheus: `python -m gateway.metrics.process
--data DIR --fd N --fd N`.

Started by the supervisor of `csid serve`, which asks over the first socket whether it answers; the
second one listens. `GET /metrics` is all there is; a state is put together once in KEPT_SECONDS,
however many ask, and a connection is one question, which has to come within HEAD_SECONDS.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from csid.errors import CsidError
from gateway.metrics.exposition import CONTENT_TYPE
from gateway.metrics.text import render
from gateway.status.gather import status
from resolver.server import child_options
from resolver.server.counters import BATCHES, QUERIES, Counters, open_inherited
from resolver.server.notices import Repeated, tell
from resolver.server.sockets import BACKLOG
from resolver.server.supervised import answer, tell_ready

HEAD_OCTETS: Final = 8_192
HEAD_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 20.0  # for a state to be put together, and to be taken
KEPT_SECONDS: Final = 1.0
CONNECTIONS: Final = 64  # at a time; more are closed
_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)  # the supervisor's to handle
_PLAIN: Final = "text/plain; charset=utf-8"


class Told:
    """The state as text, not older than KEPT_SECONDS.

    Args:
        data: the data directory.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._lock = asyncio.Lock()
        self._text = ""
        self._made = -KEPT_SECONDS

    async def text(self) -> str:
        """The text.

        Raises:
            CsidError: the data cannot be read.
        """
        async with self._lock:
            if time.monotonic() - self._made >= KEPT_SECONDS:
                self._text = await asyncio.to_thread(lambda: render(status(self._data)))
                self._made = time.monotonic()
            return self._text


class Exposition:
    """Answers one connection after the other.

    Args:
        told: what is told.
        counters: calls and problems are counted there.
    """

    def __init__(self, told: Told, counters: Counters) -> None:
        self._told = told
        self._counters = counters
        self._open = 0
        self._complaints = Repeated()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question, and close."""
        self._open += 1
        try:
            if self._open <= CONNECTIONS:
                async with asyncio.timeout(HEAD_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                self._counters[QUERIES] += 1
                async with asyncio.timeout(ANSWER_SECONDS):
                    writer.write(await self._answer(head))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, slow, or speaks something else
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, head: bytes) -> bytes:
        method, target = [*head.partition(b"\r\n")[0].split(b" "), b"", b""][:2]
        if target.partition(b"?")[0] != b"/metrics":
            return self._problem(404, "Not Found", "there is /metrics and nothing else")
        if method not in (b"GET", b"HEAD"):
            return self._problem(405, "Method Not Allowed", "GET /metrics")
        try:
            text = await self._told.text()
        except CsidError as error:
            self._complaints.tell(f"metrics: {error}", "metrics")
            return self._problem(503, "Service Unavailable", str(error))
        return _response("200 OK", CONTENT_TYPE, text, with_body=method == b"GET")

    def _problem(self, code: int, title: str, text: str) -> bytes:
        self._counters[BATCHES] += 1
        return _response(f"{code} {title}", _PLAIN, f"{text}\n")


def _response(line: str, kind: str, text: str, with_body: bool = True) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {line}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    asker, listener = (socket.socket(fileno=fd) for fd in options.fd)
    for sock in (asker, listener):
        sock.setblocking(False)
    exposition = Exposition(Told(options.data), open_inherited(options.counters_fd))
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_reader(asker, answer, asker)
    server = await asyncio.start_server(
        exposition.serve, sock=listener, limit=HEAD_OCTETS, backlog=BACKLOG
    )
    tell_ready(options.ready_fd)
    gc.freeze()  # what is there now stays
    await ended.wait()
    server.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    options = child_options.parser("gateway.metrics.process", __doc__).parse_args(arguments)
    try:
        asyncio.run(run(options))
    except (CsidError, OSError) as error:
        tell(f"metrics: {error}", "error", "ended")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
