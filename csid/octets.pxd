# How compiled modules cut `bytes`. Cython turns `data[a:b]` into PySequence_GetSlice, which builds a
# slice object and two integers for each cut; for bytes, and with the clipping that Python's own
# slices do, a copy is all that is needed. Bounds stay checked, for every caller.
cdef extern from *:
    """
    static inline PyObject *csid_cut(PyObject *data, Py_ssize_t start, Py_ssize_t end) {
        Py_ssize_t size;
        if (!PyBytes_CheckExact(data)) return (PySequence_GetSlice)(data, start, end);
        size = PyBytes_GET_SIZE(data);
        if (start < 0) { start += size; if (start < 0) start = 0; }
        if (end < 0) end += size;
        if (end > size) end = size;
        if (start >= end) return PyBytes_FromStringAndSize(NULL, 0);
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + start, end - start);
    }
    #define PySequence_GetSlice(data, start, end) csid_cut(data, start, end)
    """
    int csid_cut_is_in_use "1"
