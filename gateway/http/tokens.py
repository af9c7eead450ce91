"""Tokens as they are made and presented: `csid_NAME_SECRET`, the secret 256 random bits.

The name says which row to compare with, so no index of digests is needed; the mark at the beginning
is for those who look for secrets that got out.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import Final

from registry.rules.tokens import DIGEST_OCTETS, NAME
from registry.tables.rows import Token

MARK: Final = "csid"
SECRET_OCTETS: Final = 32
TOKEN_MAX: Final = 128  # characters


def make(name: str) -> tuple[str, bytes]:
    """A new token of a name, and the digest that is kept of it."""
    secret = secrets.token_urlsafe(SECRET_OCTETS)
    return f"{MARK}_{name}_{secret}", sha256(secret.encode("ascii")).digest()


def named(token: str) -> tuple[str, bytes] | None:
    """The name in a token that is presented, and the digest of its secret; None if it is none."""
    mark, _, rest = token.partition("_")
    name, _, secret = rest.partition("_")
    if mark != MARK or len(token) > TOKEN_MAX or not token.isascii() or not NAME.fullmatch(name):
        return None
    return name, sha256(secret.encode("ascii")).digest()


def is_its(token: Token | None, digest: bytes) -> bool:
    """Whether a digest is that of a token; it takes as long for one that is not there."""
    kept = bytes(DIGEST_OCTETS) if token is None else token.digest
    return hmac.compare_digest(kept, digest) and token is not None
