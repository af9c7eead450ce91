"""What is registered, as objects of JSON (RFC 9022 has the like in XML and CSV).

Every row says which leaf of the audit log changed it last, so that what changed since a deposit is
told from the rows themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from csid.moments import iso
from csid.record import decode
from registry.rules.participants import KINDS
from registry.tables import codec
from registry.tables.enums import (
    CUT_STATE_WORDS,
    NODE_ROLE_WORDS,
    NODE_STATE_WORDS,
    STANDING_WORDS,
    WORDS,
)
from registry.tables.view import View

Object = dict[str, Any]
OWNER: Final = "owner"
POOL: Final = "pool"
IDENTIFIER: Final = "identifier"
LOCATION: Final = "location"
PREFIX: Final = "prefix"
NODE: Final = "node"
CUT: Final = "cut"


class _Table(NamedTuple):
    """The rows of a table as objects; ``gone`` is the table of those that it has no more."""

    word: str
    table: str
    read: Callable[[str, bytes], tuple[int, Object]]  # key, row -> leaf, what it says
    gone: str = ""


def _owner(key: str, value: bytes) -> tuple[int, Object]:
    row = codec.decode_owner(value)
    said = {
        "id": key,
        "kinds": [KINDS[kind].word for kind in row.kinds],
        "standing": STANDING_WORDS[row.standing][0],
        "name": row.name,
        "contact": row.contact,
        "quota": row.quota,
        "qualified": row.qualified,
        "since": iso(row.since),
    }
    return row.leaf, said


def _pool(_key: str, value: bytes) -> tuple[int, Object]:
    row = codec.decode_pool(value)
    said = {
        "id": row.code,
        "place": row.place,
        "class": row.capability,
        "first": row.first,
        "last": row.last,
        "quota": row.quota,
        "since": iso(row.since),
    }
    return row.leaf, said


def _identifier(key: str, value: bytes) -> tuple[int, Object]:
    row = codec.decode_assignment(value)
    said = {
        "id": key,
        "state": WORDS[row.state].record,
        "record": decode(row.record).json(),
        "ttl": row.ttl,
        "alias": row.target or None,
        "since": iso(row.since),
        "changed": iso(row.changed),
    }
    return row.leaf, said


def _redirect(key: str, value: bytes) -> tuple[int, Object]:
    row = codec.decode_redirect(value)
    return row.leaf, {"id": key, "new": row.new, "since": iso(row.since)}


def _node(key: str, value: bytes) -> tuple[int, Object]:
    row = codec.decode_node(value)
    said = {
        "id": key,
        "role": NODE_ROLE_WORDS[row.role][0],
        "scope": list(row.scope),
        "addresses": [{"address": address, "port": port} for address, port in row.addresses],
        "contact": row.contact,
        "state": NODE_STATE_WORDS[row.state][0],
        "since": iso(row.since),
    }
    return row.leaf, said


def _cut(key: str, value: bytes) -> tuple[int, Object]:
    row = codec.decode_cut(value)
    said = {
        "id": key,
        "state": CUT_STATE_WORDS[row.state][0],
        "node": row.node,
        "reason": row.reason or None,
        "since": iso(row.since),
    }
    return row.leaf, said


_TABLES: Final = (
    _Table(OWNER, codec.OWNERS, _owner),
    _Table(POOL, codec.POOLS, _pool),
    _Table(IDENTIFIER, codec.ASSIGNMENTS, _identifier, codec.GONE),
    _Table(LOCATION, codec.LOCATIONS, _redirect),
    _Table(PREFIX, codec.SUBTREES, _redirect),
    _Table(NODE, codec.NODES, _node),
    _Table(CUT, codec.CUTS, _cut, codec.PAST_CUTS),
)
# In the order in which they stand in a deposit.
WORDS_IN_ORDER: Final[Mapping[str, int]] = {
    table.word: place for place, table in enumerate(_TABLES)
}


def objects(view: View, since: int) -> Iterator[Object]:
    """What is registered, in order: by kind, then by key; then what was and is no more, which a
    deposit of everything does not have.

    Args:
        since: the first leaf whose changes count; 0 for everything.
    """
    for one in _TABLES:
        for key, value in view.scan(one.table, b""):
            leaf, said = one.read(key.decode("ascii"), value)
            if leaf >= since:
                yield {"object": one.word, "leaf": leaf, **said}
    for one in _TABLES if since else ():
        for key, value in view.scan(one.gone, b"") if one.gone else ():
            if view.get(one.table, key) is None:
                leaf, said = one.read(key.decode("ascii"), value)
                if leaf >= since:
                    yield {"object": one.word, "leaf": leaf, "id": said["id"], "deleted": True}
