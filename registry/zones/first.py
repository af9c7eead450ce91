"""The first zone of a new data directory: that of the deployment's suffix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from csid import names
from csid.errors import ZoneError
from csid.protocol import AAAA, NS, SOA, A
from resolver.store.node import RRset

Address = IPv4Address | IPv6Address

TTL: Final = 3_600  # seconds, of the zone's own records
# Seconds but for the first, after RFC 1912 section 2.2; MINIMUM is how long an absence is
# remembered (RFC 2308 section 5).
SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM = 1, 3_600, 900, 1_209_600, 300

# Where `csid serve` listens unless told otherwise: right for a first try on one machine.
DEFAULT_ADDRESS: Final = ip_address("127.0.0.1")


def first_servers(origin: bytes) -> dict[bytes, list[Address]]:
    """The name server of a zone of which nothing is known: ns1, at DEFAULT_ADDRESS."""
    return {b"\3ns1" + origin: [DEFAULT_ADDRESS]}


def first_zone(
    origin: bytes, servers: Mapping[bytes, Iterable[Address]]
) -> dict[bytes, dict[int, RRset]]:
    """SOA, name servers and their addresses, by owner and type.

    Args:
        origin: the suffix, lower-case wire form.
        servers: the name servers (lower-case wire form), the first of which is the primary, and
            the addresses of those that lie in the zone.

    Raises:
        ZoneError: a server lies in the zone and has no address, so that nobody could reach it, or
            lies outside and has one, which the zone cannot hold.
    """
    numbers = (SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM)
    mailbox = b"\x0ahostmaster" + origin
    soa = next(iter(servers)) + mailbox + b"".join(n.to_bytes(4, "big") for n in numbers)
    zone = {origin: {SOA: RRset(TTL, [soa]), NS: RRset(TTL, list(servers))}}
    apex = names.key_of(origin)
    for server, addresses in servers.items():
        in_zone = names.key_of(server).startswith(apex)
        if in_zone != bool(addresses := list(addresses)):
            raise ZoneError(
                names.to_text(server),
                "lies in the zone and needs an address: give --address"
                if in_zone
                else "lies outside the zone, which cannot hold its address; leave that out",
            )
        for rrtype, version in ((A, 4), (AAAA, 6)):
            if rdatas := [one.packed for one in addresses if one.version == version]:
                zone.setdefault(server, {})[rrtype] = RRset(TTL, rdatas)
    return zone
