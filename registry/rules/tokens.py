"""Decisions about tokens, by which systems act over HTTPS. The registry has the digest of a secret
alone, so that nobody who reads it can act by it.
"""

from __future__ import annotations

import re
from typing import Final

from csid.errors import IdentifierError
from csid.identifier import fold
from csid.prefix import whole
from registry.rules.case import Case
from registry.rules.decision import Decision, Refusal
from registry.rules.requests import AddToken, RevokeToken, Role
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.rows import NO_LEAF, Token

DIGEST_OCTETS: Final = 32
PREFIXES_MAX: Final = 64
NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
# Nobody is a node.
ROLES: Final = (Role.ADMINISTRATOR, Role.REGISTRAR, Role.AUDITOR, Role.READER, Role.GATEWAY)


def holds(token: Token, now: int) -> bool:
    """Whether a token holds at a time in Unix seconds."""
    return not token.revoked and (not token.until or now < token.until)


def add(case: Case, body: AddToken) -> Decision:
    """A token that was made."""
    subject = f"{view.TOKEN_SUBJECT}{body.name[:40]}"
    refusal = _fault(case, body)
    if refusal is not None:
        return refusal.about(subject)
    before = view.get_token(case.view, body.name)
    prefixes = tuple(sorted(set(map(whole, body.prefixes))))
    token = Token(
        body.digest,
        body.role,
        fold(body.owner),
        prefixes,
        body.until,
        False,
        case.leaf,
        case.now,
    )
    if before is not None:
        detail = f"there is a token {body.name}, revoked or not; choose another name"
        return Decision(Status.EXISTS, subject, detail)
    return _written(case, body.name, token, NO_LEAF)


def revoke(case: Case, body: RevokeToken) -> Decision:
    """A token that holds no more."""
    subject = f"{view.TOKEN_SUBJECT}{body.name[:40]}"
    before = view.get_token(case.view, body.name) if NAME.fullmatch(body.name) else None
    if before is None:
        return Decision(Status.NOT_FOUND, subject, "there is no such token; csid token list")
    if before.revoked:
        return Decision(Status.UNCHANGED, subject)
    after = before._replace(revoked=True, leaf=case.leaf)
    return _written(case, body.name, after, before.leaf)


def _fault(case: Case, body: AddToken) -> Refusal | None:
    """What of a token is not as it must be."""
    if not NAME.fullmatch(body.name):
        return Refusal(
            Status.BAD_VALUE,
            f"{body.name[:40]!r} is no name of a token; expected 1 to 40 of a-z 0-9 -",
        )
    if len(body.digest) != DIGEST_OCTETS:
        return Refusal(Status.BAD_VALUE, f"a digest of {len(body.digest)} octets, expected 32")
    if body.role not in {role.value for role in ROLES}:
        words = ", ".join(role.value for role in ROLES)
        return Refusal(Status.BAD_VALUE, f"role {body.role[:40]!r}; expected one of {words}")
    if (body.role == Role.REGISTRAR.value) != bool(body.owner):
        return Refusal(
            Status.BAD_VALUE, "a registrar acts for an owner, and nobody else does; say which one"
        )
    if body.role == Role.GATEWAY.value and not body.prefixes:
        return Refusal(Status.BAD_VALUE, "a gateway reports below prefixes; say at least one")
    owner = fold(body.owner)
    if owner and not (owner.isascii() and view.get_owner(case.view, owner)):
        return Refusal(Status.OWNER_UNKNOWN, f"owner {owner[:40]} is not registered; add it first")
    if body.until and body.until <= case.now:
        return Refusal(Status.BAD_RANGE, "it would have ended already; give a later time")
    return _prefix_fault(body.prefixes)


def _prefix_fault(prefixes: tuple[str, ...]) -> Refusal | None:
    if len(prefixes) > PREFIXES_MAX:
        return Refusal(
            Status.BAD_RANGE, f"{len(prefixes)} prefixes, at most {PREFIXES_MAX} are taken"
        )
    for prefix in prefixes:
        try:
            whole(prefix)
        except IdentifierError as error:
            return Refusal(Status.BAD_VALUE, f"prefix {prefix[:80]!r}: {error}")
    return None


def _written(case: Case, name: str, token: Token, prev: int) -> Decision:
    row = codec.encode(token)
    rows = [(codec.TOKENS, name.encode("ascii"), row)]
    return case.done(f"{view.TOKEN_SUBJECT}{name}", rows, after=row, prev=prev)
