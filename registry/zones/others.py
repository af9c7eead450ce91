"""The other nodes of the network, as the root zone has them:

NAME.nodes.SUFFIX               A, AAAA    addresses
                                TXT        "v=1" "role=region" "scope=33" "state=active" "key=2"
                                           "until=…": when the key before ends, after a rekeying
_sync._tcp.NAME.nodes.SUFFIX    SRV        port
OWNER.owners.SUFFIX             TXT        "v=1" "state=suspended": nothing new of an owner is taken
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple

from csid import names
from csid.protocol import AAAA, SRV, TXT, A
from registry.rules.decision import Decision
from registry.rules.policy import NO_REGISTRY
from registry.tables.naming import Names
from registry.zones import places
from resolver.store import node as nodes_of

NODES: Final = b"nodes"
OWNERS: Final = b"owners"
_STATE: Final = "state="
PORT: Final = 53  # where none is said
_SRV: Final = (b"_tcp", b"_sync")  # most significant first


class Other(NamedTuple):
    """A node of the network."""

    name: str
    role: str
    scope: tuple[str, ...]  # what locations, or industries, begin with; none: all
    state: str
    addresses: tuple[str, ...]
    port: int
    generation: int  # of its key
    until: int = 0  # the key before holds, Unix seconds; 0: it holds no more


def name_of(named: Names, node_name: str) -> bytes:
    """The name of a node in the root zone, in wire form."""
    label = node_name.lower().encode("ascii")
    return bytes((len(label),)) + label + all_of(named)


def all_of(named: Names) -> bytes:
    """The name above the names of all nodes, in wire form."""
    return bytes((len(NODES),)) + NODES + named.wire


def node(txn: places.Txn, named: Names, name: str) -> Other | None:
    """A node by its name."""
    key = name.lower().encode("ascii", "replace")
    return next(_nodes(txn, named, key + b"\0"), None) if key else None


def owner_state(txn: places.Txn, named: Names, code: str) -> str:
    """Why nothing new of an owner is taken: "suspended" or "ended"; empty if it may be."""
    suffix = names.key_of(named.wire)
    root = txn.snapshot.zone_of(suffix)
    if root is None or root.apex != suffix:
        return ""
    key = OWNERS + b"\0" + code.lower().encode("ascii") + b"\0"
    blob = txn.table(b"tree").get(root.generation + key)
    rrset = dict(nodes_of.rrsets_of(blob or nodes_of.EMPTY)).get(TXT)
    said = [text for rdata in rrset.rdatas for text in strings_of(rdata)] if rrset else []
    return next((one[len(_STATE) :] for one in said if one.startswith(_STATE)), "")


def nodes(txn: places.Txn, named: Names) -> Iterator[Other]:
    """All nodes in the copy of the root zone that is held, in the order of their names; none if
    none is.
    """
    return _nodes(txn, named, b"")


def _nodes(txn: places.Txn, named: Names, below: bytes) -> Iterator[Other]:
    suffix = names.key_of(named.wire)
    root = txn.snapshot.zone_of(suffix)
    if root is None or root.apex != suffix:
        return
    prefix = root.generation + NODES + b"\0"
    held: dict[str, dict[tuple[bytes, ...], bytes]] = {}
    for stored, blob in txn.table(b"tree").scan(prefix + below):
        labels = tuple(stored[len(prefix) :].split(b"\0")[:-1])
        if labels:
            held.setdefault(labels[0].decode("latin-1"), {})[labels[1:]] = blob
    for name, blobs in held.items():
        found = _read(name, blobs)
        if found is not None:
            yield found


def _read(name: str, blobs: dict[tuple[bytes, ...], bytes]) -> Other | None:
    rrsets = dict(nodes_of.rrsets_of(blobs.get((), nodes_of.EMPTY)))
    if TXT not in rrsets:
        return None
    said: dict[str, list[str]] = {}
    for rdata in rrsets[TXT].rdatas:
        for text in strings_of(rdata):
            key, _, value = text.partition("=")
            said.setdefault(key, []).append(value)
    addresses = [
        str(ip_address(rdata))
        for rrtype in (A, AAAA)
        if rrtype in rrsets
        for rdata in rrsets[rrtype].rdatas
    ]
    services = dict(nodes_of.rrsets_of(blobs.get(_SRV, nodes_of.EMPTY)))
    port = int.from_bytes(services[SRV].rdatas[0][4:6], "big") if SRV in services else PORT
    scope = tuple(one for value in said.get("scope", ()) for one in value.split(",") if one)
    role, state = (said.get(key, [""])[0] for key in ("role", "state"))
    generation, until = (_number(said.get(key, [""])[0]) for key in ("key", "until"))
    return Other(name, role, scope, state, tuple(addresses), port, generation or 1, until)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0


def strings_of(rdata: bytes) -> Iterator[str]:
    """The character strings of a TXT record."""
    at = 0
    while at < len(rdata):
        end = at + 1 + rdata[at]
        yield rdata[at + 1 : end].decode("utf-8", "replace")
        at = end


def region_of(txn: places.Txn, named: Names, location: str) -> Other | None:
    """The region node that assigns at a location: the one with the longest prefix of it."""
    best: tuple[int, Other] | None = None
    for other in nodes(txn, named):
        if other.role != "region" or other.state != "active":
            continue
        for prefix in other.scope or ("",):
            if location.startswith(prefix) and (best is None or len(prefix) > best[0]):
                best = len(prefix), other
    return None if best is None else best[1]


def region_text(txn: places.Txn, named: Names, location: str) -> str:
    """Which region node is to be asked for a code at a location, in words; empty if unknown."""
    other = region_of(txn, named, location)
    if other is None:
        return ""
    host = next(iter(other.addresses), "")
    return f": {other.name}, at {f'[{host}]' if ':' in host else host}:{other.port}"


def referred(decision: Decision, txn: places.Txn, named: Names) -> Decision:
    """A decision; where it says that a node assigns nothing, with the node to be asked."""
    if not decision.detail.startswith(NO_REGISTRY):
        return decision
    location = decision.detail.removeprefix(NO_REGISTRY).strip()
    return decision._replace(detail=decision.detail + region_text(txn, named, location))
