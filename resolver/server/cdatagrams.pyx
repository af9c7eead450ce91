# cython: language_level=3, boundscheck=True, wraparound=False
"""`resolver.server.datagrams.Datagrams`, compiled: the same methods, with the system calls made directly.

Buffers belong to this object and slots are checked, so no call can reach outside them.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport errno, EAGAIN, ECONNREFUSED, EINTR
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

import os
import socket

from csid.limits import BATCH_PACKETS
from resolver.server import counters as places
from resolver.server.datagrams import ask_for_destination, origin_of

cdef extern from "<sys/socket.h>" nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <netinet/in.h>
    #include <string.h>
    #include <sys/socket.h>
    #ifndef UDP_SEGMENT
    #define UDP_SEGMENT 103
    #endif
    #define GROUP_OCTETS 60000
    #define SLOTS 64
    #define IN_OCTETS 4096
    #define OUT_OCTETS 2048
    #define CONTROL_OCTETS 64
    typedef struct {
        struct mmsghdr in[SLOTS], out[SLOTS];
        struct iovec in_vector[SLOTS], out_vector[SLOTS];
        struct sockaddr_in6 peer[SLOTS];
        struct mmsghdr group[SLOTS];
        struct iovec group_vector[SLOTS];
        size_t group_size[SLOTS];
        int grouping;
        unsigned long taken, refused;  /* calls, and groups among them that had to be sent apart */
        socklen_t peer_octets;
        unsigned char control[SLOTS][CONTROL_OCTETS];
        unsigned char inbox[SLOTS][IN_OCTETS];
        unsigned char outbox[SLOTS][OUT_OCTETS];
    } datagrams;

    static void lay_out(int fd, void *p, socklen_t peer_octets, int with_control) {
        datagrams *d = p;
        int segment;
        socklen_t octets = sizeof(segment);
        /* A kernel that does not know UDP_SEGMENT would send a group as one datagram. */
        d->grouping = !with_control && !getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, &octets);
        d->peer_octets = peer_octets;
        for (int i = 0; i < SLOTS; i++) {
            struct mmsghdr *headers[2] = {&d->in[i], &d->out[i]};
            struct iovec *vectors[2] = {&d->in_vector[i], &d->out_vector[i]};
            vectors[0]->iov_base = d->inbox[i];
            vectors[0]->iov_len = IN_OCTETS;
            vectors[1]->iov_base = d->outbox[i];
            for (int j = 0; j < 2; j++) {
                struct msghdr *header = &headers[j]->msg_hdr;
                header->msg_name = &d->peer[i];
                header->msg_namelen = peer_octets;
                header->msg_iov = vectors[j];
                header->msg_iovlen = 1;
                header->msg_control = with_control ? d->control[i] : 0;
                header->msg_controllen = with_control ? CONTROL_OCTETS : 0;
            }
        }
    }

    static int receive_all(int fd, void *p, int with_control) {
        datagrams *d = p;
        int count;
        if (with_control)
            for (int i = 0; i < SLOTS; i++) d->in[i].msg_hdr.msg_controllen = CONTROL_OCTETS;
        count = recvmmsg(fd, d->in, SLOTS, MSG_WAITFORONE, 0);
        if (with_control)  /* the answer leaves from the address the question came to */
            for (int i = 0; i < count; i++)
                d->out[i].msg_hdr.msg_controllen = d->in[i].msg_hdr.msg_controllen;
        return count;
    }
    """
    const int BUFFERS_OCTETS "(int)sizeof(datagrams)"
    const int SLOTS
    const int OUT_OCTETS
    void lay_out(int, void *, unsigned int, int)
    int receive_all(int, void *, int)


