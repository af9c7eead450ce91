"""Who acts: what the operating system says of a process, what the configuration says of that, and
what the process claims, made into an actor. The one place where that is decided.

A process is one of the actors that are configured, by its user before its groups. Where none is,
the data directory's owner and root are administrators, and everybody else is nobody. A claim, to be
somebody else, is believed of those alone who may act for others in that role. Processes of the node
itself hand on what others have asked, whom they know by other means, and are believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from csid.errors import CsidError
from registry.rules.decision import Refusal
from registry.rules.requests import Actor, Role
from registry.rules.status import Status

ROOT: Final = 0
EVERY_ROLE: Final = frozenset(Role)
# What people and programs may be configured as, and may be let act as; a node is known by its key.
ROLES: Final = EVERY_ROLE - {Role.NODE, Role.GATEWAY}
_KEPT: Final = 1_024  # claims of one process whose actors are remembered


class ActingError(CsidError):
    """Whoever asks is nobody here, or not who he claims to be; nothing was done."""


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whom the configuration knows, by a user or by a group.

    Attributes:
        name: under which it is written down; empty: the user's own.
        owner: that a registrar acts for.
        acts_for: the roles in which it is believed when it says who acts.
    """

    name: str
    role: Role
    owner: str = ""
    acts_for: frozenset[Role] = frozenset()
    uid: int | None = None
    gid: int | None = None


class Peer(NamedTuple):
    """A process, as the operating system knows it; ``is_node``: one of the node itself."""

    uid: int
    gid: int
    groups: frozenset[int] = frozenset()  # besides the first
    is_node: bool = False

    @property
    def label(self) -> str:
        """As `Actor.peer` has it."""
        return f"{self.uid}/{self.gid}"


class Claim(NamedTuple):
    """Whom a process says that it acts as; what is empty or None is left unsaid."""

    name: str = ""
    role: Role | None = None
    owner: str = ""

    @classmethod
    def of(cls, name: str, role: str, owner: str) -> Claim:
        """As words.

        Raises:
            ValueError: the role is none.
        """
        return cls(name, Role(role) if role else None, owner)


def true_actor(
    peer: Peer, known: Sequence[Known], keeper: int, login: Callable[[int], str]
) -> Known | None:
    """Who a process is, without any claim; None for nobody.

    Args:
        known: those of the configuration, in its order.
        keeper: the user that owns the data directory.
        login: the name of a user, empty if it has none; asked where nothing else names it.
    """
    if peer.is_node:
        return Known("csid", Role.ADMINISTRATOR, acts_for=EVERY_ROLE)
    if not known:
        if peer.uid not in (ROOT, keeper):
            return None
        return Known(_name(peer.uid, login), Role.ADMINISTRATOR, acts_for=EVERY_ROLE)
    groups = peer.groups | {peer.gid}
    found = next((one for one in known if one.uid == peer.uid), None) or next(
        (one for one in known if one.gid in groups), None
    )
    if found is None or found.name:
        return found
    name = _name(peer.uid, login)
    return Known(name, found.role, found.owner, found.acts_for, found.uid, found.gid)


def _name(uid: int, login: Callable[[int], str]) -> str:
    return login(uid) or f"uid {uid}"


def actor_of(
    peer: Peer,
    known: Sequence[Known],
    keeper: int,
    claim: Claim,
    login: Callable[[int], str],
) -> Actor | Refusal:
    """The actor that a process is, or acts for. Claimed again as it is, it is the same again.

    Args:
        known, keeper, login: as of `true_actor`.
        claim: whom it says that it acts as.

    Returns:
        The actor: ``peer`` tells the process, and, where it is configured and acts for another,
        who it truly is.
    """
    own = true_actor(peer, known, keeper, login)
    if own is None:
        return Refusal(Status.ROLE_MAY_NOT, _nobody(peer, known, keeper, login))
    role = claim.role or own.role
    owner = claim.owner or (own.owner if role is own.role else "")
    name = claim.name or own.name
    if (name, role, owner) == (own.name, own.role, own.owner):
        return Actor(name, role, owner, peer.label)
    if role not in own.acts_for:
        return Refusal(Status.ROLE_MAY_NOT, _disbelieved(peer, own, name, role))
    if own.role is Role.REGISTRAR and owner != own.owner:
        return Refusal(
            Status.OWNER_NOT_YOURS,
            f"user id {peer.uid} is {own.name}, who acts for others of {own.owner} alone, not for "
            f"{owner or 'no owner'}",
        )
    beside = f" {own.name}" if known and not peer.is_node else ""
    return Actor(name, role, owner, peer.label + beside)


