"""Which zones have names below the suffix: those of which the registry is asked."""

from __future__ import annotations

from collections.abc import Iterator

from csid import names
from registry.authority import Territory
from registry.tables.naming import Names
from resolver.store.read import ReadTransaction
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction
from resolver.sync.settings import follow_of

Txn = ReadTransaction | WriteTransaction


def apexes(txn: Txn, above: bytes = b"") -> Iterator[bytes]:
    """The canonical keys of the apexes of the zones that are held at or below a key, in order."""
    for key, _ in txn.table(b"apexes").scan(APEX_PREFIX + above):
        yield key[len(APEX_PREFIX) :]


def territory(txn: Txn, named: Names, apex: bytes) -> Territory | None:
    """What a zone answers for of the names below the suffix, held or not; None if nothing."""
    suffix = names.key_of(named.wire)
    if not (apex.startswith(suffix) or suffix.startswith(apex)):
        return None
    found = Territory(named, apex, apexes(txn, apex))
    return None if found.is_empty else found


def followed(txn: Txn, apex: bytes) -> str:
    """Why a zone (canonical key of its apex) is not to be changed here, in words; empty if it is
    this node's own.
    """
    follow = follow_of(txn, apex)
    if follow is None:
        return ""
    return f"follows {follow.servers}: change it there, or end that with csid zone unfollow"


def encloser(txn: Txn, apex: bytes) -> bytes | None:
    """The apex of the deepest zone held above another one, None if there is none."""
    end = len(apex)
    table = txn.table(b"apexes")
    while end > 0:
        end = apex.rfind(b"\0", 0, end - 1) + 1
        if table.get(APEX_PREFIX + apex[:end]) is not None:
            return apex[:end]
    return None
