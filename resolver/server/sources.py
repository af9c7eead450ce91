"""Addresses of this machine that other servers are asked from."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_BROADCAST: Final = IPv4Address("255.255.255.255")


def source_fault(source: str, host: str = "") -> str:
    """Why nothing can be sent from an address to a server, in words; empty if it can, now.

    Args:
        source: an IP address; empty for whichever the kernel takes.
        host: the server, by its name or an address.
    """
    if not source:
        return ""
    address = _address(source)
    if address is None:
        return f"{source!r:.80}: expected an IP address of this machine, without a port"
    if address.is_unspecified or address.is_multicast or address == _BROADCAST:
        return f"{source}: nothing can be sent from there; expected an IP address of this machine"
    other = _address(host)
    if other is not None and other.version != address.version:
        return (
            f"{host} has an IPv{other.version} address, and {source} is of IPv{address.version}: "
            "one is not reached from the other"
        )
    try:
        with socket.socket(_FAMILIES[address.version], socket.SOCK_DGRAM) as probe:
            probe.bind((source, 0))
    except OSError as error:
        return f"{source} is no address of this machine ({os.strerror(error.errno or 0)})"
    return ""


def family_of(source: str) -> socket.AddressFamily:
    """The family of an address that is one."""
    return _FAMILIES[ip_address(source).version]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