def _nobody(peer: Peer, known: Sequence[Known], keeper: int, login: Callable[[int], str]) -> str:
    who = login(peer.uid)
    said = f'user = "{who}"' if who else f"uid = {peer.uid}"
    why = (
        "the configuration names neither this user nor a group of it"
        if known
        else f"as long as the configuration has no [[actor]], the owner of the data directory "
        f"(user id {keeper}) and root alone may act"
    )
    return (
        f"user id {peer.uid}{f' ({who})' if who else ''} is nobody here: {why}; let an "
        f"administrator write into csid.toml of the node: [[actor]] {said}, role = "
        '"registrar", owner = "CODE" (or another role)'
    )


def _disbelieved(peer: Peer, own: Known, name: str, role: Role) -> str:
    whom = f"{name}, {role.value}" if name != own.name else f"anybody as {role.value}"
    return (
        f"user id {peer.uid} is {own.name}, {own.role.value}, and may not act for "
        f"{whom}: leave out --as, --role and --owner, $CSID_ACTOR, $CSID_ROLE and $CSID_OWNER, or "
        f'have acts-for = ["{role.value}"] written at its [[actor]] in csid.toml of the node'
    )


class Identity(NamedTuple):
    """Who a process is, and whom it acts as.

    Attributes:
        actor: as which it acts, with what it has claimed.
        own: who it is without that.
        acts_for: the roles in which it may act for others.
        is_configured: the configuration has actors.
    """

    actor: Actor
    own: Actor
    acts_for: tuple[str, ...]
    is_configured: bool

    def told(self) -> list[object]:
        """As plain values."""
        actors = [[one.name, one.role.value, one.owner, one.peer] for one in (self.actor, self.own)]
        return [*actors, self.acts_for, self.is_configured]

    @classmethod
    def of(cls, told: Any) -> Identity:
        """Of plain values."""
        actor, own, acts_for, is_configured = told
        made = [Actor(name, Role(role), owner, peer) for name, role, owner, peer in (actor, own)]
        return cls(made[0], made[1], tuple(acts_for), is_configured)


class Acting:
    """How one process acts here, for as long as it asks.

    Args:
        peer: the process.
        keeper, login: as of `true_actor`.
        known: gives those that are configured at the moment, the same tuple until that changes.
        label: in place of the peer's, where it is written down.
    """

    def __init__(
        self,
        peer: Peer,
        keeper: int,
        known: Callable[[], Sequence[Known]],
        login: Callable[[int], str],
        label: str | None = None,
    ) -> None:
        self.peer = peer
        self.label = peer.label if label is None else label
        self._keeper = keeper
        self._known = known
        self._login = login
        self._seen: Sequence[Known] = ()
        self._actors: dict[tuple[str, str, str], Actor] = {}

    def actor(self, name: str = "", role: str = "", owner: str = "") -> Actor:
        """The actor that a claim leads to.

        Raises:
            ActingError: it is nobody, or may not act so.
            ValueError: the role is none.
        """
        known = self._known()
        if known is not self._seen:
            self._seen = known
            self._actors.clear()
        said = (name, role, owner)
        found = self._actors.get(said)
        if found is None:
            decided = actor_of(self.peer, known, self._keeper, Claim.of(*said), self._login)
            if isinstance(decided, Refusal):
                raise ActingError(decided.detail)
            if len(self._actors) >= _KEPT:
                self._actors.clear()
            if self.peer.is_node:
                decided = Actor(decided.name, decided.role, decided.owner, self.label)
            found = self._actors[said] = decided
        return found

    @property
    def own(self) -> Known:
        """Who it truly is.

        Raises:
            ActingError: nobody.
        """
        self.actor()
        own = true_actor(self.peer, self._known(), self._keeper, self._login)
        assert own is not None  # `actor` would have said so
        return own

    @property
    def is_of_node(self) -> bool:
        """Whether it may do what only the node itself does."""
        own = true_actor(self.peer, self._known(), self._keeper, self._login)
        return own is not None and Role.NODE in own.acts_for

    def identity(self, name: str = "", role: str = "", owner: str = "") -> Identity:
        """Who it is, and whom it acts as; raises as `actor`."""
        may = sorted(one.value for one in self.own.acts_for & ROLES)
        actor, own = self.actor(name, role, owner), self.actor()
        return Identity(actor, own, tuple(may), bool(self._known()))

    def require(self, role: Role, what: str) -> None:
        """Refuse what is for one role, where nobody is claimed.

        Raises:
            ActingError: it is of none that this one has or may act in.
        """
        own = self.own
        if own.role is not role and role not in own.acts_for:
            raise ActingError(
                f"user id {self.peer.uid} is {own.name}, {own.role.value}; {what} is for: "
                f"{role.value}"
            )


def nothing_said() -> Sequence[Known]:
    """No configuration of actors."""
    return ()


def trusted(label: str = "") -> Acting:
    """Of a process that says by itself who acts, as it is the node's own."""
    return Acting(Peer(ROOT, ROOT, is_node=True), ROOT, nothing_said, lambda _: "", label)
