"""Whom strangers are counted by."""

from __future__ import annotations

from ipaddress import ip_address

from resolver.server.connections import IPV6_PEER_OCTETS


def site_of(host: str) -> str:
    """The address, of IPv6 its /64, in which a site has any."""
    try:
        address = ip_address(host)
    except ValueError:
        return ""
    return host if address.version == 4 else address.packed[:IPV6_PEER_OCTETS].hex()
