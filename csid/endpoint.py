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
PORT_MAX: Final = 65_535
CACHE_ENTRIES: Final = 4096  # in each cache of parsed parts

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ssh": 22, "ws": 80, "wss": 443}

_CHARS = r"[\w!$&'()*+,\-./:;=?@~]*"
_LABEL = r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?"
_URI = re.compile(
    r"([a-z][a-z0-9+.\-]{0,15})://"
    rf"(?:({_LABEL})(?:\.([a-z0-9_.\-]+))?|\[([0-9a-f:.]+)\])(?::([1-9][0-9]{{0,4}}))?"
    rf"(?:[/?]{_CHARS}(?:%[0-9A-Fa-f]{{2}}{_CHARS})*)?",
    re.ASCII,
)
_PARENTS = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")


class Endpoint(NamedTuple):
    """One endpoint of a resource."""

    uri: str
    protocol: str  # the scheme of the URI
    host: str  # a name, or an address without brackets
    port: int
    is_address: bool  # whether the host is an address
    addresses: tuple[str, ...]  # hints; empty if the owner gives none

    def __str__(self) -> str:
        return "|".join((self.uri, *self.addresses))


Parts = tuple[str, str, str, int, bool, tuple[str, ...]]


def require(text: str) -> None:
    """Make sure that a text is an endpoint in canonical form.

    Most are names whose first label alone is new. A host within URI_MAX is within HOST_MAX.

    Raises:
        ValueError: as `parse`.
    """
    match = _URI.fullmatch(text)
    if match is not None and len(text) <= URI_MAX:
        protocol, parents, port = match.group(1, 3, 5)
        if _are_usual(protocol, parents, port):
            return
    parts(text)


@lru_cache(CACHE_ENTRIES)
def _are_usual(protocol: str, parents: str | None, port_text: str | None) -> bool:
    """Whether a URI that has these is right whatever its first label: the host is no address."""
    try:
        return parents is not None and not _is_numeric(parents) and _port(protocol, port_text) > 0
    except ValueError:
        return False


def parse(text: str) -> Endpoint:
    """The endpoint written as `URI` or `URI|address|address`.

    Raises:
        ValueError: it is no endpoint in canonical form; the message says what is wrong.
    """
    return Endpoint._make(parts(text))


@lru_cache(CACHE_ENTRIES)
def parts(text: str) -> Parts:
    """The fields of `parse(text)` as a bare tuple, which is made in a third of the time."""
    uri, bar, hints = text.partition("|")
    match = _URI.fullmatch(uri)
    if match is None:
        raise ValueError(
            f"{uri[:60]!r} is no URI such as https://host:8443/path (ASCII; scheme and host in "
            "lower case, internationalised names as xn--...; no user, no fragment)"
        )
    if len(uri) > URI_MAX:
        raise ValueError(f"{uri[:40]!r}... has {len(uri)} characters, at most {URI_MAX} are taken")
    protocol, label, parents, literal, port_text = match.groups()
    if literal:
        host, is_address = _checked_address(literal), True
    else:
        host = f"{label}.{parents}" if parents else label
        # No top-level domain is a number: what ends so can only be an IPv4 address.
        is_address = _is_numeric(parents or label)
        if is_address:
            _checked_address(host)
        elif len(host) > HOST_MAX:
            raise ValueError(f"the host has {len(host)} characters, at most {HOST_MAX} are taken")
    port = _port(protocol, port_text)
    if not port:
        raise ValueError(f"{uri[:60]!r} needs a port from 1 to {PORT_MAX}")
    return uri, protocol, host, port, is_address, _addresses(hints) if bar else ()


def _port(protocol: str, text: str | None) -> int:
    """The port of a URI, 0 for one that cannot be."""
    port = int(text) if text else DEFAULT_PORTS.get(protocol, 0)
    return port if port <= PORT_MAX else 0


@lru_cache(CACHE_ENTRIES)
def _is_numeric(labels: str) -> bool:
    """Whether the last label is a number; ValueError if these are no labels of a host name."""
    if _PARENTS.fullmatch(labels) is None:
        raise ValueError(f"{labels[:60]!r} has an empty or overlong label, or a hyphen at an end")
    return labels[labels.rfind(".") + 1 :].isdecimal()


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
