cimport cython

from csid.octets cimport csid_cut_is_in_use

cpdef int number_at(bytes blob, Py_ssize_t at)

cpdef bytes records_at(bytes blob, Py_ssize_t at)

cpdef int extra_number_at(bytes blob, Py_ssize_t at)

@cython.locals(start=Py_ssize_t)
cpdef bytes extra_at(bytes blob, Py_ssize_t at)

cpdef Py_ssize_t next_entry(bytes blob, Py_ssize_t at)

@cython.locals(at=Py_ssize_t, end=Py_ssize_t)
cpdef Py_ssize_t find_entry(bytes blob, int rrtype)

@cython.locals(parts=list, at=Py_ssize_t, end=Py_ssize_t, after=Py_ssize_t)
cpdef bytes with_owner(bytes records, bytes owner)

cpdef bytes first_rdata(bytes records)
