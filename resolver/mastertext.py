"""The pieces of a master file line as wire: names, TTLs, types, record data (RFC 1035 section 5.1).

dnspython reads record data of every type. The plain forms of the types that fill big zones are read
here first, because they are nearly all of a zone and dnspython takes ten times as long; whatever
is not plain is left to dnspython, so that both ways give the same octets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import dns.exception
import dns.ipv6
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.ttl

from csid import names
from csid.dns import AAAA, CNAME, CSID, DNAME, MX, NS, OPT, SOA, SRV, SVCB, TXT, A
from csid.errors import CsidError
from csid.limits import MAX_NAME_OCTETS, MAX_TTL

PTR: Final = 12

_MEMO_ENTRIES: Final = 16_384  # texts kept with their octets, per function
_MEMO_CHARACTERS: Final = 256  # longer record data is not kept: it hardly ever comes twice

_LENGTH_OCTET: Final = {length: bytes((length,)) for length in range(1, 64)}
_TTL = re.compile(r"\d+|(?:\d+[wdhms])+", re.ASCII | re.IGNORECASE)
_IPV4 = re.compile(r"(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}", re.ASCII)
_NAME = re.compile(r"[!#-'*-:<-\[\]-~]+")
_STRING = r'(?:"[^"\\\n]*"|[^\s"\\();]+)'
_STRINGS = re.compile(rf"{_STRING}(?:[ \t]+{_STRING})*")
_EACH_STRING = re.compile(r'"([^"]*)"|([^\s"]+)')
_UNKNOWN = re.compile(r"\\#[ \t]+(\d{1,5})[ \t]+([0-9A-Fa-f]+)", re.ASCII)


_ONE_NAME: Final = "one domain name"
_DATA_FORMS: Final = {
    A: "an IPv4 address, as 192.0.2.1",
    AAAA: "an IPv6 address, as 2001:db8::1",
    NS: _ONE_NAME,
    CNAME: _ONE_NAME,
    PTR: _ONE_NAME,
    DNAME: _ONE_NAME,
    SOA: "two domain names and the numbers serial, refresh, retry, expire, minimum",
    MX: "a preference and a domain name",
    SRV: "priority, weight, port and a domain name",
    SVCB: 'a priority, a domain name and parameters, as 1 host.example. alpn="h2" port=443',
    TXT: "texts of at most 255 octets each, in quotes where they hold spaces",
}
_OTHER_DATA_FORM: Final = (
    "it as the RFC of the type shows, or as \\# with length and hexadecimal data (RFC 3597)"
)

# What dnspython says where it says nothing in particular.
_EMPTY_DETAILS: Final = frozenset({"", str(dns.exception.SyntaxError.__doc__).rstrip(".")})


class TextError(CsidError):
    """A piece of master file text that cannot be read; the reader adds the file and the line."""


class DataError(TextError):
    """Record data that is not of its type, in dnspython's judgement."""


class _AsciiOnly(dns.name.IDNACodec):
    """Refuses names outside ASCII: which Unicode form a writer meant would be a guess."""

    def __init__(self) -> None:
        """There is no state."""

    def encode(self, label: str) -> bytes:
        if label.isascii():
            return label.encode("ascii")
        raise TextError(f"{label!r} is not ASCII; write such names in A-label form (xn--...)")


_ASCII_ONLY: Final = _AsciiOnly()


def tokenizer(source: object) -> dns.tokenizer.Tokenizer:
    """dnspython's tokenizer over a text or an object with `read(1)`."""
    return dns.tokenizer.Tokenizer(source, "", idna_codec=_ASCII_ONLY)


def name_of(text: str, origin: bytes | None) -> bytes:
    """The absolute wire name of a name in text, its case kept.

    `origin` (wire) completes a relative name and stands for "@"; None if none is known yet.

    Raises:
        TextError: a relative name with no origin, or a name that is too long when completed.
        DomainNameError: not a domain name.
    """
    if text == "@":
        return _known(origin, text)
    if "\\" in text or not text.isascii():
        return _escaped_name(text, origin)
    labels = text.encode("ascii").split(b".")
    if labels[-1]:
        tail = _known(origin, text)
    else:
        labels.pop()
        tail = names.ROOT
    try:
        wire = b"".join([_LENGTH_OCTET[len(label)] + label for label in labels]) + tail
    except KeyError:
        return names.from_text(text)  # the root, or a label too short or too long: it says which
    return _within_bounds(wire, text)


def _known(origin: bytes | None, text: str) -> bytes:
    if origin is None:
        raise TextError(
            f"{text!r} is relative, but no origin is known before the SOA record; "
            "write a $ORIGIN line before it or end the name with a dot"
        )
    return origin


def _escaped_name(text: str, origin: bytes | None) -> bytes:
    wire = names.from_text(text)
    body = text.removesuffix(".")
    backslashes = len(body) - len(body.rstrip("\\"))
    if body != text and backslashes % 2 == 0:
        return wire
    return _within_bounds(wire[:-1] + _known(origin, text), text)


def _within_bounds(wire: bytes, text: str) -> bytes:
    if len(wire) > MAX_NAME_OCTETS:
        raise TextError(
            f"{text!r} has {len(wire)} octets with its origin; "
            f"a name has at most {MAX_NAME_OCTETS} (RFC 1035 section 2.3.4)"
        )
    return wire


@lru_cache(maxsize=_MEMO_ENTRIES)
def ttl_of(text: str) -> int | None:
    """Seconds of a TTL written as a number or with units (1h30m); None if it is not a TTL at all.

    Raises:
        TextError: a TTL above 2^31 - 1 seconds (RFC 2181 section 8).
    """
    if not _TTL.fullmatch(text):
        return None
    try:
        seconds = dns.ttl.from_text(text)
    except (ValueError, dns.ttl.BadTTL):
        seconds = MAX_TTL + 1  # too large even for dnspython or Python
    if seconds > MAX_TTL:
        raise TextError(
            f"TTL {text[:20]} is above {MAX_TTL} seconds (RFC 2181 section 8); lower it"
        )
    return seconds


@lru_cache(maxsize=_MEMO_ENTRIES)
def type_of(text: str) -> int:
    """The number of a record type given by name or as TYPEnnn (RFC 3597 section 5).

    Raises:
        TextError: no such type, or one that exists only in messages (RFC 6895 section 3.1).
    """
    if text.upper() == "CSID":
        return CSID
    try:
        number = int(dns.rdatatype.from_text(text))
    except (dns.exception.DNSException, ValueError):
        raise TextError(
            f"{text!r} is no record type known here; write a known type or TYPEnnn (RFC 3597)"
        ) from None
    if number in (0, OPT) or 128 <= number <= 255:
        raise TextError(f"type {text} exists only in messages and cannot be zone data (RFC 6895)")
    return number


def rdata_of(rrtype: int, text: str, origin: bytes | None) -> bytes:
    """Uncompressed wire data of one record whose data stands on one line without ( ) and comment.

    Raises:
        TextError, DomainNameError, dns.exception.DNSException, ValueError: not plain data of that
            type; read with care, it may be.
    """
    quick = _QUICK.get(rrtype)
    if quick is not None:
        wire = quick(text, origin)
        if wire is not None:
            return wire
    if len(text) > _MEMO_CHARACTERS:
        return read_rdata(rrtype, tokenizer(text), origin)
    return _memoised_rdata(rrtype, text, origin)


@lru_cache(maxsize=_MEMO_ENTRIES)
def _memoised_rdata(rrtype: int, text: str, origin: bytes | None) -> bytes:
    return read_rdata(rrtype, tokenizer(text), origin)


def read_rdata(rrtype: int, tokens: dns.tokenizer.Tokenizer, origin: bytes | None) -> bytes:
    """Uncompressed wire data of one record, read by dnspython up to the end of its line.

    Raises:
        DataError: not data of that type.
        TextError: a name outside ASCII, or a relative one with no origin.
    """
    kind = dns.rdatatype.RdataType.make(rrtype)
    try:
        rdata = dns.rdata.from_text(
            dns.rdataclass.IN, kind, tokens, _dnspython_name(origin), relativize=False
        )
        return rdata.to_wire() or b""
    except dns.name.NeedAbsoluteNameOrOrigin:
        raise TextError(
            "its data holds a relative name, but no origin is known before the SOA record; "
            "write a $ORIGIN line before it or end the name with a dot"
        ) from None
    except (dns.exception.DNSException, ValueError) as error:
        if isinstance(error.__cause__, TextError):
            raise error.__cause__ from None
        detail = str(error).rstrip(".")
        said = f" ({detail})" if detail not in _EMPTY_DETAILS else ""
        raise DataError(
            f"not data of type {dns.rdatatype.to_text(kind)}{said}; "
            f"write {_DATA_FORMS.get(rrtype, _OTHER_DATA_FORM)}"
        ) from error


@lru_cache(maxsize=_MEMO_ENTRIES)
def _dnspython_name(wire: bytes | None) -> dns.name.Name | None:
    return None if wire is None else dns.name.from_wire(wire, 0)[0]


def _ipv4_data(text: str, origin: bytes | None) -> bytes | None:
    """RFC 1035 section 3.4.1. ValueError for a part above 255."""
    return bytes(map(int, text.split("."))) if _IPV4.fullmatch(text) else None


def _ipv6_data(text: str, origin: bytes | None) -> bytes | None:
    """RFC 3596 section 2.2."""
    return dns.ipv6.inet_aton(text)


@lru_cache(maxsize=_MEMO_ENTRIES)
def _name_data(text: str, origin: bytes | None) -> bytes | None:
    """One domain name. Kept, so that a million delegations share the names of their servers."""
    return name_of(text, origin) if _NAME.fullmatch(text) else None


def _text_data(text: str, origin: bytes | None) -> bytes | None:
    """Character strings (RFC 1035 section 3.3.14), if none holds an escape."""
    if not _STRINGS.fullmatch(text):
        return None
    strings = [(quoted or bare).encode() for quoted, bare in _EACH_STRING.findall(text)]
    if max(map(len, strings)) > 255:
        return None
    return b"".join([bytes((len(string),)) + string for string in strings])


def _unknown_data(text: str, origin: bytes | None) -> bytes | None:
    """RFC 3597 section 5, hexadecimal data in one piece."""
    found = _UNKNOWN.fullmatch(text)
    if found is None:
        return None
    wire = bytes.fromhex(found[2])
    return wire if len(wire) == int(found[1]) else None


_QUICK: Final[dict[int, Callable[[str, bytes | None], bytes | None]]] = {
    A: _ipv4_data,
    AAAA: _ipv6_data,
    NS: _name_data,
    CNAME: _name_data,
    PTR: _name_data,
    DNAME: _name_data,
    TXT: _text_data,
    CSID: _unknown_data,
}
