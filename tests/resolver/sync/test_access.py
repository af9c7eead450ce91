"""Who may do what with a zone: rows and the subjects in them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.store.table import EMPTY, Table
from resolver.sync import access, settings
from resolver.sync.access import fits, may
from resolver.sync.settings import EVERYWHERE, Follow, Rights, Subject, Target

APEX = b"example\0"
KEY, OTHER = b"\3key\0", b"\5other\0"


class Rows(Table):
    """A table of rows in memory."""

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self.rows = rows

    def get(self, key: bytes, /) -> bytes | None:
        return self.rows.get(key)


class Moment:
    def __init__(self, **tables: dict[bytes, bytes]) -> None:
        self.tables = tables

    def table(self, name: bytes, /) -> Table:
        rows = self.tables.get(name.decode().removeprefix("sync."))
        return EMPTY if rows is None else Rows(rows)


def octets(text: str) -> bytes:
    return ip_address(text).packed


def test_nothing_is_allowed_that_no_row_allows() -> None:
    for right in access.RIGHTS:
        assert not may(Moment(), APEX, right, octets("127.0.0.1"), KEY)


@given(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.integers(0, 128),
)
def test_an_address_is_in_a_network_as_the_standard_library_has_it(
    one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address, length: int
) -> None:
    network = ip_network((one, min(length, one.max_prefixlen)), strict=False)
    subject = Subject(network.network_address.packed, network.prefixlen)
    assert fits(subject, other.packed, b"") == (other in network)
    assert fits(subject, one.packed, KEY)


@pytest.mark.parametrize(
    ("subject", "address", "key", "expected"),
    [
        (Subject(key=KEY), "192.0.2.1", KEY, True),
        (Subject(key=KEY), "192.0.2.1", OTHER, False),
        (Subject(key=KEY), "192.0.2.1", b"", False),
        (Subject(octets("192.0.2.0"), 24, KEY), "192.0.2.1", KEY, True),
        (Subject(octets("192.0.2.0"), 24, KEY), "192.0.3.1", KEY, False),
        (Subject(octets("192.0.2.0"), 24, KEY), "192.0.2.1", b"", False),
        (Subject(octets("0.0.0.0"), 0), "203.0.113.1", b"", True),
        (Subject(octets("0.0.0.0"), 0), "2001:db8::1", b"", False),
        (Subject(octets("::"), 0), "192.0.2.1", b"", False),
    ],
)
def test_address_and_key_must_both_be_those(
    subject: Subject, address: str, key: bytes, expected: bool
) -> None:
    assert fits(subject, octets(address), key) == expected


def test_a_right_is_of_its_kind_and_of_its_zone() -> None:
    rows = {settings.where(APEX): settings.pack(Rights(transfer=(Subject(key=KEY),)))}
    moment = Moment(rights=rows)
    here = octets("127.0.0.1")
    assert may(moment, APEX, "transfer", here, KEY)
    assert not may(moment, APEX, "update", here, KEY)
    assert not may(moment, APEX, "notify", here, KEY)
    assert not may(moment, b"other\0", "transfer", here, KEY)
    assert not may(moment, APEX + b"www\0", "transfer", here, KEY)


def test_rights_of_its_own_take_the_place_of_those_of_all() -> None:
    rows = {EVERYWHERE: settings.pack(Rights(transfer=(Subject(key=KEY),)))}
    here = octets("127.0.0.1")
    assert may(Moment(rights=rows), APEX, "transfer", here, KEY)
    rows[settings.where(APEX)] = settings.pack(Rights(update=(Subject(key=KEY),)))
    assert not may(Moment(rights=rows), APEX, "transfer", here, KEY)
    assert may(Moment(rights=rows), b"other\0", "transfer", here, KEY)


@pytest.mark.parametrize(
    ("primary", "address", "key", "expected"),
    [
        (Target("192.0.2.1", 53), "192.0.2.1", b"", True),
        (Target("192.0.2.1", 5_353), "192.0.2.1", OTHER, True),  # whatever it signs with
        (Target("192.0.2.1", 53), "192.0.2.2", b"", False),
        (Target("192.0.2.1", 53, KEY), "192.0.2.1", b"", False),
        (Target("192.0.2.1", 53, KEY), "192.0.2.1", KEY, True),
        (Target("192.0.2.1", 53, KEY), "192.0.2.2", KEY, False),
        (Target("2001:db8:0::1", 53), "2001:db8::1", b"", True),
        (Target("primary.example", 53), "192.0.2.1", b"", False),
        (Target("primary.example", 53, KEY), "192.0.2.1", KEY, True),
        (Target("primary.example", 53, KEY), "192.0.2.1", OTHER, False),
    ],
)
def test_a_zone_s_own_primaries_may_notify(
    primary: Target, address: str, key: bytes, expected: bool
) -> None:
    rows = {settings.where(APEX): settings.pack(Follow((Target("203.0.113.9", 53), primary)))}
    moment = Moment(follows=rows)
    assert may(moment, APEX, "notify", octets(address), key) == expected
    assert not may(moment, APEX, "transfer", octets(address), key)
    assert not may(moment, APEX, "update", octets(address), key)


def test_a_right_over_tls_alone_is_none_over_anything_else() -> None:
    subject = Subject(key=KEY, tls=True)
    assert fits(subject, octets("192.0.2.1"), KEY, tls=True)
    assert not fits(subject, octets("192.0.2.1"), KEY, tls=False)
    assert not fits(subject, octets("192.0.2.1"), OTHER, tls=True)
