"""Who may call a process of systems: keys, of which a digest is kept, each with a name and a role.

As long as there is none, whoever reaches the process from its own machine may do everything, and
nobody else anything. With the first key everybody has to present one.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from csid.errors import CsidError
from gateway.http import tokens
from gateway.http.problems import Fault, Problem
from gateway.systems.contract import KEY_ROLES, OPERATE, Caller
from registry.rules.tokens import DIGEST_OCTETS, NAME
from resolver.tables import Tables

KEYS_MAX: Final = 10_000
_FILE: Final = "keys.mdb"
_TABLE: Final = "keys"
_MAP_OCTETS: Final = 64 << 20
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="csid"'}  # RFC 6750 section 3


class KeyProblemError(CsidError):
    """A key cannot be made or taken away."""


class Key(NamedTuple):
    """What is kept of a key: a digest of its secret; from when on it is there (Unix ms)."""

    name: str
    role: str
    since: int
    digest: bytes


class Keys:
    """The keys of a folder; any number of processes may use them.

    Raises:
        StoreError: the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._tables = Tables(folder / _FILE, (_TABLE,), _MAP_OCTETS, lasting=True)

    def close(self) -> None:
        """End the use."""
        self._tables.close()

    def add(self, name: str, role: str, now: int) -> str:
        """Make a key; it is given here, and kept nowhere.

        Raises:
            KeyProblemError: the name is none, or is there already.
        """
        if not NAME.fullmatch(name):
            raise KeyProblemError(f"{name[:40]!r} is no name of a key: 1 to 40 of a-z 0-9 -")
        text, digest = tokens.make(name)
        row = bytes((KEY_ROLES.index(role),)) + now.to_bytes(8, "big") + digest
        with self._tables.writing() as txn:
            table = self._tables[_TABLE]
            if txn.stat(table)["entries"] >= KEYS_MAX:
                raise KeyProblemError(f"there are {KEYS_MAX:,} keys; take some away first")
            if not txn.put(name.encode(), row, overwrite=False, db=table):
                raise KeyProblemError(
                    f"there is a key {name}: choose another name, or take it away"
                )
        return text

    def remove(self, name: str) -> None:
        """Take a key away, at once.

        Raises:
            KeyProblemError: there is none.
        """
        with self._tables.writing() as txn:
            if not txn.delete(name.encode(), db=self._tables[_TABLE]):
                raise KeyProblemError(f"there is no key {name[:40]!r}; csid system key list")

    def all(self) -> list[Key]:
        """All keys, by their names."""
        return list(self._rows())

    def caller(self, header: str | None, is_near: bool) -> Caller:
        """Who calls.

        Args:
            header: `Authorization` (RFC 6750 section 2.1).
            is_near: the call comes from this machine.

        Raises:
            Problem: nobody who may.
        """
        scheme, _, text = (header or "").partition(" ")
        presented = tokens.named(text.strip()) if scheme.lower() == "bearer" else None
        with self._tables.reading() as txn:
            table = self._tables[_TABLE]
            if presented is None and is_near and not txn.stat(table)["entries"]:
                return Caller("", OPERATE)
            row = txn.get(presented[0].encode(), db=table) if presented is not None else None
        digest = presented[1] if presented is not None else bytes(DIGEST_OCTETS)
        kept = row[9:] if row is not None else bytes(DIGEST_OCTETS)
        if hmac.compare_digest(kept, digest) and row is not None and presented is not None:
            return Caller(presented[0], KEY_ROLES[row[0]])
        raise Problem(
            Fault.UNAUTHENTICATED,
            "expected Authorization: Bearer with a key that csid system key add has printed",
            _CHALLENGE,
        )

    def _rows(self) -> Iterator[Key]:
        with self._tables.reading() as txn:
            for name, row in txn.cursor(db=self._tables[_TABLE]):
                role, since = KEY_ROLES[row[0]], int.from_bytes(row[1:9], "big")
                yield Key(name.decode(), role, since, row[9:])


def require(caller: Caller, role: str) -> None:
    """Refuse whose key allows less.

    Raises:
        Problem: it does.
    """
    if KEY_ROLES.index(caller.role) < KEY_ROLES.index(role):
        raise Problem(
            Fault.FORBIDDEN,
            f"the key {caller.name} allows to {caller.role}; this needs one to {role}",
        )
