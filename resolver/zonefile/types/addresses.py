"""Fields of addresses, and of the services at an address."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import dns.exception
import dns.ipv4
import dns.ipv6

from resolver.zonefile.types.fields import (
    NAME,
    U8,
    Field,
    NoTextForm,
    Words,
    hex_octets,
    number,
    rest,
    rest_words,
    taken,
    word,
)
from resolver.zonefile.types.texts import string_text

_E164 = re.compile(r"\+\d+", re.ASCII)
_NSAP = re.compile(r"0[xX]([0-9A-Fa-f.]+)")
_GROUPS = re.compile(r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){3}")

# Those of RFC 1010 that still stand in zones. The machine's own tables are not asked: a zone is to
# mean the same everywhere.
_PROTOCOLS: Final = {"ICMP": 1, "IGMP": 2, "TCP": 6, "UDP": 17}
_SERVICES: Final = {
    name: int(port)
    for name, port in re.findall(
        r"(\S+) (\d+)",
        "ECHO 7 DISCARD 9 DAYTIME 13 FTP-DATA 20 FTP 21 SSH 22 TELNET 23 SMTP 25 TIME 37 DOMAIN 53 "
        "TFTP 69 GOPHER 70 FINGER 79 HTTP 80 POP3 110 SUNRPC 111 NNTP 119 NTP 123 IMAP2 143 "
        "SNMP 161 HTTPS 443",
    )
}


def _address(octets: int, packed: Callable[[str], bytes], shown: Callable[[bytes], str]) -> Field:
    def read(words: Words, _: bytes | None) -> bytes:
        text = word(words, "an address")
        try:
            return packed(text)
        except dns.exception.DNSException:
            raise ValueError(f"{text[:50]!r} is no address of {octets} octets") from None

    return Field(read, lambda data, at: (shown(taken(data, at, octets)), at + octets))


def _read_a6(words: Words, origin: bytes | None) -> bytes:
    """RFC 2874 section 3.2: prefix length, the address without its prefix, the prefix's name."""
    length = U8.read(words, origin)
    bits = length[0]
    if bits > 128:
        raise ValueError(f"prefix length {bits} is above 128")
    suffix = IPV6.read(words, origin) if bits < 128 else b""
    kept = int.from_bytes(suffix) & ((1 << 128 - bits) - 1)
    name = NAME.read(words, origin) if bits else b""
    return length + kept.to_bytes(16)[bits // 8 :] + name


def _write_a6(data: bytes, at: int) -> tuple[str, int]:
    bits = taken(data, at, 1)[0]
    if bits > 128:
        raise ValueError("a prefix length above 128")
    octets = 16 - bits // 8
    suffix = taken(data, at + 1, octets)
    at += 1 + octets
    texts = [str(bits)] + ([dns.ipv6.inet_ntoa(suffix.rjust(16, b"\0"))] if octets else [])
    if bits:
        name, at = NAME.write(data, at)
        texts.append(name)
    return " ".join(texts), at


def _read_atma(words: Words, _: bytes | None) -> bytes:
    """ATM Forum af-dans-0152: an AESA in hexadecimal digits and dots, or +E.164."""
    text = rest(words).replace(".", "")
    if _E164.fullmatch(text):
        return b"\1" + text[1:].encode("ascii")
    octets = hex_octets(text)
    if not octets:
        raise ValueError("an ATM address is missing")
    return b"\0" + octets


def _write_atma(data: bytes, at: int) -> tuple[str, int]:
    form = taken(data, at, 2)[0]
    if form == 1 and not data[at + 1 :].isdigit():
        raise ValueError("an E.164 address has nothing but digits")
    text = data[at + 1 :].hex() if form == 0 else "+" + string_text(data[at + 1 :])[1:-1]
    return text, len(data)


def _read_nsap(words: Words, _: bytes | None) -> bytes:
    """RFC 1706 section 5: 0x and hexadecimal digits, with dots where one likes."""
    text = word(words, "an NSAP address")
    found = _NSAP.fullmatch(text)
    octets = hex_octets(found[1].replace(".", "")) if found else b""
    if not octets:
        raise ValueError(f"{text[:20]!r} is no NSAP address; write 0x and hexadecimal digits")
    return octets


def _write_nsap(data: bytes, at: int) -> tuple[str, int]:
    return "0x" + taken(data, at, max(1, len(data) - at)).hex(), len(data)


def _hardware_address(octets: int) -> Field:
    """RFC 7043: octets in hexadecimal with dashes between."""
    form = re.compile(r"[0-9A-Fa-f]{1,2}" + r"-[0-9A-Fa-f]{1,2}" * (octets - 1))

    def read(words: Words, _: bytes | None) -> bytes:
        text = word(words, "a hardware address")
        if not form.fullmatch(text):
            raise ValueError(f"{text[:30]!r} is not {octets} octets with dashes between")
        return bytes(int(part, 16) for part in text.split("-"))

    return Field(read, lambda data, at: (taken(data, at, octets).hex("-"), at + octets))


def _read_groups(words: Words, _: bytes | None) -> bytes:
    """RFC 6742 section 2.1.2: 64 bits as four groups of hexadecimal digits."""
    text = word(words, "a 64-bit value")
    if not _GROUPS.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is not four groups of hexadecimal digits")
    return b"".join([int(group, 16).to_bytes(2) for group in text.split(":")])


def _write_groups(data: bytes, at: int) -> tuple[str, int]:
    return taken(data, at, 8).hex(":", 2), at + 8


def _read_services(words: Words, origin: bytes | None) -> bytes:
    """RFC 1035 section 3.4.2: an IPv4 address, a protocol, and a bit for each port."""
    address = IPV4.read(words, origin)
    protocol = _protocol(word(words, "a protocol"))
    ports = {_port(text) for text in rest_words(words)}
    bits = bytearray(max(ports, default=-1) // 8 + 1)
    for port in ports:
        bits[port >> 3] |= 0x80 >> (port & 7)
    return address + bytes((protocol,)) + bits


def _protocol(text: str) -> int:
    if text.isdecimal():
        return number(text, 255)
    protocol = _PROTOCOLS.get(text.upper())
    if protocol is None:
        raise ValueError(f"{text[:20]!r} is no protocol known here; write its number")
    return protocol


def _port(text: str) -> int:
    if text.isdecimal():
        return number(text, 65_535)
    port = _SERVICES.get(text.upper())
    if port is None:
        raise ValueError(f"{text[:20]!r} is no service known here; write its port")
    return port


def _write_services(data: bytes, at: int) -> tuple[str, int]:
    head, bits = taken(data, at, 5), data[at + 5 :]
    if len(bits) > 8192:
        raise ValueError("a bit map of more than 65,536 ports")
    if bits[-1:] == b"\0":
        raise NoTextForm(len(data))  # a text would leave out the last octets
    ports = [str(port) for port in range(len(bits) * 8) if bits[port >> 3] & 0x80 >> (port & 7)]
    return " ".join([dns.ipv4.inet_ntoa(head[:4]), str(head[4]), *ports]), len(data)


IPV4: Final = _address(4, dns.ipv4.inet_aton, dns.ipv4.inet_ntoa)
IPV6: Final = _address(16, dns.ipv6.inet_aton, dns.ipv6.inet_ntoa)
A6: Final = Field(_read_a6, _write_a6)
ATM_ADDRESS: Final = Field(_read_atma, _write_atma)
NSAP_ADDRESS: Final = Field(_read_nsap, _write_nsap)
EUI_48: Final = _hardware_address(6)
EUI_64: Final = _hardware_address(8)
GROUPS: Final = Field(_read_groups, _write_groups)
SERVICES: Final = Field(_read_services, _write_services)
