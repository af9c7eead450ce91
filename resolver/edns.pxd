cimport cython

from csid.octets cimport csid_cut_is_in_use

cdef class Edns:
    cdef public int udp_octets
    cdef public int version
    cdef public int flags
    cdef public bytes cookie
    cdef public bint nsid
    cdef public bint keepalive

cdef class Additional:
    cdef public bint valid
    cdef public Edns edns
    cdef public bint signed

@cython.locals(found=Additional, edns=Edns, size=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, rrtype=int)
cpdef Additional read_additional(bytes packet, Py_ssize_t at, int count)

@cython.locals(size=Py_ssize_t, length=int)
cdef Py_ssize_t _skip_name(bytes packet, Py_ssize_t at)

@cython.locals(code=int, length=int)
cdef bint _read_options(Edns edns, bytes packet, Py_ssize_t at, Py_ssize_t end)

cdef class OptWriter:
    cdef bytes _secret
    cdef bytes _nsid
    cdef dict _heads
    cdef dict _cookies
    cdef long long _cookies_since

    @cython.locals(options=bytes, head=bytes, known=long)
    cpdef bytes write(self, Edns edns, int rcode, int ede, long long now, bytes address, bint stream)

    @cython.locals(known=bytes, asker=bytes)
    cdef bytes _cookie(self, bytes client, long long now, bytes address)
