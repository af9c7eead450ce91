"""A resource record as DNS record data (RDATA).

Three projections of the same facts, all at the identifier's name:

- CSID (private-use type): the canonical msgpack map, for gateways (`csid.record.encode`)
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
from csid.endpoint import CACHE_ENTRIES
from csid.fields import ENDPOINTS_MAX, FIELDS, PRECISIONS, Field, show_number
from csid.names import ROOT
from csid.record import Record

ALPN: Final = {  # protocols that the scheme of a URI promises over TLS (RFC 7301), and no more
    "grpcs": b"h2",
    "https": b"http/1.1",
    "wss": b"http/1.1",
}

_ALPN, _PORT, _IPV4HINT, _IPV6HINT = 1, 3, 4, 6  # SvcParamKeys, RFC 9460 section 14.3.2
_PARAM = Struct(">HH")  # key, length of the value
_UINT16 = Struct(">H")
_PRIORITIES: Final = tuple(_UINT16.pack(n + 1) for n in range(ENDPOINTS_MAX))
_LENGTHS: Final = tuple(bytes((n,)) for n in range(256))


def svcb_rdatas(record: Record) -> list[bytes]:
    """RDATA of the SVCB records, one per endpoint; the first endpoint has priority 1.

    An endpoint whose host is an address has the target `.`, the name of the record itself, and
    the address as its first hint, since a target cannot be an address.
    """
    texts = record.values.get("ep", ())
    assert isinstance(texts, tuple)
    rdatas = []
    for text, priority in zip(texts, _PRIORITIES, strict=False):
        _, protocol, host, port, is_address, addresses = endpoint.parts(text)
        if is_address:
            target = ROOT
            addresses = (host, *(address for address in addresses if address != host))
        else:
            first, _, parents = host.partition(".")
            target = _LENGTHS[len(first)] + first.encode() + _target(parents)
        rdata = priority + target + _service(protocol, port)
        rdatas.append(rdata + _hints(addresses) if addresses else rdata)
    return rdatas


@lru_cache(CACHE_ENTRIES)
def _target(host: str) -> bytes:
    """A checked host name, or what follows its first label, in uncompressed wire form."""
    labels = host.split(".") if host else []
    return b"".join(_LENGTHS[len(label)] + label.encode() for label in labels) + ROOT


# SvcParams stand in the order of their keys (RFC 9460 section 2.2): alpn, port, hints.


@lru_cache(CACHE_ENTRIES)
def _service(protocol: str, port: int) -> bytes:
    """The SvcParams alpn, where the protocol implies one, and port."""
    name = ALPN.get(protocol, b"")
    alpn = _PARAM.pack(_ALPN, len(name) + 1) + _LENGTHS[len(name)] + name if name else b""
    return alpn + _PARAM.pack(_PORT, 2) + _UINT16.pack(port)


@lru_cache(CACHE_ENTRIES)
def _hints(addresses: tuple[str, ...]) -> bytes:
    """The SvcParams ipv4hint and ipv6hint."""
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
    return _VERSION_STRING + b"".join(
        [_WRITERS[key](value) for key, value in record.values.items() if key in _WRITERS]
    )


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
    return _string(b"name=" + name.encode())


_ENDPOINT: Final = b"endpoint="


def _write_endpoints(texts: tuple[str, ...]) -> bytes:
    written = b""
    for text in texts:
        uri = text.partition("|")[0]
        written += _LENGTHS[len(_ENDPOINT) + len(uri)] + _ENDPOINT + uri.encode("ascii")
    return written


def _write_gflops(numbers: dict[str, object]) -> bytes:
    return _gflops_strings(tuple(numbers.items()))


@lru_cache(CACHE_ENTRIES)
def _gflops_strings(numbers: tuple[tuple[str, object], ...]) -> bytes:
    return b"".join(
        _string(f"{PRECISIONS[letter]}={show_number(number)}".encode())
        for letter, number in numbers
    )


_VERSION_STRING: Final = _string(b"v=csid1")
_WRITERS: Final[dict[str, Callable[[Any], bytes]]] = {
    **{field.key: _writer(field) for field in FIELDS},
    "nm": _write_name,
    "ep": _write_endpoints,
    "fl": _write_gflops,
}
