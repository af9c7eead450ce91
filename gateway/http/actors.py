"""Who calls: the actor behind a token, and how far the token reaches."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from csid.identifier import fold
from gateway.acting import ConfiguredActors
from gateway.http import tokens
from gateway.http.problems import Fault, Problem
from gateway.visibility import Audience
from registry.rules.policy import MAY_AUDIT
from registry.rules.requests import (
    AcceptTransfer,
    Actor,
    AddLocks,
    AddOwner,
    AddPool,
    Advance,
    Alias,
    Assign,
    Body,
    CancelTransfer,
    JudgeOwner,
    Mint,
    OfferTransfer,
    QualifyOwner,
    RejectTransfer,
    RemoveLocks,
    Renew,
    RequestFiling,
    Retire,
    Role,
    Update,
    UpdateOwner,
)
from registry.rules.tokens import holds
from registry.tables import codec
from registry.tables.rows import Token
from registry.tables.view import TOKEN_SUBJECT, View, get_token

PRESENTED_KEPT: Final = 1_000
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="csid"'}  # RFC 6750 section 3


class Caller(NamedTuple):
    """Who calls."""

    actor: Actor
    prefixes: tuple[str, ...] = ()

    def covers(self, name: str) -> bool:
        """Whether a name, of whole segments, lies where the token reaches."""
        if not self.prefixes:
            return True
        return any(name == one or name.startswith(f"{one}/") for one in self.prefixes)

    @property
    def audits(self) -> bool:
        """Whether it may look at what is said of others than its owner."""
        return self.actor.role in MAY_AUDIT

    def knows(self, name: str) -> bool:
        """Whether it may see what is not for everybody of a name: who did what, and why."""
        own = self.actor.role is Role.REGISTRAR and name.partition("/")[0] == self.actor.owner
        return self.covers(name) and (self.audits or own)

    def audience(self, name: str) -> Audience:
        """What it sees of a name."""
        return Audience.KNOWING if self.knows(name) else Audience.CALLER

    def require(self, names: Iterable[str]) -> None:
        """Refuse what the token does not reach.

        Raises:
            Problem: one of the names lies elsewhere.
        """
        for name in names:
            if not self.covers(name):
                raise Problem(
                    Fault.FORBIDDEN,
                    f"{name[:120]} lies at or below none of the token's prefixes: "
                    f"{', '.join(self.prefixes)}",
                )


class Certificates:
    """Who shows a certificate.

    Args:
        actors: whom the configuration knows; None: nobody by a certificate.
    """

    def __init__(self, actors: ConfiguredActors | None) -> None:
        self._actors = actors

    def caller(self, names: Sequence[str]) -> Caller:
        """Whose certificate it is, by what it may be named by.

        Raises:
            Problem: nobody's.
        """
        if self._actors is not None:
            self._actors.look()
            known = self._actors.holder(names)
            if known is not None:
                return Caller(Actor(known.name, known.role, known.owner))
        raise Problem(
            Fault.UNAUTHENTICATED,
            f"no [[actor]] of the node's configuration has the certificate that was shown: its "
            f"names are {', '.join(names)[:800]}",
            CHALLENGE,
        )


NO_CERTIFICATES: Final = Certificates(None)


def caller(seen: View, header: str | None, now: int) -> Caller:
    """Who presents a token (RFC 6750 section 2.1).

    Args:
        header: `Authorization`.
        now: Unix seconds.

    Raises:
        Problem: there is none, or none that holds. Which of the two stays unsaid.
    """
    scheme, _, text = (header or "").partition(" ")
    found = tokens.named(text.strip()) if scheme.lower() == "bearer" else None
    if found is not None:
        name, digest = found
        token = get_token(seen, name)
        if tokens.is_its(token, digest) and token is not None and holds(token, now):
            actor = Actor(f"{TOKEN_SUBJECT}{name}", Role(token.role), token.owner)
            return Caller(actor, token.prefixes)
    raise Problem(
        Fault.UNAUTHENTICATED,
        "expected Authorization: Bearer with a token that csid token add has made, that was not "
        "revoked and has not ended, or a certificate that [[actor]] of the node names",
        CHALLENGE,
    )


class Presented:
    """Tokens that were presented and held, so that the same one is not looked at anew as long as
    its row is the same. Of what was presented a digest is kept.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[bytes, bytes, Token, Caller]] = OrderedDict()

    def caller(self, seen: View, header: str | None, now: int) -> Caller:
        """As the function `caller`."""
        digest = sha256((header or "").encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None:
            key, row, token, found = known
            if seen.get(codec.TOKENS, key) == row and holds(token, now):
                return found
            del self._known[digest]
        found = caller(seen, header, now)
        key = found.actor.name.removeprefix(TOKEN_SUBJECT).encode("ascii")
        held = seen.get(codec.TOKENS, key)
        assert held is not None
        self._known[digest] = key, held, codec.decode_token(held), found
        if len(self._known) > PRESENTED_KEPT:
            self._known.popitem(last=False)
        return found


def touched(body: Body) -> tuple[str, ...]:
    """What a request is about, so that a token's prefixes can be held against it. What is not here
    is about the whole node.
    """
    names = _TOUCHED.get(type(body))
    return ("the node",) if names is None else names(body)


def _of_code(body: Any) -> tuple[str, ...]:
    return (fold(body.code),)


def _of_identifier(body: Any) -> tuple[str, ...]:
    return (str(body.identifier),)


def _moved(body: Any) -> tuple[str, ...]:
    at = str(body.identifier).split("/")
    return ("/".join((fold(body.owner), *at[1:-1])),)


_TOUCHED: Final[dict[type, Any]] = {
    Assign: _of_identifier,
    Update: _of_identifier,
    Advance: _of_identifier,
    Retire: _of_identifier,
    AddLocks: _of_identifier,
    RemoveLocks: _of_identifier,
    OfferTransfer: _of_identifier,
    CancelTransfer: _of_identifier,
    # Where it would come to lie; where it lies is the other owner's.
    AcceptTransfer: _moved,
    RejectTransfer: _moved,
    Renew: _of_identifier,
    Mint: lambda body: (fold(body.pool),),
    Alias: lambda body: (str(body.old), str(body.new)),
    AddPool: lambda body: (fold(body.place),),
    RequestFiling: lambda body: (fold(body.cut),),
    AddOwner: _of_code,
    UpdateOwner: _of_code,
    JudgeOwner: _of_code,
    QualifyOwner: _of_code,
}
