"""OPT records: what is read from queries, and what is written into answers."""

from __future__ import annotations

import ipaddress
import struct

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.limits import COOKIE_MEMO_ENTRIES, COOKIE_MEMO_SECONDS, MAX_OPTIONS, PLAIN_UDP_OCTETS
from csid.protocol import BADVERS, NOERROR
from resolver.answer.edns import Additional, Edns, OptWriter, read_additional, server_cookie
from tests.support.packets import NOW, PEER, opt, option

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
CLIENT = bytes.fromhex("2464c4abcf10c957")


def read(record: bytes) -> Edns | None:
    """What an OPT record says, None where it is refused."""
    found = read_additional(record, 0, 1)
    return found.edns if found.valid else None


def written(
    edns: Edns, writer: OptWriter | None = None, ede: int = -1, stream: bool = False
) -> dict[int, bytes]:
    """The options of the answer's OPT record."""
    record = (writer or OptWriter(SECRET)).write(edns, NOERROR, ede, NOW, PEER, stream)
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
    given_cookie = server_cookie(
        bytes.fromhex(secret), bytes.fromhex(client), now, ipaddress.ip_address(address).packed
    )
    assert given_cookie.hex() == cookie
    writer = OptWriter(bytes.fromhex(secret))
    edns = read(opt(option(10, bytes.fromhex(client))))
    assert edns is not None
    record = writer.write(edns, NOERROR, -1, now, ipaddress.ip_address(address).packed, False)
    assert record.endswith(bytes.fromhex(client + cookie))


def test_a_cookie_is_made_anew_once_its_minute_is_over() -> None:
    """RFC 9018 section 4.3 wants timestamps that are recent; a client cannot see one reused."""
    writer = OptWriter(SECRET)
    edns = read(opt(option(10, CLIENT)))
    assert edns is not None
    made = [
        writer.write(edns, NOERROR, -1, now, PEER, False)[-12:-8]
        for now in (NOW, NOW + COOKIE_MEMO_SECONDS - 1, NOW + COOKIE_MEMO_SECONDS, NOW - 1)
    ]
    stamps = [int.from_bytes(stamp, "big") for stamp in made]
    assert stamps == [NOW, NOW, NOW + COOKIE_MEMO_SECONDS, NOW - 1]


def test_cookies_of_different_askers_differ() -> None:
    writer = OptWriter(SECRET)
    edns = read(opt(option(10, CLIENT)))
    assert edns is not None
    v4 = writer.write(edns, NOERROR, -1, NOW, bytes(4), False)
    v6 = writer.write(edns, NOERROR, -1, NOW, bytes(16), False)
    other = writer.write(edns, NOERROR, -1, NOW, bytes(3) + b"\1", False)
    assert len({v4, v6, other}) == 3


def test_a_flood_of_clients_is_not_remembered_without_bound() -> None:
    writer = OptWriter(SECRET)
    for number in range(3 * COOKIE_MEMO_ENTRIES):
        edns = read(opt(option(10, number.to_bytes(8, "big"))))
        assert edns is not None
        record = writer.write(edns, NOERROR, -1, NOW, PEER, False)
        expected = server_cookie(SECRET, number.to_bytes(8, "big"), NOW, PEER)
        assert record.endswith(expected)


@given(st.integers(0, 65535), st.integers(0, 255), st.integers(0, 65535))
def test_the_fields_of_an_opt_record_are_read(octets: int, version: int, flags: int) -> None:
    edns = read(opt(octets=octets, version=version, flags=flags))
    assert edns is not None
    assert edns.udp_octets == max(octets, PLAIN_UDP_OCTETS)
    assert (edns.version, edns.flags) == (version, flags)
    assert (edns.cookie, edns.nsid, edns.keepalive) == (b"", False, False)


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
    edns = read(opt(*options))
    assert edns is not None
    assert (edns.cookie, edns.nsid, edns.keepalive) == (cookie, nsid, keepalive)


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


@given(st.binary(max_size=80), st.integers(0, 80), st.integers(0, 131070))
def test_any_octets_behind_a_question_are_read_or_refused(
    packet: bytes, at: int, count: int
) -> None:
    found = read_additional(packet, at, count)
    assert isinstance(found, Additional)
    assert count or found.valid == (at == len(packet))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {}),
        ((option(3),), {3: b"node"}),
        ((option(11),), {}),
        (
            (option(10, CLIENT), option(3)),
            {3: b"node", 10: CLIENT + server_cookie(SECRET, CLIENT, NOW, PEER)},
        ),
    ],
)
def test_an_answer_carries_the_options_that_were_asked_for(
    options: tuple[bytes, ...], expected: dict[int, bytes]
) -> None:
    edns = read(opt(*options))
    assert edns is not None
    assert written(edns, OptWriter(SECRET, b"node")) == expected
    assert written(edns, OptWriter(SECRET, b"node"), ede=20) == {**expected, 15: b"\0\x14"}


def test_keepalive_is_written_over_tcp() -> None:
    edns = read(opt(option(11)))
    assert edns is not None
    assert written(edns, stream=True) == {11: b"\0\x64"}


@pytest.mark.parametrize("flags", [0, 0x8000, 0xFFFF])
def test_badvers_is_an_opt_record_without_options(flags: int) -> None:
    """RFC 6891 section 6.1.3: version 0, and 1 in the upper bits of the response code."""
    edns = read(opt(option(10, CLIENT), option(3), version=7, flags=flags))
    assert edns is not None
    record = OptWriter(SECRET, b"node").write(edns, BADVERS, 20, NOW, PEER, True)
    octets = struct.pack(">H", 1232)
    assert record == b"\0\0\x29" + octets + b"\1\0" + struct.pack(">H", flags & 0x8000) + b"\0\0"
