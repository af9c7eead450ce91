"""The sockets of a server: bound once, before anything else runs, so that errors come at once.

Every listen address gets one TCP socket and one UDP socket for each worker, all on the same port.
The supervisor keeps them open for as long as it runs: what is queued in the kernel outlives a
worker.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from csid import address as addresses
from csid.address import Address, AddressError
from csid.errors import CsidError

BACKLOG: Final = 4_096  # connections the kernel completes before they are accepted
TCP_SEND_BUFFER_OCTETS: Final = 262_144  # of answers the kernel keeps for a slow peer
TCP_USER_TIMEOUT_MS: Final = 15_000  # for a peer to acknowledge what was sent (RFC 5482)
UDP_BUFFER_OCTETS: Final = 4_194_304  # asked for; the kernel gives at most net.core.rmem_max
PORT_ATTEMPTS: Final = 16  # free ports tried until one is free for TCP and for UDP

# Linux: getsockopt(SO_MEMINFO) gives 32-bit numbers, of which this is how many packets a socket had
# no room for (SK_MEMINFO_DROPS in linux/sock_diag.h).
_SO_MEMINFO: Final = 55
_DROPS_AT: Final = 8

_ADVICE: Final = {
    errno.EADDRINUSE: "another program listens there; end it or choose another port",
    errno.EACCES: "not permitted; a port below 1024 needs root or CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EAFNOSUPPORT: "this machine has no such address family",
}


class ListenError(CsidError):
    """An address that cannot be listened on."""


class Bound(NamedTuple):
    """The sockets of one listen address."""

    address: Address  # with the port that was chosen, if it was 0
    tcp: socket.socket
    udp: list[socket.socket]  # one per worker
    tls: bool = False  # connections are to begin with a handshake

    def close(self) -> None:
        """Give the port back."""
        for sock in (self.tcp, *self.udp):
            sock.close()


def listen_address(text: str) -> Address:
    """The address in `HOST:PORT` or `[HOST]:PORT`, HOST being an IP address; port 0 is a free one.

    Raises:
        ListenError: the text is no such thing.
    """
    with contextlib.suppress(AddressError, OSError, UnicodeError):
        host, port = addresses.parse(text, lowest=0)
        family = family_of(host)
        return Address(socket.inet_ntop(family, socket.inet_pton(family, host)), port)
    raise ListenError(
        f"{text!r} is no address to listen on: expected an IP address and a port, such as "
        f"127.0.0.1:5300 or [::1]:5300"
    )


def bind(address: Address, workers: int) -> Bound:
    """Bind one TCP socket, listening, and `workers` UDP sockets that share the port.

    Raises:
        ListenError: the address is taken, not permitted, or not of this machine.
    """
    for attempt in range(1, PORT_ATTEMPTS + 1):
        try:
            return _bind(address, workers)
        except OSError as error:
            # A port that was free for TCP may be taken for UDP; another free one will do.
            if address.port or error.errno != errno.EADDRINUSE or attempt == PORT_ATTEMPTS:
                code = error.errno or 0
                reason = _ADVICE.get(code, os.strerror(code))
                raise ListenError(f"cannot listen on {address}: {reason}") from None
    raise AssertionError("unreachable")


def bind_tls(address: Address) -> Bound:
    """Bind one TCP socket, listening, for connections over TLS.

    Raises:
        as `bind`.
    """
    try:
        tcp = _listening(address)
    except OSError as error:
        code = error.errno or 0
        reason = _ADVICE.get(code, os.strerror(code))
        raise ListenError(f"cannot listen on {address}: {reason}") from None
    return Bound(Address(address.host, tcp.getsockname()[1]), tcp, [], tls=True)


def dropped(sock: socket.socket) -> int:
    """How many packets the kernel dropped since a socket was made, for want of room in it."""
    try:
        numbers = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_DROPS_AT + 1))
    except OSError:  # Linux before 4.12
        return 0
    return int(struct.unpack(f"={_DROPS_AT + 1}I", numbers)[_DROPS_AT])


def _bind(address: Address, workers: int) -> Bound:
    with contextlib.ExitStack() as opened:
        tcp = opened.enter_context(_listening(address))
        address = Address(address.host, tcp.getsockname()[1])
        # Sockets with SO_REUSEPORT share a port with those of any program of the same user, so
        # whether the port is free shows only by binding without it.
        with _socket(address, socket.SOCK_DGRAM) as probe:
            probe.bind(address)
        udp = [opened.enter_context(sock) for sock in _udp_sockets(address, workers)]
        opened.pop_all()
    return Bound(address, tcp, udp)


def _listening(address: Address) -> socket.socket:
    tcp = _socket(address, socket.SOCK_STREAM)
    try:
        # Connections of a server that has just ended must not keep the next one from starting.
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit these.
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, TCP_SEND_BUFFER_OCTETS)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tcp.bind(address)
        tcp.listen(BACKLOG)
    except OSError:
        tcp.close()
        raise
    return tcp


def _udp_sockets(address: Address, workers: int) -> Iterator[socket.socket]:
    for _ in range(workers):
        udp = _socket(address, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_OCTETS)
        try:
            udp.bind(address)
        except OSError:
            udp.close()
            raise
        yield udp


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _socket(address: Address, kind: socket.SocketKind) -> socket.socket:
    family = family_of(address.host)
    sock = socket.socket(family, kind)
    if family == socket.AF_INET6:
        # IPv6 alone, so that the same port of 0.0.0.0 stays free for its own sockets.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock
