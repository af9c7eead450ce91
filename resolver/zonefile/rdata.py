"""Record data as a master file writes it, into wire (RFC 1035 section 5.1, RFC 3597 section 5).

Every type is read with care, by its layout (`layouts.py`) or by dnspython. The plain forms of the
types that fill big zones are read here first, because they are nearly all of a zone and reading
with care takes ten times as long; both ways give the same octets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Final

import dns.exception
import dns.ipv6
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer

from csid.limits import MAX_RDATA_OCTETS
from csid.protocol import AAAA, CNAME, CSID, DNAME, HTTPS, MX, NS, PTR, SOA, SRV, SVCB, TXT, A
from resolver.zonefile.tokens import TextError, name_of, tokenizer
from resolver.zonefile.types import layouts
from resolver.zonefile.types.fields import NoTextForm

Words = dns.tokenizer.Tokenizer

_IN: Final = dns.rdataclass.IN
_MEMO_ENTRIES: Final = 16_384  # texts kept with their octets, per function
_MEMO_CHARACTERS: Final = 256  # longer record data is not kept: it hardly ever comes twice

_IPV4 = re.compile(r"(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}", re.ASCII)
_NAME_CHARACTERS = r"[!#-'*-:<-\[\]-~]+"
_NAME = re.compile(_NAME_CHARACTERS)
_SERVICE = re.compile(rf"([1-9]\d{{0,4}})[ \t]+({_NAME_CHARACTERS})[ \t]+(.+)", re.ASCII)
_STRING = r'(?:"[^"\\\n]*"|[^\s"\\();]+)'
_STRINGS = re.compile(rf"{_STRING}(?:[ \t]+{_STRING})*")
_EACH_STRING = re.compile(r'"([^"]*)"|([^\s"]+)')
_UNKNOWN = re.compile(r"\\#[ \t]+(\d{1,5})[ \t]+([0-9A-Fa-f]+)", re.ASCII)

_LENGTH_OCTET: Final = [bytes((length,)) for length in range(256)]
_PORTABLE: Final = {
    int(dns.rdatatype.APL): re.compile(r"(?:(?:^| )!?[12]:\S+)+"),  # IPv4 and IPv6 (RFC 3123)
}

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


class DataError(TextError):
    """Record data that is not of its type."""


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
    return _careful_data(rrtype, text, origin)


def _careful_data(rrtype: int, text: str, origin: bytes | None) -> bytes:
    if len(text) > _MEMO_CHARACTERS:
        return read_rdata(rrtype, tokenizer(text), origin)
    return _memoised_rdata(rrtype, text, origin)


@lru_cache(maxsize=_MEMO_ENTRIES)
def _memoised_rdata(rrtype: int, text: str, origin: bytes | None) -> bytes:
    return read_rdata(rrtype, tokenizer(text), origin)


def read_rdata(rrtype: int, tokens: Words, origin: bytes | None) -> bytes:
    """Uncompressed wire data of one record, read with care up to the end of its line.

    Raises:
        DataError: not data of that type.
        TextError: a name outside ASCII, or a relative one with no origin.
    """
    kind = dns.rdatatype.RdataType.make(rrtype)
    try:
        data = _octets(kind, tokens, origin)
        if len(data) > MAX_RDATA_OCTETS:
            raise ValueError(f"{len(data)} octets; a record has at most {MAX_RDATA_OCTETS}")
        return data
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


def data_text(rrtype: int, data: bytes) -> str:
    """Wire data as every name server reads it, of a type that has a text form.

    Raises:
        NoTextForm, dns.exception.DNSException, ValueError: not data of that type, or not such that
            every server reads it as text.
    """
    if rrtype in layouts.LAYOUTS:
        return layouts.write(rrtype, data)
    kind = dns.rdatatype.RdataType.make(rrtype)
    text: str = dns.rdata.from_wire(_IN, kind, data, 0, len(data)).to_text()
    portable = _PORTABLE.get(kind)
    if not text or text.endswith(" ") or (portable and not portable.fullmatch(text)):
        raise NoTextForm(len(data))  # of an empty last field not all servers read the text
    return text


def _octets(kind: dns.rdatatype.RdataType, tokens: Words, origin: bytes | None) -> bytes:
    token = tokens.get()
    is_generic = token.is_identifier() and token.value == "\\#"
    tokens.unget(token)
    if kind in layouts.LAYOUTS:
        if not is_generic:
            return layouts.read(kind, tokens, origin)
        data = _generic(kind, tokens)
        with suppress(NoTextForm):
            layouts.write(kind, data)  # refuses what is malformed
        return data
    if not is_generic and dns.rdata.get_rdata_class(_IN, kind) is dns.rdata.GenericRdata:  # type: ignore[no-untyped-call]
        raise DataError(
            f"type {dns.rdatatype.to_text(kind)} has no text form of its own; "
            "write its data as \\# with length and hexadecimal data (RFC 3597)"
        )
    rdata = dns.rdata.from_text(_IN, kind, tokens, _dnspython_name(origin), relativize=False)
    return rdata.to_wire() or b""


def _generic(kind: dns.rdatatype.RdataType, tokens: Words) -> bytes:
    """RFC 3597 section 5."""
    data: bytes = dns.rdata.GenericRdata.from_text(  # type: ignore[no-untyped-call]
        _IN, kind, tokens
    ).data
    tokens.get_eol()
    return data


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
    if text[:1] == '"' and text.find('"', 1) == len(text) - 1 and "\\" not in text:
        only = text[1:-1].encode()
        return _LENGTH_OCTET[len(only)] + only if len(only) <= 255 else None
    if not _STRINGS.fullmatch(text):
        return None
    strings = [(quoted or bare).encode() for quoted, bare in _EACH_STRING.findall(text)]
    if max(map(len, strings)) > 255:
        return None
    return b"".join([_LENGTH_OCTET[len(string)] + string for string in strings])


def _service_data(text: str, origin: bytes | None) -> bytes | None:
    """RFC 9460 section 2.1, ServiceMode. Targets are many and parameters few: these are kept."""
    found = _SERVICE.fullmatch(text)
    if found is None or int(found[1]) > 65_535:
        return None
    parameters = _careful_data(SVCB, f"1 . {found[3]}", None)[len(b"\0\1\0") :]
    return int(found[1]).to_bytes(2) + name_of(found[2], origin) + parameters


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
    SVCB: _service_data,
    HTTPS: _service_data,
    CSID: _unknown_data,
}