cdef extern from * nogil:
    """
    static inline Py_ssize_t in_length(void *p, int i) { return ((datagrams *)p)->in[i].msg_len; }
    static inline char *in_data(void *p, int i) { return (char *)((datagrams *)p)->inbox[i]; }
    static inline char *out_data(void *p, int i) { return (char *)((datagrams *)p)->outbox[i]; }
    static inline void set_length(void *p, int i, size_t n) { ((datagrams *)p)->out_vector[i].iov_len = n; }
    static inline char *peer_name(void *p, int i) { return (char *)&((datagrams *)p)->peer[i]; }
    static inline char *control_data(void *p, int i) { return (char *)((datagrams *)p)->control[i]; }
    static inline Py_ssize_t control_length(void *p, int i) {
        return ((datagrams *)p)->in[i].msg_hdr.msg_controllen;
    }
    static inline char *peer_address(void *p, int i, int ipv6) {
        return ipv6 ? (char *)&((datagrams *)p)->peer[i].sin6_addr
                    : (char *)&((struct sockaddr_in *)&((datagrams *)p)->peer[i])->sin_addr;
    }
    /* Answers of one size to one asker become one message, which the kernel cuts up again at the
       very end (UDP_SEGMENT, udp(7)): one way through the IP stack for all of them. */
    static int group_answers(datagrams *d, int first, int last) {
        int groups = 0, group_of[SLOTS], room = 0;
        unsigned char latest[2 * SLOTS];  /* 1 + the latest group of a size and asker, by hash */
        memset(latest, 0, sizeof(latest));
        for (int slot = first; slot < last; slot++) {
            size_t size = d->out_vector[slot].iov_len;
            unsigned int place = size * 7 + ntohs(d->peer[slot].sin6_port);
            int g;
            while ((g = (int)latest[place %= 2 * SLOTS] - 1) >= 0
                   && (d->group_size[g] != size
                       || memcmp(d->group[g].msg_hdr.msg_name, &d->peer[slot], d->peer_octets)))
                place++;
            if (g < 0 || (d->group[g].msg_hdr.msg_iovlen + 1) * size > GROUP_OCTETS) {
                g = groups++;
                latest[place] = groups;
                d->group_size[g] = size;
                d->group[g] = d->out[slot];
                d->group[g].msg_hdr.msg_iovlen = 0;
            }
            d->group[g].msg_hdr.msg_iovlen++;
            group_of[slot] = g;
        }
        for (int g = 0; g < groups; g++) {
            struct msghdr *message = &d->group[g].msg_hdr;
            message->msg_iov = &d->group_vector[room];
            room += message->msg_iovlen;
            if (message->msg_iovlen > 1) {
                struct cmsghdr *control = (struct cmsghdr *)d->control[g];
                message->msg_control = control;
                message->msg_controllen = CMSG_SPACE(sizeof(uint16_t));
                control->cmsg_level = IPPROTO_UDP;
                control->cmsg_type = UDP_SEGMENT;
                control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
                *(uint16_t *)CMSG_DATA(control) = (uint16_t)d->group_size[g];
            }
            message->msg_iovlen = 0;
        }
        for (int slot = first; slot < last; slot++) {
            struct msghdr *message = &d->group[group_of[slot]].msg_hdr;
            message->msg_iov[message->msg_iovlen++] = d->out_vector[slot];
        }
        return groups;
    }

    /* A group that the kernel will not cut up (a path narrower than one answer, a device or kernel
       that cannot): its answers one by one. */
    static void send_apart(int fd, const struct msghdr *group) {
        struct msghdr one = *group;
        one.msg_iovlen = 1;
        one.msg_control = 0;
        one.msg_controllen = 0;
        for (size_t i = 0; i < group->msg_iovlen; i++) {
            one.msg_iov = &group->msg_iov[i];
            sendmsg(fd, &one, 0);
        }
    }

    /* What the kernel does not take (no route, no buffer) is left out, as datagrams may be. */
    static void send_slots(int fd, void *p, int first, int last) {
        datagrams *d = p;
        struct mmsghdr *next = d->grouping ? d->group : d->out + first;
        int count = d->grouping ? group_answers(d, first, last) : last - first;
        while (count > 0) {
            int sent = sendmmsg(fd, next, count, 0);
            if (sent < 0) {
                if (errno == EINTR) continue;
                if (next->msg_hdr.msg_iovlen > 1) {
                    send_apart(fd, &next->msg_hdr);
                    if (++d->refused > d->taken) d->grouping = 0;
                }
                sent = 1;
            } else {
                d->taken++;
            }
            next += sent;
            count -= sent;
        }
    }
    """
    Py_ssize_t in_length(void *, int)
    char *in_data(void *, int)
    char *out_data(void *, int)
    void set_length(void *, int, size_t)
    char *peer_address(void *, int, int)
    char *peer_name(void *, int)
    char *control_data(void *, int)
    Py_ssize_t control_length(void *, int)
    void send_slots(int, void *, int, int)


