"""What can be asked of the registry: one small class for each kind of request.

A request is who asks, what for, why, and under which idempotency key. The classes only hold
values; whether they are allowed is `policy.py`, what follows from them `decide.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar, Final

import msgpack

from csid.identifier import Identifier
from csid.limits import MAX_ACTOR_CHARACTERS
from csid.record import Record, encode
from registry.rules.lifecycle import Verb
from registry.rules.participants import Judgement
from registry.tables.enums import FilingState, HoldState, Kind, LockKind

TEXT_MAX: Final = 200  # characters of a name, a contact or a reason
ACTOR_MAX: Final = MAX_ACTOR_CHARACTERS
KEY_MAX: Final = 128  # characters of an idempotency key
REFERENCE_MAX: Final = 200  # characters of a prefix or pool code before it is looked at


# What was added to a body later: left out of its fingerprint where it is not said, so that the
# keys of those who asked before it was there still hold.
_ADDED: Final = {"added": True}

# Facts by name, in the order of their names, with their values in JSON form; None takes one away.
Facts = tuple[tuple[str, Any], ...]


def facts_of(values: Mapping[str, Any]) -> Facts:
    """The facts in a map."""
    return tuple(sorted(values.items()))


class Role(Enum):
    """In what capacity somebody acts."""

    ADMINISTRATOR = "administrator"
    REGISTRAR = "registrar"  # of one owner
    AUDITOR = "auditor"
    READER = "read-only"
    NODE = "node"  # of the network, as its key says; nobody acts so at a terminal
    GATEWAY = "gateway"  # reports what it sees, by its key; nor does anybody act so


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks; ``owner`` is the one that a registrar acts for, of a node its name, empty for every
    other role.

    Made of a process and its claim by `acting.py` alone. ``peer`` is what the operating system says
    of the process: "UID/GID", and who it truly is where it acts for another.
    """

    name: str
    role: Role
    owner: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class AddOwner:
    """Register a participant that applies for accreditation. ``quota``: identifiers, None free."""

    kind: ClassVar[str] = "owner.add"
    code: str
    kinds: tuple[Kind, ...]
    name: str
    contact: str
    quota: int | None = None


@dataclass(frozen=True, slots=True)
class IntroduceOwner:
    """Register and accredit an owner that the first inventory of a node (首次清点) meets."""

    kind: ClassVar[str] = "owner.introduce"
    code: str


@dataclass(frozen=True, slots=True)
class UpdateOwner:
    """Give a participant these facts in place of its own: kinds (their numbers), name, contact,
    quota. What is not among them stays.
    """

    kind: ClassVar[str] = "owner.update"
    code: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class JudgeOwner:
    """Accredit, suspend, reinstate or end a participant."""

    kind: ClassVar[str] = "owner.judge"
    code: str
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class QualifyOwner:
    """Grant or withdraw the resale and scheduling qualification (转售调度资格)."""

    kind: ClassVar[str] = "owner.qualify"
    code: str
    granted: bool


@dataclass(frozen=True, slots=True)
class SetScope:
    """Limit the node to locations and industries that begin so; empty is no limit."""

    kind: ClassVar[str] = "scope.set"
    locations: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddPool:
    """Set a block of codes aside. ``place`` is OWNER/INDUSTRY/LOCATION/TYPE.

    ``count`` serials from ``first`` to ``last`` (of one width); without these two, the first
    block behind the pools there are. ``quota``: codes that may be minted, None all of them.
    """

    kind: ClassVar[str] = "pool.add"
    place: str
    capability: str
    count: int
    quota: int | None = None
    first: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True)
class Assign:
    """Assign a code that the asker has chosen. ``ttl``: seconds, None the default."""

    kind: ClassVar[str] = "assign"
    identifier: Identifier
    record: Record
    ttl: int | None = field(default=None, metadata=_ADDED)


@dataclass(frozen=True, slots=True)
class Mint:
    """Assign the next free code of a pool.

    ``pool`` is a pool code, or OWNER/INDUSTRY/LOCATION/TYPE/CLASS for the first pool with room.
    """

    kind: ClassVar[str] = "mint"
    pool: str
    record: Record
    ttl: int | None = field(default=None, metadata=_ADDED)


@dataclass(frozen=True, slots=True)
class Import:
    """Make the registry say this of the identifier: assign it, or change it, or leave it so.

    ``year``: of registration, for codes that were given before; 0 is now. ``ttl``: seconds; None
    is the default for what is new, and what there is for what is not. A restore comes to what it
    says in steps, so it also says what they come to, which is found done then: ``final`` the
    packed record with which it ends, ``alias`` what takes its place.
    """

    kind: ClassVar[str] = "import"
    identifier: Identifier
    record: Record
    year: int = 0
    ttl: int | None = field(default=None, metadata=_ADDED)
    final: bytes = field(default=b"", metadata=_ADDED)
    alias: str = field(default="", metadata=_ADDED)


