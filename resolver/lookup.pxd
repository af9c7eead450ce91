cimport cython

from csid.octets cimport csid_cut_is_in_use

cdef class Zone:
    cdef public bytes apex
    cdef public Py_ssize_t skip
    cdef public Py_ssize_t depth
    cdef public bytes wire
    cdef public Py_ssize_t wire_octets
    cdef public bytes generation
    cdef public bint has_wildcards
    cdef public bytes soa
    cdef public bytes ns
    cdef public int ns_number
    cdef public bytes ns_extra
    cdef public int ns_extra_number
    cdef public frozenset ns_hosts
    cdef public dict negative
    cdef public dict authority

    cpdef bytes negative_at(self, int offset)
    cpdef bytes authority_at(self, int offset)

cdef class Snapshot:
    cdef public object get
    cdef public object below
    cdef public object floor
    cdef public dict zones
    cdef public Zone zone
    cdef public bytes low
    cdef public bytes high

    cpdef Zone zone_of(self, bytes key)

@cython.locals(stored=bytes, blob=bytes, cover=int, depth=Py_ssize_t)
cpdef tuple find(Snapshot snapshot, Zone zone, bytes key)

@cython.locals(before=bytes, neighbour=bytes, encloser=bytes, blob=bytes, cover=int, depth=Py_ssize_t)
cpdef tuple _find_absent(Snapshot snapshot, Zone zone, bytes stored)

@cython.locals(end=Py_ssize_t, blob=bytes)
cpdef tuple _covering(Snapshot snapshot, bytes stored, Py_ssize_t depth)

@cython.locals(end=Py_ssize_t)
cpdef bytes parent_key(bytes stored)
