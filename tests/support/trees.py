"""What must hold of every store at rest, and a look at all of it."""

from __future__ import annotations

from csid import names
from csid.protocol import NS, SOA
from resolver.store import node
from resolver.store.apexes import NOT_READY
from resolver.store.build import ancestors, depth_of, serial_of, wildcard_count
from resolver.store.check import faults
from resolver.store.environment import Store


def check(store: Store) -> None:
    """Every zone's tree is whole: each ancestor has a node, each empty node something below it,
    `cover` and the count of wildcards are right, and the apex has SOA and NS. The store's own look
    at itself finds nothing.
    """
    with store.read() as read:
        assert list(faults(read)) == []
        for held in read.zones():
            nodes = dict(read.nodes(held.generation))
            if held.flags == NOT_READY:
                assert not nodes, names.to_text(held.origin)
                continue
            apex = dict(node.rrsets_of(nodes[b""]))
            assert SOA in apex and NS in apex, names.to_text(held.origin)
            assert wildcard_count(iter(nodes)) == held.wildcards
            keys = sorted(nodes)
            for key, following in zip(keys, [*keys[1:], b""], strict=True):
                assert all(above in nodes for above in ancestors(key)), key
                assert nodes[key][1] == _cover(nodes, key), key
                assert nodes[key][0] == node.flags_of(dict(node.rrsets_of(nodes[key])))
                assert len(nodes[key]) > 2 or following.startswith(key), f"{key!r} is for nothing"


def _cover(nodes: dict[bytes, bytes], key: bytes) -> int:
    """1 + the depth of the topmost delegation or DNAME at or above a name, 0 if there is none."""
    for one in [*reversed(list(ancestors(key))), key]:
        if nodes[one][0] & (node.CUT | node.REDIRECT):
            return 1 + depth_of(one)
    return 0


def leftovers(store: Store) -> int:
    """Tree entries that no zone serves, and entries of the table of doomed generations."""
    with store.read() as read:
        served = sum(1 for held in read.zones() for _ in read.nodes(held.generation))
    with store.write(keep=False) as txn:
        doomed = len(txn.doomed())
    return store.usage()["nodes"] - served + doomed


def serial(store: Store, origin: str) -> int:
    """The serial of a zone that is held."""
    with store.read() as read:
        held = read.zone(names.from_text(origin))
        apex = dict(read.nodes(held.generation))[b""]
    return serial_of(dict(node.rrsets_of(apex))[SOA])


def owners(store: Store, origin: str) -> set[str]:
    """The names of a zone that have records."""
    with store.read() as read:
        held = read.zone(names.from_text(origin))
        return {
            names.to_text(names.wire_of_key(held.apex + key))
            for key, blob in read.nodes(held.generation)
            if len(blob) > 2
        }
