"""What a node keeps of others: keys, rights, whom it notifies, which zones follow another server.

    sync.keys     name in wire form, lower case -> msgpack of KeyRow
    sync.rights   where -> msgpack of Rights        where: 00 + canonical key of an apex, or
    sync.targets  where -> msgpack [Target, ...]    EVERYWHERE, for zones without a row of their own
    sync.follows  00 + canonical key of an apex -> msgpack of Follow
    sync.states   the same key -> what became of it lately (resolver/sync/states.py)
    sync.timers   due(5) + 00 + canonical key of an apex -> empty
    sync.changes  number(6) + 00 + canonical key of an apex -> serial(4) (resolver/sync/feed.py)
    sync.catalogs 00 + canonical key of a catalog zone's apex -> msgpack of Catalog
    sync.members, sync.listed  what consumed catalogs say (resolver/sync/catalog/holding.py)
    sync.parted   zones that are not served, kept for their return (resolver/store/parted.py)

Rows are read by one `get` each, whatever number of zones there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

import msgpack

from csid.address import Address
from resolver.store.seek import APEX_PREFIX
from resolver.store.table import Table

KEYS: Final = b"sync.keys"
RIGHTS: Final = b"sync.rights"
TARGETS: Final = b"sync.targets"
FOLLOWS: Final = b"sync.follows"
STATES: Final = b"sync.states"
TIMERS: Final = b"sync.timers"
CHANGES: Final = b"sync.changes"
CATALOGS: Final = b"sync.catalogs"
EVERYWHERE: Final = b"\x01"  # in place of an apex


class Moment(Protocol):
    """A transaction, as far as this module looks into it."""

    def table(self, name: bytes, /) -> Table:
        """A table of the store."""
        ...


class KeyRow(NamedTuple):
    """A TSIG key (RFC 8945)."""

    algorithm: str  # such as hmac-sha256
    secret: bytes
    node: str = ""  # the node of the network that has it, else empty
    until: int = 0  # Unix seconds from which on it holds no more; 0: for ever
    since: int = 0  # Unix seconds

    def __repr__(self) -> str:  # a secret is not to be found in any log
        return f"KeyRow({self.algorithm} node={self.node!r} until={self.until})"


class Subject(NamedTuple):
    """Whom a right is given: who has an address of a network, or signs with a key, or both; and
    comes over TLS, if that is asked for.
    """

    network: bytes = b""  # 4 or 16 octets, the host's part zero; empty: from anywhere
    length: int = 0  # of the network's prefix, in bits
    key: bytes = b""  # name of a key in wire form, lower case; empty: unsigned, too
    tls: bool = False  # over TLS alone


class Rights(NamedTuple):
    """Who may do what with a zone."""

    transfer: tuple[Subject, ...] = ()
    update: tuple[Subject, ...] = ()
    notify: tuple[Subject, ...] = ()  # beside the zone's own primaries


class Target(NamedTuple):
    """A server to be notified, or to transfer from."""

    host: str
    port: int
    key: bytes = b""  # name of the key to sign with, in wire form; empty: unsigned
    tls: str = ""  # empty: plain TCP; "opportunistic", "pin:<base64 SHA-256 of SPKI>", "ca:<name>"
    source: str = ""  # IP address of this machine to send from; empty: whichever the kernel takes


class Follow(NamedTuple):
    """A zone that is held as a secondary."""

    primaries: tuple[Target, ...]
    catalog: bytes = b""  # canonical key of the catalog zone that lists it; empty: set by hand
    member: bytes = b""  # the member's label in that catalog (RFC 9432 section 4.1)
    group: str = ""  # property of that catalog (RFC 9432 section 4.4.2)
    since: int = 0  # Unix seconds
    zonemd: bool = True  # a transfer whose ZONEMD is wrong is not taken (RFC 8976)

    @property
    def servers(self) -> str:
        """Whom it follows, in words."""
        return " or ".join(str(Address(one.host, one.port)) for one in self.primaries)


class Catalog(NamedTuple):
    """A catalog zone whose members are held as secondaries (RFC 9432)."""

    primaries: tuple[Target, ...]  # of members in no group that is named below
    groups: tuple[tuple[str, tuple[Target, ...]], ...] = ()  # group property -> primaries
    since: int = 0  # Unix seconds


def where(apex: bytes) -> bytes:
    """The key of a zone's rows, from the canonical key of its apex."""
    return APEX_PREFIX + apex


def key_row(moment: Moment, name: bytes) -> KeyRow | None:
    """A key by its name in wire form, lower case."""
    value = moment.table(KEYS).get(name) if name else None
    return None if value is None else KeyRow(*_unpack(value))


def rights_of(moment: Moment, apex: bytes) -> Rights:
    """Who may do what with the zone at an apex (canonical key)."""
    return own_rights(moment, where(apex)) or own_rights(moment, EVERYWHERE) or Rights()


def own_rights(moment: Moment, place: bytes) -> Rights | None:
    """The row at `where` of a zone, or at EVERYWHERE."""
    value = moment.table(RIGHTS).get(place)
    if value is None:
        return None
    return Rights(*(tuple(Subject(*one) for one in part) for part in _unpack(value)))


def targets_of(moment: Moment, apex: bytes) -> tuple[Target, ...]:
    """Whom to notify of changes of the zone at an apex (canonical key)."""
    own = own_targets(moment, where(apex))
    return (own_targets(moment, EVERYWHERE) or ()) if own is None else own


def own_targets(moment: Moment, place: bytes) -> tuple[Target, ...] | None:
    """The row at `where` of a zone, or at EVERYWHERE."""
    value = moment.table(TARGETS).get(place)
    return None if value is None else _targets(_unpack(value))


def follow_of(moment: Moment, apex: bytes) -> Follow | None:
    """Whom the zone at an apex (canonical key) follows; None if it is no secondary."""
    value = moment.table(FOLLOWS).get(where(apex))
    return None if value is None else _follow(value)


def catalog_of(moment: Moment, apex: bytes) -> Catalog | None:
    """How the members of the catalog zone at an apex (canonical key) are held; None if it is
    consumed by nobody here.
    """
    value = moment.table(CATALOGS).get(where(apex))
    if value is None:
        return None
    primaries, groups, since = _unpack(value)
    return Catalog(_targets(primaries), tuple((one, _targets(of)) for one, of in groups), since)


def pack(row: NamedTuple | Sequence[Any]) -> bytes:
    """A row as it is stored."""
    packed: bytes = msgpack.packb(row)
    return packed


def _follow(value: bytes) -> Follow:
    primaries, *rest = _unpack(value)
    return Follow(_targets(primaries), *rest)


@lru_cache(1_024)  # many zones follow the same servers
def _targets(rows: tuple[Any, ...]) -> tuple[Target, ...]:
    return tuple(Target(*row) for row in rows)


def _unpack(value: bytes) -> Any:
    return msgpack.unpackb(value, use_list=False)
