"""What can be asked of the registry: one small class for each kind of request.

A request is who asks, what for, why, and under which idempotency key. The classes only hold
values; whether they are allowed is `policy.py`, what follows from them `decide.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from typing import ClassVar, Final

import msgpack

from csid.identifier import Identifier
from csid.record import Record, encode
from registry.rules.lifecycle import Verb
from registry.rules.participants import Judgement
from registry.tables.enums import Kind

TEXT_MAX: Final = 200  # characters of a name, a contact or a reason
ACTOR_MAX: Final = 64  # characters of an actor's name
KEY_MAX: Final = 128  # characters of an idempotency key
REFERENCE_MAX: Final = 200  # characters of a prefix or pool code before it is looked at


class Role(Enum):
    """In what capacity somebody acts."""

    ADMINISTRATOR = "administrator"
    REGISTRAR = "registrar"  # of one owner
    AUDITOR = "auditor"
    READER = "read-only"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks; ``owner`` is the one that a registrar acts for, empty for every other role.

    ``name`` and ``role`` are what somebody says of himself; ``peer`` is what the operating system
    says: "UID/GID" of the process that asked.
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
    """Give a participant these facts in place of its own."""

    kind: ClassVar[str] = "owner.update"
    code: str
    kinds: tuple[Kind, ...]
    name: str
    contact: str
    quota: int | None = None


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
    """Assign a code that the asker has chosen."""

    kind: ClassVar[str] = "assign"
    identifier: Identifier
    record: Record


@dataclass(frozen=True, slots=True)
class Mint:
    """Assign the next free code of a pool.

    ``pool`` is a pool code, or OWNER/INDUSTRY/LOCATION/TYPE/CLASS for the first pool with room.
    """

    kind: ClassVar[str] = "mint"
    pool: str
    record: Record


@dataclass(frozen=True, slots=True)
class Import:
    """Make the registry say this of the identifier: assign it, or change it, or leave it so.

    ``year``: of registration, for codes that were given before; 0 is now.
    """

    kind: ClassVar[str] = "import"
    identifier: Identifier
    record: Record
    year: int = 0


@dataclass(frozen=True, slots=True)
class Update:
    """Give an identifier this record; its state stays."""

    kind: ClassVar[str] = "update"
    identifier: Identifier
    record: Record


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
    """Let an identifier lead to another that is assigned."""

    kind: ClassVar[str] = "alias"
    old: Identifier
    new: Identifier


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
class RetireLocation:
    """Give out no more codes at a location; `plan.steps` moves those there are."""

    kind: ClassVar[str] = "location.retire"
    old: str
    new: str


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
    | RetireLocation
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request: who, what, why. With a ``key``, asking again gives the same answer again."""

    actor: Actor
    body: Body
    reason: str = field(default="")
    key: str = field(default="")


def fingerprint(body: Body) -> bytes:
    """The body in canonical bytes: equal for equal requests, for the idempotency key."""
    values = [_plain(getattr(body, member.name)) for member in fields(body)]
    packed: bytes = msgpack.packb([body.kind, *values])
    return packed


def _plain(value: object) -> object:
    if isinstance(value, Identifier):
        return str(value)
    if isinstance(value, Record):
        return encode(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
