"""Rows as bytes: tables, keys and compact msgpack values (schemas/registry.md lists them)."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import msgpack

from csid.check import BASE36
from registry.tables.enums import (
    CutState,
    FiledState,
    FilingState,
    HoldState,
    Kind,
    NodeRole,
    NodeState,
    OfferState,
    Standing,
    State,
)
from registry.tables.rows import (
    AskedHold,
    Assignment,
    AuditKey,
    Came,
    Cut,
    CutFiling,
    Expired,
    Filed,
    Filing,
    Hold,
    Holder,
    Locks,
    Lost,
    Moving,
    Node,
    Offer,
    Owner,
    Place,
    Pool,
    PoolUse,
    Redirect,
    Replay,
    Root,
    Scope,
    Token,
    Validity,
    ZoneRow,
)

OWNERS: Final = "owners"
POOLS: Final = "pools"
ASSIGNMENTS: Final = "assignments"
COUNTS: Final = "counts"
PLACES: Final = "places"
BY_STATE: Final = "by_state"
LOCATIONS: Final = "locations"
SUBTREES: Final = "subtrees"
REPLAYS: Final = "replays"
SETTINGS: Final = "settings"
ZONES: Final = "zones"
NODES: Final = "nodes"
CUTS: Final = "cuts"  # that wait or are filed
PAST_CUTS: Final = "past_cuts"  # that were rejected or withdrawn
CUT_INDEX: Final = "cut_index"
FILINGS: Final = "filings"
FILED: Final = "filed"
TOKENS: Final = "tokens"
GONE: Final = "gone"  # identifiers that have moved away with their cut
LOCKS: Final = "locks"
OFFERS: Final = "offers"
EXPIRED: Final = "expired"
CAME: Final = "came"
HOLDS: Final = "holds"  # what is held, at the national node and where it concerns the node
ASKED_HOLDS: Final = "asked_holds"
TABLES: Final = (
    OWNERS,
    POOLS,
    ASSIGNMENTS,
    COUNTS,
    PLACES,
    BY_STATE,
    LOCATIONS,
    SUBTREES,
    REPLAYS,
    SETTINGS,
    ZONES,
    NODES,
    CUTS,
    PAST_CUTS,
    CUT_INDEX,
    FILINGS,
    FILED,
    GONE,
    LOCKS,
    OFFERS,
    EXPIRED,
    CAME,
    TOKENS,
    HOLDS,
    ASKED_HOLDS,
)
# Kept by a replay alone: what updates have made of a zone since it was loaded, by the leaf of that
# (8, big-endian) and the key of a name below the apex: [before, after, leaf]. Under FF and the
# zone's name (SHA-256), the leaf.
UPDATED: Final = "updated"
REPLAYED: Final = (*TABLES, UPDATED)

SCOPE_KEY: Final = b"scope"
LOST_KEY: Final = b"lost"
AUDIT_KEY: Final = b"audit-key"
PLACE_KEY: Final = b"network"
FILING_KEY: Final = b"filing"
ROOT_KEY: Final = b"root"
VALIDITY_KEY: Final = b"validity"
INVENTORY_KEY: Final = b"inventory"  # there while imports bring their owners with them
INVENTORY_UNDER_WAY: Final = b"\1"
# A row is its fields in order, as a msgpack array; a count is an integer.
encode: Final[Callable[[tuple[object, ...] | int], bytes]] = msgpack.Packer().pack


def _unpack(value: bytes) -> Any:
    return msgpack.unpackb(value, use_list=False)


def fields(value: bytes) -> tuple[Any, ...]:
    """The fields of a row of any table that has an array.

    Raises:
        ValueError: it is none.
    """
    found = _unpack(value)
    if not isinstance(found, tuple):
        raise ValueError(f"no array: {value[:20].hex()}")
    return found


def pool_prefix(place: str, capability: str, width: int) -> bytes:
    """What the keys of the pools with serials of one width begin with."""
    return f"{place}/{capability}/{BASE36[width]}/".encode("ascii")


def pool_key(pool: Pool) -> bytes:
    """By the last serial, so that one seek forward finds the pool that a serial may lie in."""
    return pool_prefix(pool.place, pool.capability, len(pool.last)) + pool.last.encode("ascii")


def owner_count_key(code: str) -> bytes:
    """The key in COUNTS of how many identifiers of an owner live."""
    return b"o/" + code.encode("ascii")


def counted_owner(key: bytes) -> str:
    """Whose identifiers a key in COUNTS is about, empty if it is none of `owner_count_key`."""
    return key[2:].decode("ascii") if key.startswith(b"o/") else ""


def pool_use_key(pool: Pool) -> bytes:
    """The key in COUNTS of how far a pool is used."""
    return b"p/" + pool_key(pool)


def node_use_key(name: str) -> bytes:
    """The key in COUNTS of how many cuts of a node wait, and how many are filed."""
    return b"n/" + name.encode("ascii")


def of_node(name: str) -> bytes:
    """What the keys in CUT_INDEX of the cuts of a node begin with; the cut follows."""
    return b"n/" + name.encode("ascii") + b"/"


def by_server(place: str) -> bytes:
    """What the keys in CUT_INDEX of the cuts begin with that have a name server in a place: that of
    another node (NODES/NAME), or another cut; the cut follows.
    """
    return b"s/" + place.encode("ascii") + b"//"


def waiting_key(cut: str) -> bytes:
    """The key in CUT_INDEX of a cut that waits."""
    return b"w/" + cut.encode("ascii")


def moving_key(cut: str, is_over: bool) -> bytes:
    """The key in CUT_INDEX of a cut that moves, or has moved."""
    return (b"d/" if is_over else b"v/") + cut.encode("ascii")


def member_key(label: str) -> bytes:
    """The key in CUT_INDEX of a cut that is filed, by its label in the catalog zone."""
    return b"m/" + label.encode("ascii")


def state_key(word: str, identifier: str) -> bytes:
    """The key in BY_STATE; identifiers that are active have none."""
    return f"{word}/{identifier}".encode("ascii")


LOCKED: Final = "locked"  # in BY_STATE: identifiers with a lock
OFFERED: Final = "offered"  # in BY_STATE: identifiers with an offer that is open


def replay_key(actor: str, key: str) -> bytes:
    """The key in REPLAYS of an idempotency key, which is the actor's own; a digest, being short."""
    return sha256(f"{actor}\0{key}".encode()).digest()


