"""The keys of nodes: each follows from the secret of the network, so that those who have that (the
national node and its aggregate) need not hand keys about.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from hashlib import sha256
from hmac import digest
from typing import Final

from csid import names
from resolver.sync.settings import KEYS, Moment, key_row

ALGORITHM: Final = "hmac-sha256"
SECRET: Final = b"network-secret"  # its key in the store's table meta; it is nowhere else
SECRET_OCTETS: Final = 32
_KEY_NAME: Final = re.compile(r"([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)-[0-9]+\.")


def new_secret() -> bytes:
    """The secret of a new network."""
    return secrets.token_bytes(SECRET_OCTETS)


def derive(secret: bytes, node: str, generation: int) -> bytes:
    """The TSIG secret of a node's key: HMAC-SHA256 of what the key's name says.

    Args:
        secret: of the network.
        node: its name in the register, lower case.
        generation: 1 is its first key.
    """
    return digest(secret, f"{node} {generation}".encode("ascii"), sha256)


def key_name(node: str, generation: int) -> bytes:
    """The name of a node's key, NAME-GENERATION, in wire form."""
    label = f"{node}-{generation}".encode("ascii")
    return bytes((len(label),)) + label + b"\0"


def node_of(name: bytes) -> str:
    """The node that has a key by its name in wire form; empty if it is not named like one."""
    found = _KEY_NAME.fullmatch(names.to_text(name))
    return found[1] if found is not None else ""


def own_keys(txn: Moment, node: str) -> Iterator[bytes]:
    """The keys by which the network knows this node, by their names in wire form."""
    for name, _ in txn.table(KEYS).scan(b""):
        row = key_row(txn, name)
        if row is not None and row.node == node:
            yield name
