"""The bell: the processes that answer tell the sync process that a zone may have changed.

    sync.sock   a Unix datagram socket in the data directory, on which the sync process listens
    datagram    msgpack ["notify", apex (canonical key), serial or nil, IP address of who says so]

Whoever rings does not wait. What is rung while nobody listens is lost and not missed: whoever
begins to listen asks for all zones once.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Final, NamedTuple

import msgpack

from csid.limits import MAX_KEY_OCTETS
from resolver.store.commits import bound, path_in

SOCKET: Final = "sync.sock"
MAX_OCTETS: Final = 1_024  # of one datagram
NOBODY: Final = bytes(4)  # the address with which this node rings: rows were changed, look at them
_NOTIFY: Final = "notify"
_HEARD: Final = "heard"
HEARD_SECONDS: Final = 60  # in which one key is told of once by a process
KEYS_KEPT: Final = 10_000  # that were told of lately


class Rung(NamedTuple):
    """What was told."""

    apex: bytes  # canonical key
    serial: int | None  # that the zone has there, if it was said
    address: bytes  # of who says so, 4 or 16 octets


class Heard(NamedTuple):
    """A message was signed with a key."""

    key: bytes  # its name in wire form


class Bell:
    """The ringing side.

    Args:
        data: the data directory.

    Raises:
        OSError: there is no such directory.
    """

    def __init__(self, data: Path) -> None:
        self._folder = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._heard: dict[bytes, int] = {}  # when a key was told of, Unix seconds

    def hear(self, key: bytes, now: int) -> None:
        """Tell that a message was signed with a key, now and then."""
        if 0 <= now - self._heard.get(key, -HEARD_SECONDS) < HEARD_SECONDS:
            return
        if len(self._heard) >= KEYS_KEPT:
            self._heard.clear()
        with contextlib.suppress(OSError):  # nobody listens, or has more than can be heard
            packed = msgpack.packb([_HEARD, key, None, b""])
            self._socket.sendto(packed, path_in(self._folder, SOCKET))
            self._heard[key] = now

    def ring(self, apex: bytes, serial: int | None, address: bytes) -> bool:
        """Tell whoever listens (see `Rung`); False if there is more than can be heard now. Nobody
        need listen: whoever begins to, asks for all zones.
        """
        try:
            self._socket.sendto(
                msgpack.packb([_NOTIFY, apex, serial, address]), path_in(self._folder, SOCKET)
            )
        except BlockingIOError:
            return False
        except OSError:
            return True  # nobody listens
        return True

    def close(self) -> None:
        """Ring no more."""
        self._socket.close()
        os.close(self._folder)


def listen(data: Path) -> socket.socket:
    """The socket that is rung at, not blocking, in place of one that was left over; `rung` reads
    what comes. Only one process listens in a directory: the last that began.

    Raises:
        OSError: the directory cannot be written.
    """
    folder = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return bound(data, folder, SOCKET)
    finally:
        os.close(folder)


def rung(datagram: bytes) -> Rung | Heard | None:
    """What a datagram tells; None if it is none of ours."""
    try:
        kind, apex, serial, address = msgpack.unpackb(datagram)
    except (ValueError, TypeError, msgpack.UnpackException):
        return None
    if kind == _HEARD and isinstance(apex, bytes):
        return Heard(apex)
    if kind != _NOTIFY or not isinstance(apex, bytes) or len(apex) > MAX_KEY_OCTETS:
        return None
    if serial is not None and not (isinstance(serial, int) and 0 <= serial < 1 << 32):
        return None
    if not isinstance(address, bytes) or len(address) not in (4, 16):
        return None
    return Rung(apex, serial, address)
