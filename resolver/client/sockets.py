"""The sockets of one session: what it wants to say is sent, what comes is handed to it.

All sockets are watched by one epoll, so that whoever waits, waits for one file. Datagrams of one
size leave together and come in together where the kernel can do so (UDP_SEGMENT, UDP_GRO of
udp(7)): a hundred questions cost a handful of system calls.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
from contextlib import suppress
from itertools import groupby
from typing import Any, Final

from csid.address import Address
from csid.client.session import Channel, Session
from csid.limits import MAX_MESSAGE_OCTETS

_UDP_SEGMENT: Final = 103  # linux/udp.h
_UDP_GRO: Final = 104
_GROUP: Final = 64  # datagrams in one
_GROUP_OCTETS: Final = 60_000
_ANCILLARY_OCTETS: Final = 64
_ROUNDS: Final = 64  # taken from one socket before timers are looked at again
_STREAM_OCTETS: Final = 65_536  # taken at once
_NOBODY: Final = "no server listens there; start one with: csid serve"
_ENDED: Final = "it closed the connection within an answer"


class Sockets:
    """The sockets of a session, by its channels."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}  # by the number of the channel
        self._channels: dict[int, Channel] = {}  # by file
        self._unsent: dict[int, bytearray] = {}  # of streams, by the number of the channel
        self._ready: list[tuple[int, int]] = []  # files with what is there to be done
        self._groups = True  # whether the kernel takes datagrams together
        self._inbox = bytearray(MAX_MESSAGE_OCTETS)
        self._view = memoryview(self._inbox)
        self.process = os.getpid()

    def fileno(self) -> int:
        """A file that is readable whenever `take` has something to do."""
        return self._epoll.fileno()

    def send(self, now: float) -> None:
        """Send what the session has, and close what it needs no more."""
        session = self._session
        while outgoing := session.outgoing():  # a channel that is lost leads to another server
            for channel, octets in outgoing:
                try:
                    self._send(channel, octets)
                except BlockingIOError:
                    pass  # as lost on the way: it is asked again
                except OSError as error:
                    session.lost(channel, _reason(error), now)
        if session.spent:
            for channel in session.spent:
                self._close(channel)
            session.spent.clear()

    def wait(self, seconds: float) -> None:
        """Wait until there is something to take, for at most so many seconds."""
        self._ready = self._epoll.poll(seconds)

    def take(self, now: float) -> None:
        """Hand over to the session what came."""
        ready = self._ready or self._epoll.poll(0)
        self._ready = []
        for file, events in ready:
            channel = self._channels.get(file)
            if channel is None:
                continue
            sock = self._sockets[channel.number]
            try:
                if not channel.is_stream:
                    self._take_datagrams(channel, sock, now)
                    continue
                if events & select.EPOLLOUT:
                    self._send_stream(channel, sock, [])
                if events & ~select.EPOLLOUT:
                    self._take_stream(channel, sock, now)
            except BlockingIOError:
                continue
            except OSError as error:
                self._session.lost(channel, _reason(error), now)

    def close(self) -> None:
        """Close all."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
        self._channels.clear()
        self._epoll.close()

    # -- one channel

    def _open(self, channel: Channel) -> socket.socket:
        family, address = numeric(channel.server.address)
        kind = socket.SOCK_STREAM if channel.is_stream else socket.SOCK_DGRAM
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        try:
            events = select.EPOLLIN
            if channel.is_stream:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with suppress(BlockingIOError):  # it goes on by itself
                    sock.connect(address)
                events |= select.EPOLLOUT
            else:
                sock.connect(address)  # the kernel then drops what others send
                with suppress(OSError):  # an older kernel
                    sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
            self._epoll.register(sock, events)
        except OSError:
            sock.close()
            raise
        self._sockets[channel.number] = sock
        self._channels[sock.fileno()] = channel
        return sock

    def _close(self, channel: Channel) -> None:
        sock = self._sockets.pop(channel.number, None)
        self._unsent.pop(channel.number, None)
        if sock is not None:
            del self._channels[sock.fileno()]
            sock.close()  # which the epoll notices

    def _send(self, channel: Channel, octets: list[bytes]) -> None:
        sock = self._sockets.get(channel.number) or self._open(channel)
        if channel.is_stream:
            self._send_stream(channel, sock, octets)
        elif len(octets) == 1:
            sock.send(octets[0])
        else:
            self._send_datagrams(sock, octets)

    def _send_datagrams(self, sock: socket.socket, octets: list[bytes]) -> None:
        for size, same in groupby(sorted(octets, key=len), len):
            together = list(same)
            most = min(_GROUP, _GROUP_OCTETS // size) if self._groups else 1
            for at in range(0, len(together), most):
                self._send_group(sock, together[at : at + most], size)

    def _send_group(self, sock: socket.socket, group: list[bytes], size: int) -> None:
        if len(group) > 1:
            kind = (socket.IPPROTO_UDP, _UDP_SEGMENT, size.to_bytes(2, sys.byteorder))
            try:
                sock.sendmsg([b"".join(group)], [kind])
                return
            except ConnectionRefusedError:
                raise
            except BlockingIOError:
                raise
            except OSError:  # this kernel, or this way to the server, does not
                self._groups = False
        for one in group:
            sock.send(one)

    def _take_datagrams(self, channel: Channel, sock: socket.socket, now: float) -> None:
        receive, view, session = sock.recvmsg_into, self._view, self._session
        for _ in range(_ROUNDS):
            count, ancillary, _, _ = receive([view], _ANCILLARY_OCTETS)
            size = int.from_bytes(ancillary[0][2][:4], sys.byteorder) if ancillary else count
            if count <= size:
                session.receive(channel, bytes(view[:count]), now)
            else:
                for at in range(0, count, size):
                    session.receive(channel, bytes(view[at : min(at + size, count)]), now)
            if not channel.waiting or channel.is_spent:
                return

    def _send_stream(self, channel: Channel, sock: socket.socket, octets: list[bytes]) -> None:
        """Send as much as the stream takes; the rest once there is room for it."""
        unsent = self._unsent.setdefault(channel.number, bytearray())
        for one in octets:
            unsent += one
        try:
            while unsent:
                del unsent[: sock.send(unsent)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # it is still being made
                raise
        self._epoll.modify(sock, select.EPOLLIN | (select.EPOLLOUT if unsent else 0))

    def _take_stream(self, channel: Channel, sock: socket.socket, now: float) -> None:
        octets = sock.recv(_STREAM_OCTETS)
        if octets:
            self._session.receive(channel, octets, now)
        else:
            self._session.lost(channel, _ENDED, now)


def numeric(address: Address) -> tuple[int, Any]:
    """Family and socket address of an IP address with its port, without asking anybody."""
    found = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )
    return found[0][0], found[0][4]


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return _NOBODY
    return error.strerror or type(error).__name__
