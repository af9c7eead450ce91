"""What the names of a zone have to say of others: empty non-terminals (RFC 4592 section 2.2.2) that
are for nothing once what was below is gone, and the cover that cuts and DNAMEs lay on a subtree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from resolver.store import node
from resolver.store.extras import names_hosts
from resolver.store.tree import Tree

TOPS: Final = node.CUT | node.REDIRECT  # flags of names that cover those below them


def parent(key: bytes) -> bytes:
    """The key one label above, of a key that is not the apex's."""
    return key[: key.rfind(b"\0", 0, -1) + 1]


def prune(tree: Tree, keys: Iterable[bytes]) -> set[bytes]:
    """Take away those nodes, and those above, that have neither records nor anything below them;
    returns the keys that are gone.
    """
    gone = set()
    for one in sorted(keys, reverse=True):
        key = one
        while key and (blob := tree.get(key)) is not None and len(blob) == len(node.EMPTY):
            if tree.has_below(key):
                break
            tree.delete(key)
            gone.add(key)
            key = parent(key)
    return gone


def cover(tree: Tree, keys: Iterable[bytes], spend: Callable[[bytes], None]) -> set[bytes]:
    """Give nodes whose flags may have changed their cover, and the nodes below them theirs.

    Args:
        keys: of nodes under the cover that their old flags, or the nodes above, gave them.
        spend: is called for each node that is looked at below one of them.

    Returns:
        The keys of nodes whose cover changed and whose records may lead to hosts.
    """
    moved = set()
    for key in sorted(keys):
        blob = tree.get(key)
        if blob is None:
            continue
        above = tree.get(parent(key)) if key else None
        wanted = (above[1] if above else 0) or _own(key, blob)
        if blob[1] == wanted:
            continue
        tree.put(key, node.with_cover(blob, wanted))
        if names_hosts(blob):
            moved.add(key)
        moved |= _cover_below(tree, key, wanted, spend)
    return moved


def _cover_below(tree: Tree, top: bytes, wanted: int, spend: Callable[[bytes], None]) -> set[bytes]:
    moved = set()
    covering = top if wanted else b""  # the topmost key that covers those we come through
    for key, blob in tree.below(top):
        spend(top)
        if wanted and not key.startswith(covering):
            wanted = 0
        if not wanted and (wanted := _own(key, blob)):
            covering = key
        if blob[1] != wanted:
            tree.put(key, node.with_cover(blob, wanted))
            if names_hosts(blob):
                moved.add(key)
    return moved


def _own(key: bytes, blob: bytes) -> int:
    """The cover that a node lays on itself and those below it, if nothing above does."""
    return 1 + key.count(0) if blob[0] & TOPS else 0
