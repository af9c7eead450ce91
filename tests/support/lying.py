"""A primary that lies: transfers that are wrong in one way each, and a server that sends them."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import dns.flags

from csid import names
from resolver.sync import tsig
from tests.support.transfers import NOW, Line, lines_of, message, messages, soa, whole

ZONE: Final = "net."
ORIGIN: Final = names.from_text(ZONE)
HELD: Final = 7  # serial of the zone that is followed already
NEXT: Final = 8
TEXT: Final = """\
$TTL 60
@ NS ns
ns A 192.0.2.1
a.b TXT "x" "y"
cut NS ns.cut
ns.cut A 192.0.2.2
"""
KEY: Final = tsig.Key(names.from_text("key."), "hmac-sha256", b"k" * 32)
OTHER_KEY: Final = tsig.Key(names.from_text("key."), "hmac-sha256", b"o" * 32)
_QR_AA: Final = dns.flags.QR | dns.flags.AA

Lie = Callable[[bytes], list[bytes]]  # a request -> the messages that answer it


class Told(NamedTuple):
    """A lie, and what is said of it."""

    lie: Lie
    said: str  # a regular expression


def lines() -> list[Line]:
    """The records of the zone but the SOA."""
    return lines_of(TEXT, ZONE)


def truth(request: bytes) -> list[bytes]:
    """The whole zone at the next serial, some records a message."""
    return messages(request, whole(ZONE, NEXT, lines()), 3)


def changes(request: bytes) -> list[bytes]:
    """The way from the serial held to the next one."""
    gone, come = Line("a.b.net.", "TXT", '"x" "y"'), Line("n.net.", "A", "192.0.2.9")
    sent = [soa(ZONE, NEXT), soa(ZONE, HELD), gone, soa(ZONE, NEXT), come, soa(ZONE, NEXT)]
    return messages(request, sent, 2)


def _of(records: Sequence[Line], most: int = 3) -> Lie:
    return lambda request: messages(request, records, most)


def _with(*more: Line, at: int = -1) -> Lie:
    """The zone with some records that do not belong there."""
    records = whole(ZONE, NEXT, lines())
    at %= len(records)
    return _of([*records[:at], *more, *records[at:]])


def _changed(lie: Lie, number: int, change: Callable[[bytes], bytes]) -> Lie:
    """Messages of which one is changed."""

    def changed(request: bytes) -> list[bytes]:
        sent = lie(request)
        sent[number] = change(sent[number])
        return sent

    return changed


def _octets(at: int, octets: bytes) -> Callable[[bytes], bytes]:
    return lambda one: one[:at] + octets + one[at + len(octets) :]


def _counted(more: int) -> Callable[[bytes], bytes]:
    """A message that says it has more answers than it has."""
    return lambda one: (
        one[:6] + (int.from_bytes(one[6:8], "big") + more).to_bytes(2, "big") + one[8:]
    )


def _record_behind(octets: bytes) -> Callable[[bytes], bytes]:
    """A message with one more record, given in wire form."""
    return lambda one: _counted(1)(one) + octets


def _changes(*sent: Line, most: int = 2) -> Lie:
    return _of(sent, most)


def _with_twice(number: int) -> Lie:
    def twice(request: bytes) -> list[bytes]:
        sent = truth(request)
        return [*sent[: number + 1], *sent[number:]]

    return twice


def endless(request: bytes) -> Iterator[bytes]:
    """Records without an end."""
    yield from messages(request, [soa(ZONE, NEXT)])
    number = 0
    while True:
        records = [Line(f"n{number + one}.net.", "A", "192.0.2.1") for one in range(100)]
        yield message(request, records, with_question=False)
        number += 100


_PLAIN_NAME: Final = b"\1x\3net\0"
_DATA_A: Final = struct.pack(">HHIH", 1, 1, 60, 4) + bytes(4)
_A: Final = Line("x.net.", "A", "192.0.2.1")

LIES: Final = {
    # messages
    "another ID": Told(_changed(truth, 0, lambda one: bytes((one[0] ^ 1,)) + one[1:]), "its ID"),
    "another ID later": Told(_changed(truth, 1, _octets(0, b"\0\0")), "its ID|middle"),
    "a query": Told(_changed(truth, 0, _octets(2, b"\4")), "no answer to a query"),
    "a notice": Told(_changed(truth, 0, _octets(2, b"\xa4")), "no answer to a query"),
    "truncated": Told(_changed(truth, 0, _octets(2, b"\x86")), "truncated"),
    "SERVFAIL": Told(_changed(truth, 0, _octets(3, b"\2")), "SERVFAIL"),
    "REFUSED": Told(_changed(truth, 0, _octets(3, b"\5")), "REFUSED"),
    "an error later": Told(_changed(truth, 1, _octets(3, b"\2")), "SERVFAIL"),
    "RCODE 12": Told(_changed(truth, 0, _octets(3, b"\x0c")), "RCODE 12"),
    "nothing": Told(lambda request: [b""], "shorter than its header"),
    "half a header": Told(_changed(truth, 1, lambda one: one[:7]), "shorter than its header"),
    "no question": Told(
        lambda request: [message(request, [soa(ZONE, NEXT)], with_question=False)], "0 questions"
    ),
    "two questions": Told(_changed(truth, 0, _octets(4, b"\0\2")), "2 questions"),
    "another question": Told(_changed(truth, 0, _octets(13, b"m")), "another question"),
    "another type": Told(_changed(truth, 0, _octets(17, b"\0\1")), "another question"),
    "another class asked": Told(_changed(truth, 0, _octets(19, b"\0\3")), "another question"),
    "more records than there are": Told(_changed(truth, 1, _counted(1)), "ends within a record"),
    "fewer records than there are": Told(_changed(truth, 1, _counted(-1)), "behind its records"),
    "octets behind the records": Told(_changed(truth, 1, lambda one: one + b"x"), "behind its rec"),
    "no records": Told(
        lambda request: [truth(request)[0], message(request, [], with_question=False)],
        "without records",
    ),
    "the first message twice": Told(_with_twice(0), "behind the end|at its apex"),
    # names and data
    "a pointer to itself": Told(
        _changed(
            truth,
            1,
            lambda one: _record_behind((0xC000 | len(one)).to_bytes(2, "big") + _DATA_A)(one),
        ),
        "does not lead back",
    ),
    "a pointer ahead": Told(
        _changed(truth, 1, _record_behind(b"\xff\xff" + _DATA_A)), "does not lead back"
    ),
    "a label of 100 octets": Told(
        _changed(truth, 1, _record_behind(b"\x64" + bytes(100) + b"\0" + _DATA_A)), "a label of a"
    ),
    "a name without an end": Told(
        _changed(truth, 1, _record_behind((b"\x3f" + b"x" * 63) * 5 + b"\0" + _DATA_A)),
        "more than 255",
    ),
    "a pointer in the data that leads to itself": Told(
        _changed(
            truth,
            1,
            lambda one: _record_behind(
                _PLAIN_NAME
                + struct.pack(">HHIH", 2, 1, 60, 2)
                + (0xC000 | len(one) + 17).to_bytes(2, "big")
            )(one),
        ),
        "does not lead back",
    ),
    "an address of five octets": Told(
        _changed(
            truth,
            1,
            _record_behind(_PLAIN_NAME + struct.pack(">HHIH", 1, 1, 60, 5) + bytes(5)),
        ),
        "not what its type asks for",
    ),
    "more than an answer can hold": Told(
        _changed(
            truth,
            1,
            _record_behind(_PLAIN_NAME + struct.pack(">HHIH", 99, 1, 60, 60_001) + bytes(60_001)),
        ),
        "fits no answer",
    ),
    # the zone
    "a stray record": Told(_with(Line("net.example.", "A", "192.0.2.1")), "outside the zone"),
    "a record above": Told(_with(Line(".", "NS", "ns.net.")), "outside the zone"),
    "class CH": Told(_with(Line("x.net.", "TXT", '"x"', rrclass="CH")), "class other than IN"),
    "an SOA in the middle": Told(_with(soa(ZONE, 9), at=3), "middle"),
    "the same SOA in the middle": Told(_with(soa(ZONE, NEXT), at=3), "behind the end"),
    "an SOA below": Told(_with(Line("b.net.", "SOA", "a. b. 8 1 1 1 1"), at=3), "another name"),
    "another SOA at the end": Told(
        _of([*whole(ZONE, NEXT, lines())[:-1], soa(ZONE, 9)]), "another one at the end"
    ),
    "another TTL at the end": Told(
        _of([*whole(ZONE, NEXT, lines())[:-1], soa(ZONE, NEXT)._replace(ttl=61)]), "at the end"
    ),
    "records behind the end": Told(
        _of([*whole(ZONE, NEXT, lines()), _A], 100), "records behind the end"
    ),
    "no SOA first": Told(_of([*lines(), soa(ZONE, NEXT)]), "not the SOA"),
    "an alias beside other data": Told(_with(Line("ns.net.", "CNAME", "a.b.net.")), "is an alias"),
    "two aliases": Told(
        _with(Line("c.net.", "CNAME", "a."), Line("c.net.", "CNAME", "b.")), "two CNAME"
    ),
    "two DNAMEs": Told(
        _with(Line("c.net.", "DNAME", "a."), Line("c.net.", "DNAME", "b.")), "two DNAME"
    ),
    "no name servers": Told(_of(whole(ZONE, NEXT, lines()[1:])), "without NS"),
    "nothing but an SOA": Told(_of(whole(ZONE, NEXT, [])), "without NS"),
    "OPT as data": Told(
        _changed(truth, 1, _record_behind(b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0))),
        "class other than IN|outside|no zone holds",
    ),
    "a serial that goes back": Told(_of(whole(ZONE, 6, lines())), "which is before 7"),
    "a serial half the round away": Told(
        _of(whole(ZONE, HELD + 2**31, lines())), "which is before 7"
    ),
}

IXFR_LIES: Final = {
    "changes from another serial": Told(
        _changes(soa(ZONE, 8), soa(ZONE, 5), soa(ZONE, 8), soa(ZONE, 8)), "begin at serial 5"
    ),
    "changes with a gap": Told(
        _changes(
            *(soa(ZONE, 10), soa(ZONE, 7), soa(ZONE, 8), soa(ZONE, 9), soa(ZONE, 10)),
            soa(ZONE, 10),
        ),
        "changes from serial 9 behind changes to serial 8",
    ),
    "changes that end elsewhere": Told(
        _changes(soa(ZONE, 9), soa(ZONE, 7), soa(ZONE, 8), _A, soa(ZONE, 9)),
        "changes from serial 9",
    ),
    "something removed that is not there": Told(
        _changes(soa(ZONE, 8), soa(ZONE, 7), _A, soa(ZONE, 8), soa(ZONE, 8)), "that is not there"
    ),
    "something added that is there": Told(
        _changes(
            *(soa(ZONE, 8), soa(ZONE, 7), soa(ZONE, 8)),
            *(Line("ns.net.", "A", "192.0.2.1"), soa(ZONE, 8)),
        ),
        "that is there already",
    ),
    "another SOA than the one held": Told(
        _changes(
            *(soa(ZONE, 8), soa(ZONE, 7)._replace(data="other. host. 7 1 1 1 60")),
            *(soa(ZONE, 8), soa(ZONE, 8)),
        ),
        "that is not there",
    ),
    "changes that leave no name servers": Told(
        _changes(
            *(soa(ZONE, 8), soa(ZONE, 7), Line(ZONE, "NS", "ns.net.")),
            *(soa(ZONE, 8), soa(ZONE, 8)),
        ),
        "needs its SOA and NS",
    ),
    "changes that make an alias of a host": Told(
        _changes(
            *(soa(ZONE, 8), soa(ZONE, 7), soa(ZONE, 8)),
            *(Line("ns.net.", "CNAME", "a.b.net."), soa(ZONE, 8)),
        ),
        "is an alias",
    ),
    "a stray change": Told(
        _changes(
            *(soa(ZONE, 8), soa(ZONE, 7), soa(ZONE, 8)),
            *(Line("x.example.", "A", "192.0.2.1"), soa(ZONE, 8)),
        ),
        "outside the zone",
    ),
    "records behind the changes": Told(
        _changes(soa(ZONE, 8), soa(ZONE, 7), soa(ZONE, 8), soa(ZONE, 8), _A, most=9),
        "records behind the end",
    ),
    "FORMERR": Told(_changed(changes, 0, _octets(3, b"\1")), "FORMERR"),
    "NOTIMP": Told(_changed(changes, 0, _octets(3, b"\4")), "NOTIMP"),
}


def signed(request: bytes, sent: Sequence[bytes], mac: bytes, key: tsig.Key = KEY) -> list[bytes]:
    """Messages as a primary signs them that signs each."""
    signer = tsig.Signer(key, mac)
    return [signer.sign(one, NOW) for one in sent]


@contextmanager
def serving(
    lie: Callable[[bytes], Iterator[bytes] | list[bytes]], cut: int | None = None
) -> Iterator[int]:
    """A server on 127.0.0.1 that answers each request over TCP so; its port.

    Args:
        cut: octets of the stream after which it ends the connection.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, lie, cut), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(
    listener: socket.socket,
    lie: Callable[[bytes], Iterator[bytes] | list[bytes]],
    cut: int | None,
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as stream:
            size = stream.read(2)
            if len(size) < 2:
                continue
            request = stream.read(int.from_bytes(size, "big"))
            left = cut
            try:
                for one in lie(request):
                    framed = len(one).to_bytes(2, "big") + one
                    connection.sendall(framed if left is None else framed[:left])
                    if left is not None and (left := left - len(framed)) <= 0:
                        break
            except OSError:  # the other side has had enough
                continue
