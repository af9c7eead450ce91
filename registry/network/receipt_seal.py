"""The seal of receipts: one signature (Ed25519, RFC 8032) over all that one UPDATE has.

The key of a node signs the UPDATE (RFC 8945), and the node has that key too, as does whoever it was
handed on to. So what makes receipts those of the national node is a key of their own, of which a
node has the public half alone. It follows from the secret of the network, as all keys do.

    seal    the name of the zone, TYPE65348 (`csid.protocol.RECEIPT`), IN, TTL 0: 64 octets, signed
            over "csid receipts", 00, the name of the node, 00, and of each receipt its name as a
            canonical key and its data, each behind its length (2)
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from hmac import digest
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC_OCTETS: Final = 32
_LABEL: Final = b"csid receipts\0"

Said = tuple[bytes, bytes]  # canonical key of an identifier's name, data of its receipt


def public_key(secret: bytes) -> bytes:
    """The half that nodes have, from the secret of the network."""
    return _private(secret).public_key().public_bytes_raw()


def seal(secret: bytes, node: str, receipts: Iterable[Said]) -> bytes:
    """The data of the seal of receipts for a node."""
    return _private(secret).sign(_octets(node, receipts))


def is_sealed(key: bytes, node: str, receipts: Iterable[Said], seals: list[bytes]) -> bool:
    """Whether receipts that came to a node have the one seal that they must have.

    Args:
        key: the public half.
    """
    if len(seals) != 1:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(seals[0], _octets(node, receipts))
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(1)
def _private(secret: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(digest(secret, b"receipts", sha256))


def _octets(node: str, receipts: Iterable[Said]) -> bytes:
    parts = [_LABEL, node.encode("ascii"), b"\0"]
    for name, data in receipts:
        parts += (len(name).to_bytes(2, "big"), name, len(data).to_bytes(2, "big"), data)
    return b"".join(parts)
