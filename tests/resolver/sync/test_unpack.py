"""Records of messages: what dnspython reads of them, and the same compiled and not compiled."""

from __future__ import annotations

import struct
from typing import Any

import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.protocol import SOA
from resolver.store.node import rrsets_of
from resolver.sync.transfer import layouts, unpack
from resolver.sync.transfer.errors import TransferError
from tests.support.transfers import Line, message

cunpack = pytest.importorskip("resolver.sync.transfer.cunpack", reason="nothing is compiled")

TOP = names.key_of(names.from_text("net."))
REQUEST = dns.message.make_query("net.", "AXFR").to_wire()
HEADER = 12
LINES = [
    Line("net.", "NS", "ns.net."),
    Line("Ns.net.", "A", "192.0.2.1"),
    Line("ns.NET.", "A", "192.0.2.2"),
    Line("ns.net.", "AAAA", "2001:db8::1"),
    Line("ns.net.", "A", "192.0.2.1", 61),
    Line("a.net.", "CNAME", "Ns.net."),
    Line("a.net.", "RRSIG", "A 8 2 60 20300101000000 20200101000000 1 net. AAAA"),
    Line("b.net.", "MX", "10 mail.b.net."),
    Line("b.net.", "MX", "10 MAIL.b.net."),
    Line("b.net.", "MX", "11 mail.c.net."),
    Line("b.net.", "SRV", "1 2 3 mail.b.net."),
    Line("b.net.", "NAPTR", '1 2 "S" "sip" "" _sip.b.net.'),
    Line("b.net.", "RP", "host.net. text.net."),
    Line("b.net.", "PX", "1 x.net. y.net."),
    Line("b.net.", "AFSDB", "1 afs.net."),
    Line("b.net.", "KX", "1 kx.net."),
    Line("b.net.", "HTTPS", "1 svc.net. alpn=h2"),
    Line("b.net.", "NSEC", "c.net. A NSEC"),
    Line("c.net.", "DNAME", "other.example."),
    Line("c.net.", "TXT", '"x" "y"'),
    Line("c.net.", "TYPE65347", r"\# 3 81a161"),
    Line("c.net.", "TYPE65347", r"\# 0"),
    Line(r"\000\001\255.c.net.", "PTR", "a.net.", 2**31),
    Line("net.", "SOA", "ns.net. host.net. 1 2 3 4 5"),
    Line("out.example.", "A", "192.0.2.3"),
]


def outcome(module: Any, packet: bytes, at: int, number: int, apex: bytes = TOP) -> Any:
    try:
        return module.run(packet, at, number, apex)
    except TransferError as error:
        return str(error)


def one(module: Any, packet: bytes, at: int) -> Any:
    try:
        return module.record(packet, at)
    except TransferError as error:
        return str(error)


@given(st.lists(st.sampled_from(LINES), max_size=12), st.booleans())
def test_records_are_what_dnspython_reads(lines: list[Line], compressed: bool) -> None:
    packet = message(REQUEST, lines, with_question=False, compressed=compressed)
    read = dns.message.from_wire(packet, one_rr_per_rrset=True)
    at = HEADER
    for rrset in read.answer:
        owner, rrtype, rrclass, ttl, rdata, at = unpack.record(packet, at)
        assert names.wire_of_key(owner) == rrset.name.canonicalize().to_wire()
        assert (rrtype, rrclass, rdata) == (rrset.rdtype, rrset.rdclass, rrset[0].to_wire())
        assert ttl == (rrset.ttl if rrset.ttl < 2**31 else 0)
    assert at == len(packet)


@given(st.lists(st.sampled_from(LINES), max_size=30), st.booleans())
def test_pieces_are_all_the_records_up_to_an_soa(lines: list[Line], compressed: bool) -> None:
    packet = message(REQUEST, lines, with_question=False, compressed=compressed)
    fast = outcome(cunpack, packet, HEADER, len(lines))
    assert fast == outcome(unpack, packet, HEADER, len(lines))
    wanted = []
    at = HEADER
    for number in range(len(lines)):
        owner, rrtype, _, ttl, rdata, end = unpack.record(packet, at)
        if rrtype == SOA:
            assert fast[1:] == (at, len(lines) - number)
            break
        if not owner.startswith(TOP):
            assert fast == layouts.OUTSIDE
            return
        wanted.append((owner[len(TOP) :], rrtype, ttl, rdata))
        at = end
    else:
        assert fast[1:] == (len(packet), 0)
    pieces = fast[0].pieces
    made = [
        (key, rrtype, ttl, rdata)
        for key, blob in pieces
        for rrtype, (ttl, rdatas) in rrsets_of(blob)
        for rdata in rdatas
    ]
    assert sorted(made) == sorted(wanted)
    assert [key for key, *_ in made] == [key for key, *_ in wanted]


@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    st.integers(0, 400),
    st.integers(0, 10),
)
def test_whatever_comes_both_say_the_same_of_it(
    lines: list[Line], changed: list[tuple[int, int]], cut: int, number: int
) -> None:
    packet = bytearray(message(REQUEST, lines, with_question=False))
    for at, octet in changed:
        packet[at % len(packet)] = octet
    packet = packet[: max(len(packet) - cut, 0)] if cut < 40 else packet
    octets = bytes(packet)
    assert outcome(cunpack, octets, HEADER, number) == outcome(unpack, octets, HEADER, number)
    for at in range(len(octets) + 2):
        assert one(cunpack, octets, at) == one(unpack, octets, at)


@given(st.binary(max_size=80), st.integers(0, 80))
def test_octets_of_chance_are_read_alike(octets: bytes, at: int) -> None:
    assert one(cunpack, octets, at) == one(unpack, octets, at)
    assert outcome(cunpack, octets, at, 3) == outcome(unpack, octets, at, 3)


