"""Which names of a zone lead to which hosts of it: whose extras change when a host does.

    generation(8) host* 00 digest(16) -> length of host(2) host owner

`host` and `owner` are keys below the apex; in the key, only the first octets of a host stand whose
key is too long for LMDB (names made almost wholly of 00 and 01 octets), so the value says it again.
`digest` is the start of SHA-256(length of host, host, owner). As no label begins with 00, the rows
of a host come before those of the hosts below it, and hosts in canonical order.

The rows follow from the nodes alone (`extras.hosts_in`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256
from itertools import count
from typing import Final

from csid.limits import MAX_KEY_OCTETS
from resolver.store.apexes import GENERATION_OCTETS
from resolver.store.build import ancestors
from resolver.store.table import Table

Row = tuple[bytes, bytes]
_DIGEST_OCTETS: Final = 16
_HOST_OCTETS: Final = MAX_KEY_OCTETS - GENERATION_OCTETS - 1 - _DIGEST_OCTETS
_END: Final = b"\0"  # behind a host
_BELOW: Final = b"\1"  # the least octet that a label begins with
_LOOKS: Final = 8  # at hosts, before keys are put in order for their sake


def row(generation: bytes, host: bytes, owner: bytes) -> Row:
    """The row that says that `owner` leads to `host`, both keys below the apex."""
    value = len(host).to_bytes(2, "big") + host + owner
    digest = sha256(value).digest()[:_DIGEST_OCTETS]
    return generation + host[:_HOST_OCTETS] + _END + digest, value


def split(value: bytes) -> tuple[bytes, bytes]:
    """The host and the owner of a row's value."""
    end = 2 + int.from_bytes(value[:2], "big")
    return value[2:end], value[end:]


class Pointers:
    """The pointers of one zone inside a transaction.

    Args:
        table: the store's sub-database `pointers`.
    """

    def __init__(self, table: Table, generation: bytes) -> None:
        self._table = table
        self._generation = generation

    def change(self, owner: bytes, old: Iterable[bytes], new: Iterable[bytes]) -> None:
        """A name that led to the hosts `old` leads to `new`."""
        before, after = set(old), set(new)
        for host in before - after:
            self._table.delete(row(self._generation, host, owner)[0])
        for host in after - before:
            self._table.put(*row(self._generation, host, owner))

    def owners(self, host: bytes) -> Iterator[bytes]:
        """The names that lead to a host."""
        for _, value in self._table.scan(self._generation + host[:_HOST_OCTETS] + _END):
            found, owner = split(value)
            if found == host:
                yield owner

    def hosts(self, prefix: bytes) -> Iterator[bytes]:
        """The hosts at and below a key, in order, each once."""
        start = first = prefix[:_HOST_OCTETS]
        while (host := self._first(start)) is not None and host.startswith(first):
            same = {host}
            if len(host) > _HOST_OCTETS:  # those that begin alike stand among each other
                rows = self._table.scan(self._generation + host[:_HOST_OCTETS] + _END)
                same = {split(value)[0] for _, value in rows}
            yield from (one for one in sorted(same) if one.startswith(prefix))
            start = host[:_HOST_OCTETS] + _BELOW

    def led_to(self, keys: Collection[bytes]) -> set[bytes]:
        """Those of some keys at or below which there are hosts; of keys that are too long for a
        row also others. Most zones lead to few hosts, so that few looks tell for many keys.
        """
        found = {key for key in keys if len(key) > _HOST_OCTETS}
        in_order: list[bytes] = []
        start, at = b"", 0
        for looks in count():
            if looks == _LOOKS or (not looks and len(keys) < _LOOKS):
                in_order = sorted(keys)  # many hosts, or few keys: only hosts behind the next key
            if in_order:
                at = bisect_left(in_order, start, at)
                if at == len(in_order):
                    break
                start = max(start, in_order[at][:_HOST_OCTETS])
            host = self._first(start)
            if host is None:
                break
            found.update(one for one in (host, *ancestors(host)) if one in keys)
            start = host[:_HOST_OCTETS] + _BELOW
        return found

    def _first(self, start: bytes) -> bytes | None:
        row = self._table.first(self._generation, self._generation + start)
        return None if row is None else split(row[1])[0]