def decode_owner(value: bytes) -> Owner:
    """The participant in a row."""
    kinds, standing, *rest = _unpack(value)
    return Owner(tuple(map(Kind, kinds)), Standing(standing), *rest)


def decode_pool(value: bytes) -> Pool:
    """The pool in a row."""
    return Pool(*_unpack(value))


def decode_use(value: bytes) -> PoolUse:
    """The use of a pool in a row."""
    return PoolUse(*_unpack(value))


def decode_assignment(value: bytes) -> Assignment:
    """The assignment in a row."""
    state, *rest = _unpack(value)
    return Assignment(State(state), *rest)


def state_of(assignment: bytes) -> State:
    """The state in a row of an assignment, the first field of its array."""
    return State(assignment[1])


def decode_locks(value: bytes) -> Locks:
    """The locks in a row."""
    return Locks(*_unpack(value))


def decode_offer(value: bytes) -> Offer:
    """The offer in a row."""
    state, *rest = _unpack(value)
    return Offer(OfferState(state), *rest)


def decode_expired(value: bytes) -> Expired:
    """Since when an identifier has expired, in a row."""
    return Expired(*_unpack(value))


def decode_came(value: bytes) -> Came:
    """Where an identifier came from, in a row."""
    return Came(*_unpack(value))


def decode_validity(value: bytes) -> Validity:
    """How validity is kept, in a row."""
    return Validity(*_unpack(value))


def decode_redirect(value: bytes) -> Redirect:
    """The redirect in a row."""
    return Redirect(*_unpack(value))


def decode_scope(value: bytes) -> Scope:
    """The scope in a row."""
    return Scope(*_unpack(value))


def decode_audit_key(value: bytes) -> AuditKey:
    """The key in a row."""
    return AuditKey(*_unpack(value))


def decode_replay(value: bytes) -> Replay:
    """What was done under a key."""
    return Replay(*_unpack(value))


def decode_lost(value: bytes) -> Lost:
    """What roll-backs have cost, in a row."""
    return Lost(*_unpack(value))


def decode_zone(value: bytes) -> ZoneRow:
    """The zone in a row."""
    return ZoneRow(*_unpack(value))


def loaded_key(origin: str) -> bytes:
    """The key in UPDATED of the leaf of a zone's load."""
    return b"\xff" + sha256(origin.encode("ascii")).digest()


def decode_count(value: bytes | None) -> int:
    """The number in a row; none is 0."""
    return 0 if value is None else int(_unpack(value))


def decode_place(value: bytes) -> Place:
    """What the node is in the network, in a row."""
    role, *rest = _unpack(value)
    return Place(NodeRole(role), *rest)


def decode_filing(value: bytes) -> Filing:
    """How cuts are filed, in a row."""
    return Filing(*_unpack(value))


def decode_filed(value: bytes) -> Filed:
    """What the national node has said of an identifier, in a row."""
    state, *rest = _unpack(value)
    return Filed(FiledState(state), *rest)


def encode_filed(filed: Filed) -> bytes:
    """The row of what was said of an identifier."""
    return encode(filed if filed.tenure or filed.taker else filed[:-2])


def decode_node(value: bytes) -> Node:
    """The node of the network in a row."""
    role, scope, addresses, contact, state, *rest = _unpack(value)
    return Node(NodeRole(role), scope, addresses, contact, NodeState(state), *rest)


def decode_cut(value: bytes) -> Cut:
    """The cut in a row."""
    state, *rest = _unpack(value)
    cut = Cut(CutState(state), *rest)
    return cut if cut.moving is None else cut._replace(moving=Moving(*cut.moving))


def encode_cut(cut: Cut) -> bytes:
    """The row of a cut; one of version 1 says nothing of moves and tenures."""
    return encode(cut if cut.moving is not None or cut.tenure else cut[:-2])


def decode_node_use(value: bytes | None) -> tuple[int, int]:
    """How many cuts of a node wait, and how many are filed."""
    if value is None:
        return 0, 0
    waiting, filed = _unpack(value)
    return int(waiting), int(filed)


def decode_token(value: bytes) -> Token:
    """The token in a row."""
    return Token(*_unpack(value))


def decode_root(value: bytes) -> Root:
    """Where this node files, in a row."""
    return Root(*_unpack(value))


def decode_cut_filing(value: bytes) -> CutFiling:
    """The filing of a cut in a row."""
    state, *rest = _unpack(value)
    return CutFiling(FilingState(state), *rest)


def encode_cut_filing(filing: CutFiling) -> bytes:
    """The row of the filing of a cut."""
    return encode(filing if filing.node else filing[:-1])


def decode_hold(value: bytes) -> Hold:
    """Who holds something, in a row."""
    by, leaf = _unpack(value)
    return Hold(tuple(Holder(*one) for one in by), leaf)


def decode_asked_hold(value: bytes) -> AskedHold:
    """A hold that was asked for, in a row."""
    state, *rest = _unpack(value)
    return AskedHold(HoldState(state), *rest)