cdef extern from * nogil:
    """
    #include <stdint.h>
    enum { TRUNCATED, OCTETS_SENT, RCODE = 8, MOST_RCODES = 24, BADVERS = 16 };

    /* As rcode_of in counters.py. */
    static inline int rcode_of(const unsigned char *m, Py_ssize_t size) {
        int rcode = m[3] & 15;
        if (rcode || m[6] | m[7] | m[8] | m[9] || !m[11]) return rcode;
        Py_ssize_t at = 12;
        if (m[5]) {
            while (at < size && m[at] > 0 && m[at] < 64) at += 1 + m[at];
            at += 5;
        }
        return at + 6 <= size && m[at + 5] == BADVERS >> 4 ? BADVERS : rcode;
    }

    static inline void tally(unsigned long long *cells, const char *message, Py_ssize_t size) {
        const unsigned char *m = (const unsigned char *)message;
        if (size < 12) return;
        cells[OCTETS_SENT] += size;
        cells[TRUNCATED] += m[2] >> 1 & 1;
        cells[RCODE + rcode_of(m, size)]++;
    }
    """
    const int TRUNCATED
    const int OCTETS_SENT
    const int RCODE
    const int MOST_RCODES
    void tally(unsigned long long *, const char *, Py_ssize_t)


cdef extern from * nogil:
    """
    /* Of an origin: whether by IPv6, a struct sockaddr_in or sockaddr_in6, a control message. */
    static inline long send_to_origin(int fd, const char *origin, size_t origin_size,
                                      const char *message, size_t size) {
        struct iovec vector = {(void *)message, size};
        struct msghdr header = {
            .msg_name = (void *)(origin + 1),
            .msg_namelen = origin[0] ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in),
            .msg_iov = &vector,
            .msg_iovlen = 1,
        };
        if (origin_size > 1 + sizeof(struct sockaddr_in6)) {
            header.msg_control = (void *)(origin + 1 + sizeof(struct sockaddr_in6));
            header.msg_controllen = origin_size - 1 - sizeof(struct sockaddr_in6);
        }
        return sendmsg(fd, &header, MSG_DONTWAIT);
    }
    """
    long send_to_origin(int, const char *, size_t, const char *, size_t)
    const int ORIGIN_OCTETS "(int)(1 + sizeof(struct sockaddr_in6))"


def send_later(sock, bytes origin not None, bytes message not None):
    """See `resolver.server.datagrams.send_later`."""
    cdef long sent
    if PyBytes_GET_SIZE(origin) < ORIGIN_OCTETS:
        raise ValueError("no origin of a datagram")
    sent = send_to_origin(
        sock.fileno(),
        PyBytes_AS_STRING(origin),
        PyBytes_GET_SIZE(origin),
        PyBytes_AS_STRING(message),
        PyBytes_GET_SIZE(message),
    )
    if sent < 0:
        raise OSError(errno, os.strerror(errno))


cdef class Tally:
    """See `resolver.server.counters.Tally`."""

    cdef unsigned long long[::1] _counters  # so that they stay
    cdef unsigned long long *_cells

    def __init__(self, counters, int start):
        assert (TRUNCATED, OCTETS_SENT) == (places.TRUNCATED, places.OCTETS_SENT)
        assert (RCODE, MOST_RCODES) == (places.RCODE, places.MOST_RCODES)
        self._counters = counters[start : start + RCODE + MOST_RCODES]
        if self._counters.shape[0] < RCODE + MOST_RCODES:
            raise IndexError(f"no tally at {start}")
        self._cells = &self._counters[0]

    def count(self, bytes message not None):
        tally(self._cells, PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message))


