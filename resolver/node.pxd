cimport cython

from csid.octets cimport csid_cut_is_in_use

cdef class Entry:
    cdef public int number
    cdef public bytes records
    cdef public int extra_number
    cdef public bytes extra

@cython.locals(at=Py_ssize_t, end=Py_ssize_t)
cpdef Py_ssize_t find_entry(bytes blob, int rrtype)

@cython.locals(parts=list, at=Py_ssize_t, end=Py_ssize_t, after=Py_ssize_t)
cpdef bytes with_owner(bytes records, bytes owner)

cpdef bytes first_rdata(bytes records)
