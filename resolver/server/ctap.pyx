# cython: language_level=3, boundscheck=True, wraparound=False
"""`resolver.server.tap_frames.Pile`, compiled: frames are written one behind the other into a buffer
whose room is made before, and sent from there.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove
from posix.unistd cimport write

import os

# All that a frame has besides its octets: lengths, fields, numbers, each at its longest.
cdef enum:
    ROOM = 128


cdef inline unsigned char *number(unsigned char *at, unsigned long long value) noexcept nogil:
    while value > 127:
        at[0] = value & 127 | 128
        at += 1
        value >>= 7
    at[0] = <unsigned char>value
    return at + 1


cdef inline unsigned char *fixed(unsigned char *at, unsigned int value) noexcept nogil:
    cdef int i
    for i in range(4):
        at[i] = value >> 8 * i & 255
    return at + 4


cdef inline unsigned char *octets(unsigned char *at, bytes value):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    at = number(at, size)
    memcpy(at, PyBytes_AS_STRING(value), size)
    return at + size


cdef inline Py_ssize_t digits(Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t count = 1
    while size > 127:
        size >>= 7
        count += 1
    return count


cdef unsigned char *frame(
    unsigned char *at, int protocol, int local_port, bytes head, bytes local, int kind,
    bytes address, int port, bytes message, unsigned long long seconds, unsigned int rest,
):
    """A frame; what stands before the message is written behind its place first, to be measured."""
    cdef unsigned char fields[160]
    cdef unsigned char *to = fields
    cdef Py_ssize_t size, body, length = PyBytes_GET_SIZE(message), begun = PyBytes_GET_SIZE(head)
    to[0] = 8
    to = number(to + 1, kind)
    to[0] = 16
    to = number(to + 1, 1 if PyBytes_GET_SIZE(address) == 4 else 2)
    to[0] = 24
    to = number(to + 1, protocol)
    to[0] = 34
    to = octets(to + 1, address)
    if PyBytes_GET_SIZE(local):
        to[0] = 42
        to = octets(to + 1, local)
    if port:
        to[0] = 48
        to = number(to + 1, port)
    if local_port:
        to[0] = 56
        to = number(to + 1, local_port)
    to[0] = 64
    to = number(to + 1, seconds)
    to[0] = 77
    to = fixed(to + 1, rest)
    if kind == 2:
        to[0] = 96
        to = number(to + 1, seconds)
        to[0] = 109
        to = fixed(to + 1, rest)
    to[0] = 82 if kind == 1 else 114
    to = number(to + 1, length)
    size = to - fields
    body = begun + 1 + digits(size + length) + size + length + 2
    at[0], at[1], at[2], at[3] = body >> 24 & 255, body >> 16 & 255, body >> 8 & 255, body & 255
    at += 4
    memcpy(at, PyBytes_AS_STRING(head), begun)
    at += begun
    at[0] = 114
    at = number(at + 1, size + length)
    memcpy(at, fields, size)
    at += size
    memcpy(at, PyBytes_AS_STRING(message), length)
    at += length
    at[0] = 120
    at[1] = 1
    return at + 2


cdef class Pile:
    """See `resolver.server.tap_frames.Pile`."""

    cdef unsigned char *_octets
    cdef Py_ssize_t _room
    cdef Py_ssize_t _first  # where the first frame begins of which anything is left
    cdef Py_ssize_t _begin  # of what is left
    cdef Py_ssize_t _end

    def __dealloc__(self):
        free(self._octets)

    def __len__(self):
        return self._end - self._begin

    def left(self):
        return self._octets[self._begin : self._end] if self._end else b""

    def add(self, place, list packets not None, list addresses not None, list ports not None,
            list replies not None, unsigned long long nanoseconds, bint queries, bint answers):
        cdef Py_ssize_t slot, count = len(packets), room = 0
        cdef bytes head = place.head, local = place.address, packet, reply, address
        cdef unsigned long long seconds = nanoseconds // 1_000_000_000
        cdef unsigned int rest = nanoseconds % 1_000_000_000
        cdef int port, protocol = place.protocol, local_port = place.port
        cdef unsigned char *at
        if not (count == len(addresses) == len(ports) == len(replies)):
            raise ValueError("not as many addresses, ports and answers as packets")
        if PyBytes_GET_SIZE(local) > 16:
            raise ValueError("no address")
        for slot in range(count):
            packet, reply, address = packets[slot], replies[slot], addresses[slot]
            if packet is None or address is None or PyBytes_GET_SIZE(address) > 16:
                raise ValueError("no address")
            room += 2 * (ROOM + PyBytes_GET_SIZE(head)) + PyBytes_GET_SIZE(packet)
            if reply is not None:
                room += PyBytes_GET_SIZE(reply)
        self._make(room)
        at = self._octets + self._end
        for slot in range(count):
            packet, reply, address, port = packets[slot], replies[slot], addresses[slot], ports[slot]
            if queries:
                at = frame(
                    at, protocol, local_port, head, local, 1, address, port, packet, seconds, rest
                )
            if answers and reply is not None:
                at = frame(
                    at, protocol, local_port, head, local, 2, address, port, reply, seconds, rest
                )
        self._end = at - self._octets

    cdef _make(self, Py_ssize_t room):
        """Make room behind what is left. That is moved only if the place it leaves is as large: a
        reader that takes little at a time costs no more for it.
        """
        cdef void *octets
        if self._end + room > self._room and self._first >= self._end - self._first:
            memmove(self._octets, self._octets + self._first, self._end - self._first)
            self._begin -= self._first
            self._end -= self._first
            self._first = 0
        if self._end + room > self._room:
            octets = realloc(self._octets, self._end + room)
            if octets == NULL:
                raise MemoryError
            self._octets = <unsigned char *>octets
            self._room = self._end + room

    def send(self, int fd):
        cdef Py_ssize_t sent
        while self._begin < self._end:
            with nogil:
                sent = write(fd, self._octets + self._begin, self._end - self._begin)
            if sent < 0:
                if errno == EINTR:
                    continue
                if errno == EAGAIN:
                    break
                raise OSError(errno, os.strerror(errno))
            self._begin += sent
        if self._begin == self._end:
            self._first = self._begin = self._end = 0
        while self._first < self._begin and self._behind(self._first) <= self._begin:
            self._first = self._behind(self._first)

    cdef Py_ssize_t _behind(self, Py_ssize_t at):
        """Where a frame ends that begins at a place."""
        cdef unsigned char *size = self._octets + at
        return at + 4 + (<Py_ssize_t>size[0] << 24 | size[1] << 16 | size[2] << 8 | size[3])

    def clear(self):
        cdef Py_ssize_t at = self._first, count = 0
        while at < self._end:
            at = self._behind(at)
            count += 1
        self._first = self._begin = self._end = 0
        return count
