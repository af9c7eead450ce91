"""The name servers of a cut: whether a resolver that comes from the root can get to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from csid import names
from csid.errors import CsidError
from registry.rules.cut_draft import is_within
from registry.rules.decision import Refusal
from registry.rules.nodes import known
from registry.rules.requests import Server
from registry.rules.status import Status
from registry.tables import network
from registry.tables.enums import CutState
from registry.tables.naming import Names
from registry.tables.rows import Cut
from registry.tables.view import View, cut_above

SERVERS_MAX: Final = 13  # of one cut; as many as fit beside their addresses
SERVER_ADDRESSES_MAX: Final = 8
CUTS_ON_THE_WAY: Final = 16  # other cuts looked at for the servers of one
_LABEL: Final = re.compile(rb"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")

Servers = tuple[tuple[bytes, tuple[bytes, ...]], ...]


def servers_of(suffix: Names, node: str, given: Sequence[Server]) -> Servers | Refusal:
    """The servers of a cut as its row has them, in order; without any given the node's own."""
    if len(given) > SERVERS_MAX:
        detail = f"{len(given)} name servers, at most {SERVERS_MAX} are taken; leave some out"
        return Refusal(Status.SERVERS_TOO_MANY, detail)
    if not given:
        return ((suffix.target(network.host_path(node)), ()),)
    found: dict[bytes, tuple[bytes, ...]] = {}
    for name, addresses in given:
        try:
            wire = names.from_text(name.lower())
            packed = sorted({ip_address(one).packed for one in addresses})
        except (CsidError, ValueError) as error:
            return Refusal(Status.BAD_VALUE, f"name server {name[:80]!r}: {error}")
        if wire == names.ROOT or not all(map(_LABEL.fullmatch, names.labels_of(wire))):
            detail = f"name server {name[:80]!r} is no name of a host (RFC 1123 section 2.1)"
            return Refusal(Status.BAD_VALUE, detail)
        if len(packed) > SERVER_ADDRESSES_MAX:
            detail = f"{len(packed)} addresses of {name}, at most {SERVER_ADDRESSES_MAX} are taken"
            return Refusal(Status.SERVERS_TOO_MANY, detail)
        found[wire] = tuple(packed)
    return tuple(sorted(found.items()))


def servers_hold(view: View, suffix: Names, cut: str, row: Cut) -> Refusal | None:
    """Whether each name server of a cut can be found by one who has been led to the cut."""
    for wire, addresses in row.servers:
        name = names.to_text(wire)
        path = network.path_of(suffix, wire)
        inside = path is not None and is_within(path, cut)
        if inside and not addresses:
            return Refusal(
                Status.DELEGATION_LOOPS,
                f"name server {name} lies in the cut and is given no address, so nobody could "
                "find it: give one",
            )
        if addresses and not inside:
            return Refusal(
                Status.BAD_VALUE,
                f"name server {name} lies outside the cut {cut}: only addresses of servers in it "
                "stand beside it in the root zone; leave them out",
            )
        if path is None:
            if names.is_at_or_below(suffix.wire, wire):
                return Refusal(Status.SERVER_UNKNOWN, f"{name} is no host of a name server")
        elif not inside:
            refusal = _found(view, suffix, cut, name, path)
            if refusal is not None:
                return refusal
    return None


def _found(view: View, suffix: Names, cut: str, name: str, path: str) -> Refusal | None:
    """Whether a name elsewhere below the suffix is a node's, or lies in a cut whose servers can be
    found without this one.
    """
    seen: set[str] = set()
    ahead = [path]
    while ahead:
        at = ahead.pop()
        if at.startswith(f"{network.NODES}/"):
            node = known(view, at.removeprefix(f"{network.NODES}/"))
            if isinstance(node, Refusal):
                detail = f"name server {name} leads to no node of the register"
                return Refusal(Status.SERVER_UNKNOWN, detail)
            continue
        if is_within(at, cut):
            return Refusal(
                Status.DELEGATION_LOOPS,
                f"name server {name} lies in a cut whose own name server is in {cut}: each could "
                "be found by way of the other only; name another server",
            )
        above = cut_above(view, at.upper())
        if above is None or above[1].state is not CutState.FILED:
            return Refusal(
                Status.SERVER_UNKNOWN,
                f"name server {name} lies below {names.to_text(suffix.wire)} in no cut, so it has "
                f"no address; name a node of the register (NAME.{network.NODES}), or a host "
                "elsewhere",
            )
        other, row = above
        if other in seen:
            continue
        seen.add(other)
        if len(seen) > CUTS_ON_THE_WAY:
            detail = f"name server {name} is found by way of more than {CUTS_ON_THE_WAY} other cuts"
            return Refusal(Status.DELEGATION_LOOPS, detail)
        for wire, _ in row.servers:
            further = network.path_of(suffix, wire)
            if further is not None and not is_within(further, other):
                ahead.append(further)
    return None
