# cython: language_level=3, boundscheck=True, wraparound=False
"""`csid.octets`, compiled. Lengths are checked before octets are touched, as there."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    KEY_OCTETS = 512  # a name of 255 octets, all of its labels escaped, has fewer


def read_key(bytes packet not None, Py_ssize_t at):
    cdef const uint8_t *octets = <const uint8_t *>PyBytes_AS_STRING(packet)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(packet), start = at, i
    cdef uint8_t key[KEY_OCTETS]
    cdef Py_ssize_t first = KEY_OCTETS  # the key is written from its end
    cdef uint8_t length, octet
    if at < 0:
        return b"", 0
    while at < size:
        length = octets[at]
        at += 1
        if not length:
            return PyBytes_FromStringAndSize(<char *>key + first, KEY_OCTETS - first), at
        # Behind the label comes at least the root's octet, the 255th at most.
        if length > 63 or at + length >= size or at + length + 1 - start > 255:
            return b"", 0
        first -= 1
        key[first] = 0
        for i in range(at + length - 1, at - 1, -1):
            octet = octets[i]
            if 65 <= octet <= 90:
                octet += 32
            elif octet <= 1:
                first -= 1
                key[first] = octet + 1
                octet = 1
            first -= 1
            key[first] = octet
        at += length
    return b"", 0


cdef inline void put_16(uint8_t *target, int value) noexcept nogil:
    target[0] = <uint8_t>(value >> 8)
    target[1] = <uint8_t>value


cdef inline uint64_t rotated(uint64_t x, int bits) noexcept nogil:
    return (x << bits) | (x >> (64 - bits))


cdef inline uint64_t little(const uint8_t *octets, int count) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(count):
        value |= <uint64_t>octets[i] << (8 * i)
    return value


cdef inline void sip_round(uint64_t *v) noexcept nogil:
    v[0] += v[1]
    v[1] = rotated(v[1], 13) ^ v[0]
    v[0] = rotated(v[0], 32)
    v[2] += v[3]
    v[3] = rotated(v[3], 16) ^ v[2]
    v[0] += v[3]
    v[3] = rotated(v[3], 21) ^ v[0]
    v[2] += v[1]
    v[1] = rotated(v[1], 17) ^ v[2]
    v[2] = rotated(v[2], 32)


cdef uint64_t siphash24(const uint8_t *key, const uint8_t *octets, int size) noexcept nogil:
    """SipHash-2-4 (Aumasson and Bernstein, 2012)."""
    cdef uint64_t k0 = little(key, 8), k1 = little(key + 8, 8), word
    cdef uint64_t[4] v
    cdef int at = 0, i
    v[0] = k0 ^ 0x736F6D6570736575ULL
    v[1] = k1 ^ 0x646F72616E646F6DULL
    v[2] = k0 ^ 0x6C7967656E657261ULL
    v[3] = k1 ^ 0x7465646279746573ULL
    while at <= size:
        if at + 8 <= size:
            word = little(octets + at, 8)
        else:
            word = little(octets + at, size - at) | <uint64_t>size << 56
        v[3] ^= word
        sip_round(v)
        sip_round(v)
        v[0] ^= word
        at += 8
    v[2] ^= 0xFF
    for i in range(4):
        sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def cookie_option(bytes secret not None, bytes client not None, now, bytes address not None):
    cdef uint8_t text[32]
    cdef uint8_t option[28]
    cdef uint64_t value = <uint64_t><long long>now
    cdef int size = 16 + <int>PyBytes_GET_SIZE(address), i
    if PyBytes_GET_SIZE(secret) != 16 or PyBytes_GET_SIZE(client) != 8 or size not in (20, 32):
        raise ValueError("a secret of 16 octets, a client cookie of 8, an address of 4 or 16")
    put_16(option, 10)
    put_16(option + 2, 24)
    memcpy(option + 4, PyBytes_AS_STRING(client), 8)
    put_16(option + 12, 0x100)
    put_16(option + 14, 0)
    put_16(option + 16, <int>(value >> 16 & 0xFFFF))
    put_16(option + 18, <int>(value & 0xFFFF))
    memcpy(text, option + 4, 16)
    memcpy(text + 16, PyBytes_AS_STRING(address), size - 16)
    value = siphash24(<const uint8_t *>PyBytes_AS_STRING(secret), text, size)
    for i in range(8):
        option[20 + i] = <uint8_t>(value >> (8 * i))
    return PyBytes_FromStringAndSize(<char *>option, 28)


def shared_end(bytes one not None, bytes other not None, Py_ssize_t start):
    cdef const uint8_t *first = <const uint8_t *>PyBytes_AS_STRING(one)
    cdef const uint8_t *second = <const uint8_t *>PyBytes_AS_STRING(other)
    cdef Py_ssize_t at = start, end = start
    cdef Py_ssize_t size = min(PyBytes_GET_SIZE(one), PyBytes_GET_SIZE(other))
    if start < 0:
        raise IndexError("an offset before the key")
    while at < size and first[at] == second[at]:
        at += 1
        if not first[at - 1]:
            end = at
    return end


def labels_end(bytes key not None, Py_ssize_t start, Py_ssize_t labels):
    cdef const uint8_t *octets = <const uint8_t *>PyBytes_AS_STRING(key)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(key)
    if start < 0:
        raise IndexError("an offset before the key")
    while labels > 0:
        if start >= size:
            raise ValueError("a key with fewer labels")
        labels -= not octets[start]
        start += 1
    return start


def with_owner(bytes records not None, bytes owner not None):
    cdef const uint8_t *octets = <const uint8_t *>PyBytes_AS_STRING(records)
    cdef Py_ssize_t end = PyBytes_GET_SIZE(records), owner_size = PyBytes_GET_SIZE(owner)
    cdef Py_ssize_t at = 0, after, number = 0
    cdef char *target
    cdef bytes made
    while at < end:
        if at + 12 > end:
            raise IndexError("records cut short")
        at += 12 + (octets[at + 10] << 8) + octets[at + 11]
        number += 1
    if at != end:
        raise IndexError("records cut short")
    made = PyBytes_FromStringAndSize(NULL, end + number * (owner_size - 2))
    target = PyBytes_AS_STRING(made)
    at = 0
    while at < end:
        after = at + 12 + (octets[at + 10] << 8) + octets[at + 11]
        memcpy(target, PyBytes_AS_STRING(owner), owner_size)
        memcpy(target + owner_size, octets + at + 2, after - at - 2)
        target += owner_size + after - at - 2
        at = after
    return made


def with_ttl(bytes records not None, bytes offsets not None, unsigned int ttl):
    cdef const uint8_t *places = <const uint8_t *>PyBytes_AS_STRING(offsets)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(records), at, place
    cdef bytes made = PyBytes_FromStringAndSize(PyBytes_AS_STRING(records), size)
    cdef uint8_t *target = <uint8_t *>PyBytes_AS_STRING(made)
    for place in range(0, PyBytes_GET_SIZE(offsets) - 1, 2):
        at = (places[place] << 8) + places[place + 1]
        if at + 4 > size:
            raise IndexError("a TTL outside of the records")
        put_16(target + at, <int>(ttl >> 16))
        put_16(target + at + 2, <int>(ttl & 0xFFFF))
    return made


cdef inline uint8_t *put_octets(uint8_t *target, bytes octets):
    memcpy(target, PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets))
    return target + PyBytes_GET_SIZE(octets)


def message(
    bytes query not None,
    Py_ssize_t end,
    int flags,
    int answers,
    int authorities,
    int additionals,
    bytes answer not None,
    bytes authority not None,
    bytes additional not None,
    bytes opt not None,
):
    cdef Py_ssize_t size
    cdef bytes made
    cdef uint8_t *target
    if not 12 <= end <= PyBytes_GET_SIZE(query):
        raise ValueError("a question that does not lie in its query")
    size = PyBytes_GET_SIZE(answer) + PyBytes_GET_SIZE(authority)
    size += end + PyBytes_GET_SIZE(additional) + PyBytes_GET_SIZE(opt)
    made = PyBytes_FromStringAndSize(NULL, size)
    target = <uint8_t *>PyBytes_AS_STRING(made)
    memcpy(target, PyBytes_AS_STRING(query), end)
    put_16(target + 2, flags)
    put_16(target + 4, end > 12)
    put_16(target + 6, answers)
    put_16(target + 8, authorities)
    put_16(target + 10, additionals)
    target = put_octets(target + end, answer)
    target = put_octets(target, authority)
    target = put_octets(target, additional)
    put_octets(target, opt)
    return made
