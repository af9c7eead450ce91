"""The rows of the registry as plain values."""

from __future__ import annotations

from typing import Final, NamedTuple

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

NO_LEAF = -1  # where there is no earlier leaf of a subject
DEFAULT_TTL: Final = 300  # seconds


class Owner(NamedTuple):
    """A participant. ``leaf`` is the audit leaf of its last change, ``since`` Unix seconds."""

    kinds: tuple[Kind, ...]
    standing: Standing
    name: str
    contact: str
    quota: int | None  # identifiers that may live at a time
    qualified: bool  # holds the resale and scheduling qualification 转售调度资格
    leaf: int
    since: int


class Pool(NamedTuple):
    """A block of codes: serials ``first`` to ``last``, of one width, of one capability class."""

    place: str  # owner/industry/location/type
    capability: str
    first: str
    last: str
    quota: int  # codes that may be assigned inside, ever
    leaf: int
    since: int

    @property
    def code(self) -> str:
        """The pool's code (算力资源池编码)."""
        return f"{self.place}/{self.capability}/{self.first}-{self.last}"


class PoolUse(NamedTuple):
    """How far a pool is used."""

    assigned: int  # codes assigned inside, minted or chosen
    next: int  # the number of the serial that is tried next


class Assignment(NamedTuple):
    """An identifier that was given: times in Unix seconds."""

    state: State
    leaf: int  # audit leaf of its last change, where its history begins
    since: int  # assigned
    changed: int  # changed last
    depth: int  # steps of the longest chain of aliases that leads here
    record: bytes  # canonical msgpack, as csid.record encodes it
    target: str  # what took its place: an identifier, or empty
    ttl: int = DEFAULT_TTL  # seconds, of what it resolves to; rows of version 1 do not say it


class Locks(NamedTuple):
    """What may not be done to an identifier, as bits of `LockKind`."""

    server: int  # by the node
    owner: int
    leaf: int
    since: int


class Offer(NamedTuple):
    """An identifier that its owner offers to another, or has offered."""

    state: OfferState
    to: str  # the other owner; empty: whoever has the code
    digest: bytes  # SHA-256 of the code that is to be said; empty if there is none
    until: int  # Unix seconds
    by: str  # who has offered it
    role: str
    answered: str  # who has accepted, cancelled or rejected it; empty: nobody yet
    answered_role: str
    leaf: int  # of the offer, or of its end; that of an acceptance is the identifier's own
    since: int
    changed: int


class Expired(NamedTuple):
    """An identifier that is suspended because the time for which it was valid is over."""

    leaf: int
    since: int


class Validity(NamedTuple):
    """How the node keeps the time for which identifiers are valid, in days."""

    expiring: int = 30  # before the end
    grace: int = 30  # after it, in which it may be renewed
    leaf: int = NO_LEAF
    since: int = 0


class Came(NamedTuple):
    """Where an identifier came from by a transfer that both have agreed to, or by going back."""

    source: str
    depth: int  # steps of the longest chain of aliases that leads here by another way


class Redirect(NamedTuple):
    """What took the place of a location or of a subtree."""

    new: str
    leaf: int
    since: int
    rest: str = ""  # of a prefix: from this identifier on some below it may live yet; none if empty


class Scope(NamedTuple):
    """What a node assigns for: locations and industries that begin so, empty is no limit."""

    locations: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()
    leaf: int = NO_LEAF  # of its last change; rows of version 1 do not say it
    since: int = 0


class Replay(NamedTuple):
    """What was done under an idempotency key."""

    digest: bytes
    status: int
    subject: str
    since: int


class Lost(NamedTuple):
    """What all roll-backs to an older copy together have cost."""

    leaves: int  # at most
    leaf: int  # of the last one
    since: int
    filled: int = 0  # of the leaves, in whose place others without rows stand in the log


class AuditKey(NamedTuple):
    """The key that signs the audit log from ``leaf`` on."""

    note: str  # the signed statement (registry/audit/succession.py), as its leaf has it
    leaf: int
    since: int


