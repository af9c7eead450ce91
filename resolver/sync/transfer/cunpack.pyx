# cython: language_level=3, boundscheck=True, wraparound=False
"""`resolver.sync.transfer.unpack`, compiled. Lengths are checked before octets are touched, as there."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memmove, memset

from csid import limits, protocol
from resolver.store import build, extras, node
from resolver.sync.transfer import layouts
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.unpack import Pieces

cdef enum:
    NAME_OCTETS = 255
    KEY_OCTETS = 512  # a name of 255 octets, all of its labels escaped, has fewer
    TYPES = 256  # of which layouts are known
    GROUP = 64
    RRSET_OCTETS = 60_000
    RECORD_HEAD = 12
    # Data that is decompressed, of one group: 60,000 octets, and one record more.
    SCRATCH = 60_000 + 65_535 + 1_024
    MAX_POINTERS = 127
    CUT_SHORT, FORWARD, LONG_CHAIN, LABEL_TYPE, LONG_NAME, WRONG_DATA

ctypedef struct Layout:
    int known, fixed, strings, names, tail, plain

ctypedef struct Row:
    int type
    uint32_t ttl
    int size
    const uint8_t *data

ctypedef struct Head:
    int type, rrclass, size
    uint32_t ttl
    Py_ssize_t start, end

cdef Layout LAYOUTS[TYPES]
cdef uint8_t FLAGS[65536]  # that a record of a type gives its node; LEADS: it may lead to others
cdef int TOPS = node.CUT | node.REDIRECT
cdef int LEADS = 128
cdef Py_ssize_t MAX_KEY = limits.MAX_NAME_KEY_OCTETS
cdef int IN = protocol.CLASS_IN, SOA_TYPE = protocol.SOA, CNAME_TYPE = protocol.CNAME
cdef int DNAME_TYPE = protocol.DNAME, OPT_TYPE = layouts.OPT_TYPE
cdef int FIRST_QUERY = layouts.FIRST_QUERY_TYPE, LAST_QUERY = layouts.LAST_QUERY_TYPE
cdef dict SAID = {
    CUT_SHORT: layouts.CUT_SHORT,
    FORWARD: layouts.FORWARD,
    LONG_CHAIN: layouts.LONG_CHAIN,
    LABEL_TYPE: layouts.LABEL_TYPE,
    LONG_NAME: layouts.LONG_NAME,
    WRONG_DATA: layouts.WRONG_DATA,
}


cdef int fill() except -1:
    assert GROUP == layouts.GROUP_RECORDS and RRSET_OCTETS == limits.MAX_RRSET_OCTETS
    assert RECORD_HEAD == build.RECORD_OCTETS and NAME_OCTETS == limits.MAX_NAME_OCTETS
    assert layouts.HIGHEST < TYPES and MAX_POINTERS == layouts.MAX_POINTERS
    memset(LAYOUTS, 0, sizeof(LAYOUTS))
    memset(FLAGS, 0, sizeof(FLAGS))
    for rrtype, one in layouts.LAYOUTS.items():
        LAYOUTS[rrtype] = Layout(
            1, one.fixed, one.strings, one.names, one.tail, one.is_plain
        )
    for rrtype in (SOA_TYPE, protocol.NS, CNAME_TYPE, DNAME_TYPE):
        FLAGS[rrtype] = node.flags_of({rrtype: ()})
        assert not FLAGS[rrtype] & LEADS
    for rrtype in extras.HOST_OFFSET:
        FLAGS[rrtype] |= LEADS
    return 0


fill()


cdef inline int at_16(const uint8_t *octets) noexcept nogil:
    return octets[0] << 8 | octets[1]


cdef inline uint8_t lower(uint8_t octet) noexcept nogil:
    return octet + 32 if 65 <= octet <= 90 else octet


cdef int read_name(
    const uint8_t *octets, Py_ssize_t size, Py_ssize_t *place, int plain, uint8_t *name
) noexcept nogil:
    """Copy the name at a place in full; its octets, or what is wrong with it, below zero."""
    cdef Py_ssize_t at = place[0], limit = at, end = 0, target
    cdef int length, made = 0, pointers = 0
    while True:
        if at >= size:
            return -CUT_SHORT
        length = octets[at]
        if length >= 0xC0:
            if at + 1 >= size:
                return -CUT_SHORT
            target = (length & 0x3F) << 8 | octets[at + 1]
            if target >= limit or plain:
                return -FORWARD
            pointers += 1
            if pointers > MAX_POINTERS:
                return -LONG_CHAIN
            if not end:
                end = at + 2
            limit = at = target
            continue
        if length > 63:
            return -LABEL_TYPE
        if not length:
            break
        if at + 1 + length > size:
            return -CUT_SHORT
        if made + 1 + length + 1 > NAME_OCTETS:
            return -LONG_NAME
        memcpy(name + made, octets + at, 1 + length)
        made += 1 + length
        at += 1 + length
    name[made] = 0
    place[0] = end if end else at + 1
    return made + 1


cdef int make_key(const uint8_t *name, uint8_t *key) noexcept nogil:
    """Write the key of a name to the end of KEY_OCTETS octets; where it begins."""
    cdef int first = KEY_OCTETS, at = 0, i, length
    cdef uint8_t octet
    while name[at]:
        length = name[at]
        first -= 1
        key[first] = 0
        for i in range(at + length, at, -1):
            octet = name[i]
            if octet <= 1:
                first -= 1
                key[first] = octet + 1
                octet = 1
            first -= 1
            key[first] = lower(octet)
        at += 1 + length
    return first


cdef int read_head(const uint8_t *octets, Py_ssize_t size, Py_ssize_t at, Head *head) noexcept nogil:
    """What stands in a record behind its owner; what is wrong, below zero."""
    if at + 10 > size:
        return -CUT_SHORT
    head.type = at_16(octets + at)
    head.rrclass = at_16(octets + at + 2)
    head.ttl = <uint32_t>at_16(octets + at + 4) << 16 | <uint32_t>at_16(octets + at + 6)
    if head.ttl >= 0x80000000UL:
        head.ttl = 0  # RFC 2181 section 8
    head.size = at_16(octets + at + 8)
    head.start = at + 10
    head.end = head.start + head.size
    return -CUT_SHORT if head.end > size else 0


cdef int read_data(
    const uint8_t *octets, Py_ssize_t size, Head *head, uint8_t *target
) noexcept nogil:
    """Copy the data of a record whose layout is known, names in full; its octets, or what is wrong,
    below zero.
    """
    cdef Layout *layout = &LAYOUTS[head.type]
    cdef Py_ssize_t at = head.start + layout.fixed, end = head.end
    cdef int i, made, length
    for i in range(layout.strings):
        if at >= end:
            return -WRONG_DATA
        at += 1 + octets[at]
    if at > end:
        return -WRONG_DATA
    made = <int>(at - head.start)
    memcpy(target, octets + head.start, made)
    for i in range(layout.names):
        length = read_name(octets, size, &at, layout.plain, target + made)
        if length < 0:
            return length
        if at > end:
            return -WRONG_DATA
        made += length
    if layout.tail >= 0 and layout.tail != end - at:
        return -WRONG_DATA
    memcpy(target + made, octets + at, end - at)
    return made + <int>(end - at)


def record(bytes message not None, Py_ssize_t at):
    cdef const uint8_t *octets = <const uint8_t *>PyBytes_AS_STRING(message)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(message)
    cdef uint8_t name[NAME_OCTETS + 1]
    cdef uint8_t key[KEY_OCTETS]
    cdef uint8_t data[65_535 + 1_024]
    cdef Head head
    cdef int made, first
    cdef bytes rdata
    if at < 0:
        raise TransferError(layouts.CUT_SHORT)
    made = read_name(octets, size, &at, 0, name)
    if made >= 0:
        made = read_head(octets, size, at, &head)
    if made < 0:
        raise TransferError(SAID[-made])
    if head.type < TYPES and LAYOUTS[head.type].known:
        made = read_data(octets, size, &head, data)
        if made < 0:
            raise TransferError(SAID[-made])
        rdata = PyBytes_FromStringAndSize(<char *>data, made)
    else:
        rdata = PyBytes_FromStringAndSize(<char *>octets + head.start, head.size)
    first = make_key(name, key)
    owner = PyBytes_FromStringAndSize(<char *>key + first, KEY_OCTETS - first)
    return owner, head.type, head.rrclass, head.ttl, rdata, head.end


cdef inline void put_16(uint8_t *target, int value) noexcept nogil:
    target[0] = <uint8_t>(value >> 8)
    target[1] = <uint8_t>value


cdef bytes made_of(Row *rows, int *order, int count, int *seen):
    """The node of some rows, which are in the order of their types; `seen` are their FLAGS."""
    cdef Py_ssize_t size = 2
    cdef int i, j, total, flags = 0, before = -1
    cdef bytes blob
    cdef uint8_t *target
    cdef Row *row
    for i in range(count):
        row = &rows[order[i]]
        size += RECORD_HEAD + row.size
        flags |= FLAGS[row.type]
        if row.type != before:
            size += 10
            before = row.type
    blob = PyBytes_FromStringAndSize(NULL, size)
    target = <uint8_t *>PyBytes_AS_STRING(blob)
    seen[0] = flags
    target[0] = <uint8_t>(flags & ~LEADS)
    target[1] = 0
    target += 2
    i = 0
    while i < count:
        before = rows[order[i]].type
        j = i
        total = 0
        while j < count and rows[order[j]].type == before:
            total += RECORD_HEAD + rows[order[j]].size
            j += 1
        put_16(target, before)
        put_16(target + 2, j - i)
        put_16(target + 4, total)
        memset(target + 6, 0, 4)
        target += 10
        while i < j:
            row = &rows[order[i]]
            put_16(target, 0xC00C)
            put_16(target + 2, row.type)
            put_16(target + 4, 1)
            put_16(target + 6, <int>(row.ttl >> 16))
            put_16(target + 8, <int>(row.ttl & 0xFFFF))
            put_16(target + 10, row.size)
            memcpy(target + RECORD_HEAD, row.data, row.size)
            target += RECORD_HEAD + row.size
            i += 1
    return blob


cdef bint is_alike(Row *one, Row *other) noexcept nogil:
    cdef int i
    if one.size != other.size:
        return False
    for i in range(one.size):
        if lower(one.data[i]) != lower(other.data[i]):
            return False
    return True


cdef class Gathered:
    """The pieces so far."""

    cdef list pieces, odd
    cdef Py_ssize_t octets
    cdef uint8_t before[KEY_OCTETS]
    cdef Py_ssize_t before_size

    def __cinit__(self):
        self.pieces = []
        self.odd = []
        self.octets = 0
        self.before_size = 0

    cdef int add(self, bytes key, bytes blob, int flags) except -1:
        cdef const uint8_t *octets = <const uint8_t *>PyBytes_AS_STRING(key)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(key), number = len(self.pieces), above = size, same
        cdef int order
        if number:
            same = min(size, self.before_size)
            order = memcmp(octets, self.before, same)
            while above > 0:  # to the end of the key above
                above -= 1
                if above == 0 or octets[above - 1] == 0:
                    break
        if (
            not number
            or order < 0
            or (order == 0 and size <= self.before_size)
            or above > self.before_size
            or memcmp(octets, self.before, above)
            or flags & (TOPS | LEADS)
            or (size >= 2 and octets[size - 2] == 42)
        ):
            self.odd.append(number)
        self.pieces.append((key, blob))
        self.octets += size + PyBytes_GET_SIZE(blob)
        memcpy(self.before, octets, size)
        self.before_size = size
        return 0


cdef int close_group(Gathered made, bytes key, Row *rows, int count) except -1:
    """Add the records of a name to the pieces."""
    cdef int order[GROUP]
    cdef int i, j, at, flags = 0
    cdef bint odd = False
    cdef bytes blob
    for i in range(count):  # sorted by type, those of a type as they came
        at = i
        while at and rows[order[at - 1]].type > rows[i].type:
            order[at] = order[at - 1]
            at -= 1
        order[at] = i
    if count > 1:
        for i in range(count):
            if rows[order[i]].type == CNAME_TYPE:
                odd = True
            j = i - 1
            while not odd and j >= 0 and rows[order[j]].type == rows[order[i]].type:
                if (
                    rows[order[i]].type == DNAME_TYPE
                    or rows[order[i]].ttl != rows[order[j]].ttl
                    or is_alike(&rows[order[i]], &rows[order[j]])
                ):
                    odd = True
                j -= 1
    if not odd:
        blob = made_of(rows, order, count, &flags)
        return made.add(key, blob, flags)
    for i in range(count):
        blob = made_of(rows, &i, 1, &flags)
        made.add(key, blob, flags)
    return 0


def run(bytes message not None, Py_ssize_t at, Py_ssize_t number, bytes apex not None):
    cdef const uint8_t *octets = <const uint8_t *>PyBytes_AS_STRING(message)
    cdef const uint8_t *top = <const uint8_t *>PyBytes_AS_STRING(apex)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(message), skip = PyBytes_GET_SIZE(apex), after
    cdef uint8_t name[NAME_OCTETS + 1]
    cdef uint8_t keys[2][KEY_OCTETS]  # of the last record, and of this one
    cdef uint8_t scratch[SCRATCH]
    cdef Row rows[GROUP]
    cdef Head head
    cdef int count = 0, total = 0, used = 0, made, first, open_first = 0, now = 0
    cdef Gathered gathered = Gathered()
    cdef bytes key = b""
    cdef bint same
    if at < 0:
        raise TransferError(layouts.CUT_SHORT)
    while number > 0:
        after = at
        made = read_name(octets, size, &after, 0, name)
        if made >= 0:
            made = read_head(octets, size, after, &head)
        if made < 0:
            raise TransferError(SAID[-made])
        if used + head.size + 1_024 > SCRATCH:  # never: a group ends before
            raise TransferError(layouts.LARGE_DATA)
        if head.type < TYPES and LAYOUTS[head.type].known:
            made = read_data(octets, size, &head, scratch + used)
            if made < 0:
                raise TransferError(SAID[-made])
        else:
            made = -1
        if head.rrclass != IN:
            raise TransferError(layouts.WRONG_CLASS)
        if head.type == SOA_TYPE:
            break
        if head.type == 0 or head.type == OPT_TYPE or FIRST_QUERY <= head.type <= LAST_QUERY:
            raise TransferError(layouts.NO_DATA)
        first = make_key(name, keys[now])
        if KEY_OCTETS - first < skip or memcmp(keys[now] + first, top, skip):
            raise TransferError(layouts.OUTSIDE)
        if KEY_OCTETS - first > MAX_KEY:
            raise TransferError(layouts.LONG_KEY)
        same = count > 0 and first == open_first and not memcmp(
            keys[now] + first, keys[1 - now] + first, KEY_OCTETS - first
        )
        if RECORD_HEAD + (made if made >= 0 else head.size) > RRSET_OCTETS:
            raise TransferError(layouts.LARGE_DATA)
        if count and (
            not same
            or count == GROUP
            or total + RECORD_HEAD + (made if made >= 0 else head.size) > RRSET_OCTETS
        ):
            close_group(gathered, key, rows, count)
            count = total = 0
            if made > 0:  # what was read just now is moved to the front
                memmove(scratch, scratch + used, made)
            used = 0
        if not same:
            key = PyBytes_FromStringAndSize(
                <char *>keys[now] + first + skip, KEY_OCTETS - first - skip
            )
            open_first = first
            now = 1 - now
        rows[count].type = head.type
        rows[count].ttl = head.ttl
        if made >= 0:
            rows[count].data = scratch + used
            rows[count].size = made
            used += made
        else:
            rows[count].data = octets + head.start
            rows[count].size = head.size
        total += RECORD_HEAD + rows[count].size
        count += 1
        at = head.end
        number -= 1
    if count:
        close_group(gathered, key, rows, count)
    return Pieces(gathered.pieces, gathered.odd, gathered.octets), at, number
