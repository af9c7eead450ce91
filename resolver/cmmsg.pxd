cdef class Datagrams:
    cdef void *_buffers
    cdef int _fd
    cdef int _received
    cdef bint _ipv6
    cdef bint _with_control

    cpdef int receive(self) except -1
    cdef int _check(self, int slot) except -1
    cpdef bytes packet(self, int slot)
    cpdef bytes address(self, int slot)
    cpdef object put(self, int slot, bytes reply)
    cpdef object send(self, int first, int last)
