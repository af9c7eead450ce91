# cython: language_level=3, boundscheck=False, wraparound=False
"""`resolver.sync.transfer.pack`, compiled. Lengths are checked before octets are touched."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    HEADER_OCTETS = 12
    TRANSFER_OCTETS = 16_384
    MESSAGE_OCTETS = 65_535
    KEY_OCTETS = 512
    LABELS = 256  # that a key of so many octets has at most
    LABEL_OCTETS = 63
    NAME_OCTETS = 255
    SOA = 6


cdef inline void put_16(uint8_t *target, Py_ssize_t value) noexcept nogil:
    target[0] = <uint8_t>(value >> 8)
    target[1] = <uint8_t>value


cdef inline Py_ssize_t get_16(const uint8_t *octets) noexcept nogil:
    return (octets[0] << 8) + octets[1]


cdef inline Py_ssize_t equal_octets(
    const uint8_t *one, const uint8_t *other, Py_ssize_t most
) noexcept nogil:
    """How many octets are the same from the beginning."""
    cdef Py_ssize_t at = 0
    cdef uint64_t a, b
    while at + 8 <= most:
        memcpy(&a, one + at, 8)
        memcpy(&b, other + at, 8)
        if a != b:
            break
        at += 8
    while at < most and one[at] == other[at]:
        at += 1
    return at


cdef class Packer:
    cdef Py_ssize_t _head_octets, _most, _at, _records
    cdef bytes _prefix
    cdef list _full
    cdef uint8_t _message[MESSAGE_OCTETS]  # the one that is being filled; its head always stands
    # The owner of the last record as a key; of its labels, where each ends in it, and where the
    # name that begins with it stands in the message. Label 0 stands for the apex.
    cdef uint8_t _key[KEY_OCTETS]
    cdef Py_ssize_t _key_octets, _labels
    cdef Py_ssize_t _ends[LABELS + 1]
    cdef Py_ssize_t _offsets[LABELS + 1]

    def __init__(
        self, bytes head not None, bytes prefix not None=b"", Py_ssize_t most=TRANSFER_OCTETS
    ):
        self._head_octets = PyBytes_GET_SIZE(head)
        if not HEADER_OCTETS < self._head_octets < most <= TRANSFER_OCTETS:
            raise ValueError(
                f"messages of {most} octets cannot be filled behind {self._head_octets}"
            )
        self._prefix = prefix
        self._most = most
        self._full = []
        memcpy(self._message, PyBytes_AS_STRING(head), self._head_octets)
        memcpy(self._message + 4, b"\0\1\0\0\0\0\0\0", 8)
        self._ends[0] = 0
        self._offsets[0] = HEADER_OCTETS
        self._begin()

    cdef void _begin(self) noexcept:
        self._at = self._head_octets
        self._records = 0
        self._key_octets = self._labels = 0

    def apex(self, bytes records not None):
        self._put(
            self._key, 0, <const uint8_t *>PyBytes_AS_STRING(records), PyBytes_GET_SIZE(records)
        )

    def nodes(self, nodes, Py_ssize_t most):
        cdef Py_ssize_t skip = PyBytes_GET_SIZE(self._prefix), octets
        cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(self._prefix)
        cdef const uint8_t *key
        cdef bytes stored, blob
        for stored, blob in nodes:
            key = <const uint8_t *>PyBytes_AS_STRING(stored)
            octets = PyBytes_GET_SIZE(stored)
            if octets < skip or memcmp(key, start, skip) != 0:
                return False
            self._node(
                key + skip,
                octets - skip,
                <const uint8_t *>PyBytes_AS_STRING(blob),
                PyBytes_GET_SIZE(blob),
            )
            if len(self._full) >= most:
                return True
        return False

    cdef int _node(
        self, const uint8_t *key, Py_ssize_t octets, const uint8_t *blob, Py_ssize_t size
    ) except -1:
        cdef Py_ssize_t at = 2, end, behind
        while at < size:
            if at + 10 > size:
                raise ValueError("a node that is shorter than its entries")
            end = at + 10 + get_16(blob + at + 4)
            behind = end + get_16(blob + at + 8)
            if behind > size:
                raise ValueError("a node that is shorter than its entries")
            if octets or get_16(blob + at) != SOA:
                self._put(key, octets, blob + at + 10, end - at - 10)
            at = behind
        return 0

    cdef int _put(
        self, const uint8_t *key, Py_ssize_t octets, const uint8_t *records, Py_ssize_t size
    ) except -1:
        cdef Py_ssize_t at = 0, end, owner
        while at < size:
            if at + 12 > size:
                raise ValueError("a record that is longer than the node it is in")
            end = at + 12 + get_16(records + at + 10)
            if end > size:
                raise ValueError("a record that is longer than the node it is in")
            owner = self._owner(key, octets)
            if self._at + owner + end - at - 2 > self._most and self._records:
                self._end()
                owner = self._owner(key, octets)
            if self._at + owner + end - at - 2 > MESSAGE_OCTETS:
                raise ValueError("a record that is larger than a message")
            self._write(key, octets, owner)
            memcpy(self._message + self._at, records + at + 2, end - at - 2)
            self._at += end - at - 2
            self._records += 1
            at = end
        return 0

    cdef Py_ssize_t _owner(self, const uint8_t *key, Py_ssize_t octets) except -1:
        """The octets of a name as it is to stand here; the labels it does not share with the last
        one are taken for known no more.
        """
        cdef Py_ssize_t shared = equal_octets(key, self._key, min(octets, self._key_octets))
        cdef Py_ssize_t size, at
        while self._ends[self._labels] > shared:
            self._labels -= 1
        at = self._ends[self._labels]
        size = octets - at
        while at < octets:
            if key[at] == 1:  # an escaped octet
                at += 1
                size -= 1
            at += 1
        return size + 2

    cdef int _write(self, const uint8_t *key, Py_ssize_t octets, Py_ssize_t owner) except -1:
        """Write a name of so many octets here."""
        cdef Py_ssize_t start = self._ends[self._labels], end, size
        cdef Py_ssize_t to = self._at + owner - 2
        cdef uint8_t label[LABEL_OCTETS]
        if octets > KEY_OCTETS or owner > NAME_OCTETS:
            raise ValueError("a key that is no name's")
        put_16(self._message + to, 0xC000 | self._offsets[self._labels])
        while start < octets:
            size = 0
            end = start
            while end < octets and key[end]:
                if size == LABEL_OCTETS:
                    raise ValueError("a key with a label that is too long")
                label[size] = key[end]
                if key[end] == 1:
                    end += 1
                    if end == octets or not key[end]:
                        break
                    label[size] = key[end] - 1
                size += 1
                end += 1
            if end == octets or not size or key[end]:
                raise ValueError("a key that is no name's")
            to -= size + 1
            if to < self._at:
                raise ValueError("a key that is no name's")
            self._message[to] = <uint8_t>size
            memcpy(self._message + to + 1, label, size)
            self._labels += 1
            end += 1
            self._ends[self._labels] = end
            self._offsets[self._labels] = to
            start = end
        memcpy(self._key, key, octets)
        self._key_octets = octets
        self._at += owner
        return 0

    cdef int _end(self) except -1:
        put_16(self._message + 6, self._records)
        self._full.append(PyBytes_FromStringAndSize(<char *>self._message, self._at))
        self._begin()
        return 0

    def take(self):
        full, self._full = self._full, []
        return full

    def end(self):
        if self._records:
            self._end()
        return self.take()