class ZoneRow(NamedTuple):
    """A zone at or below the suffix, or around it, as it was last loaded or dropped."""

    serial: int
    names: int  # that have records and are not the registry's
    digest: bytes  # of these, 32 octets: `registry.authority`
    leaf: int
    since: int
    held: bool  # False: it was dropped


class Place(NamedTuple):
    """What the node is in the network; without this row it is by itself."""

    role: NodeRole
    name: str  # in the register of nodes; empty of the national node
    leaf: int
    since: int
    suffix: str = ""  # of the root zone, at the national node


class Root(NamedTuple):
    """The national node that this one files with; without this row there is none."""

    host: str
    port: int
    key: str  # name of this node's own key
    registers: bool  # whether the node assigns identifiers
    leaf: int
    since: int
    receipt_key: bytes = b""  # public, of the seals of receipts; empty: they need none


class CutFiling(NamedTuple):
    """A cut that this node asks the national node for. Its prefix is the key of the row."""

    state: FilingState
    reason: str  # the national node's words
    since: int  # wanted
    changed: int
    leaf: int
    node: str = ""  # of a cut that moves, the other node


class Holder(NamedTuple):
    """Who holds something (监管暂停): the supervising authority of its territory."""

    node: str  # empty: the national node
    since: int
    reason: str


class Hold(NamedTuple):
    """A prefix or identifier that is held, by one or more; it is the key of the row."""

    by: tuple[Holder, ...]
    leaf: int


class AskedHold(NamedTuple):
    """A hold that this node has asked the national node for. What it holds is the key."""

    state: HoldState
    reason: str
    why: str  # the national node's words
    serial: int  # of the root zone, when it was set
    since: int  # wanted
    changed: int
    leaf: int


class Filed(NamedTuple):
    """What the national node has said of an identifier. Its receipt has the number ``leaf``."""

    state: FiledState
    status: int  # 100, or that of the refusal
    node: str  # whose it was
    serial: int  # of the zone in which it was seen
    reason: str  # of a refusal
    leaf: int
    since: int
    taker: str = ""  # the node that it was taken of before; of what was refused or has ended since
    tenure: int = 0  # number of that in which it was taken (`registry.network.tenures`)


class Token(NamedTuple):
    """A token that a system presents at the HTTPS interface. Its name is the key of the row."""

    digest: bytes  # SHA-256 of the secret; the secret is nowhere
    role: str  # a word of `Role`
    owner: str  # that a registrar acts for
    prefixes: tuple[str, ...]  # whole segments that all it touches lies at or below; none: no limit
    until: int  # Unix seconds, when it holds no more; 0: it has no end
    revoked: bool
    leaf: int
    since: int


class Filing(NamedTuple):
    """How the national node files cuts."""

    is_manual: bool  # each is to be approved
    leaf: int
    since: int


class Node(NamedTuple):
    """A node in the register of the network. Its name is the key of the row."""

    role: NodeRole
    scope: tuple[str, ...]  # what locations or industries begin with; none is no limit
    addresses: tuple[tuple[str, int], ...]  # IP address as text, port
    contact: str
    state: NodeState
    generation: int  # of its key
    until: int  # Unix seconds, when the key before that holds no more; 0: there is none
    leaf: int
    since: int


class Moving(NamedTuple):
    """A move of a cut from one node to another."""

    number: int  # the leaf with which it began
    source: str
    to: str
    serial: int | None = None  # of the zone, that the node it leaves does not change any more
    why: str = ""  # one of the two nodes cannot do its part, in its words
    is_over: bool = False  # it was done, or taken back


class Cut(NamedTuple):
    """The filing of a cut. Its prefix is the key of the row."""

    state: CutState
    node: str
    servers: tuple[tuple[bytes, tuple[bytes, ...]], ...]  # name in wire form, addresses packed
    ds: tuple[bytes, ...]
    number: int  # of the filing: the leaf with which it began
    reason: str  # why it was rejected
    leaf: int
    since: int
    moving: Moving | None = None  # its last move
    tenure: int = 0  # Unix seconds when it was first filed by who has it, or who that had it from
