"""Who may do what with a zone: by address, by key, or by both. What no row allows is not
allowed, but for one thing: a zone's own primaries may notify of it.
"""

from __future__ import annotations

import ipaddress
from typing import Final, Literal

from resolver.sync.settings import Moment, Subject, Target, follow_of, key_row, rights_of
from resolver.sync.tsig import Key, Keyring

Right = Literal["transfer", "update", "notify"]
RIGHTS: Final[tuple[Right, ...]] = ("transfer", "update", "notify")


def keyring(moment: Moment, now: int) -> Keyring:
    """The keys of a moment of the store that are in force; `now` is in seconds since 1970."""

    def find(name: bytes) -> Key | None:
        row = key_row(moment, name)
        if row is None or (row.until and now >= row.until):
            return None
        return Key(name, row.algorithm, row.secret)

    return find


def may(
    moment: Moment, apex: bytes, right: Right, address: bytes, key: bytes, tls: bool = False
) -> bool:
    """Whether somebody has a right.

    Args:
        apex: canonical key of the zone's apex.
        address: IP address it comes from, 4 or 16 octets.
        key: name in wire form, lower case, of the key that has signed it; empty if none has.
        tls: it came over TLS.
    """
    rights = rights_of(moment, apex)
    if any(fits(subject, address, key, tls) for subject in getattr(rights, right)):
        return True
    if right != "notify":
        return False
    follow = follow_of(moment, apex)
    return follow is not None and any(_is(one, address, key) for one in follow.primaries)


def fits(subject: Subject, address: bytes, key: bytes, tls: bool = False) -> bool:
    """Whether somebody is whom a right was given; arguments as those of `may`."""
    if (subject.key and subject.key != key) or (subject.tls and not tls):
        return False
    network = subject.network
    if not network:
        return True
    if len(network) != len(address):
        return False
    host = 8 * len(network) - subject.length
    return (int.from_bytes(network, "big") ^ int.from_bytes(address, "big")) >> host == 0


def _is(primary: Target, address: bytes, key: bytes) -> bool:
    """Whether somebody is a primary: has its key, if it has one, and its address; a primary that is
    known by a host's name is known by its key alone.
    """
    if primary.key and primary.key != key:
        return False
    try:
        return ipaddress.ip_address(primary.host).packed == address
    except ValueError:
        return bool(primary.key)