cdef class Datagrams:
    """See `resolver.server.datagrams.Datagrams`."""

    cdef void *_buffers
    cdef int _fd
    cdef int _received
    cdef bint _ipv6
    cdef bint _with_control
    cdef bint _stopped
    cdef Tally _tally

    def __cinit__(self, sock, Tally tally=None):
        self._tally = tally
        assert SLOTS == BATCH_PACKETS
        self._buffers = calloc(1, BUFFERS_OCTETS)
        if not self._buffers:
            raise MemoryError
        self._fd = sock.fileno()
        self._ipv6 = sock.family == socket.AF_INET6
        self._with_control = ask_for_destination(sock)
        lay_out(self._fd, self._buffers, 28 if self._ipv6 else 16, self._with_control)

    def __dealloc__(self):
        free(self._buffers)

    def receive(self):
        cdef int count
        PyErr_CheckSignals()  # compiled callers do not run the handlers
        if self._stopped:
            return -1
        with nogil:
            count = receive_all(self._fd, self._buffers, self._with_control)
        if count >= 0:
            self._received = count
            return count
        self._received = 0
        if errno in (EINTR, EAGAIN, ECONNREFUSED):
            return 0
        raise OSError(errno, os.strerror(errno))

    def stop(self):
        self._stopped = True

    def packets(self):
        cdef int slot
        cdef list packets = []
        for slot in range(self._received):
            packets.append(
                PyBytes_FromStringAndSize(
                    in_data(self._buffers, slot), in_length(self._buffers, slot)
                )
            )
        return packets

    def addresses(self):
        cdef int slot
        cdef Py_ssize_t size = 16 if self._ipv6 else 4
        cdef const char *octets
        cdef bytes address = bytes(16)
        cdef list addresses = []
        for slot in range(self._received):
            octets = peer_address(self._buffers, slot, self._ipv6)
            # Datagrams of one asker often come together.
            if not slot or memcmp(PyBytes_AS_STRING(address), octets, size):
                address = PyBytes_FromStringAndSize(octets, size)
            addresses.append(address)
        return addresses

    def ports(self):
        cdef int slot
        cdef const unsigned char *name
        cdef list ports = []
        for slot in range(self._received):
            name = <const unsigned char *>peer_name(self._buffers, slot)
            ports.append((name[2] << 8) + name[3])
        return ports

    def origin(self, int slot):
        if not 0 <= slot < self._received:
            raise IndexError(f"no datagram in slot {slot}")
        return origin_of(
            PyBytes_FromStringAndSize(peer_name(self._buffers, slot), 28),
            self._ipv6,
            PyBytes_FromStringAndSize(
                control_data(self._buffers, slot), control_length(self._buffers, slot)
            ),
        )

    def send(self, list replies not None):
        cdef int slot, first = 0
        cdef Py_ssize_t size
        cdef bytes reply
        cdef unsigned long long *cells = self._tally._cells if self._tally is not None else NULL
        if len(replies) > self._received:
            raise IndexError(f"{len(replies)} answers to {self._received} datagrams")
        for slot in range(len(replies)):
            reply = replies[slot]
            if reply is None:
                self._send(first, slot)
                first = slot + 1
                continue
            size = PyBytes_GET_SIZE(reply)
            if size > OUT_OCTETS:
                raise ValueError(f"an answer of {size} octets for a slot of {OUT_OCTETS}")
            memcpy(out_data(self._buffers, slot), PyBytes_AS_STRING(reply), size)
            set_length(self._buffers, slot, size)
            if cells:
                tally(cells, PyBytes_AS_STRING(reply), size)
        self._send(first, len(replies))

    cdef _send(self, int first, int last):
        if first < last:
            with nogil:
                send_slots(self._fd, self._buffers, first, last)
