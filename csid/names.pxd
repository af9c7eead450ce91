cimport cython

from csid.octets cimport csid_cut_is_in_use

@cython.locals(size=Py_ssize_t, start=Py_ssize_t, length=Py_ssize_t, labels=list, key=bytes)
cpdef tuple read_key(bytes packet, Py_ssize_t at)

@cython.locals(end=Py_ssize_t)
cpdef bytes key_of(bytes wire)
