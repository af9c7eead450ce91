"""Connections of a gateway: HTTP/1.1 as `gateway.http.connections` has it, or HTTP/2, as the client
chooses: by ALPN (RFC 7301), else by how it begins (RFC 9113 sections 3.3 and 3.4).
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.http import connections
from gateway.http.connections import Places
from gateway.resolving.app import Application, Ready
from gateway.resolving.http2 import PREFACE, Http2Connection

HTTP_2: Final = "h2"
AT_ONCE: Final = 32  # calls of one turn, for others have theirs


class Connection(connections.Connection):
    """One connection.

    Args:
        config, state: of uvicorn.
        places: for connections.
        application: what answers.
    """

    def __init__(
        self, config: Config, state: ServerState, places: Places, application: Application
    ) -> None:
        super().__init__(config, state, places)
        self._application = application
        self._raw: asyncio.Transport
        self._begun: bytes | None = b""  # how it begins, until that is known to be no PREFACE
        self._left_at_once = AT_ONCE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take its place, or close it."""
        self._raw = transport
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == HTTP_2:
            self._hand_over(b"")

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._begun is not None:
            data = self._begun + data
            if PREFACE.startswith(data[: len(PREFACE)]):
                if len(data) >= len(PREFACE):
                    self._hand_over(data)
                else:
                    self._begun = data
                return
            self._begun = None
        self._left_at_once = AT_ONCE
        super().data_received(data)

    def _hand_over(self, octets: bytes) -> None:
        """Go on in HTTP/2."""
        site, self._site = self._site, None
        if site is None:
            return  # it had no place, and is being closed
        self._have_head()
        self.connections.discard(self)
        Http2Connection(
            self._application.asgi,
            self.server_state,
            lambda: self._places.leave(site),
            self.client,
            self.server,
            self.scheme or "http",
        ).begin(self._raw, octets)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer at once what can be, else in a task. Not where calls wait behind this one, for
        each of these begins the next.
        """
        may = self._left_at_once and not self.pipeline
        ready = self._application.at_once(cycle.scope) if may else None
        if ready is None:
            super()._start_asgi_task(cycle, app)
            return
        self._left_at_once -= 1
        cycle.response_started = cycle.response_complete = True
        self.transport.write(_octets(ready, cycle.keep_alive))
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()


def _octets(ready: Ready, keeps: bool) -> bytes:
    parts = [STATUS_LINE[ready.status]]
    for name, value in ready.headers:
        parts += (name, b": ", value, b"\r\n")
    parts += (b"\r\n" if keeps else b"connection: close\r\n\r\n", ready.body)
    return b"".join(parts)


def context_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """What TLS is spoken with: 1.3, or 1.2 as RFC 9113 section 9.2 takes it; clients show nothing.

    Raises:
        OSError: a file cannot be read, or has not what it should.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    made.load_cert_chain(certificate, key)
    made.set_alpn_protocols([HTTP_2, "http/1.1"])
    return made
