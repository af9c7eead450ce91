cimport cython

from csid.octets cimport csid_cut_is_in_use

cdef class Below:
    cdef object _txn
    cdef object _set_range
    cdef object _prev
    cdef object _last
    cdef object _item

cdef class Floor:
    cdef object _txn
    cdef object _apexes
    cdef object _cursor
