"""Connections that this node opens to other servers: TCP, TLS (RFC 9103), UDP for a notice.

A link connects, tells its owner, gives it each message that comes, and says when it has ended. A
message is handed to the kernel at once where the kernel takes it; what it does not take waits here,
within bounds, for a task of the link's.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import struct
from typing import Final, Protocol

import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from csid.errors import CsidError
from resolver.server.socket_stream import SocketStream
from resolver.server.sources import family_of, source_fault
from resolver.sync.actions import Where
from resolver.sync.tls import CA, OPPORTUNISTIC, PIN

CONNECT_SECONDS: Final = 5.0  # for a connection, with its handshake, to come about
TRY_SECONDS: Final = 2.0  # of these, for TLS where it may do without
SEND_SECONDS: Final = 10.0  # for a peer to take what it is sent
READ_OCTETS: Final = 1 << 18  # at a time
MOST_HELD_OCTETS: Final = 1 << 20  # of messages that the kernel does not take

_ALPN: Final = "dot"  # RFC 9103 section 7.1
_LENGTH: Final = struct.Struct(">H")


class LinkError(CsidError):
    """A connection does not come about, or is not to whom it should be."""


_NO_TLS: Final = (trio.BrokenResourceError, ssl.SSLError, LinkError)


class Owner(Protocol):
    """Is told what happens to links; whatever it does, it does not wait."""

    def opened(self, link: Link, /) -> None:
        """Messages can be sent."""

    def lost(self, link: Link, reason: str, /) -> None:
        """It has ended, other than by `shut`, or has not come about."""

    async def received(self, link: Link, messages: list[bytes], /) -> None:
        """Messages have come; no more are read until this returns."""


class Link:
    """One connection.

    Attributes:
        number: by which its owner knows it.
        where: to whom.
        read: octets that have come.
        is_overdue: it ended since nothing came in time.
    """

    def __init__(self, number: int, where: Where, is_datagram: bool, owner: Owner) -> None:
        self.number = number
        self.where = where
        self.read = 0
        self.is_overdue = False
        self._owner = owner
        self._is_datagram = is_datagram
        self._stream: trio.abc.Stream | None = None
        self._sock: socket.socket | None = None  # of a stream without TLS, or of datagrams
        self._scope = trio.CancelScope()
        self._reading = trio.CancelScope()
        self._is_shut = False
        self._held = bytearray()
        self._wake = trio.Event()
        self._deadline = float("inf")

    def shut(self) -> None:
        """Close it; nothing more is told of it."""
        self._is_shut = True
        self._scope.cancel()

    def expect(self, deadline: float) -> None:
        """Let the next octets have to come by a time on trio's clock; infinity: at any time."""
        self._deadline = self._reading.deadline = deadline

    def send(self, message: bytes) -> None:
        """Send a message, in the order of the calls."""
        if self._is_datagram:
            self._throw(message)
            return
        octets = _LENGTH.pack(len(message)) + message
        if self._sock is not None and not self._held:
            try:
                octets = octets[self._sock.send(octets) :]
            except BlockingIOError:
                pass
            except OSError:
                return  # the reader is told of it, too
        if octets:
            self._held += octets
            self._wake.set()

    def _throw(self, message: bytes) -> None:
        assert self._sock is not None
        with contextlib.suppress(OSError):  # a datagram may be lost
            self._sock.send(message)

    async def run(self) -> None:
        """Connect, and tell the owner of all that comes, until it ends."""
        reason = ""
        with self._scope:
            try:
                await self._connect()
                self._owner.opened(self)
                if self._is_datagram:
                    await self._read_datagrams()
                else:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._write)
                        await self._read()
                        nursery.cancel_scope.cancel()
                reason = "closed the connection"
            except trio.TooSlowError:
                reason = "cannot be connected to in time"
            except (LinkError, OSError, ssl.SSLError) as error:
                reason = _words(error)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                reason = _words(error.__cause__ or error)
            except ExceptionGroup as group:
                reason = _words(_first(group))
        await self._close()
        if not self._is_shut:
            self._owner.lost(self, reason or "was closed")

    async def _close(self) -> None:
        with trio.CancelScope(shield=True):
            if self._stream is not None:
                await trio.aclose_forcefully(self._stream)
            elif self._sock is not None:
                self._sock.close()

    # -- connecting

    async def _connect(self) -> None:
        with trio.fail_after(CONNECT_SECONDS):
            if self._is_datagram:
                self._sock = await self._datagram_socket()
            elif not self.where.tls:
                self._plain(await self._dial())
            elif self.where.tls == OPPORTUNISTIC:
                # What is not TLS may close the connection, or wait for a query.
                with trio.move_on_after(TRY_SECONDS), contextlib.suppress(*_NO_TLS):
                    self._stream = await self._handshake(_unproven())
                if self._stream is None:
                    self._plain(await self._dial())  # RFC 9103 section 7.3: it may do without
            else:
                self._stream = await self._strict()

    async def _dial(self) -> trio.SocketStream:
        host, port, _, source = self.where
        try:
            return await trio.open_tcp_stream(host, port, local_address=source or None)
        except OSError as error:
            if fault := source_fault(source, host):
                raise LinkError(fault) from None
            cause: BaseException = error.__cause__ or error
            while isinstance(cause, BaseExceptionGroup):
                cause = cause.exceptions[0]
            raise LinkError(_words(cause)) from None

    def _plain(self, stream: trio.SocketStream) -> None:
        sock = socket.socket(fileno=stream.socket.detach())
        self._sock = sock
        self._stream = SocketStream(sock)

    async def _datagram_socket(self) -> socket.socket:
        host, port, _, source = self.where
        if fault := source_fault(source, host):
            raise LinkError(fault)
        found = await trio.socket.getaddrinfo(
            host, port, family_of(source) if source else 0, socket.SOCK_DGRAM
        )
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            if source:
                sock.bind((source, 0))
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _handshake(
        self, context: ssl.SSLContext, name: str | None = None
    ) -> trio.SSLStream[trio.SocketStream]:
        plain = await self._dial()
        stream = trio.SSLStream(plain, context, server_hostname=name, https_compatible=True)
        try:
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream

    async def _strict(self) -> trio.abc.Stream:
        """TLS with a server that proves who it is (RFC 9103 section 7.2)."""
        tls = self.where.tls
        if tls.startswith(PIN):
            stream = await self._handshake(_unproven())
            certificate = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True))
            key = certificate.public_key()
            spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            found = base64.b64encode(hashlib.sha256(spki).digest()).decode()
            if found != tls.removeprefix(PIN):
                await trio.aclose_forcefully(stream)
                raise LinkError(f"its public key has the pin {found}, not {tls.removeprefix(PIN)}")
        else:
            name, _, file = tls.removeprefix(CA).partition("@")
            stream = await self._handshake(_by_ca(file), name)
        if stream.selected_alpn_protocol() not in (_ALPN, None):
            await trio.aclose_forcefully(stream)
            raise LinkError("it speaks another protocol than DNS over TLS (ALPN dot)")
        return stream

    # -- octets

    async def _read(self) -> None:
        """Give the owner whole messages, all that are at hand together."""
        stream = self._stream
        assert stream is not None
        octets = bytearray()
        while True:
            with trio.CancelScope(deadline=self._deadline) as self._reading:
                piece = await stream.receive_some(READ_OCTETS)
            if self._reading.cancelled_caught:
                self.is_overdue = True
                raise LinkError("has sent nothing for too long")
            if not piece:
                return
            self.read += len(piece)
            octets += piece
            if messages := _split(octets):
                await self._owner.received(self, messages)

    async def _read_datagrams(self) -> None:
        sock = self._sock
        assert sock is not None
        while True:
            await trio.lowlevel.wait_readable(sock)
            try:
                message = sock.recv(65_535)
            except BlockingIOError:
                continue
            await self._owner.received(self, [message])

    async def _write(self) -> None:
        """Send what the kernel did not take at once."""
        stream = self._stream
        assert stream is not None
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            while self._held:
                if len(self._held) > MOST_HELD_OCTETS:
                    raise LinkError("does not take what it is sent")
                octets = bytes(self._held)
                try:
                    with trio.fail_after(SEND_SECONDS):
                        await stream.send_all(octets)
                except trio.TooSlowError:
                    raise LinkError("does not take what it is sent") from None
                del self._held[: len(octets)]


def _split(octets: bytearray) -> list[bytes]:
    """Take the whole messages from the beginning of a stream."""
    messages = []
    at, end = 0, len(octets)
    while at + 2 <= end:
        behind = at + 2 + (octets[at] << 8) + octets[at + 1]
        if behind > end:
            break
        messages.append(bytes(octets[at + 2 : behind]))
        at = behind
    del octets[:at]
    return messages


def _unproven() -> ssl.SSLContext:
    """TLS with whoever is there; who it is, is seen otherwise or does not matter."""
    context = _context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _by_ca(file: str) -> ssl.SSLContext:
    context = _context()
    try:
        if file:
            context.load_verify_locations(file)
        else:
            context.load_default_certs()
    except (OSError, ssl.SSLError) as error:
        raise LinkError(f"{file}: CA certificates cannot be read: {error}") from None
    return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # RFC 9103 section 7.1
    context.set_alpn_protocols([_ALPN])
    return context


def _words(error: BaseException) -> str:
    """What has gone wrong with a connection, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"no address is known of it: {error.strerror}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if isinstance(error, trio.BrokenResourceError) and error.__cause__ is not None:
        return _words(error.__cause__)
    return str(error) or type(error).__name__


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
