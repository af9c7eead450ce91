# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""`gateway.systems.selection.scan.best`, compiled: the same blocks in the same order, row by row.

What is read by pointer is held as a buffer for as long as a call lasts, and its length is looked at
before: columns have `blocks` times BLOCK rows, tables as many entries as their dictionary has codes.
"""

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset

cdef enum:
    BLOCK = 128
    BUCKETS = 64
    SHAPES = 8
    SERIAL = 15
    SEGMENTS = 5
    ACCEPT = -1
    REJECT = -2
    WINDOW = 300000
    ONE = 1000000
    STEP = 100
    BUFFERS = 5  # of a leaf or a part, at most

# Kinds of leaves and parts, as scan.py writes them.
cdef enum:
    TABLE = 0
    WITHIN = 1
    SHAPED = 2
    LISTED = 3
    BY_TABLE = 0
    BY_TAKEN = 1
    BY_STABILITY = 2


cdef struct Column:
    const uint8_t *at
    int octets


cdef struct Leaf:
    int kind, live, turned, if_true, if_false
    Column column
    const uint8_t *allowed
    int64_t low, high
    uint64_t mask  # of a table: buckets with something that is allowed
    uint64_t not_sure  # buckets with something that is not
    const uint64_t *present
    const int64_t *largest


cdef struct Part:
    int kind
    int64_t weight
    Column column
    const int32_t *points
    const uint64_t *present
    int64_t best[BUCKETS]
    uint8_t order[BUCKETS]


cdef struct Rows:
    Py_ssize_t blocks
    const uint8_t *alive
    const int64_t *taken
    const int64_t *until
    const uint16_t *stability
    const uint8_t *shape_kind
    const uint16_t *shape_free
    const uint16_t *shape_count
    const int64_t *most_taken
    const int64_t *most_until
    const int64_t *most_stability
    Column segment[SEGMENTS]
    const uint32_t *rank[SEGMENTS]
    const uint8_t *serial
    const uint32_t *first_owner


cdef struct Kept:
    int64_t points
    Py_ssize_t slot
    uint32_t owner  # the place of its owner in their order; of a block, of its first


cdef class Held:
    """Buffers, given back at the end."""

    cdef Py_buffer *views
    cdef Py_ssize_t count, room

    def __cinit__(self, Py_ssize_t room):
        self.views = <Py_buffer *>calloc(room, sizeof(Py_buffer))
        if self.views == NULL:
            raise MemoryError
        self.room = room

    def __dealloc__(self):
        cdef Py_ssize_t at
        for at in range(self.count):
            PyBuffer_Release(&self.views[at])
        free(self.views)

    cdef Py_buffer *hold(self, object array, Py_ssize_t octets) except NULL:
        """The buffer of an array that has at least so many octets."""
        cdef Py_buffer *view
        if self.count >= self.room:
            raise ValueError("more buffers than were told")
        view = &self.views[self.count]
        PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS)
        self.count += 1
        if view.len < octets:
            raise ValueError(f"a buffer of {view.len} octets where {octets} are read")
        return view

    cdef Column column(self, object array, Py_ssize_t rows) except *:
        cdef Column found
        cdef Py_buffer *view = self.hold(array, 0)
        if view.itemsize not in (2, 4, 8) or view.len < rows * view.itemsize:
            raise ValueError("a column of another size")
        found.at = <const uint8_t *>view.buf
        found.octets = view.itemsize
        return found


cdef inline int64_t value_of(Column column, Py_ssize_t row) noexcept nogil:
    if column.octets == 2:
        return (<const uint16_t *>column.at)[row]
    if column.octets == 4:
        return (<const uint32_t *>column.at)[row]
    return (<const int64_t *>column.at)[row]


cdef inline int64_t freshness(int64_t taken, int64_t until, int64_t now) noexcept nogil:
    cdef int64_t left
    if until <= now:
        return 0
    left = WINDOW - (now - taken)
    if left < 0:
        left = 0
    elif left > WINDOW:
        left = WINDOW
    return left * ONE // WINDOW


cdef int64_t blocks_of(Rows *rows, Py_ssize_t row, int64_t size) noexcept nogil:
    cdef int64_t found = 0
    cdef int at
    cdef const uint16_t *units = rows.shape_free + row * SHAPES
    cdef const uint16_t *counts = rows.shape_count + row * SHAPES
    for at in range(SHAPES):
        if counts[at] == 0:
            break
        found += units[at] // size * counts[at]
    return found


cdef inline bint holds(Leaf *leaf, Rows *rows, Py_ssize_t row, int64_t now) noexcept nogil:
    cdef int64_t value
    cdef bint found
    if leaf.kind == TABLE:
        found = leaf.allowed[value_of(leaf.column, row)] != 0
        if leaf.live:
            found = found and rows.until[row] > now
        return found != leaf.turned
    if leaf.kind == LISTED:
        return leaf.allowed[row] != 0
    if rows.until[row] <= now:
        return leaf.turned
    if leaf.kind == WITHIN:
        value = value_of(leaf.column, row)
        return (leaf.low <= value and value <= leaf.high) != leaf.turned
    return rows.shape_kind[row] == leaf.high and blocks_of(rows, row, leaf.low) >= <int64_t>leaf.mask


cdef inline bint may_hold(Leaf *leaf, Rows *rows, Py_ssize_t block, int64_t now) noexcept nogil:
    if leaf.turned or leaf.kind == LISTED:
        return True
    if leaf.kind == TABLE:
        if leaf.present[block] & leaf.mask == 0:
            return False
        return not leaf.live or rows.most_until[block] > now
    if rows.most_until[block] <= now:
        return False
    return leaf.kind != WITHIN or leaf.largest == NULL or leaf.largest[block] >= leaf.low


cdef int64_t bound(Part *part, Rows *rows, Py_ssize_t block, int64_t now) noexcept nogil:
    """The most points that a part gives a row of a block, with its weight."""
    cdef int at
    cdef uint64_t present
    if part.kind == BY_TABLE:
        present = part.present[block]
        for at in range(BUCKETS):
            if present >> part.order[at] & 1:
                return part.weight * part.best[part.order[at]]
        return 0
    if part.kind == BY_STABILITY:
        return part.weight * rows.most_stability[block] * STEP
    return part.weight * freshness(rows.most_taken[block], rows.most_until[block], now)


cdef inline int64_t points_of(Part *part, Rows *rows, Py_ssize_t row, int64_t now) noexcept nogil:
    if part.kind == BY_TABLE:
        return part.weight * part.points[value_of(part.column, row)]
    if part.kind == BY_STABILITY:
        return part.weight * rows.stability[row] * STEP
    return part.weight * freshness(rows.taken[row], rows.until[row], now)


cdef bint worse(Rows *rows, Kept *one, Kept *other) noexcept nogil:
    """Whether one goes behind the other: fewer points, or as many and a later identifier."""
    cdef int at
    cdef uint32_t mine, its
    if one.points != other.points:
        return one.points < other.points
    if one.owner != other.owner:
        return one.owner > other.owner
    for at in range(1, SEGMENTS):
        mine = rows.rank[at][value_of(rows.segment[at], one.slot)]
        its = rows.rank[at][value_of(rows.segment[at], other.slot)]
        if mine != its:
            return mine > its
    return memcmp(rows.serial + one.slot * SERIAL, rows.serial + other.slot * SERIAL, SERIAL) > 0


cdef void sift(Rows *rows, Kept *heap, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """Let what has come to a place of the heap, whose worst is on top, sink to where it belongs."""
    cdef Py_ssize_t child
    cdef Kept moved
    while True:
        child = at * 2 + 1
        if child >= size:
            return
        if child + 1 < size and worse(rows, &heap[child + 1], &heap[child]):
            child += 1
        if not worse(rows, &heap[child], &heap[at]):
            return
        moved = heap[at]
        heap[at] = heap[child]
        heap[child] = moved
        at = child


cdef void rise(Rows *rows, Kept *heap, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t above
    cdef Kept moved
    while at > 0:
        above = (at - 1) // 2
        if not worse(rows, &heap[at], &heap[above]):
            return
        moved = heap[at]
        heap[at] = heap[above]
        heap[above] = moved
        at = above


cdef inline bint before(Kept *one, Kept *other) noexcept nogil:
    """Whether a block goes before another: it can give more, or as much and from an earlier owner."""
    if one.points != other.points:
        return one.points > other.points
    return one.owner < other.owner


cdef void sink_block(Kept *heap, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """The same for a heap of blocks, whose best bound is on top."""
    cdef Py_ssize_t child
    cdef Kept moved = heap[at]
    while True:
        child = at * 2 + 1
        if child >= size:
            break
        if child + 1 < size and before(&heap[child + 1], &heap[child]):
            child += 1
        if not before(&heap[child], &moved):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = moved


cdef inline bint passes(Leaf *leaves, Rows *rows, Py_ssize_t row, int64_t now) noexcept nogil:
    """Whether a condition of several leaves holds for a row."""
    cdef int step = 0
    while step >= 0:
        step = leaves[step].if_true if holds(&leaves[step], rows, row, now) else leaves[step].if_false
    return step == ACCEPT


cdef inline bint may_pass(Leaf *leaves, Rows *rows, Py_ssize_t block, int64_t now) noexcept nogil:
    cdef int step = 0
    while step >= 0:
        step = (
            leaves[step].if_true if may_hold(&leaves[step], rows, block, now)
            else leaves[step].if_false
        )
    return step == ACCEPT


cdef int allowed_of(Leaf *leaf, Py_ssize_t first, uint8_t *those, int count) noexcept nogil:
    """Keep those rows of a block whose code is allowed; how many are left."""
    cdef int at, left = 0
    cdef uint8_t row
    cdef const uint16_t *short = <const uint16_t *>leaf.column.at + first
    cdef const uint32_t *wide = <const uint32_t *>leaf.column.at + first
    if leaf.column.octets == 2:
        for at in range(count):
            row = those[at]
            those[left] = row
            left += leaf.allowed[short[row]]
    else:
        for at in range(count):
            row = those[at]
            those[left] = row
            left += leaf.allowed[wide[row]]
    return left


cdef int within_of(Leaf *leaf, Py_ssize_t first, uint8_t *those, int count) noexcept nogil:
    """Keep those rows of a block whose figure lies between the ends; how many are left."""
    cdef int at, left = 0
    cdef uint8_t row
    cdef int64_t value
    for at in range(count):
        row = those[at]
        value = value_of(leaf.column, first + row)
        those[left] = row
        left += (value >= leaf.low) & (value <= leaf.high)
    return left


cdef int holding(Rows *rows, Py_ssize_t first, int64_t now, uint8_t *those, int count) noexcept nogil:
    """Keep those rows of a block whose status holds; how many are left."""
    cdef int at, left = 0
    cdef uint8_t row
    for at in range(count):
        row = those[at]
        those[left] = row
        left += rows.until[first + row] > now
    return left


cdef int fitting(
    Leaf *leaves, Py_ssize_t leaf_count, const int32_t *sizes, Rows *rows, Py_ssize_t block,
    int64_t now, uint8_t *those, int count, bint quick,
) noexcept nogil:
    """Keep those rows of a block for which the quick (or the other) conditions hold."""
    cdef Py_ssize_t at = 0, first = block * BLOCK
    cdef int n, left
    cdef bint held = False
    cdef Leaf *leaf
    while at < leaf_count and count:
        leaf = &leaves[at]
        if (sizes[at] == 1 and leaf.kind <= WITHIN and not leaf.turned) == quick:
            if not quick:
                left = 0
                for n in range(count):
                    those[left] = those[n]
                    left += passes(leaf, rows, first + those[n], now)
                count = left
            else:
                if leaf.live and not held:
                    count = holding(rows, first, now, those, count)
                    held = True
                if leaf.kind == WITHIN:
                    count = within_of(leaf, first, those, count)
                elif leaf.present[block] & leaf.not_sure:
                    count = allowed_of(leaf, first, those, count)
        at += sizes[at]
    return count


cdef int scored(
    Part *parts, Py_ssize_t part_count, Rows *rows, Py_ssize_t block, int64_t now, uint8_t *those,
    int count, int64_t *totals, int64_t *rest, int64_t least,
) noexcept nogil:
    """The points of those rows of a block that can have `least`; how many they are."""
    cdef Py_ssize_t at, first = block * BLOCK
    cdef int n, left
    cdef int64_t total, enough
    cdef Part *part
    cdef const uint16_t *short
    for n in range(count):
        totals[n] = 0
    for at in range(part_count):
        part = &parts[at]
        enough = least - rest[at + 1]
        left = 0
        if part.kind == BY_TABLE and part.column.octets == 2:
            short = <const uint16_t *>part.column.at + first
            for n in range(count):
                total = totals[n] + part.weight * part.points[short[those[n]]]
                those[left] = those[n]
                totals[left] = total
                left += total >= enough
        else:
            for n in range(count):
                total = totals[n] + points_of(part, rows, first + those[n], now)
                those[left] = those[n]
                totals[left] = total
                left += total >= enough
        count = left
    return count


cdef Py_ssize_t scan(
    Rows *rows, Leaf *leaves, Py_ssize_t leaf_count, const int32_t *sizes, Part *parts,
    Py_ssize_t part_count, int64_t now, Kept *blocks, Kept *heap, Py_ssize_t top, int64_t *rest,
) noexcept nogil:
    """Fill the heap with the best rows; how many there are."""
    cdef Py_ssize_t block, at, left = 0, kept = 0
    cdef int n, count
    cdef int64_t total
    cdef uint8_t those[BLOCK]
    cdef int64_t totals[BLOCK]
    cdef Kept one
    for block in range(rows.blocks):
        at = 0
        while at < leaf_count and may_pass(&leaves[at], rows, block, now):
            at += sizes[at]
        if at < leaf_count:
            continue
        total = 0
        for at in range(part_count):
            total += bound(&parts[at], rows, block, now)
        blocks[left].points = total
        blocks[left].slot = block
        blocks[left].owner = rows.rank[0][rows.first_owner[block]]
        left += 1
    for at in range(left // 2 - 1, -1, -1):
        sink_block(blocks, left, at)
    while left:
        block = blocks[0].slot
        if kept == top and before(&heap[0], &blocks[0]):
            break  # nor can any other block give something that goes before the last
        left -= 1
        blocks[0] = blocks[left]
        sink_block(blocks, left, 0)
        rest[part_count] = 0
        for at in range(part_count - 1, -1, -1):
            rest[at] = rest[at + 1] + bound(&parts[at], rows, block, now)
        count = 0
        for n in range(BLOCK):
            those[count] = <uint8_t>n
            count += rows.alive[block * BLOCK + n]
        count = fitting(leaves, leaf_count, sizes, rows, block, now, those, count, True)
        if kept < top:  # what takes longer goes behind the points as soon as these keep rows away
            count = fitting(leaves, leaf_count, sizes, rows, block, now, those, count, False)
            count = scored(parts, part_count, rows, block, now, those, count, totals, rest, 0)
        else:
            count = scored(
                parts, part_count, rows, block, now, those, count, totals, rest, heap[0].points
            )
        for n in range(count):
            one.points = totals[n]
            one.slot = block * BLOCK + those[n]
            one.owner = rows.rank[0][value_of(rows.segment[0], one.slot)]
            if kept < top:
                heap[kept] = one
                kept += 1
                rise(rows, heap, kept - 1)
            elif worse(rows, &heap[0], &one) and fitting(
                leaves, leaf_count, sizes, rows, block, now, &those[n], 1, False
            ):
                heap[0] = one
                sift(rows, heap, top, 0)
    return kept


cdef int read_table(Held held, Leaf *leaf, object allowed, object buckets) except -1:
    """What is allowed, and the buckets of it and of the rest."""
    cdef Py_buffer *view = held.hold(allowed, 0)
    cdef const uint8_t *fits = <const uint8_t *>view.buf
    cdef const uint8_t *bucket = <const uint8_t *>held.hold(buckets, view.len).buf
    cdef Py_ssize_t at
    cdef uint8_t seen[2 * BUCKETS]
    leaf.allowed = fits
    memset(seen, 0, 2 * BUCKETS)
    for at in range(view.len):
        seen[(fits[at] & 1) * BUCKETS + (bucket[at] & 63)] = 1
    for at in range(BUCKETS):
        leaf.not_sure |= <uint64_t>seen[at] << at
        leaf.mask |= <uint64_t>seen[BUCKETS + at] << at
    return 0


cdef int best_of(Held held, Part *part, object points, object buckets) except -1:
    """The most points in each bucket, and the buckets by them."""
    cdef Py_buffer *view = held.hold(points, 0)
    cdef const uint8_t *bucket = <const uint8_t *>held.hold(buckets, view.len // 4).buf
    cdef Py_ssize_t at, other
    cdef uint8_t moved
    part.points = <const int32_t *>view.buf
    for at in range(view.len // 4):
        if part.points[at] > part.best[bucket[at] & 63]:
            part.best[bucket[at] & 63] = part.points[at]
    for at in range(BUCKETS):
        part.order[at] = <uint8_t>at
        other = at
        while other and part.best[part.order[other]] > part.best[part.order[other - 1]]:
            moved = part.order[other]
            part.order[other] = part.order[other - 1]
            part.order[other - 1] = moved
            other -= 1
    return 0


cdef int read_rows(Held held, Rows *rows, object table, Py_ssize_t blocks) except -1:
    cdef Py_ssize_t count = blocks * BLOCK
    cdef int at
    rows.blocks = blocks
    rows.alive = <const uint8_t *>held.hold(table[0], count).buf
    rows.taken = <const int64_t *>held.hold(table[1], count * 8).buf
    rows.until = <const int64_t *>held.hold(table[2], count * 8).buf
    rows.stability = <const uint16_t *>held.hold(table[3], count * 2).buf
    rows.shape_kind = <const uint8_t *>held.hold(table[4], count).buf
    rows.shape_free = <const uint16_t *>held.hold(table[5], count * 2 * SHAPES).buf
    rows.shape_count = <const uint16_t *>held.hold(table[6], count * 2 * SHAPES).buf
    rows.most_taken = <const int64_t *>held.hold(table[7], blocks * 8).buf
    rows.most_until = <const int64_t *>held.hold(table[8], blocks * 8).buf
    rows.most_stability = <const int64_t *>held.hold(table[9], blocks * 8).buf
    rows.serial = <const uint8_t *>held.hold(table[10], count * SERIAL).buf
    rows.first_owner = <const uint32_t *>held.hold(table[13], blocks * 4).buf
    for at in range(SEGMENTS):
        rows.segment[at] = held.column(table[11][at], count)
        rows.rank[at] = <const uint32_t *>held.hold(table[12][at], 0).buf
    return 0


cdef int read_leaf(Held held, Leaf *leaf, tuple told, Py_ssize_t blocks) except -1:
    """(kind, live, turned, if_true, if_false, column, zone, allowed or None, buckets, low, high,
    number)
    """
    leaf.kind, leaf.live, leaf.turned, leaf.if_true, leaf.if_false = told[:5]
    leaf.low, leaf.high = told[9], told[10]
    if leaf.kind == SHAPED:
        leaf.mask = told[11]
        return 0
    if leaf.kind == LISTED:
        leaf.allowed = <const uint8_t *>held.hold(told[7], blocks * BLOCK).buf
        return 0
    leaf.column = held.column(told[5], blocks * BLOCK)
    if leaf.kind == TABLE:
        leaf.present = <const uint64_t *>held.hold(told[6], blocks * 8).buf
        read_table(held, leaf, told[7], told[8])
    elif told[6] is not None:
        leaf.largest = <const int64_t *>held.hold(told[6], blocks * 8).buf
    return 0


cdef int read_part(Held held, Part *part, tuple told, Py_ssize_t blocks) except -1:
    """(kind, weight, column, present, points, buckets)"""
    part.kind, part.weight = told[:2]
    if part.kind == BY_TABLE:
        part.column = held.column(told[2], blocks * BLOCK)
        part.present = <const uint64_t *>held.hold(told[3], blocks * 8).buf
        best_of(held, part, told[4], told[5])
    return 0


def best(
    tuple table, list leaves, list sizes, list parts, Py_ssize_t blocks, int64_t now, Py_ssize_t top
):
    """(points, slot) of the best rows, the best first. What each argument holds, compiled.py says."""
    cdef Py_ssize_t leaf_count = len(leaves), part_count = len(parts), at, count
    cdef Held held = Held((leaf_count + part_count) * BUFFERS + 12 + 2 * SEGMENTS)
    cdef Rows rows
    cdef Leaf *leaf = <Leaf *>calloc(leaf_count + 1, sizeof(Leaf))
    cdef Part *part = <Part *>calloc(part_count + 1, sizeof(Part))
    cdef Kept *order = <Kept *>calloc(blocks + 1, sizeof(Kept))
    cdef Kept *heap = <Kept *>calloc(top + 1, sizeof(Kept))
    cdef int64_t *rest = <int64_t *>calloc(part_count + 1, sizeof(int64_t))
    cdef int32_t *size = <int32_t *>calloc(leaf_count + 1, sizeof(int32_t))
    cdef Kept worst
    found = []
    try:
        if not (leaf and part and order and heap and rest and size):
            raise MemoryError
        read_rows(held, &rows, table, blocks)
        for at in range(leaf_count):
            read_leaf(held, &leaf[at], leaves[at], blocks)
            size[at] = sizes[at]
        for at in range(part_count):
            read_part(held, &part[at], parts[at], blocks)
        with nogil:
            count = scan(
                &rows, leaf, leaf_count, size, part, part_count, now, order, heap, top, rest
            )
        while count:
            worst = heap[0]
            found.append((worst.points, worst.slot))
            count -= 1
            heap[0] = heap[count]
            sift(&rows, heap, count, 0)
        found.reverse()
        return found
    finally:
        free(leaf)
        free(part)
        free(order)
        free(heap)
        free(rest)
        free(size)
