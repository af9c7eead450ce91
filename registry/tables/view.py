"""What a decision sees of the registry: rows by key and by range, and the length of the log.

`View` is all that a store must offer; the functions read rows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, Protocol, TypeVar

from csid.prefix import ancestors
from registry.tables import codec
from registry.tables.rows import (
    NO_LEAF,
    AskedHold,
    Assignment,
    AuditKey,
    Came,
    Cut,
    CutFiling,
    Expired,
    Filing,
    Hold,
    Locks,
    Lost,
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

CUT_SEGMENTS: Final = 3  # owner/industry/location: no cut lies deeper
TOKEN_SUBJECT: Final = "token/"  # what leaves about tokens are about, before the name
_KEY_MAX: Final = 511  # octets that a store takes as a key

T = TypeVar("T")


class View(Protocol):
    """One moment of the registry."""

    def get(self, table: str, key: bytes, /) -> bytes | None:
        """The value at a key of a table, None where there is none."""
        ...

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The rows whose keys begin with ``prefix`` and are not below ``start``, in key order.

        The table does not change while the iterator is in use.
        """
        ...

    def leaves(self) -> int:
        """How many leaves the audit log has: the index that the next one gets."""
        ...

    def leaf(self, index: int, /) -> bytes | None:
        """The data of a leaf of the log; None where it is not at hand."""
        ...

    def serial(self, name: str, /) -> int:
        """The serial that the zone of a name (an identifier or prefix in canonical text) gets when
        what is decided now is written; 0 if no zone held here encloses it.
        """
        ...


class Empty:
    """A registry in which nothing has happened yet."""

    def get(self, table: str, key: bytes, /) -> bytes | None:
        """None."""
        return None

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """No rows."""
        return iter(())

    def leaves(self) -> int:
        """0."""
        return 0

    def leaf(self, index: int, /) -> bytes | None:
        """None."""
        return None

    def serial(self, name: str, /) -> int:
        """0."""
        return 0


EMPTY: Final = Empty()


def _found(value: bytes | None, decode: Callable[[bytes], T]) -> T | None:
    return None if value is None else decode(value)


def get_owner(view: View, code: str) -> Owner | None:
    """A participant by its code."""
    return _found(view.get(codec.OWNERS, code.encode("ascii")), codec.decode_owner)


def get_assignment(view: View, identifier: str) -> Assignment | None:
    """What is registered of an identifier, given as canonical text."""
    return _found(view.get(codec.ASSIGNMENTS, identifier.encode("ascii")), codec.decode_assignment)


def get_gone(view: View, identifier: str) -> Assignment | None:
    """What was registered of an identifier when it moved away with its cut."""
    return _found(view.get(codec.GONE, identifier.encode("ascii")), codec.decode_assignment)


def get_locks(view: View, identifier: str) -> Locks | None:
    """What may not be done to an identifier; None if it never had a lock."""
    return _found(view.get(codec.LOCKS, identifier.encode("ascii")), codec.decode_locks)


def get_offer(view: View, identifier: str) -> Offer | None:
    """The last offer of an identifier to another owner."""
    return _found(view.get(codec.OFFERS, identifier.encode("ascii")), codec.decode_offer)


def get_expired(view: View, identifier: str) -> Expired | None:
    """Since when an identifier is suspended as it has expired; None if it is not."""
    return _found(view.get(codec.EXPIRED, identifier.encode("ascii")), codec.decode_expired)


def get_came(view: View, identifier: str) -> Came | None:
    """Where an identifier came from by a transfer that both have agreed to."""
    return _found(view.get(codec.CAME, identifier.encode("ascii")), codec.decode_came)


def get_validity(view: View) -> Validity:
    """How validity is kept."""
    value = view.get(codec.SETTINGS, codec.VALIDITY_KEY)
    return Validity() if value is None else codec.decode_validity(value)


def get_hold(view: View, target: str) -> Hold | None:
    """Who holds exactly this prefix or identifier."""
    return _found(view.get(codec.HOLDS, target.encode("ascii")), codec.decode_hold)


def hold_over(view: View, name: str) -> tuple[str, Hold] | None:
    """What is held of a prefix or identifier: the topmost hold at or above it, and where it is."""
    for target in ancestors(name):
        hold = get_hold(view, target)
        if hold is not None:
            return target, hold
    return None


