"""Where a server is: a host and a port, as people write them."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

from csid.errors import CsidError

PORT_MAX = 65_535
_SPACE: Final = re.compile(r"\s")


class AddressError(CsidError):
    """A text that is no address of a server."""


class Address(NamedTuple):
    """A host name or IP address, and a port; as text `127.0.0.1:53` or `[::1]:53`."""

    host: str  # without brackets
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str, default_port: int | None = None, lowest: int = 1) -> Address:
    """The address written as `HOST:PORT` or `[IPv6]:PORT`; where there is a default port, also
    without one, and an IPv6 address without brackets.

    Args:
        text: as people write it.
        default_port: what is meant where no port is given; None: one must be.
        lowest: of the ports that are taken; 0 stands for a free one.

    Raises:
        AddressError: the text is none of these.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        is_host = bool(bracket) and _is_ipv6(host)
    else:
        host, colon, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "")
        rest = colon + port
        is_host = _is_ipv6(host) if ":" in host else bool(host) and not _SPACE.search(host)
    port = rest.removeprefix(":") if rest or default_port is None else str(default_port)
    is_port = (
        port.isascii() and port.isdecimal() and len(port) <= 5 and lowest <= int(port) <= PORT_MAX
    )
    if not is_host or not is_port or (rest and not rest.startswith(":")):
        raise AddressError(
            f"{text[:80]!r} is no address of a server: expected HOST:PORT, such as 127.0.0.1:5300 "
            "or [::1]:5300"
        )
    return Address(host, int(port))


def is_here(host: str) -> bool:
    """Whether a host is this machine itself: what is sent there, nobody else reads on the way."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
