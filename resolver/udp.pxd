cimport cython

from resolver.answer cimport Answerer
from resolver.cmmsg cimport Datagrams
from resolver.lookup cimport Snapshot

@cython.locals(first=int, slot=int, reply=bytes)
cpdef object answer_batch(Answerer answerer, Datagrams datagrams, int count, Snapshot snapshot, long long now)