def holds_in(view: View, prefix: str) -> Iterator[str]:
    """What is held at or below a prefix, in order."""
    if get_hold(view, prefix) is not None:
        yield prefix
    for key, _ in view.scan(codec.HOLDS, f"{prefix}/".encode("ascii")):
        yield key.decode("ascii")


def get_asked_hold(view: View, target: str) -> AskedHold | None:
    """A hold that this node has asked for."""
    return _found(view.get(codec.ASKED_HOLDS, target.encode("ascii")), codec.decode_asked_hold)


def count_live(view: View, code: str) -> int:
    """How many identifiers of an owner live: neither retired nor superseded."""
    return codec.decode_count(view.get(codec.COUNTS, codec.owner_count_key(code)))


def get_scope(view: View) -> Scope:
    """What the node assigns for."""
    value = view.get(codec.SETTINGS, codec.SCOPE_KEY)
    return Scope() if value is None else codec.decode_scope(value)


def get_audit_key(view: View) -> AuditKey | None:
    """The key that signs the audit log, None while it has none."""
    return _found(view.get(codec.SETTINGS, codec.AUDIT_KEY), codec.decode_audit_key)


def get_location(view: View, location: str) -> Redirect | None:
    """What took the place of a location that was retired here."""
    return _found(view.get(codec.LOCATIONS, location.encode("ascii")), codec.decode_redirect)


def get_subtree(view: View, prefix: str) -> Redirect | None:
    """What took the place of a whole prefix."""
    return _found(view.get(codec.SUBTREES, prefix.encode("ascii")), codec.decode_redirect)


def get_zone(view: View, origin: str) -> ZoneRow | None:
    """What is known of a zone, by its origin in canonical text."""
    return _found(view.get(codec.ZONES, origin.encode("ascii")), codec.decode_zone)


def get_place(view: View) -> Place | None:
    """What the node is in the network; None if it is by itself."""
    return _found(view.get(codec.SETTINGS, codec.PLACE_KEY), codec.decode_place)


def get_filing(view: View) -> Filing:
    """How cuts are filed."""
    value = view.get(codec.SETTINGS, codec.FILING_KEY)
    return Filing(False, NO_LEAF, 0) if value is None else codec.decode_filing(value)


def get_node(view: View, name: str) -> Node | None:
    """A node of the network by its name."""
    return _found(view.get(codec.NODES, name.encode("ascii")), codec.decode_node)


def get_cut(view: View, cut: str) -> Cut | None:
    """A cut that waits or is filed, by its prefix."""
    return _found(view.get(codec.CUTS, cut.encode("ascii")), codec.decode_cut)


def get_past_cut(view: View, cut: str) -> Cut | None:
    """A cut that was rejected or withdrawn last, by its prefix."""
    return _found(view.get(codec.PAST_CUTS, cut.encode("ascii")), codec.decode_cut)


def cut_above(view: View, name: str) -> tuple[str, Cut] | None:
    """The cut at or above a prefix or an identifier that waits or is filed."""
    for prefix in islice(ancestors(name), CUT_SEGMENTS):
        cut = get_cut(view, prefix)
        if cut is not None:
            return prefix, cut
    return None


def cut_below(view: View, prefix: str) -> tuple[str, Cut] | None:
    """The first cut below a prefix that waits or is filed."""
    found = next(view.scan(codec.CUTS, f"{prefix}/".encode("ascii")), None)
    return None if found is None else (found[0].decode("ascii"), codec.decode_cut(found[1]))


def get_node_use(view: View, name: str) -> tuple[int, int]:
    """How many cuts of a node wait, and how many are filed."""
    return codec.decode_node_use(view.get(codec.COUNTS, codec.node_use_key(name)))


def get_root(view: View) -> Root | None:
    """The national node that this one files with; None if there is none."""
    return _found(view.get(codec.SETTINGS, codec.ROOT_KEY), codec.decode_root)


def get_cut_filing(view: View, cut: str) -> CutFiling | None:
    """What became of a cut that this node asked for."""
    return _found(view.get(codec.FILINGS, cut.encode("ascii")), codec.decode_cut_filing)


def get_token(view: View, name: str) -> Token | None:
    """A token by its name."""
    return _found(view.get(codec.TOKENS, name.encode("ascii")), codec.decode_token)


