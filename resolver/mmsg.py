"""recvmmsg and sendmmsg (Linux): many datagrams for one system call.

The kernel's structures are laid out once in plain arrays that other code indexes; per datagram
nothing is allocated here. Layouts are those of 64-bit Linux, see recvmmsg(2) and msghdr in recv(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from typing import Final

IN_OCTETS: Final = 4_096  # a query longer than this is cut off and counts as malformed
OUT_OCTETS: Final = 2_048  # our answers over UDP stay within csid.limits.EDNS_UDP_OCTETS
NAME_OCTETS: Final = 28  # struct sockaddr_in6, the larger of the two
_CONTROL_OCTETS: Final = 64  # room for one IP_PKTINFO or IPV6_PKTINFO

MSGHDR_WORDS: Final = 8  # struct mmsghdr in 64-bit words
MSGHDR_HALVES: Final = 16  # the same in 32-bit words ...
LENGTH_HALF: Final = 14  # ... of which msg_len is this one
_WAITFORONE: Final = 0x10000  # block for the first datagram only
_AGAIN: Final = (errno.EINTR, errno.EAGAIN)

_libc = ctypes.CDLL(None, use_errno=True)
_recvmmsg = _libc.recvmmsg
_recvmmsg.argtypes = (
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_uint,
    ctypes.c_int,
    ctypes.c_void_p,
)
_sendmmsg = _libc.sendmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


class Datagrams:
    """Buffers for up to `count` datagrams each way on one socket.

    Slot i of the outgoing side answers slot i of the incoming side: both use one peer address.

    Attributes:
        inbox: incoming data; slot i begins at i * IN_OCTETS.
        outbox: outgoing data; slot i begins at i * OUT_OCTETS.
        peers: peer addresses (struct sockaddr); slot i begins at i * NAME_OCTETS.
        received: 32-bit words of the incoming headers; datagram i has
            received[i * MSGHDR_HALVES + LENGTH_HALF] octets.
        to_send: 64-bit words of the outgoing vectors; word 2 * i + 1 is slot i's length in octets.
    """

    def __init__(self, sock: socket.socket, count: int) -> None:
        self.fd = sock.fileno()
        self.count = count
        self._inbox = ctypes.create_string_buffer(count * IN_OCTETS)
        self._outbox = ctypes.create_string_buffer(count * OUT_OCTETS)
        self._peers = ctypes.create_string_buffer(count * NAME_OCTETS)
        self._controls = ctypes.create_string_buffer(count * _CONTROL_OCTETS)
        self._in_headers = (ctypes.c_uint64 * (count * MSGHDR_WORDS))()
        self._out_headers = (ctypes.c_uint64 * (count * MSGHDR_WORDS))()
        self._in_vectors = (ctypes.c_uint64 * (count * 2))()
        self._out_vectors = (ctypes.c_uint64 * (count * 2))()
        self._has_control = _ask_for_destination(sock)
        for slot in range(count):
            self._lay_out(slot, 16 if sock.family == socket.AF_INET else NAME_OCTETS)
        self.inbox = memoryview(self._inbox).cast("B")
        self.outbox = memoryview(self._outbox).cast("B")
        self.peers = memoryview(self._peers).cast("B")
        self.received = memoryview(self._in_headers).cast("B").cast("I")
        self.to_send = memoryview(self._out_vectors).cast("B").cast("Q")
        self._in_address = ctypes.addressof(self._in_headers)
        self._out_address = ctypes.addressof(self._out_headers)

    def _lay_out(self, slot: int, name_octets: int) -> None:
        """Point a slot's headers at its buffers. Words of struct msghdr: name, name length,
        vector, vector count, control, control length, flags; then mmsghdr's msg_len.
        """
        name = ctypes.addressof(self._peers) + slot * NAME_OCTETS
        control = ctypes.addressof(self._controls) + slot * _CONTROL_OCTETS
        for headers, vectors, data, octets in (
            (self._in_headers, self._in_vectors, self._inbox, IN_OCTETS),
            (self._out_headers, self._out_vectors, self._outbox, OUT_OCTETS),
        ):
            vectors[2 * slot] = ctypes.addressof(data) + slot * octets
            vectors[2 * slot + 1] = octets
            at = slot * MSGHDR_WORDS
            headers[at] = name
            headers[at + 1] = name_octets
            headers[at + 2] = ctypes.addressof(vectors) + 16 * slot
            headers[at + 3] = 1
            if self._has_control:
                headers[at + 4] = control
                headers[at + 5] = _CONTROL_OCTETS

    def receive(self) -> int:
        """Wait for a datagram and take all that are there; returns how many, 0 to try again.

        Raises:
            OSError: the socket is of no more use.
        """
        if self._has_control:
            for slot in range(self.count):
                self._in_headers[slot * MSGHDR_WORDS + 5] = _CONTROL_OCTETS
        count = int(_recvmmsg(self.fd, self._in_address, self.count, _WAITFORONE, None))
        if count >= 0:
            if self._has_control:
                # The answer leaves from the address the question came to.
                for slot in range(count):
                    at = slot * MSGHDR_WORDS + 5
                    self._out_headers[at] = self._in_headers[at]
            return count
        code = ctypes.get_errno()
        if code in _AGAIN or code == errno.ECONNREFUSED:
            return 0
        raise OSError(code, os.strerror(code))

    def send(self, first: int, last: int) -> None:
        """Send the slots from `first` up to, not including, `last`. What the kernel does not take
        (no route, no buffer) is left out, as datagrams may be.
        """
        while first < last:
            sent = int(
                _sendmmsg(
                    self.fd, self._out_address + first * 8 * MSGHDR_WORDS, last - first, 0
                )
            )
            if sent < 0:
                sent = 0 if ctypes.get_errno() == errno.EINTR else 1
            first += sent


def _ask_for_destination(sock: socket.socket) -> bool:
    """On a socket bound to the wildcard address, have the kernel tell where each datagram came to.

    Returns whether it will.
    """
    host = sock.getsockname()[0]
    if host == "0.0.0.0":
        sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_PKTINFO", 8), 1)
        return True
    if host == "::":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        return True
    return False
