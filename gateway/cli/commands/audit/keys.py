"""The private keys of an audit log and their public halves, in files.

    audit-key.pem       the private key in force
    audit-key.pem.1     the first one, once it was succeeded; .2 the second, and so on
    audit-key.pem.new   one that is about to succeed
    audit-key.pem.pub   the verifier keys, one a line, the newest first

A key comes into force in this order: its private half is on the disk (.new); the log has its leaf;
the public file lists it; the one before is kept under its number; .new takes the name of the key.
Killed after any step, the next use of the key goes on from what the log says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.cli.commands.audit.files import KEY_FILE, TEXT_MAX, VERIFIER_SUFFIX, verifiers_of
from registry.audit import KeyChain, KeyFileError, SigningKey, VerifierKey
from registry.rules.requests import Actor
from registry.service import Registry
from resolver.files import PRIVATE, is_copy, take_place, write_whole


class KeyFiles:
    """The files of the key that signs the log of a data directory."""

    def __init__(self, data: Path, given: Path | None) -> None:
        """``given``: the private key, if it is not in the data directory."""
        self.private = given or data / KEY_FILE
        if not self.private.name:
            raise KeyFileError(f"--key {self.private}: is no file; give the private key's")
        self.public = self._beside(VERIFIER_SUFFIX)
        self._new = self._beside(".new")
        self._publics = {self.public, data / f"{KEY_FILE}{VERIFIER_SUFFIX}"}

    def make(self, registry: Registry, name: str, actor: Actor, reason: str) -> None:
        """Make the first key of the log, or go on with it.

        Raises:
            KeyFileError: the log has a key, or a file of that name is there.
        """
        chain = registry.keys()
        if self._finish(chain):
            return
        if chain.links:
            raise KeyFileError(
                f"the log has key {chain.links[-1].key.label}; the next one is made by csid audit "
                "key --rotate"
            )
        for path in (self.private, *sorted(self._publics)):
            if path.exists():
                raise KeyFileError(f"{path}: is there already and is not written over")
        registry.set_key(self._next(name), None, actor, reason)
        self._finish(registry.keys())

    def rotate(self, registry: Registry, name: str, actor: Actor, reason: str) -> None:
        """Let a new key succeed the one in force, or go on with it; ``name`` is empty for the same
        name.

        Raises:
            KeyFileError: the private key in force is not here.
        """
        if self._finish(registry.keys()):
            return
        old = self.signing(registry)
        if not registry.keys().links:
            registry.set_key(old, None, actor, reason)
        registry.set_key(self._next(name or old.name), old, actor, reason)
        self._finish(registry.keys())

    def signing(self, registry: Registry) -> SigningKey:
        """The private key in force.

        Raises:
            KeyFileError: it cannot be read, or is not the one that the public file names.
        """
        chain = registry.keys()
        self._finish(chain)
        pem = _read(self.private)
        named = [*(verifiers_of(str(self.public)) if self.public.exists() else chain.keys)]
        key = _known(pem, named)
        if key is None:
            raise KeyFileError(f"{self.private}: is not the private key of {self.public}")
        return key

    def _beside(self, ending: str) -> Path:
        return self.private.with_name(self.private.name + ending)

    def _next(self, name: str) -> SigningKey:
        """The key that is to come into force: one that was made before and did not, else a new
        one.
        """
        if self._new.exists():
            return SigningKey.from_pem(name, _read(self._new))
        key = SigningKey.generate(name)
        with write_whole(self._new, PRIVATE, new=True) as file:
            file.write(key.to_pem().decode("ascii"))
        return key

    def _finish(self, chain: KeyChain) -> bool:
        """Give the files of a key that the log has in force their names; whether there was one."""
        if not self._new.exists() or _known(_read(self._new), chain.keys[:1]) is None:
            return False
        for path in sorted(self._publics):
            with write_whole(path) as file:
                file.writelines(f"{key}\n" for key in chain.keys)
        number = len(chain.links) - 1
        while (aside := self._beside(f".{number}")).exists() and not is_copy(aside, self.private):
            number += 1  # somebody's own file
        take_place(self._new, self.private, aside)
        return True


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(TEXT_MAX)
    except OSError as error:
        raise KeyFileError(
            f"{path}: cannot be read: {error.strerror}; make one with: csid audit key --new NAME"
        ) from None


def _known(pem: bytes, keys: Sequence[VerifierKey]) -> SigningKey | None:
    """The private key in a file, with the name of the verifier key that it belongs to."""
    for verifier in keys:
        key = SigningKey.from_pem(verifier.name, pem)
        if key.verifier == verifier:
            return key
    return None
