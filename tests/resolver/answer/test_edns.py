"""OPT records: what is read from queries, and what is written into answers."""

from __future__ import annotations

import ipaddress
import struct

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.limits import MAX_OPTIONS, PLAIN_UDP_OCTETS
from csid.protocol import BADVERS
from resolver.answer.edns import OptWriter, cookie_option, read_additional
from resolver.answer.reply import Reply
from tests.support.packets import NOW, PEER, opt, option

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
CLIENT = bytes.fromhex("2464c4abcf10c957")


def reply_to(sections: bytes, count: int = 1, before: int = 0) -> tuple[Reply, bool]:
    """The reply to a query that has these octets behind its header, and whether they are valid."""
    packet = struct.pack(">HHHHHH", 0, 0, 0, before & 0xFFFF, 0, count) + sections
    reply = Reply(packet, PEER, False)
    return reply, read_additional(reply, 12, before)


def read(record: bytes) -> Reply | None:
    """A reply to a query with an OPT record, None where that is refused."""
    reply, valid = reply_to(record)
    return reply if valid else None


def written(
    reply: Reply, writer: OptWriter | None = None, ede: int = -1, stream: bool = False
) -> dict[int, bytes]:
    """The options of the answer's OPT record."""
    reply.ede, reply.stream = ede, stream
    record = (writer or OptWriter(SECRET)).write(reply, NOW)
    message = dns.message.from_wire(struct.pack(">HHHHHH", 0, 0x8000, 0, 0, 0, 1) + record)
    return {int(one.otype): one.to_wire() for one in message.options}


@pytest.mark.parametrize(
    ("secret", "client", "address", "now", "cookie"),
    [
        (
            "e5e973e5a6b2a43f48e7dc849e37bfcf", "2464c4abcf10c957", "198.51.100.100", 1559731985,
            "010000005cf79f111f8130c3eee29480",
        ),
        (
            "e5e973e5a6b2a43f48e7dc849e37bfcf", "2464c4abcf10c957", "198.51.100.100", 1559734385,
            "010000005cf7a871d4a564a1442aca77",
        ),
        (
            "e5e973e5a6b2a43f48e7dc849e37bfcf", "fc93fc62807ddb86", "203.0.113.203", 1559734700,
            "010000005cf7a9acf73a7810aca2381e",
        ),
        (
            "445536bcd2513298075a5d379663c962", "22681ab97d52c298",
            "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961, "010000005cf7c609a6bb79d16625507a",
        ),
    ],
    ids=["A.1", "A.2", "A.3", "A.4"],
)  # fmt: skip
def test_server_cookies_are_those_of_rfc_9018(
    secret: str, client: str, address: str, now: int, cookie: str
) -> None:
    """Appendix A: any server of an anycast set makes the same cookie."""
    made = cookie_option(
        bytes.fromhex(secret), bytes.fromhex(client), now, ipaddress.ip_address(address).packed
    )
    assert made.hex() == "000a0018" + client + cookie
    writer = OptWriter(bytes.fromhex(secret))
    reply = read(opt(option(10, bytes.fromhex(client))))
    assert reply is not None
    reply.address = ipaddress.ip_address(address).packed
    record = writer.write(reply, now)
    assert record.endswith(bytes.fromhex(client + cookie))


def test_cookies_of_different_askers_differ() -> None:
    writer = OptWriter(SECRET)
    reply = read(opt(option(10, CLIENT)))
    assert reply is not None
    made = set()
    for address in (bytes(4), bytes(16), bytes(3) + b"\1"):
        reply.address = address
        made.add(writer.write(reply, NOW))
    assert len(made) == 3


@given(st.integers(0, 65535), st.integers(0, 255), st.integers(0, 65535))
def test_the_fields_of_an_opt_record_are_read(octets: int, version: int, flags: int) -> None:
    reply = read(opt(octets=octets, version=version, flags=flags))
    assert reply is not None
    assert reply.udp_octets == max(octets, PLAIN_UDP_OCTETS)
    assert (reply.version, reply.flags) == (version, flags)
    assert (reply.cookie, reply.nsid, reply.keepalive) == (b"", False, False)


