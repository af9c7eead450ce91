"""`recvmmsg` and `sendmmsg` through ctypes: many datagrams for one system call (Linux)."""

from __future__ import annotations

import ctypes
import struct

MSG_DONTWAIT = 0x40
MSG_WAITFORONE = 0x10000
BUFFER_SIZE = 2048  # bytes, per datagram received


class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class MsgHdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class MMsgHdr(ctypes.Structure):
    _fields_ = [("header", MsgHdr), ("length", ctypes.c_uint32)]


class SockAddr(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint8 * 16)]


HEADER_SIZE = ctypes.sizeof(MMsgHdr)
# The same layout for struct, which fills a hundred thousand of them faster than ctypes does.
HEADER = struct.Struct("@PI4xPNPNi4xI4x")
VECTOR = struct.Struct("@PN")

# PyDLL keeps the interpreter lock: these processes have one thread, and the calls do not wait.
_libc = ctypes.PyDLL(None, use_errno=True)
recvmmsg = _libc.recvmmsg
recvmmsg.argtypes = [
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_uint,
    ctypes.c_int,
    ctypes.c_void_p,
]
sendmmsg = _libc.sendmmsg
sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]


class Batch:
    """Room for `count` datagrams, each in its own `BUFFER_SIZE` bytes of `data`."""

    def __init__(self, count: int, with_address: bool = False) -> None:
        self.count = count
        self.data = bytearray(count * BUFFER_SIZE)
        self._pinned = (ctypes.c_char * len(self.data)).from_buffer(self.data)
        self._addresses = (SockAddr * count)()
        self.vectors = (IoVec * count)()
        self.headers = (MMsgHdr * count)()
        start = ctypes.addressof(self._pinned)
        for index in range(count):
            self.vectors[index].base = start + index * BUFFER_SIZE
            self.vectors[index].length = BUFFER_SIZE
            header = self.headers[index].header
            header.iov = ctypes.addressof(self.vectors[index])
            header.iov_count = 1
            if with_address:
                header.name = ctypes.addressof(self._addresses[index])
                header.name_length = ctypes.sizeof(SockAddr)
        self.address = ctypes.addressof(self.headers)
