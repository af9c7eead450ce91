"""Additional records kept right while names change: those of the names that changed, and those of
the names that lead to hosts whose records, existence or visibility changed.

A host may change without a record of its own changing: a wildcard that stood for it comes or goes,
a name comes or goes that stands between it and a wildcard, a delegation or DNAME above hides it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set

from resolver.store import node
from resolver.store.covers import TOPS, parent
from resolver.store.extras import extras_of, hosts_in, is_wildcard, names_hosts
from resolver.store.pointers import Pointers
from resolver.store.tree import Surroundings, Tree

Before = Mapping[bytes, bytes | None]  # the nodes that changed names had, None for none


def point(
    tree: Tree, pointers: Pointers, apex: bytes, before: Before, keys: Iterable[bytes]
) -> None:
    """Let the pointers of changed names be those of their records."""
    for key in keys:
        old, new = before.get(key), tree.get(key)
        pointers.change(key, hosts_in(apex, key, old or b""), hosts_in(apex, key, new or b""))


def dependents(
    tree: Tree,
    pointers: Pointers,
    before: Before,
    moved: Set[bytes],
    with_wildcards: bool,
    spend: Callable[[bytes], None],
) -> set[bytes]:
    """The names that lead to hosts for which something may have changed.

    Args:
        moved: further names that came or went: empty non-terminals.
        with_wildcards: whether the zone had wildcards before, or has.
        spend: is called with the changed name for each host and pointer that is looked at.
    """
    stale: set[bytes] = set()
    changed = before.keys() | moved if moved else before.keys()
    for key in sorted(pointers.led_to(changed)):
        if (_flags(before.get(key)) ^ _flags(tree.get(key))) & TOPS:
            hosts = pointers.hosts(key)  # hidden or shown, all of them
        elif key and tree.wildcards and tree.get(parent(key) + b"*\0") is not None:
            hosts = _absent(tree, pointers, key, key, spend)
        else:
            hosts = iter((key,))
        stale |= _owners(pointers, hosts, key, spend)
    for key in filter(is_wildcard, changed) if with_wildcards else ():
        hosts = _absent(tree, pointers, parent(key), key, spend)
        stale |= _owners(pointers, hosts, key, spend)
    return stale


def _absent(
    tree: Tree, pointers: Pointers, top: bytes, cause: bytes, spend: Callable[[bytes], None]
) -> Iterator[bytes]:
    """The hosts below a key that are not in the zone, for which a wildcard may stand, and the key
    that is the cause.
    """
    yield cause
    for host in pointers.hosts(top):
        spend(cause)
        if tree.get(host) is None and host != cause:
            yield host


def _owners(
    pointers: Pointers, hosts: Iterable[bytes], cause: bytes, spend: Callable[[bytes], None]
) -> set[bytes]:
    found = set()
    for host in hosts:
        for owner in pointers.owners(host):
            spend(cause)
            found.add(owner)
    return found


def _flags(blob: bytes | None) -> int:
    return blob[0] if blob else 0


def refresh(tree: Tree, apex: bytes, keys: Iterable[bytes]) -> None:
    """Work out the additional records of names anew, once all records are as they are to be."""
    zone = Surroundings(tree, len(apex))
    for key in sorted(keys):
        blob = tree.get(key)
        if blob is None or not names_hosts(blob):
            continue
        rrsets = dict(node.rrsets_of(blob))
        new = node.encode(rrsets, blob[1], extras_of(apex, apex + key, rrsets, zone))
        if new != blob:
            tree.put(key, new)