@pytest.mark.parametrize(
    ("options", "cookie", "nsid", "keepalive"),
    [
        ((), b"", False, False),
        ((option(3),), b"", True, False),
        ((option(3, b"ignored"),), b"", True, False),
        ((option(10, CLIENT),), CLIENT, False, False),
        ((option(10, CLIENT + bytes(32)),), CLIENT, False, False),
        ((option(11),), b"", False, True),
        (
            (option(12, bytes(100)), option(3), option(65535), option(10, CLIENT)),
            CLIENT,
            True,
            False,
        ),
        ((option(10, CLIENT), option(10, bytes(8))), CLIENT, False, False),
    ],
)
def test_the_options_we_know_are_read_among_others(
    options: tuple[bytes, ...], cookie: bytes, nsid: bool, keepalive: bool
) -> None:
    reply = read(opt(*options))
    assert reply is not None
    assert (reply.cookie, reply.nsid, reply.keepalive) == (cookie, nsid, keepalive)


def test_no_more_options_are_read_than_the_cap_says() -> None:
    many = [option(65001)] * MAX_OPTIONS
    within = read(opt(*many[1:], option(3)))
    beyond = read(opt(*many, option(3)))
    assert within is not None
    assert within.nsid
    assert beyond is None or not beyond.nsid


@given(st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=20)), max_size=6), st.data())
def test_options_cut_short_are_refused(
    options: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    """All lengths are true or the record is malformed: cut anywhere inside an option."""
    whole = [option(code, value) for code, value in options if code != 10]
    joined = b"".join(whole)
    end = data.draw(st.integers(0, len(joined)))
    edges = {sum(map(len, whole[:count])) for count in range(len(whole) + 1)}
    assert (read(opt(joined[:end])) is not None) == (end in edges)


@given(st.binary(max_size=80), st.integers(0, 3), st.integers(0, 65535))
def test_any_octets_behind_a_question_are_read_or_refused(
    sections: bytes, before: int, count: int
) -> None:
    _, valid = reply_to(sections, count, before)
    assert before or count or valid == (not sections)


def test_an_opt_record_is_known_even_if_what_follows_is_wrong() -> None:
    """RFC 6891 section 6.1.1: whoever sends one gets one."""
    for record in (opt(option(10, b"short")), opt() + b"\1", opt() + opt()):
        reply, valid = reply_to(record)
        assert (reply.edns, valid) == (True, False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {}),
        ((option(3),), {3: b"node"}),
        ((option(11),), {}),
        (
            (option(10, CLIENT), option(3)),
            {3: b"node", 10: cookie_option(SECRET, CLIENT, NOW, PEER)[4:]},
        ),
    ],
)
def test_an_answer_carries_the_options_that_were_asked_for(
    options: tuple[bytes, ...], expected: dict[int, bytes]
) -> None:
    reply = read(opt(*options))
    assert reply is not None
    assert written(reply, OptWriter(SECRET, b"node")) == expected
    assert written(reply, OptWriter(SECRET, b"node"), ede=20) == {**expected, 15: b"\0\x14"}


def test_keepalive_is_written_over_tcp() -> None:
    reply = read(opt(option(11)))
    assert reply is not None
    assert written(reply, stream=True) == {11: b"\0\x64"}


@pytest.mark.parametrize("flags", [0, 0x8000, 0xFFFF])
def test_badvers_is_an_opt_record_without_options(flags: int) -> None:
    """RFC 6891 section 6.1.3: version 0, and 1 in the upper bits of the response code."""
    reply = read(opt(option(10, CLIENT), option(3), version=7, flags=flags))
    assert reply is not None
    reply.rcode, reply.ede, reply.stream = BADVERS, 20, True
    record = OptWriter(SECRET, b"node").write(reply, NOW)
    octets = struct.pack(">H", 1232)
    assert record == b"\0\0\x29" + octets + b"\1\0" + struct.pack(">H", flags & 0x8000) + b"\0\0"
