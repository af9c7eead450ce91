"""Where an audit log lies: a mapping of byte keys, three kinds of them and one more.

    l + index (8)               one leaf's data
    s                           the state: format version, size, name of the tree hash
    t + level (1) + index (8)   one tile: up to 256 hashes, the last tile of a level still growing
    c                           how many checkpoints are kept, and a chain of hashes over them

Numbers are big-endian, so that the order of keys is the order of leaves. A partial tile keeps the
key it will have when it is full: a tile only ever grows at its end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from registry.audit.errors import AuditError
from registry.audit.merkle import MAX_TREE_SIZE, TreeHash, tree_hash

STATE_KEY: Final = b"s"
KEPT_KEY: Final = b"c"  # registry/signing/kept.py
STATE_VERSION: Final = 1

_STATE: Final = struct.Struct(">BQ")
_NUMBER: Final = struct.Struct(">Q")


class Store(Protocol):
    """The caller's transaction. What it raises goes to the caller unchanged."""

    def get(self, key: bytes, /) -> bytes | None:
        """The value at that key, None where there is none."""
        ...

    def put_many(self, items: Iterable[tuple[bytes, bytes]], /) -> None:
        """Write every (key, value), in place of what was there."""
        ...


class MemoryStore(dict[bytes, bytes]):
    """A store that is a dict: for tools and tests."""

    def put_many(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Write every (key, value)."""
        self.update(items)


def leaf_key(index: int) -> bytes:
    """The key of one leaf's data."""
    return b"l" + _NUMBER.pack(index)


def tile_key(level: int, index: int) -> bytes:
    """The key of one tile."""
    return b"t" + bytes((level,)) + _NUMBER.pack(index)


def stored_leaves(store: Store) -> Iterator[bytes]:
    """Every leaf from the first on, up to the first gap; also leaves beyond the log's size."""
    for index in range(MAX_TREE_SIZE):
        data = store.get(leaf_key(index))
        if data is None:
            return
        yield data


def encode_state(size: int, tree: TreeHash) -> bytes:
    """The state as stored."""
    return _STATE.pack(STATE_VERSION, size) + tree.name.encode("ascii")


def decode_state(value: bytes) -> tuple[int, TreeHash]:
    """The size in leaves and the tree hash of a log.

    Raises:
        AuditError: the state is damaged, or was written by a newer version.
    """
    if len(value) < _STATE.size:
        raise AuditError(f"the audit log's state is damaged: {value.hex()!r} is too short")
    version, size = _STATE.unpack_from(value)
    if version != STATE_VERSION:
        raise AuditError(
            f"the audit log's state has version {version}, this program reads {STATE_VERSION}"
        )
    if size > MAX_TREE_SIZE:
        raise AuditError(
            f"the audit log's state is damaged: {size} leaves is more than any log has"
        )
    return size, tree_hash(value[_STATE.size :].decode("ascii", "replace"))