def wire(owner: bytes, rrtype: int, rdata: bytes, rrclass: int = 1) -> bytes:
    return owner + struct.pack(">HHIH", rrtype, rrclass, 60, len(rdata)) + rdata


def name(text: str) -> bytes:
    return names.from_text(text)


OWNER = name("x.net.")
FAULTS = {
    "a pointer to itself": (b"\xc0\x0c" + bytes(10), layouts.FORWARD),
    "a pointer ahead": (b"\x01a\xc0\x20" + bytes(40), layouts.FORWARD),
    "two pointers to each other": (b"\x01a\xc0\x10\x01b\xc0\x0c" + bytes(10), layouts.FORWARD),
    "a label of another type": (b"\x41a\0" + bytes(10), layouts.LABEL_TYPE),
    "a name that is too long": ((b"\x3f" + bytes(63)) * 4 + bytes(11), layouts.LONG_NAME),
    "cut behind the owner": (OWNER + bytes(9), layouts.CUT_SHORT),
    "cut in the data": (wire(OWNER, 16, b"\x01x")[:-1], layouts.CUT_SHORT),
    "another class": (wire(OWNER, 1, bytes(4), 3), layouts.WRONG_CLASS),
    "class ANY": (wire(OWNER, 1, bytes(4), 255), layouts.WRONG_CLASS),
    "outside": (wire(name("x.nets."), 1, bytes(4)), layouts.OUTSIDE),
    "above the apex": (wire(name("."), 1, bytes(4)), layouts.OUTSIDE),
    "OPT": (wire(OWNER, 41, b""), layouts.NO_DATA),
    "TSIG": (wire(OWNER, 250, b""), layouts.NO_DATA),
    "ANY": (wire(OWNER, 255, b""), layouts.NO_DATA),
    "type 0": (wire(OWNER, 0, b""), layouts.NO_DATA),
    "an address of 5 octets": (wire(OWNER, 1, bytes(5)), layouts.WRONG_DATA),
    "an address of 3 octets": (wire(OWNER, 1, bytes(3)), layouts.WRONG_DATA),
    "MX without a name": (wire(OWNER, 15, b"\0"), layouts.WRONG_DATA),
    "octets behind a name": (wire(OWNER, 2, OWNER + b"x"), layouts.WRONG_DATA),
    "a name beyond the data": (wire(OWNER, 2, OWNER[:-1]) + b"\0", layouts.WRONG_DATA),
    "a pointer in RRSIG": (wire(OWNER, 46, bytes(18) + b"\xc0\x0c"), layouts.FORWARD),
    "data that no answer holds": (wire(OWNER, 99, bytes(59_990)), layouts.LARGE_DATA),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("module", [unpack, cunpack], ids=["plain", "compiled"])
def test_what_is_malformed_is_said(module: Any, fault: str) -> None:
    octets, said = FAULTS[fault]
    assert outcome(module, bytes(HEADER) + octets, HEADER, 1) == said


@pytest.mark.parametrize("module", [unpack, cunpack], ids=["plain", "compiled"])
@pytest.mark.parametrize("pointers", [127, 128, 8_000])
def test_a_chain_of_pointers_has_an_end(module: Any, pointers: int) -> None:
    """Each name of a message could make thousands of steps otherwise."""
    chain = wire(b"\1a\3net\0", 99, b"".join(
        (0xC000 | (HEADER if not one else HEADER + 17 + 2 * (one - 1))).to_bytes(2, "big")
        for one in range(pointers - 1)
    ))  # fmt: skip
    last = (0xC000 | HEADER + 17 + 2 * (pointers - 2)).to_bytes(2, "big")
    packet = bytes(HEADER) + chain + wire(last, 1, bytes(4))
    made = outcome(module, packet, HEADER, 2)
    if pointers > layouts.MAX_POINTERS:
        assert made == layouts.LONG_CHAIN
    else:
        assert [key for key, _ in made[0].pieces] == [b"a\0"]


@pytest.mark.parametrize("module", [unpack, cunpack], ids=["plain", "compiled"])
def test_a_key_beyond_what_the_store_takes_is_refused(module: Any) -> None:
    owner = (b"\x3f" + bytes(63)) * 3 + b"\x3d" + bytes(61) + b"\0"
    packet = bytes(HEADER) + wire(owner, 1, bytes(4))
    assert outcome(module, packet, HEADER, 1, b"") == layouts.LONG_KEY


def test_a_soa_is_left_to_the_caller() -> None:
    packet = message(REQUEST, LINES[-2:-1], with_question=False)
    assert cunpack.run(packet, HEADER, 1, TOP) == (unpack.Pieces([], [], 0), HEADER, 1)


@pytest.mark.parametrize("count", [63, 64, 65, 129, 3_000])
def test_many_records_of_a_name_are_alike_in_both(count: int) -> None:
    datas = [(one % 3, (one * 256).to_bytes(3, "big") + OWNER) for one in range(count)]
    packet = bytes(HEADER) + b"".join(wire(OWNER, 99 + rrtype, data) for rrtype, data in datas)
    fast = outcome(cunpack, packet, HEADER, count)
    assert fast == outcome(unpack, packet, HEADER, count)
    assert sum(len(one.rdatas) for _, blob in fast[0].pieces for _, one in rrsets_of(blob)) == count


def test_large_records_of_a_name_are_alike_in_both() -> None:
    packet = bytes(HEADER) + wire(OWNER, 24, bytes(18) + OWNER + bytes(29_900)) * 2
    packet += wire(OWNER, 24, bytes(18) + OWNER + b"x") + wire(OWNER, 30, OWNER)
    fast = outcome(cunpack, packet, HEADER, 4)
    assert fast == outcome(unpack, packet, HEADER, 4)
