# C types for search.py, where it is compiled.
cimport cython

@cython.locals(at=cython.int, above=cython.int)
cdef int push(double[::1] keys, int[::1] items, int size, double key, int item)

@cython.locals(first=cython.int, item=cython.int, at=cython.int, below=cython.int, key=cython.double)
cdef int pop(double[::1] keys, int[::1] items, int size)

@cython.locals(size=cython.int, node=cython.int, arc=cython.int, along=cython.int, other=cython.int,
               key=cython.double, value=cython.double, unusable=cython.double)
cpdef reach(int[::1] first, int[::1] head, int[::1] line, double[::1] weight, int offset, int lines,
            int source, double[::1] sums, int sums_at, double[::1] keys, int[::1] items)

@cython.locals(arc=cython.int, along=cython.int, other=cython.int, least=cython.double,
               value=cython.double)
cpdef double bound(int[::1] first, int[::1] head, int[::1] line, double[::1] weight,
                   double[::1] sums, unsigned char[::1] blocked, unsigned char[::1] banned,
                   int start, double base)

@cython.locals(count=cython.int, found=cython.int, size=cython.int, one=cython.int, node=cython.int,
               other_label=cython.int, value=cython.int, arc=cython.int, along=cython.int,
               other=cython.int, cost=cython.double, amount=cython.double, key=cython.double,
               unusable=cython.double, none=cython.int, slack=cython.double)
cpdef int spur(int[::1] first, int[::1] head, int[::1] line, double[::1] weight, int lines,
               double[::1] sums, int nodes, double[::1] limits, int values,
               unsigned char[::1] blocked, unsigned char[::1] banned, int start, int target,
               int[::1] closed, double[::1] best, double[::1] label, int[::1] at, int[::1] parent,
               int[::1] via, int[::1] chain, int room, double[::1] keys, int[::1] items,
               int[::1] used)
