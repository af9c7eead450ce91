"""Addresses of servers: how they are written, and what is none."""

from __future__ import annotations

import pytest

from csid import address
from csid.address import Address, AddressError


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("192.0.2.1:53", Address("192.0.2.1", 53)),
        ("192.0.2.1", Address("192.0.2.1", 5300)),
        ("ns.example:5300", Address("ns.example", 5300)),
        ("[2001:db8::1]:53", Address("2001:db8::1", 53)),
        ("[2001:db8::1]", Address("2001:db8::1", 5300)),
        ("2001:db8::1", Address("2001:db8::1", 5300)),
    ],
)
def test_addresses_are_written_as_usual(text: str, read: Address) -> None:
    assert address.parse(text, 5300) == read
    assert address.parse(str(read)) == read


WRONG = [
    "",
    ":53",
    "a:0",
    "a:65536",
    "a:x",
    "a:５３",
    "a:-1",
    "[::1",
    "[::1]53",
    "[]:53",
    "[a]:53",
    "a:",
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_address_is_refused(text: str) -> None:
    for default in (None, 5300):
        with pytest.raises(AddressError, match="expected HOST:PORT"):
            address.parse(text, default)


def test_port_0_is_taken_where_it_stands_for_a_free_one() -> None:
    assert address.parse("[::1]:0", lowest=0) == Address("::1", 0)


@pytest.mark.parametrize("text", ["127.0.0.1", "[::1]", "::1", "::1:53"])
def test_without_a_default_the_port_is_needed(text: str) -> None:
    with pytest.raises(AddressError):
        address.parse(text)


@pytest.mark.parametrize("text", ["a:b:c", "[a:b]:53", "fe80::x:53", "two words:53", "[::1", "::g"])
def test_what_is_neither_a_name_nor_an_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="expected HOST:PORT"):
        address.parse(text, 53)
