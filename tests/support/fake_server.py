"""A server that sends back just what a test says, over UDP and TCP, put in words by dnspython."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.edns
import dns.flags
import dns.message
import dns.rrset

from csid.address import Address
from csid.record import Record, encode

PATIENCE = 10.0  # seconds
SECRET = 8  # octets of a client cookie
LARGE = Record(
    {
        "state": "active",
        "name": "大" * 60,
        "endpoints": [f"https://h{n}.example/{'x' * 60}" for n in range(8)],
    }
)

# What a fake server does with a query: the datagrams, or the stream messages, it sends back.
Behaviour = Callable[[dns.message.Message, int], list[bytes]]


@contextmanager
def fake_server(behaviour: Behaviour) -> Iterator[Address]:
    """A server on UDP and TCP that sends back just what the behaviour says."""
    tcp = socket.create_server(("127.0.0.1", 0))
    port = tcp.getsockname()[1]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", port))

    def over_udp() -> None:
        while True:
            octets, peer = udp.recvfrom(65_535)
            if not octets:
                return
            for datagram in behaviour(dns.message.from_wire(octets), socket.IPPROTO_UDP):
                udp.sendto(datagram, peer)

    def over_tcp() -> None:
        while True:
            sock, _ = tcp.accept()
            with sock:
                asked = 0
                while head := sock.recv(2, socket.MSG_WAITALL):
                    asked += 1
                    octets = sock.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
                    said = behaviour(dns.message.from_wire(octets), socket.IPPROTO_TCP)
                    if not said:
                        break  # it closes without an answer
                    for message in said:
                        sock.sendall(len(message).to_bytes(2, "big") + message)
                if not asked:
                    return

    threads = [threading.Thread(target=target, daemon=True) for target in (over_udp, over_tcp)]
    for thread in threads:
        thread.start()
    try:
        yield Address("127.0.0.1", port)
    finally:
        udp.sendto(b"", ("127.0.0.1", port))
        socket.create_connection(("127.0.0.1", port)).close()
        for thread in threads:
            thread.join(PATIENCE)
        udp.close()
        tcp.close()


def good_answer(query: dns.message.Message, record: Record = LARGE) -> dns.message.Message:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.AA
    rdata = encode(record)
    answer.answer.append(
        dns.rrset.from_text(
            query.question[0].name, 60, "IN", "TYPE65347", rf"\# {len(rdata)} {rdata.hex()}"
        )
    )
    return answer


def truncated(query: dns.message.Message) -> bytes:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.TC
    return answer.to_wire()


def with_cookie(message: dns.message.Message, cookie: bytes) -> bytes:
    message.use_edns(0, options=[dns.edns.CookieOption(cookie, b"12345678")])
    return message.to_wire()


def cookie_of(query: dns.message.Message) -> bytes:
    octets: bytes = query.options[0].to_wire()
    return octets[:SECRET]