@dataclass(frozen=True, slots=True)
class Update:
    """Give an identifier these facts in place of its own, or of all it has; its state stays.

    ``whole``: what is not among the facts goes. ``ttl``: seconds, None as it is.
    ``unless_changed_since``: a leaf; a later change of the identifier keeps it from being done.
    """

    kind: ClassVar[str] = "update"
    identifier: Identifier
    facts: Facts
    whole: bool = False
    ttl: int | None = None
    unless_changed_since: int | None = None


@dataclass(frozen=True, slots=True)
class Advance:
    """File, activate, withdraw, suspend or reinstate an identifier."""

    kind: ClassVar[str] = "advance"
    identifier: Identifier
    verb: Verb


@dataclass(frozen=True, slots=True)
class Retire:
    """End an identifier. ``successor`` is what to use instead, here or at another node."""

    kind: ClassVar[str] = "retire"
    identifier: Identifier
    successor: str = ""


@dataclass(frozen=True, slots=True)
class Alias:
    """Let an identifier lead to another that is assigned. ``restored``: as it did in a registry
    that is restored, so also one that was on hold when it was moved.
    """

    kind: ClassVar[str] = "alias"
    old: Identifier
    new: Identifier
    restored: bool = field(default=False, compare=False, metadata=_ADDED)


@dataclass(frozen=True, slots=True)
class AliasSubtree:
    """Close a prefix in favour of another, once every identifier below it has ended or moved."""

    kind: ClassVar[str] = "alias.subtree"
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Move:
    """Assign ``new`` with the record of ``old``, and let ``old`` lead to it.

    With ``renumber``, a ``new`` that is taken gives way to the next free serial of its width.
    """

    kind: ClassVar[str] = "move"
    old: Identifier
    new: Identifier
    renumber: bool = False


@dataclass(frozen=True, slots=True)
class AddLocks:
    """Keep things from being done to an identifier. ``by_owner``: as its owner, whose locks he may
    lift himself; else as the node.
    """

    kind: ClassVar[str] = "lock.add"
    identifier: Identifier
    locks: tuple[LockKind, ...]
    by_owner: bool


@dataclass(frozen=True, slots=True)
class RemoveLocks:
    """Lift locks of an identifier: the owner's (``by_owner``), or the node's."""

    kind: ClassVar[str] = "lock.remove"
    identifier: Identifier
    locks: tuple[LockKind, ...]
    by_owner: bool


@dataclass(frozen=True, slots=True)
class OfferTransfer:
    """Offer an identifier to another owner, or (``owner`` empty) to whoever says a code.

    ``digest``: `offers.digest_of` the code; empty: none is asked for. ``seconds``: how long the
    offer holds.
    """

    kind: ClassVar[str] = "transfer.offer"
    identifier: Identifier
    owner: str
    digest: bytes
    seconds: int


@dataclass(frozen=True, slots=True)
class AcceptTransfer:
    """Take an identifier that is offered to an owner; ``code`` as it was agreed, if it was."""

    kind: ClassVar[str] = "transfer.accept"
    identifier: Identifier
    owner: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class CancelTransfer:
    """Take an offer back."""

    kind: ClassVar[str] = "transfer.cancel"
    identifier: Identifier


@dataclass(frozen=True, slots=True)
class RejectTransfer:
    """Turn down what is offered to an owner."""

    kind: ClassVar[str] = "transfer.reject"
    identifier: Identifier
    owner: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Let an identifier be valid until a later day (YYYY-MM-DD, that day among them)."""

    kind: ClassVar[str] = "renew"
    identifier: Identifier
    until: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Suspend an identifier of which the last day is over."""

    kind: ClassVar[str] = "expire"
    identifier: Identifier


@dataclass(frozen=True, slots=True)
class Lapse:
    """End an identifier that has expired and was not renewed in time."""

    kind: ClassVar[str] = "lapse"
    identifier: Identifier


@dataclass(frozen=True, slots=True)
class SetValidity:
    """How many days before the last one an identifier counts as expiring, and how many after it
    may be renewed before it ends.
    """

    kind: ClassVar[str] = "validity.set"
    expiring: int
    grace: int


@dataclass(frozen=True, slots=True)
class RetireLocation:
    """Give out no more codes at a location; `plan.steps` moves those there are."""

    kind: ClassVar[str] = "location.retire"
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class AddNode:
    """Enter a node in the register of the network.

    ``role``: a word of `NodeRole`. ``scope``: what locations (of an industry node: industries)
    begin with that it may file cuts for; none is no limit. ``addresses``: HOST:PORT, of which the
    host is an address, IPv6 in brackets.
    """

    kind: ClassVar[str] = "network.add"
    name: str
    role: str
    scope: tuple[str, ...]
    addresses: tuple[str, ...]
    contact: str = ""


