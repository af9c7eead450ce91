"""What record data is made of, by type.

Here stand all types but APL and the newest, which dnspython reads: its own forms know fewer names
and numbers than zones have, and one record that is not read costs a whole zone. What BIND 9.18
takes is taken with the same octets, but for what it takes by oversight: octets behind an EUI48
address, a LOC size above 90000000 m. Beyond it, text in quotes, registry names such as
RSASHA1-NSEC3-SHA1, and regular expressions in NAPTR that are none are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import dns.rdatatype

from csid.protocol import AAAA, CNAME, DNAME, DS, MX, NS, NSEC, RRSIG, SOA, SRV, SVCB, TXT, A
from resolver.zonefile.types import services
from resolver.zonefile.types.addresses import (
    A6,
    ATM_ADDRESS,
    EUI_48,
    EUI_64,
    GROUPS,
    IPV4,
    IPV6,
    NSAP_ADDRESS,
    SERVICES,
)
from resolver.zonefile.types.dnssec import (
    ALGORITHM,
    CERTIFICATE_TYPE,
    DIGEST_TYPE,
    HASH,
    KEY_FLAGS,
    KEY_PROTOCOL,
    NSEC3_HASH,
    SALT,
    TIME,
)
from resolver.zonefile.types.fields import (
    BASE64,
    BASE64_OR_NONE,
    BASE64_OR_NOTHING,
    HEX,
    HEX_OR_NOTHING,
    NAME,
    SECONDS,
    U8,
    U16,
    U32,
    Field,
    NoTextForm,
    Words,
    taken,
)
from resolver.zonefile.types.gateways import HOST_IDENTITY, IPSEC_GATEWAY, RELAY
from resolver.zonefile.types.location import LOCATION
from resolver.zonefile.types.texts import LONG_TEXT, OPTIONAL_STRING, STRING, STRINGS, TAG
from resolver.zonefile.types.typemaps import OLD_TYPES, TYPE, TYPES

Layout = tuple[Field, ...]
_T = dns.rdatatype.RdataType

_DIGEST: Final = (U16, ALGORITHM, DIGEST_TYPE, HEX)
_CERTIFICATE: Final = (U8, U8, U8, HEX)
_KEY: Final = (KEY_FLAGS, KEY_PROTOCOL, ALGORITHM, BASE64)
_SERVICE: Final = (U16, NAME, services.PARAMETERS)
_SIGNATURE: Final = (TYPE, ALGORITHM, U8, SECONDS, TIME, TIME, U16, NAME, BASE64)

LAYOUTS: Final[dict[int, Layout]] = {
    A: (IPV4,),
    NS: (NAME,),
    _T.MD: (NAME,),
    _T.MF: (NAME,),
    CNAME: (NAME,),
    SOA: (NAME, NAME, U32, SECONDS, SECONDS, SECONDS, SECONDS),
    _T.MB: (NAME,),
    _T.MG: (NAME,),
    _T.MR: (NAME,),
    _T.WKS: (SERVICES,),
    _T.PTR: (NAME,),
    _T.HINFO: (STRING, STRING),
    _T.MINFO: (NAME, NAME),
    MX: (U16, NAME),
    TXT: (STRINGS,),
    _T.RP: (NAME, NAME),
    _T.AFSDB: (U16, NAME),
    _T.X25: (STRING,),
    _T.ISDN: (STRING, OPTIONAL_STRING),
    _T.RT: (U16, NAME),
    _T.NSAP: (NSAP_ADDRESS,),
    _T.NSAP_PTR: (NAME,),
    _T.SIG: _SIGNATURE,
    _T.KEY: (KEY_FLAGS, KEY_PROTOCOL, ALGORITHM, BASE64_OR_NOTHING),
    _T.PX: (U16, NAME, NAME),
    _T.GPOS: (STRING, STRING, STRING),
    AAAA: (IPV6,),
    _T.LOC: (LOCATION,),
    _T.NXT: (NAME, OLD_TYPES),
    31: (HEX,),  # EID
    32: (HEX,),  # NIMLOC
    SRV: (U16, U16, U16, NAME),
    34: (ATM_ADDRESS,),  # ATMA
    _T.NAPTR: (U16, U16, STRING, STRING, STRING, NAME),
    _T.KX: (U16, NAME),
    _T.CERT: (CERTIFICATE_TYPE, U16, ALGORITHM, BASE64),
    _T.A6: (A6,),
    DNAME: (NAME,),
    40: (U8, U8, U8, BASE64_OR_NONE),  # SINK
    DS: _DIGEST,
    _T.SSHFP: (U8, U8, HEX_OR_NOTHING),
    _T.IPSECKEY: (IPSEC_GATEWAY,),
    RRSIG: _SIGNATURE,
    NSEC: (NAME, TYPES),
    _T.DNSKEY: _KEY,
    _T.DHCID: (BASE64,),
    _T.NSEC3: (NSEC3_HASH, U8, U16, SALT, HASH, TYPES),
    _T.NSEC3PARAM: (NSEC3_HASH, U8, U16, SALT),
    _T.TLSA: _CERTIFICATE,
    _T.SMIMEA: _CERTIFICATE,
    _T.HIP: (HOST_IDENTITY,),
    57: _KEY,  # RKEY
    58: (NAME, NAME),  # TALINK
    _T.CDS: _DIGEST,
    _T.CDNSKEY: _KEY,
    _T.OPENPGPKEY: (BASE64,),
    _T.NINFO: (STRINGS,),
    _T.CSYNC: (U32, U16, TYPES),
    _T.ZONEMD: (U32, U8, U8, HEX),
    SVCB: _SERVICE,
    _T.HTTPS: _SERVICE,
    _T.SPF: (STRINGS,),
    _T.NID: (U16, GROUPS),
    _T.L32: (U16, IPV4),
    _T.L64: (U16, GROUPS),
    _T.LP: (U16, NAME),
    _T.EUI48: (EUI_48,),
    _T.EUI64: (EUI_64,),
    _T.URI: (U16, U16, LONG_TEXT),
    _T.CAA: (U8, TAG, LONG_TEXT),
    _T.AVC: (STRINGS,),
    259: (U32, U32, U8, STRING, BASE64_OR_NONE),  # DOA
    _T.AMTRELAY: (RELAY,),
    _T.TA: _DIGEST,
    _T.DLV: _DIGEST,
}

_FINGERPRINT_OCTETS: Final = {1: 20, 2: 32}  # RFC 4255 section 3.1.2, RFC 6594 section 4
_SHA_1: Final = 1  # the one hash of NSEC3 (RFC 5155 section 11)
_HASHED_OWNER_OCTETS: Final = 20
_DIGEST_OCTETS: Final = {1: 20, 2: 32, 4: 48}  # RFC 3658, RFC 4509, RFC 6605
_ZONE_DIGEST_OCTETS: Final = {1: 48, 2: 64}  # RFC 8976 section 2.2.3
_LEAST_ZONE_DIGEST: Final = 12  # octets, of any algorithm (RFC 8976 section 2.2.4)


def _check_fingerprint(data: bytes) -> None:
    taken(data, 0, 2)
    size = len(data) - 2
    expected = _FINGERPRINT_OCTETS.get(data[1], size)
    if size != expected:
        raise ValueError(f"a fingerprint of {size} octets; type {data[1]} has {expected}")


def _check_hashed_owner(data: bytes) -> None:
    at = 5 + taken(data, 0, 5)[4]
    size = taken(data, at, 1)[0]
    if data[0] == _SHA_1 and size != _HASHED_OWNER_OCTETS:
        raise ValueError(f"a hashed owner of {size} octets; hash 1 has {_HASHED_OWNER_OCTETS}")


def _check_digest(data: bytes) -> None:
    taken(data, 0, 5)
    size = len(data) - 4
    if size != _DIGEST_OCTETS.get(data[3], size):
        raise ValueError(f"a digest of {size} octets; type {data[3]} has {_DIGEST_OCTETS[data[3]]}")


def _check_zone_digest(data: bytes) -> None:
    taken(data, 0, 7)
    size = len(data) - 6
    expected = _ZONE_DIGEST_OCTETS.get(data[5], max(size, _LEAST_ZONE_DIGEST))
    if size != expected:
        raise ValueError(f"a digest of {size} octets; of hash {data[5]}, {expected} are the least")


def _check_address(data: bytes) -> None:
    """RFC 1183 section 3.1: a PSDN address begins with a DNIC of four digits."""
    if len(data) < 5 or not data[1:].isdigit():
        raise ValueError("an X.25 address has at least four digits and nothing else")


def _check_key(data: bytes) -> None:
    """RFC 2535 section 3.1.2: only where both first flags are set is there no key."""
    taken(data, 0, 4 if data[:1] >= b"\xc0" else 5)


_CHECKS: Final[dict[int, Callable[[bytes], None]]] = {
    _T.X25: _check_address,
    _T.KEY: _check_key,
    DS: _check_digest,
    _T.CDS: _check_digest,
    _T.SSHFP: _check_fingerprint,
    _T.NSEC3: _check_hashed_owner,
    _T.TA: _check_digest,
    _T.DLV: _check_digest,
    _T.ZONEMD: _check_zone_digest,
    SVCB: services.check,
    _T.HTTPS: services.check,
}


def read(rrtype: int, words: Words, origin: bytes | None) -> bytes:
    """The data that the rest of a line gives, of a type in `LAYOUTS`.

    Raises:
        TextError, DomainNameError, dns.exception.DNSException, ValueError: no such data.
    """
    data = b"".join([field.read(words, origin) for field in LAYOUTS[rrtype]])
    words.get_eol()
    _check(rrtype, data)
    return data


def write(rrtype: int, data: bytes) -> str:
    """Data of a type in `LAYOUTS` as text.

    Raises:
        ValueError: it is malformed.
        NoTextForm: it is not, but must be written in hexadecimal.
    """
    texts, at, has_text = [], 0, True
    _check(rrtype, data)
    for field in LAYOUTS[rrtype]:
        try:
            text, at = field.write(data, at)
        except NoTextForm as none:  # what follows may still be malformed
            text, at, has_text = "", none.end, False
        texts.append(text)
    if at != len(data):
        raise ValueError(f"{len(data) - at} octets too many")
    if not has_text:
        raise NoTextForm(at)
    return " ".join(filter(None, texts))


def _check(rrtype: int, data: bytes) -> None:
    check = _CHECKS.get(rrtype)
    if check is not None:
        check(data)
