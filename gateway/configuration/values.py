"""Kinds of values in the configuration: what TOML gives is read, or refused with what was expected.

A reader takes the value that stands in the file and returns it as the program has it; it raises
`ValueError` with what is expected there, for `load.py` to tell with the place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Final, TypeVar

from csid import address, names, scheme, segments
from csid.address import Address, AddressError
from csid.errors import CsidError, DomainNameError, IdentifierError
from csid.fields import hidden_in
from csid.identifier import fold
from csid.limits import MAX_ACTOR_CHARACTERS, MAX_NSID_OCTETS
from resolver.client.settings import DEFAULT_PORT
from resolver.server import tap_frames
from resolver.server.sockets import ListenError, listen_address
from resolver.sync.subjects import subject_of, subject_text
from resolver.sync.tls import tls_fault
from resolver.sync.tsig import ALGORITHMS, algorithm_fault

ALL: Final = "*"  # in place of a zone's name
DNS_PORT: Final = 53

T = TypeVar("T")
Reader = Callable[[Any], T]


DIGEST: Final = re.compile(r"([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")


class ConfigurationError(CsidError):
    """The configuration cannot be read, or says what cannot be; the message begins with it."""


def text(value: Any) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise ValueError("a text in quotation marks")
    return value


def flag(value: Any) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def path(value: Any) -> Path:
    """A path; one that is not absolute begins at the directory the program was started in."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("a path in quotation marks")
    return Path(value)


def listener(value: Any) -> Address:
    """Where to listen: an IP address and a port; 0 takes a free one."""
    try:
        return listen_address(text(value))
    except (ListenError, ValueError):
        raise ValueError(
            "an IP address with a port, such as 127.0.0.1:5300 or [::1]:5300"
        ) from None


def network(value: Any) -> IPv4Network | IPv6Network:
    """A network: an address and how many bits of it count."""
    try:
        return ip_network(text(value))
    except ValueError:
        raise ValueError("a network such as 192.0.2.0/24 or 2001:db8::/56") from None


def dnstap(value: Any) -> str:
    """Where dnstap goes to; empty: nowhere."""
    said = text(value)
    scheme, path = said[:5], said[5:]
    is_path = (
        scheme in (tap_frames.UNIX, tap_frames.FILE) and path.startswith("/") and "\0" not in path
    )
    if said and not is_path:
        raise ValueError("unix: or file: and an absolute path, such as unix:/run/dnstap.sock")
    if scheme == tap_frames.UNIX and len(os.fsencode(path)) > tap_frames.MAX_PATH_OCTETS:
        raise ValueError(f"a path of at most {tap_frames.MAX_PATH_OCTETS} octets, as sockets have")
    return said


def server(value: Any) -> Address:
    """Whom to ask: a host and a port."""
    try:
        return address.parse(text(value), DEFAULT_PORT)
    except (AddressError, ValueError):
        raise ValueError("a host with a port, such as 127.0.0.1:5300 or ns.example:53") from None


def primary(value: Any) -> Address:
    """Another server of zones: a host and a port."""
    try:
        return address.parse(text(value), DNS_PORT)
    except (AddressError, ValueError):
        raise ValueError("a host with a port, such as 192.0.2.1 or ns.example:53") from None


def subject(value: Any) -> str:
    """Whom a right is given."""
    try:
        return subject_text(subject_of(text(value)))
    except CsidError:
        raise ValueError(
            "an address, a network, a key, or an address and a key: 192.0.2.0/24, k1.example., "
            "192.0.2.1+k1.example."
        ) from None


def algorithm(value: Any) -> str:
    """An algorithm of TSIG."""
    name = text(value).lower().rstrip(".")
    if algorithm_fault(name):
        raise ValueError("an algorithm of TSIG: " + ", ".join(ALGORITHMS))
    return name


def reached(value: Any) -> str:
    """How a server is reached over TLS."""
    if fault := tls_fault(text(value)):
        raise ValueError(fault)
    return str(value)


def source(value: Any) -> str:
    """An address of this machine."""
    try:
        return str(ip_address(text(value))) if value else ""
    except ValueError:
        raise ValueError("an IP address of this machine") from None


def zone(value: Any) -> str:
    """The name of a zone; ALL for those without settings of their own."""
    return ALL if value == ALL else domain(value)


def domain(value: Any) -> str:
    """A domain name."""
    try:
        names.from_text(text(value))
    except DomainNameError as error:
        raise ValueError(f"a domain name: {error}") from None
    return str(value)


def actor(value: Any) -> str:
    """Who acts, by name; empty: nothing is said."""
    said = text(value)
    if said.isspace() or len(said) > MAX_ACTOR_CHARACTERS or hidden_in(said):
        raise ValueError(
            f"a name of at most {MAX_ACTOR_CHARACTERS} characters, all of which can be seen"
        )
    return said


def owner(value: Any) -> str:
    """The code of an owner; empty: none is said."""
    code = fold(text(value))
    try:
        if code:
            segments.require(scheme.load().segment("owner"), code)
    except IdentifierError as error:
        raise ValueError(f"the code of an owner: {error}") from None
    return code


def certificate(value: Any) -> str:
    """By what a client's certificate is known."""
    said = text(value)
    kind, _, rest = said.partition(":")
    if kind == "sha256" and DIGEST.fullmatch(rest):
        return f"{kind}:{rest.replace(':', '').lower()}"
    if kind in ("uri", "email", "subject") and rest:
        return said
    if kind == "dns" and rest:
        return said.lower()
    raise ValueError(
        "sha256: and 64 hexadecimal digits, or a name in it such as dns:a.example.cn, uri:…, "
        "email:…, subject:CN=a,O=b"
    )


def nsid(value: Any) -> str:
    """The name of a server."""
    if not isinstance(value, str) or len(value.encode()) > MAX_NSID_OCTETS:
        raise ValueError(f"a text of at most {MAX_NSID_OCTETS} octets")
    return value


def number(least: int, most: int, unit: str = "") -> Reader[int]:
    """A whole number within bounds; ``unit`` is named where it is wrong."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(
                f"a number from {least:,} to {most:,}" + (f" ({unit})" if unit else "")
            )
        return value

    return read


def word(*words: str) -> Reader[str]:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError("one of " + ", ".join(f'"{one}"' for one in words))
        return str(value)

    return read


def several(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    """A list of values of one kind; a single one stands for a list of it."""

    def read(value: Any) -> tuple[T, ...]:
        return tuple(reader(one) for one in (value if isinstance(value, list) else [value]))

    return read
