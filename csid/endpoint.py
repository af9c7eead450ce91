"""An endpoint: where a compute resource is reached.

An endpoint is a URI with an authority (RFC 3986 section 3.2) and, where the owner gives them,
addresses that spare a client the lookup of the host. It is written `URI|address|address`; a
vertical bar never occurs in a URI.

Only the canonical form is taken: scheme and host in lower case, addresses as RFC 5952 writes
them. An endpoint is published to everybody, so one that carries user information is refused.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

URI_MAX: Final = 240  # characters, so that "endpoint=" and the URI fit a TXT string of 255 octets
ADDRESSES_MAX: Final = 4  # hints per endpoint
HOST_MAX: Final = 253  # characters (RFC 1035 section 2.3.4, without the final dot)
CACHE_ENTRIES: Final = 4096  # in each cache of parsed parts

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ssh": 22, "ws": 80, "wss": 443}

_CHARS = r"[\w!$&'()*+,\-./:;=?@~]*"
_URI = re.compile(
    rf"([a-z][a-z0-9+.\-]{{0,15}})://([^/?#\s]+)(?:[/?]{_CHARS}(?:%[0-9A-Fa-f]{{2}}{_CHARS})*)?",
    re.ASCII,
)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:@\[\]]+)(?::([1-9][0-9]{0,4}))?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")


class Authority(NamedTuple):
    """Who answers under a URI."""

    protocol: str  # the scheme of the URI
    host: str  # name or address, without brackets
    port: int
    is_address: bool


class Endpoint(NamedTuple):
    """One endpoint of a resource; `addresses` are hints and may be empty."""

    uri: str
    authority: Authority
    addresses: tuple[str, ...] = ()

    @property
    def protocol(self) -> str:
        return self.authority.protocol

    @property
    def host(self) -> str:
        return self.authority.host

    @property
    def port(self) -> int:
        return self.authority.port

    def __str__(self) -> str:
        return "|".join((self.uri, *self.addresses))


@lru_cache(CACHE_ENTRIES)
def parse(text: str) -> Endpoint:
    """The endpoint written as `URI` or `URI|address|address`.

    Raises:
        ValueError: it is no endpoint in canonical form; the message says what is wrong.
    """
    uri, bar, hints = text.partition("|")
    match = _URI.fullmatch(uri)
    if match is None:
        raise ValueError(
            f"{uri[:60]!r} is not a URI such as https://host:8443/path "
            "(ASCII, scheme in lower case, no fragment)"
        )
    if len(uri) > URI_MAX:
        raise ValueError(f"{uri[:40]!r}... has {len(uri)} characters, at most {URI_MAX} are taken")
    authority = _authority(match[1], match[2])
    return Endpoint(uri, authority, _addresses(hints) if bar else ())


@lru_cache(CACHE_ENTRIES)
def _authority(protocol: str, text: str) -> Authority:
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} is not host:port; user information is not taken")
    host, port_text = match[1], match[2]
    port = int(port_text) if port_text else DEFAULT_PORTS.get(protocol)
    if port is None:
        raise ValueError(f"{protocol}://{text[:60]} needs a port: {protocol} has no usual one")
    if port > 65535:
        raise ValueError(f"port {port} is above 65535")
    if host[0] == "[":
        return Authority(protocol, _checked_address(host[1:-1]), port, True)
    # A last label of digits can only be an IPv4 address: no top-level domain is a number.
    if host[host.rfind(".") + 1 :].isdecimal():
        return Authority(protocol, _checked_address(host), port, True)
    if len(host) > HOST_MAX or _HOST.fullmatch(host) is None:
        raise ValueError(
            f"{host[:60]!r} is no host name (lower case; internationalised names as xn--...)"
        )
    return Authority(protocol, host, port, False)


@lru_cache(CACHE_ENTRIES)
def _addresses(hints: str) -> tuple[str, ...]:
    addresses = tuple(hints.split("|", ADDRESSES_MAX))
    if "|" in addresses[-1]:
        raise ValueError(f"more than {ADDRESSES_MAX} addresses are given")
    for address in addresses:
        _checked_address(address)
    if len(set(addresses)) != len(addresses):
        raise ValueError("the same address is given twice")
    return addresses


def _checked_address(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no IPv4 or IPv6 address") from None
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        raise ValueError(f"{text!r}: write an IPv4 address as such, and no zone")
    if str(address) != text:
        raise ValueError(f"{text!r} is written {address} in canonical form (RFC 5952)")
    return text
