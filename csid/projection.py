"""A resource record as DNS record data (RDATA).

Three projections of the same facts, all at the identifier's name:

- CSID (private-use type): the canonical msgpack map, for gateways
- SVCB (RFC 9460): one per endpoint, for ordinary clients
- TXT (RFC 1035 section 3.3.14): `name=value` strings, for people and ordinary tools

Bulk import runs these for every row, so the repeated parts (hosts, chips, counts) are remembered
in bounded caches; what differs in every row is built directly.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from struct import Struct
from typing import Any, Final

from csid import endpoint
from csid.endpoint import CACHE_ENTRIES, Authority
from csid.fields import FIELDS, PRECISIONS, Field, show_number
from csid.record import Record, encode

ALPN: Final = {  # protocols that the scheme of a URI promises over TLS (RFC 7301), and no more
    "grpcs": b"h2",
    "https": b"http/1.1",
    "wss": b"http/1.1",
}
TXT_VERSION: Final = b"v=csid1"

_ALPN, _PORT, _IPV4HINT, _IPV6HINT = 1, 3, 4, 6  # SvcParamKeys, RFC 9460 section 14.3.2
_PARAM = Struct(">HH")  # key, length of the value
_PORT_PARAM = Struct(">HHH")
_PRIORITY = Struct(">H")
_LENGTHS: Final = tuple(bytes((n,)) for n in range(256))


def csid_rdata(record: Record) -> bytes:
    """RDATA of the CSID record: the canonical msgpack map.

    Raises:
        RecordError: the record is too large.
    """
    return encode(record)


def svcb_rdatas(record: Record) -> list[bytes]:
    """RDATA of the SVCB records, one per endpoint; the first endpoint has priority 1.

    An endpoint whose host is an address has the target `.`, the name of the record itself, and
    the address as its first hint, since a target cannot be an address.
    """
    texts = record.values.get("ep", ())
    assert isinstance(texts, tuple)
    rdatas = []
    for priority, text in enumerate(texts, 1):
        _, authority, addresses = endpoint.parse(text)
        rdatas.append(_svcb(authority, addresses, priority))
    return rdatas


@lru_cache(CACHE_ENTRIES)
def _svcb(authority: Authority, addresses: tuple[str, ...], priority: int) -> bytes:
    protocol, host, port, is_address = authority
    if is_address:
        target = b"\0"
        addresses = (host, *(address for address in addresses if address != host))
    else:
        target = _target(host)
    # SvcParams stand in the order of their keys (RFC 9460 section 2.2).
    return (
        _PRIORITY.pack(priority)
        + target
        + _alpn(protocol)
        + _PORT_PARAM.pack(_PORT, 2, port)
        + (_hints(addresses) if addresses else b"")
    )


def _target(host: str) -> bytes:
    """A checked host name in uncompressed wire form."""
    first, _, parents = host.partition(".")
    return _LENGTHS[len(first)] + first.encode() + (_parents(parents) if parents else b"\0")


_parents = lru_cache(CACHE_ENTRIES)(_target)  # many hosts differ in their first label alone


@lru_cache(CACHE_ENTRIES)
def _alpn(protocol: str) -> bytes:
    name = ALPN.get(protocol)
    if name is None:
        return b""
    return _PARAM.pack(_ALPN, len(name) + 1) + _LENGTHS[len(name)] + name


def _hints(addresses: tuple[str, ...]) -> bytes:
    parsed = [ip_address(address) for address in addresses]
    params = b""
    for version, key in ((4, _IPV4HINT), (6, _IPV6HINT)):
        value = b"".join(address.packed for address in parsed if address.version == version)
        if value:
            params += _PARAM.pack(key, len(value)) + value
    return params


def txt_rdata(record: Record) -> bytes:
    """RDATA of the TXT record: `v=csid1`, then one `name=value` string per fact.

    The names and values are those of the CSV columns, except that each endpoint has a string
    `endpoint=` of its own, its URI. Unknown keys are left out. No string is over 255 octets: the
    bounds of the fields see to that.
    """
    strings = [_string(TXT_VERSION)]
    for key, value in record.values.items():
        write = _TXT_WRITERS.get(key)
        if write is not None:
            strings.append(write(value))
    return b"".join(strings)


def _string(text: bytes) -> bytes:
    return _LENGTHS[len(text)] + text


def _writer(field: Field) -> Callable[[Any], bytes]:
    """Writes the string of one field, and remembers the values seen last."""
    prefix, show = field.name + "=", field.form.show

    @lru_cache(CACHE_ENTRIES)
    def write(value: object) -> bytes:
        return _string((prefix + show(value)).encode())

    return write


def _write_name(name: str) -> bytes:
    """As above; names differ in every row, so remembering them would only cost."""
    text = b"name=" + name.encode()
    return _LENGTHS[len(text)] + text


def _write_endpoints(texts: tuple[str, ...]) -> bytes:
    written = b""
    for text in texts:
        uri = b"endpoint=" + text.partition("|")[0].encode()
        written += _LENGTHS[len(uri)] + uri
    return written


def _write_gflops(numbers: dict[str, object]) -> bytes:
    return b"".join(
        _string(f"{PRECISIONS[letter]}={show_number(number)}".encode())
        for letter, number in numbers.items()
    )


_TXT_WRITERS: Final[dict[str, Callable[[Any], bytes]]] = {
    **{field.key: _writer(field) for field in FIELDS},
    "nm": _write_name,
    "ep": _write_endpoints,
    "fl": _write_gflops,
}
