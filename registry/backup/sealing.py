"""Encryption of backups: age (C2SP age), to recipients or under a passphrase.

A passphrase opens a key that was made for this backup alone and stands in its manifest; the content
is encrypted to that, so that it need not fit into memory.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from csid.errors import FileError
from registry.backup.errors import BackupError
from registry.backup.manifest import Manifest, Sealing

SECRET_MAX: Final = 1 << 16  # octets of a file with a passphrase or with identities


class Writes(Protocol):
    """What octets can be written to."""

    def write(self, octets: bytes, /) -> object:
        """Write them."""
        ...

    def flush(self) -> object:
        """Hand on what is held."""
        ...


@dataclass(frozen=True, slots=True)
class Sealer:
    """What new backups are encrypted to.

    Attributes:
        sealing: how.
        key: for the manifest.
        recipients: as the library has them.
        whom: tells those who can open it from others; a passphrase is in it.
    """

    sealing: Sealing = Sealing.NONE
    key: str = ""
    recipients: tuple[Any, ...] = ()
    whom: bytes = field(default=b"", repr=False)

    def write(self, content: Iterable[bytes], out: Writes) -> None:
        """Write the content, encrypted if it is to be.

        Raises:
            BackupError: encrypted, it cannot be written.
            OSError: it cannot be written.
        """
        if self.sealing is Sealing.NONE:
            for piece in content:
                out.write(piece)
            return
        pyrage = _pyrage()
        try:
            pyrage.encrypt_io(_Reader(iter(content)), out, list(self.recipients))
        except pyrage.EncryptError as error:  # of the library's own, and whatever `out` raises
            raise BackupError(f"the backup cannot be encrypted and written: {error}") from None


@dataclass(frozen=True, slots=True)
class Opener:
    """What is known to decrypt backups with.

    Attributes:
        identities: texts of age or SSH identities.
        passphrase: empty if there is none.
    """

    identities: tuple[str, ...] = ()
    passphrase: str = ""

    def open(self, manifest: Manifest, name: str, file: BinaryIO, out: BinaryIO) -> BinaryIO:
        """The content of a backup in clear.

        Args:
            name: for errors.
            file: the backup, read up to its content.
            out: an empty file for it, where it is encrypted.

        Raises:
            BackupError: none of the keys opens it, or it was altered.
        """
        if manifest.sealing is Sealing.NONE:
            return file
        _decrypt(self._keys(manifest, name), name, file, out)
        out.seek(0)
        return out

    def _keys(self, manifest: Manifest, name: str) -> list[Any]:
        pyrage = _pyrage()
        if manifest.sealing is Sealing.AGE:
            if not self.identities:
                raise BackupError(
                    f"{name}: is encrypted to a recipient: give its identity with --identity FILE"
                )
            return [_identity(text) for text in self.identities]
        if not self.passphrase:
            raise BackupError(
                f"{name}: is encrypted under a passphrase: give it with --passphrase-file FILE"
            )
        try:
            sealed = base64.b64decode(manifest.key, validate=True)
            opened = pyrage.passphrase.decrypt(sealed, self.passphrase)
            return [pyrage.x25519.Identity.from_str(opened.decode("ascii"))]
        except (pyrage.DecryptError, pyrage.IdentityError, binascii.Error, UnicodeError):
            raise BackupError(
                f"{name}: the passphrase is not the one that it was encrypted under"
            ) from None


def decrypt(identities: Iterable[str], name: str, file: BinaryIO, out: BinaryIO) -> None:
    """Decrypt a file of age.

    Args:
        name: of the file, for errors.

    Raises:
        BackupError: none of the identities opens it, or it was altered.
    """
    _decrypt([_identity(text) for text in identities], name, file, out)


def _decrypt(keys: list[Any], name: str, file: BinaryIO, out: BinaryIO) -> None:
    pyrage = _pyrage()
    try:
        pyrage.decrypt_io(file, out, keys)
    except (pyrage.DecryptError, OSError) as error:
        raise BackupError(
            f"{name}: cannot be decrypted with what was given: it is for another key, or was "
            f"altered or cut off ({error})"
        ) from None


def to_recipients(texts: Iterable[str]) -> Sealer:
    """To keys of age (age1…) or SSH (ssh-ed25519, ssh-rsa), each of which alone opens it.

    Raises:
        BackupError: one is no such key.
    """
    given = sorted(set(texts))
    whom = "\n".join(given).encode()
    return Sealer(Sealing.AGE, "", tuple(map(_recipient, given)), whom)


def to_passphrase(passphrase: str) -> Sealer:
    """Under a passphrase."""
    pyrage = _pyrage()
    identity = pyrage.x25519.Identity.generate()
    sealed = pyrage.passphrase.encrypt(str(identity).encode("ascii"), passphrase)
    key = base64.b64encode(sealed).decode("ascii")
    return Sealer(Sealing.PASSPHRASE, key, (identity.to_public(),), passphrase.encode())


def passphrase_in(path: Path) -> str:
    """The first line of a file.

    Raises:
        BackupError: it is empty, or no text.
        FileError: it cannot be read.
    """
    try:
        passphrase = _octets_of(path).decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        passphrase = ""
    if not passphrase:
        raise BackupError(f"{path}: expected a passphrase in its first line, as UTF-8 text")
    return passphrase


def identities_in(path: Path) -> tuple[str, ...]:
    """The identities in a file: one of age a line, with comments, or a private key of SSH.

    Raises:
        BackupError: there is none.
        FileError: it cannot be read.
    """
    text = _octets_of(path).decode("utf-8", "replace")
    if "PRIVATE KEY" in text:
        return (text,)
    lines = (line.strip() for line in text.splitlines())
    found = tuple(line for line in lines if line and not line.startswith("#"))
    if not found:
        raise BackupError(f"{path}: expected an identity of age (AGE-SECRET-KEY-…) or of SSH")
    for one in found:
        _identity(one)
    return found


def _octets_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(SECRET_MAX)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None


def _recipient(text: str) -> Any:
    pyrage = _pyrage()
    kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
    try:
        return kind.from_str(text)
    except pyrage.RecipientError as error:
        raise BackupError(
            f"{text[:80]}: is no recipient ({error}); expected age1… or the public key of SSH"
        ) from None


def _identity(text: str) -> Any:
    pyrage = _pyrage()
    try:
        if "PRIVATE KEY" in text:
            return pyrage.ssh.Identity.from_buffer(text.encode())
        return pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError as error:
        raise BackupError(f"an identity cannot be read ({error}); expected AGE-SECRET-KEY-…") from (
            None
        )


def _pyrage() -> Any:
    """The library, which is not loaded unless something is encrypted."""
    try:
        import pyrage
    except ImportError:
        raise BackupError(
            "encryption needs the package pyrage: install it with: pip install 'csid[backup]'"
        ) from None
    return pyrage


class _Reader:
    """Pieces as a file that is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")

    def read(self, octets: int = -1) -> bytes:
        """Some of it; nothing at the end."""
        if not self._held:
            self._held = memoryview(next(self._pieces, b""))
        found = self._held if octets < 0 else self._held[:octets]
        self._held = self._held[len(found) :]
        return bytes(found)
