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
from itertools import chain, count
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
        while (hosts := self._next(start)) and hosts[0].startswith(first):
            yield from (host for host in hosts if host.startswith(prefix))
            start = hosts[0][:_HOST_OCTETS] + _BELOW

    def led_to(self, *groups: Collection[bytes]) -> set[bytes]:
        """Those of the keys of some groups at or below which there are hosts. Most zones lead to
        few hosts, so that few looks tell for many keys.
        """
        found: set[bytes] = set()
        in_order: list[bytes] = []
        start, at = b"", 0
        few = sum(map(len, groups)) < _LOOKS
        for looks in count():
            if looks == (0 if few else _LOOKS):  # from now on look behind the next key only
                in_order = sorted(chain(*groups))
            if in_order:
                at = bisect_left(in_order, start, at)
                if at == len(in_order):
                    break
                start = max(start, in_order[at][:_HOST_OCTETS])
            hosts = self._next(start)
            if not hosts:
                break
            for host in hosts:
                above = (host, *ancestors(host))
                found.update(one for one in above if any(one in keys for keys in groups))
            start = hosts[0][:_HOST_OCTETS] + _BELOW
        return found

    def _next(self, start: bytes) -> list[bytes]:
        """The first host at or after the octets `start`; if its key is too long for a row, in order
        all those that begin alike, whose rows stand among each other. Empty if there is none.
        """
        found = self._table.first(self._generation, self._generation + start)
        if found is None:
            return []
        host, _ = split(found[1])
        if len(host) <= _HOST_OCTETS:
            return [host]
        rows = self._table.scan(self._generation + host[:_HOST_OCTETS] + _END)
        return sorted({split(value)[0] for _, value in rows})
