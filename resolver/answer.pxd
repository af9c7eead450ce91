cimport cython

from csid.octets cimport csid_cut_is_in_use

from csid.names cimport key_of, read_key
from resolver.edns cimport Additional, Edns, OptWriter, read_additional
from resolver.lookup cimport Snapshot, Zone, find
from resolver.node cimport (
    extra_at, extra_number_at, find_entry, first_rdata, next_entry, number_at, records_at, with_owner
)

cdef class Reply:
    cdef public bytes name
    cdef public bytes owner
    cdef public int rcode
    cdef public bint aa
    cdef public bint truncated
    cdef public int ede
    cdef public bytes answer
    cdef public int answer_number
    cdef public bytes authority
    cdef public int authority_number
    cdef public bytes additional
    cdef public int additional_number

cdef class Answerer:
    cdef OptWriter _opt
    cdef dict _heads

    @cython.locals(size=Py_ssize_t, plain=bint, key=bytes, end=Py_ssize_t, qtype=int, edns=Edns, extra=Additional, reply=Reply)
    cpdef bytes answer(self, bytes packet, Snapshot snapshot, long long now, bytes address, bint stream)

    @cython.locals(opt=bytes, head=bytes, limit=Py_ssize_t, room=Py_ssize_t, flags=int)
    cdef bytes _encode(self, Reply reply, bytes packet, Py_ssize_t end, Edns edns, long long now, bytes address, bint stream)

    @cython.locals(known=long, head=bytes)
    cdef bytes _head(self, int flags, int questions, int answers, int authorities, int additionals)

@cython.locals(zone=Zone, outcome=int, depth=Py_ssize_t, blob=bytes, at=Py_ssize_t)
cdef object _resolve(Reply reply, Snapshot snapshot, bytes key, int qtype, bint stream)

@cython.locals(offset=Py_ssize_t)
cdef object _give(Reply reply, Zone zone, bytes key, int qtype, bytes blob, Py_ssize_t at)

@cython.locals(offset=Py_ssize_t)
cdef object _deny(Reply reply, Zone zone)

@cython.locals(at=Py_ssize_t)
cdef object _refer(Reply reply, Zone zone, bytes blob, Py_ssize_t depth)

@cython.locals(records=bytes)
cdef object _add_answer(Reply reply, bytes blob, Py_ssize_t at)

cdef Py_ssize_t _apex_offset(Reply reply, Zone zone)

@cython.locals(start=Py_ssize_t)
cdef bytes _ancestor(Reply reply, Zone zone, Py_ssize_t depth)

@cython.locals(at=Py_ssize_t, count=Py_ssize_t)
cdef Py_ssize_t _labels(bytes name)

@cython.locals(at=Py_ssize_t)
cdef Py_ssize_t _label_start(bytes name, Py_ssize_t skipped)