def cut_moving_to(view: View, node: str) -> str:
    """A cut that is on its way to a node; empty if there is none. Looks at all that are."""
    head = codec.moving_key("", is_over=False)
    for key, _ in view.scan(codec.CUT_INDEX, head):
        cut = key[len(head) :].decode("ascii")
        row = get_cut(view, cut)
        if row is not None and row.moving is not None and row.moving.to == node:
            return cut
    return ""


def get_replay(view: View, actor: str, key: str) -> Replay | None:
    """What was done under an idempotency key of an actor."""
    value = view.get(codec.REPLAYS, codec.replay_key(actor, key))
    return None if value is None else codec.decode_replay(value)


def get_use(view: View, pool: Pool) -> PoolUse:
    """How far a pool is used."""
    value = view.get(codec.COUNTS, codec.pool_use_key(pool))
    return PoolUse(0, int(pool.first, 36)) if value is None else codec.decode_use(value)


def get_lost(view: View) -> int:
    """How many leaves all roll-backs together have cost, at most."""
    row = get_lost_row(view)
    return 0 if row is None else row.leaves


def get_lost_row(view: View) -> Lost | None:
    """What roll-backs have cost; None if there was none."""
    return _found(view.get(codec.SETTINGS, codec.LOST_KEY), codec.decode_lost)


def pools_of(view: View, place: str, capability: str) -> Iterator[Pool]:
    """The pools of a place and capability class, narrow serials first."""
    prefix = f"{place}/{capability}/".encode("ascii")
    return (codec.decode_pool(value) for _, value in view.scan(codec.POOLS, prefix))


def pool_from(view: View, place: str, capability: str, serial: str) -> Pool | None:
    """The first pool of serials of this width that ends at or after a serial."""
    prefix = codec.pool_prefix(place, capability, len(serial))
    for _, value in view.scan(codec.POOLS, prefix, prefix + serial.encode("ascii")):
        return codec.decode_pool(value)
    return None


def pool_around(view: View, place: str, capability: str, serial: str) -> Pool | None:
    """The pool that a serial lies in."""
    pool = pool_from(view, place, capability, serial)
    return pool if pool is not None and pool.first <= serial else None


def assignments(view: View, prefix: str, start: str = "") -> Iterator[tuple[str, Assignment]]:
    """The identifiers below a prefix of whole segments, from ``start`` on, in tree order."""
    below = f"{prefix}/".encode("ascii")
    for key, value in view.scan(codec.ASSIGNMENTS, below, start.encode("ascii")):
        yield key.decode("ascii"), codec.decode_assignment(value)


def last_leaves(seen: View, subject: str) -> list[int]:
    """The leaves of the last change of each thing that a text in canonical form is the name of:
    an identifier, an owner, a pool, a location, a prefix that became an alias, a cut, a zone; or a
    node of the network.
    """
    if not subject.isascii() or len(subject) > _KEY_MAX:
        return []
    assignment = get_assignment(seen, subject) or get_gone(seen, subject)
    if assignment is not None:
        beside = (get_locks(seen, subject), get_offer(seen, subject))
        leaves = {assignment.leaf, *(row.leaf for row in beside if row is not None)}
        return sorted(leaves, reverse=True)
    if subject.casefold().startswith(TOKEN_SUBJECT):
        token = get_token(seen, subject.casefold().removeprefix(TOKEN_SUBJECT))
        return [] if token is None else [token.leaf]
    place = subject.rpartition("/")[0]
    if subject.casefold() == codec.SCOPE_KEY.decode():
        return [get_scope(seen).leaf]
    if subject.casefold() == codec.FILING_KEY.decode():
        return [get_filing(seen).leaf]
    if subject.casefold() == codec.VALIDITY_KEY.decode():
        return [get_validity(seen).leaf]
    found = (
        get_owner(seen, subject),
        get_location(seen, subject),
        get_subtree(seen, subject),
        get_zone(seen, subject),
        get_cut_filing(seen, subject),
        get_hold(seen, subject),
        get_asked_hold(seen, subject),
        get_node(seen, subject.lower()),
        get_cut(seen, subject) or get_past_cut(seen, subject),
        *(pool for pool in _pools_under(seen, place) if pool.code == subject),
    )
    return sorted((row.leaf for row in found if row is not None), reverse=True)


def _pools_under(seen: View, place: str) -> Iterator[Pool]:
    at, _, capability = place.rpartition("/")
    return pools_of(seen, at, capability) if at else iter(())