@dataclass(frozen=True, slots=True)
class ChangeNode:
    """Give a node these facts in place of its own: role, scope, addresses, contact, as `AddNode`
    has them. What is not among them stays.
    """

    kind: ClassVar[str] = "network.change"
    name: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class SuspendNode:
    """Take nothing from a node any more; what it has filed goes on resolving."""

    kind: ClassVar[str] = "network.suspend"
    name: str


@dataclass(frozen=True, slots=True)
class ReinstateNode:
    """End the suspension of a node."""

    kind: ClassVar[str] = "network.reinstate"
    name: str


@dataclass(frozen=True, slots=True)
class RekeyNode:
    """Give a node another key; the one it has holds for ``overlap`` seconds more."""

    kind: ClassVar[str] = "network.rekey"
    name: str
    overlap: int


@dataclass(frozen=True, slots=True)
class RemoveNode:
    """End a node that has no cuts; its keys never hold again."""

    kind: ClassVar[str] = "network.remove"
    name: str


@dataclass(frozen=True, slots=True)
class SetFiling:
    """Whether cuts are filed at once (``automatic``) or once approved (``manual``)."""

    kind: ClassVar[str] = "filing.mode"
    mode: str


# A name server with its addresses: of those in the cut they go into the root zone as glue.
Server = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class FileCut:
    """Delegate a subtree to a node (备案). ``cut``: owner, owner/industry or
    owner/industry/location. Without ``servers`` it is the name of the node in the root zone.
    ``ds``: data of DS records (RFC 4034 section 5.1).
    """

    kind: ClassVar[str] = "cut.file"
    cut: str
    node: str
    servers: tuple[Server, ...] = ()
    ds: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ApproveCut:
    """File a cut that waits, or that was rejected."""

    kind: ClassVar[str] = "cut.approve"
    cut: str


@dataclass(frozen=True, slots=True)
class RejectCut:
    """Refuse a cut that waits; the request's reason is what the node is told."""

    kind: ClassVar[str] = "cut.reject"
    cut: str


@dataclass(frozen=True, slots=True)
class WithdrawCut:
    """Take a cut back, filed or not."""

    kind: ClassVar[str] = "cut.withdraw"
    cut: str
    node: str


@dataclass(frozen=True, slots=True)
class MoveCut:
    """Let a cut that is filed move to another node, which takes it over in its time."""

    kind: ClassVar[str] = "cut.move"
    cut: str
    node: str


@dataclass(frozen=True, slots=True)
class KeepCut:
    """Take back the move of a cut that is not done yet."""

    kind: ClassVar[str] = "cut.keep"
    cut: str


@dataclass(frozen=True, slots=True)
class FreezeCut:
    """The node that a cut moves from (``node``) changes nothing in it any more: ``serial`` is the
    last of its zone. ``number``: of the move.
    """

    kind: ClassVar[str] = "cut.freeze"
    cut: str
    node: str
    number: int
    serial: int


@dataclass(frozen=True, slots=True)
class DeclineCut:
    """The node that a cut moves to, or from (``node``), cannot do its part, for the request's
    reason.
    """

    kind: ClassVar[str] = "cut.decline"
    cut: str
    node: str
    number: int


@dataclass(frozen=True, slots=True)
class TakeReceipt:
    """Take what the national node says to the filing of an identifier; the reason is the request's.

    ``number``: of the receipt; 0 where the filing of the cut around it was refused, which no
    receipt says. ``status``: 100 for taken, else the number of the status that it was refused
    with. ``serial``: of the zone in which the national node has seen the identifier; None the
    present one.
    """

    kind: ClassVar[str] = "receipt"
    identifier: Identifier
    number: int
    status: int
    serial: int | None = None


@dataclass(frozen=True, slots=True)
class RequestFiling:
    """Ask the national node to delegate a cut to this node (备案): owner, owner/industry or
    owner/industry/location.
    """

    kind: ClassVar[str] = "filing.request"
    cut: str


@dataclass(frozen=True, slots=True)
class AnswerFiling:
    """Take what the national node says to the filing of a cut; the reason is the request's."""

    kind: ClassVar[str] = "filing.answer"
    cut: str
    state: FilingState


@dataclass(frozen=True, slots=True)
class MoveFiling:
    """Note where a cut is on its way to or from this node: ``node`` is the other one."""

    kind: ClassVar[str] = "filing.move"
    cut: str
    state: FilingState
    node: str


@dataclass(frozen=True, slots=True)
class SetHold:
    """Hold a prefix or identifier that lies in a cut of another node (监管暂停), for the request's
    reason. ``node``: the region node that does; empty: the national node itself.
    """

    kind: ClassVar[str] = "hold.set"
    target: str
    node: str


