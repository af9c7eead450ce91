"""recvmmsg and sendmmsg (Linux): many datagrams for one system call.

The kernel's structures are laid out once in plain arrays that other code indexes; per datagram
nothing is allocated here. Layouts are those of 64-bit Linux, see recvmmsg(2) and msghdr in recv(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from typing import Any, Final, NamedTuple

from csid.limits import BATCH_PACKETS, HEADER_OCTETS
from resolver.server.counters import Tally as Tally  # which `cdatagrams` has compiled

_IN_OCTETS: Final = 4_096  # a query longer than this is cut off and counts as malformed
_OUT_OCTETS: Final = 2_048  # our answers over UDP stay within csid.limits.EDNS_UDP_OCTETS
_NAME_OCTETS: Final = 28  # struct sockaddr_in6, the larger of the two
_CONTROL_OCTETS: Final = 64  # room for one IP_PKTINFO or IPV6_PKTINFO

_CONTROL: Final = struct.Struct("@Nii")  # struct cmsghdr: octets with this head, level, type

_MSGHDR_WORDS: Final = 8  # struct mmsghdr in 64-bit words
_MSGHDR_HALVES: Final = 16  # the same in 32-bit words ...
_LENGTH_HALF: Final = 14  # ... of which msg_len is this one
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


class Asker(NamedTuple):
    """Who is to be answered later, and from where.

    Attributes:
        address: as `socket.sendmsg` takes it.
        ancillary: the same, so that the answer leaves from the address the question came to.
    """

    address: tuple[Any, ...]
    ancillary: list[tuple[int, int, bytes]]


def origin_of(name: bytes, is_ipv6: bool, control: bytes) -> bytes:
    """Where a datagram came from and to, in octets that another process can use: whether by IPv6,
    a struct sockaddr_in or sockaddr_in6 in the room of the larger, and the control message that
    came with it.
    """
    return b"".join((b"\1" if is_ipv6 else b"\0", name, control))


def address_of(origin: bytes) -> bytes:
    """The IP address, 4 or 16 octets."""
    return origin[9:25] if origin[0] else origin[5:9]


def asker_of(origin: bytes) -> Asker:
    """Who is to be answered, from octets of `origin_of`."""
    name, control = origin[1 : 1 + _NAME_OCTETS], origin[1 + _NAME_OCTETS :]
    port = int.from_bytes(name[2:4], "big")
    address: tuple[Any, ...] = (socket.inet_ntop(socket.AF_INET, name[4:8]), port)
    if origin[0]:
        flow, scope = int.from_bytes(name[4:8], "big"), int.from_bytes(name[24:28], sys.byteorder)
        address = (socket.inet_ntop(socket.AF_INET6, name[8:24]), port, flow, scope)
    if not control:
        return Asker(address, [])
    size, level, kind = _CONTROL.unpack_from(control)
    return Asker(address, [(level, kind, control[_CONTROL.size : size])])


def send_later(sock: socket.socket, origin: bytes, message: bytes) -> None:
    """Send an answer that was not there when the others of its batch were.

    Raises:
        OSError: the kernel does not take it.
    """
    address, ancillary = asker_of(origin)
    sock.sendmsg([message], ancillary, socket.MSG_DONTWAIT, address)


class Datagrams:
    """A batch of datagrams on one socket: received together, answered slot by slot, sent together.

    Slot i of the outgoing side answers slot i of the incoming side: both use one peer address.
    `resolver.server.cdatagrams` is the same, compiled.

    Args:
        tally: counts the answers, if that is wanted.
    """

    def __init__(self, sock: socket.socket, tally: Tally | None = None) -> None:
        self._tally = tally
        count = BATCH_PACKETS
        ipv6 = sock.family == socket.AF_INET6
        self._fd = sock.fileno()
        self._stopped = False
        self._received = 0
        self._address_at, self._address_octets = (8, 16) if ipv6 else (4, 4)
        self._inbox_space = ctypes.create_string_buffer(count * _IN_OCTETS)
        self._outbox_space = ctypes.create_string_buffer(count * _OUT_OCTETS)
        self._peer_space = ctypes.create_string_buffer(count * _NAME_OCTETS)
        self._controls = ctypes.create_string_buffer(count * _CONTROL_OCTETS)
        self._in_headers = (ctypes.c_uint64 * (count * _MSGHDR_WORDS))()
        self._out_headers = (ctypes.c_uint64 * (count * _MSGHDR_WORDS))()
        self._in_vectors = (ctypes.c_uint64 * (count * 2))()
        self._out_vectors = (ctypes.c_uint64 * (count * 2))()
        self._has_control = ask_for_destination(sock)
        for slot in range(count):
            self._lay_out(slot, _NAME_OCTETS if ipv6 else 16)
        self._inbox = memoryview(self._inbox_space).cast("B")
        self._outbox = memoryview(self._outbox_space).cast("B")
        self._peers = memoryview(self._peer_space).cast("B")
        self._lengths = memoryview(self._in_headers).cast("B").cast("I")
        self._in_address = ctypes.addressof(self._in_headers)
        self._out_address = ctypes.addressof(self._out_headers)

    def _lay_out(self, slot: int, name_octets: int) -> None:
        """Point a slot's headers at its buffers. Words of struct msghdr: name, name length,
        vector, vector count, control, control length, flags; then mmsghdr's msg_len.
        """
        name = ctypes.addressof(self._peer_space) + slot * _NAME_OCTETS
        control = ctypes.addressof(self._controls) + slot * _CONTROL_OCTETS
        for headers, vectors, data, octets in (
            (self._in_headers, self._in_vectors, self._inbox_space, _IN_OCTETS),
            (self._out_headers, self._out_vectors, self._outbox_space, _OUT_OCTETS),
        ):
            vectors[2 * slot] = ctypes.addressof(data) + slot * octets
            vectors[2 * slot + 1] = octets
            at = slot * _MSGHDR_WORDS
            headers[at] = name
            headers[at + 1] = name_octets
            headers[at + 2] = ctypes.addressof(vectors) + 16 * slot
            headers[at + 3] = 1
            if self._has_control:
                headers[at + 4] = control
                headers[at + 5] = _CONTROL_OCTETS

    def receive(self) -> int:
        """Wait for a datagram and take all that are there; returns how many, 0 to try again, -1
        once `stop` was called.

        Raises:
            OSError: the socket is of no more use.
        """
        if self._stopped:
            return -1
        if self._has_control:
            for slot in range(BATCH_PACKETS):
                self._in_headers[slot * _MSGHDR_WORDS + 5] = _CONTROL_OCTETS
        count = int(_recvmmsg(self._fd, self._in_address, BATCH_PACKETS, _WAITFORONE, None))
        if count >= 0:
            if self._has_control:
                # The answer leaves from the address the question came to.
                for slot in range(count):
                    at = slot * _MSGHDR_WORDS + 5
                    self._out_headers[at] = self._in_headers[at]
            self._received = count
            return count
        self._received = 0
        code = ctypes.get_errno()
        if code in _AGAIN or code == errno.ECONNREFUSED:
            return 0
        raise OSError(code, os.strerror(code))

    def stop(self) -> None:
        """Take no more datagrams; to be called by a signal handler."""
        self._stopped = True

    def packets(self) -> list[bytes]:
        """The datagrams received, in their slots."""
        packets = []
        for slot in range(self._received):
            start = slot * _IN_OCTETS
            end = start + self._lengths[slot * _MSGHDR_HALVES + _LENGTH_HALF]
            packets.append(bytes(self._inbox[start:end]))
        return packets

    def addresses(self) -> list[bytes]:
        """The IP addresses they came from, 4 or 16 octets each."""
        starts = range(self._address_at, self._received * _NAME_OCTETS, _NAME_OCTETS)
        return [bytes(self._peers[start : start + self._address_octets]) for start in starts]

    def ports(self) -> list[int]:
        """The ports that the datagrams received came from."""
        octets = self._peers
        return [
            (octets[at + 2] << 8) + octets[at + 3]
            for at in range(0, self._received * _NAME_OCTETS, _NAME_OCTETS)
        ]

    def origin(self, slot: int) -> bytes:
        """Where the datagram of a slot came from, to be answered later than the others.

        Raises:
            IndexError: none was received in it.
        """
        if not 0 <= slot < self._received:
            raise IndexError(f"no datagram in slot {slot}")
        name = bytes(self._peers[slot * _NAME_OCTETS : (slot + 1) * _NAME_OCTETS])
        control = b""
        if self._has_control:
            octets = self._in_headers[slot * _MSGHDR_WORDS + 5]
            start = slot * _CONTROL_OCTETS
            control = bytes(self._controls)[start : start + octets]
        return origin_of(name, self._address_octets == 16, control)

    def send(self, replies: list[bytes | None]) -> None:
        """Send the answers to the datagrams received, in their slots; None for silence.

        What the kernel does not take (no route, no buffer) is left out, as datagrams may be.

        Raises:
            IndexError: more answers than datagrams.
            ValueError: an answer does not fit its slot.
        """
        if len(replies) > self._received:
            raise IndexError(f"{len(replies)} answers to {self._received} datagrams")
        first = 0
        for slot, reply in enumerate(replies):
            if reply is None:
                self._send(first, slot)
                first = slot + 1
                continue
            size = len(reply)
            if size > _OUT_OCTETS:
                raise ValueError(f"an answer of {size} octets for a slot of {_OUT_OCTETS}")
            start = slot * _OUT_OCTETS
            self._outbox[start : start + size] = reply
            self._out_vectors[2 * slot + 1] = size
            if self._tally is not None and size >= HEADER_OCTETS:
                self._tally.count(reply)
        self._send(first, len(replies))

    def _send(self, first: int, last: int) -> None:
        while first < last:
            sent = int(
                _sendmmsg(self._fd, self._out_address + first * 8 * _MSGHDR_WORDS, last - first, 0)
            )
            if sent < 0:
                sent = 0 if ctypes.get_errno() == errno.EINTR else 1
            first += sent


def ask_for_destination(sock: socket.socket) -> bool:
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
