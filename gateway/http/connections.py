"""Connections of the interface: HTTP/1.1 on uvicorn's protocol, bounded in time, octets and number,
and with what a client's certificate says of its holder.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.http.problems import MEDIA_TYPE, Fault, Problem
from gateway.http.site import site_of

HEAD_SECONDS: Final = 10  # for TLS, for a head, and between two calls of a connection
TAKE_SECONDS: Final = 10  # for an answer to be taken in so far that there is room for more
HEAD_OCTETS: Final = 65_536
TOGETHER_OCTETS: Final = 16_384  # what is longer is a record of TLS by itself
CONNECTIONS: Final = 4_096
CERTIFICATE: Final = "csid.certificate"  # in the extensions of a scope: what a certificate says
_STATUS: Final = {400: "Bad Request", 431: "Request Header Fields Too Large"}
_LOG: Final = logging.getLogger("uvicorn.error")


class Places:
    """How many connections there are, in all and of each site.

    Args:
        most_of_site: of one IPv4 address or IPv6 /64; None: any, as behind a server in front.
    """

    def __init__(self, most_of_site: int | None, most: int = CONNECTIONS) -> None:
        self._most_of_site = most_of_site
        self._most = most
        self._count = 0
        self._of: Counter[str] = Counter()

    def take(self, site: str) -> bool:
        """Take one more, if there is room."""
        is_full = self._most_of_site is not None and self._of[site] >= self._most_of_site
        if is_full or self._count >= self._most:
            return False
        self._count += 1
        self._of[site] += 1
        return True

    def leave(self, site: str) -> None:
        """Give one back."""
        self._count -= 1
        self._of[site] -= 1
        if not self._of[site]:
            del self._of[site]


class Together:
    """A transport that sends at once what is written in one turn of the loop: the head of an answer
    and its body are one record of TLS, one call of the system, and wake the other side once.

    Args:
        transport: what it stands in front of.
        loop: whose turns they are.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._kept: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, octets: bytes) -> None:
        """Send, at the end of this turn at the latest."""
        if not self._kept:
            self._loop.call_soon(self.flush)
        self._kept.append(octets)
        if len(octets) > TOGETHER_OCTETS:
            self.flush()

    def flush(self) -> None:
        """Send what was written."""
        if self._kept and not self._transport.is_closing():
            octets, self._kept = b"".join(self._kept), []
            self._transport.write(octets)

    def close(self) -> None:
        """Close it, once all is sent."""
        self.flush()
        self._transport.close()


class Connection(HttpToolsProtocol):
    """One connection."""

    def __init__(self, config: Config, state: ServerState, places: Places) -> None:
        super().__init__(config, state, {})
        self._places = places
        self._site: str | None = None  # where it was given a place
        self._extensions: dict[str, Any] = {}
        self._head_due: asyncio.TimerHandle | None = None
        self._take_due: asyncio.TimerHandle | None = None
        self._head_octets = 0
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take its place, or close it."""
        super().connection_made(transport)
        self.transport = Together(transport, self.loop)  # type: ignore[assignment]
        site = site_of(self.client[0] if self.client else "")
        if not self._places.take(site):
            transport.abort()
            return
        self._site = site
        tls = transport.get_extra_info("ssl_object")
        octets = None if tls is None else tls.getpeercert(binary_form=True)
        if octets is not None:
            self._extensions = {CERTIFICATE: names_of(octets)}
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place back."""
        self._have_head()
        self._have_taken()
        if self._site is not None:
            self._places.leave(self._site)
            self._site = None
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """There is more to be taken than is held for it: whoever takes nothing, or little at a
        time, has so long.
        """
        super().pause_writing()
        self._have_taken()
        self._take_due = self.loop.call_later(TAKE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """There is room again."""
        self._have_taken()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._in_head:
            self._head_octets += len(data)
        super().data_received(data)
        if not self._in_head or not self._head_octets:
            return  # most heads come whole, and need no timer
        if self._head_octets > HEAD_OCTETS:
            self._refuse(431, f"a head of more than {HEAD_OCTETS:,} octets")
        elif self._head_due is None:
            self._await_head()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = True
        self.scope["extensions"] = self._extensions

    def on_headers_complete(self) -> None:
        """A head has come."""
        self._in_head = False
        self._have_head()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A body has come, if there was any."""
        super().on_message_complete()
        self._in_head = True
        self._head_octets = 0

    def send_400_response(self, msg: str) -> None:
        """Say that this is no HTTP."""
        self._refuse(400, msg)

    def _refuse(self, status: int, detail: str) -> None:
        body = Problem(Fault.MALFORMED, detail).body | {"status": status}
        octets = msgspec.json.encode(body)
        head = (
            f"HTTP/1.1 {status} {_STATUS[status]}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(octets)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + octets)
        self.transport.close()

    def _await_head(self) -> None:
        self._head_due = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _have_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _have_taken(self) -> None:
        if self._take_due is not None:
            self._take_due.cancel()
            self._take_due = None


def names_of(certificate: bytes) -> tuple[str, ...]:
    """What a certificate in DER may be named by in `[[actor]] certificate`: its digest, its
    alternative names, its subject (RFC 4514).
    """
    found = [f"sha256:{sha256(certificate).hexdigest()}"]
    with contextlib.suppress(ValueError, x509.ExtensionNotFound):  # it is odd, or names none
        read = x509.load_der_x509_certificate(certificate)
        found.append(f"subject:{read.subject.rfc4514_string()}")
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found += [f"dns:{one.lower()}" for one in names.get_values_for_type(x509.DNSName)]
        found += [f"uri:{one}" for one in names.get_values_for_type(x509.UniformResourceIdentifier)]
        found += [f"email:{one}" for one in names.get_values_for_type(x509.RFC822Name)]
    return tuple(found)


def context_of(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """What TLS is spoken with: 1.3; clients may show a certificate of one of some authorities.

    Raises:
        OSError: a file cannot be read, or has not what it should.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.load_cert_chain(certificate, key)
    made.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        made.load_verify_locations(client_ca)
        made.verify_mode = ssl.CERT_OPTIONAL
    return made


def quiet() -> None:
    """What there is to say, the application says."""
    _LOG.setLevel(logging.CRITICAL)
    _LOG.disabled = True