@dataclass(frozen=True, slots=True)
class LiftHold:
    """End the hold of a node; an administrator of the national node with no ``node`` all of it."""

    kind: ClassVar[str] = "hold.lift"
    target: str
    node: str


@dataclass(frozen=True, slots=True)
class NoteHold:
    """Note who holds something of this node's, as the root zone says: node, Unix seconds since
    when, reason of each; nobody any more if empty.
    """

    kind: ClassVar[str] = "hold.note"
    target: str
    by: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class AskHold:
    """Have the national node hold a prefix or identifier, as the authority of its territory, for
    the request's reason.
    """

    kind: ClassVar[str] = "hold.ask"
    target: str


@dataclass(frozen=True, slots=True)
class EndHold:
    """Have the national node release what this node holds."""

    kind: ClassVar[str] = "hold.end"
    target: str


@dataclass(frozen=True, slots=True)
class AnswerHold:
    """Take what has become of a hold that was asked for; the reason is the request's.

    ``leaf``: of the row that it is about, if it is still that one. ``serial``: of the root zone
    since which it is set.
    """

    kind: ClassVar[str] = "hold.answer"
    target: str
    state: HoldState
    leaf: int
    serial: int = 0


@dataclass(frozen=True, slots=True)
class Leave:
    """An identifier whose cut is another node's now is this one's no more."""

    kind: ClassVar[str] = "leave"
    identifier: Identifier


@dataclass(frozen=True, slots=True)
class Take:
    """An identifier whose cut is this node's now is as its zone says: with a record, or, where
    another has taken its place, none, and ``target``.
    """

    kind: ClassVar[str] = "take"
    identifier: Identifier
    record: bytes
    target: str
    ttl: int


@dataclass(frozen=True, slots=True)
class TakeSubtree:
    """A prefix in a cut that is this node's now leads to another, as its zone says."""

    kind: ClassVar[str] = "take.subtree"
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class AddToken:
    """Let whoever has a secret act over HTTPS: ``digest`` is its SHA-256. ``role`` is a word of
    `Role`, ``owner`` the one that a registrar acts for. All that it touches lies at or below one of
    ``prefixes``; none is no limit. ``until``: Unix seconds, 0 for no end.
    """

    kind: ClassVar[str] = "token.add"
    name: str
    digest: bytes
    role: str
    owner: str
    prefixes: tuple[str, ...]
    until: int


@dataclass(frozen=True, slots=True)
class RevokeToken:
    """Let a token hold no more, for ever."""

    kind: ClassVar[str] = "token.revoke"
    name: str


@dataclass(frozen=True, slots=True)
class FinishPlan:
    """Note under an idempotency key that all of a plan was done: `plan.finish` makes it."""

    kind: ClassVar[str] = "plan.finish"
    plan: str  # its kind
    about: str
    digest: bytes  # of all of it


Body = (
    AddOwner
    | IntroduceOwner
    | UpdateOwner
    | JudgeOwner
    | QualifyOwner
    | SetScope
    | AddPool
    | Assign
    | Mint
    | Import
    | Update
    | Advance
    | Retire
    | Alias
    | AliasSubtree
    | Move
    | AddLocks
    | RemoveLocks
    | OfferTransfer
    | AcceptTransfer
    | CancelTransfer
    | RejectTransfer
    | Renew
    | Expire
    | Lapse
    | SetValidity
    | RetireLocation
    | AddNode
    | ChangeNode
    | SuspendNode
    | ReinstateNode
    | RekeyNode
    | RemoveNode
    | SetFiling
    | FileCut
    | ApproveCut
    | RejectCut
    | WithdrawCut
    | MoveCut
    | KeepCut
    | FreezeCut
    | DeclineCut
    | TakeReceipt
    | RequestFiling
    | AnswerFiling
    | MoveFiling
    | SetHold
    | LiftHold
    | NoteHold
    | AskHold
    | EndHold
    | AnswerHold
    | Leave
    | Take
    | TakeSubtree
    | AddToken
    | RevokeToken
    | FinishPlan
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request: who, what, why. With a ``key``, asking again gives the same answer again."""

    actor: Actor
    body: Body
    reason: str = field(default="")
    key: str = field(default="")


def fingerprint(body: Any) -> bytes:
    """A body (or a plan) in canonical bytes: equal for equal requests, for the idempotency key."""
    values: list[object] = [body.kind]
    added = {}
    for member in fields(body):
        value = getattr(body, member.name)
        if "added" not in member.metadata:
            values.append(_plain(value))
        elif value != member.default:
            added[member.name] = _plain(value)
    packed: bytes = msgpack.packb([*values, added] if added else values)
    return packed


def _plain(value: object) -> object:
    if isinstance(value, Identifier):
        return str(value)
    if isinstance(value, Record):
        return encode(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)  # more than msgpack holds
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value, key=str)}
    return value
