"""Which key signs a log at which size: each key comes with a statement, and the statements a chain.

    csid audit key v1
    example.cn/csid+1a2b3c4d+AQ…                  the key that signs from here on
    109482                                        leaves of the log when this was signed
    sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=  the root over them
    73894                                         the leaf of the key before, -1 for the first

A signed note, under which stand the signatures of the new key and of the one before. It lies in a
leaf of the log itself. The root and the leaf of the key before are the place it was made for: in
another log, or further on in this one, it does not hold. Its second line is no number, so that it
is never taken for a checkpoint.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from registry.audit.checkpoint import Checkpoint, open_checkpoint, parse_decimal
from registry.audit.errors import KeyFileError, NoteError
from registry.audit.keys import SigningKey, VerifierKey, decode_base64
from registry.audit.merkle import HASH_SIZE
from registry.audit.note import Note, sign_note

HEADER: Final = "csid audit key v1"
NO_KEY_BEFORE: Final = -1


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """That a key signs the log from a place on.

    Attributes:
        key: the key.
        size: leaves of the log when the statement was signed; its own leaf comes behind them.
        root: the root hash over these, 32 bytes.
        before: the leaf of the key before, NO_KEY_BEFORE for the first one.
    """

    key: VerifierKey
    size: int
    root: bytes
    before: int

    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return "\n".join([HEADER, str(self.key), str(self.size), root, str(self.before), ""])

    @classmethod
    def parse(cls, text: str) -> KeyStatement:
        """Read the text of a statement.

        Raises:
            NoteError: a line is missing or not of its form.
        """
        lines = text.split("\n")
        if len(lines) != 6 or lines[0] != HEADER or lines[5]:
            raise NoteError(
                f"a key's statement is the line {HEADER!r} and four more: key, size, root, leaf of "
                f"the key before; given: {text[:60]!r}"
            )
        _, key, size, root, before, _ = lines
        digest = decode_base64(root, "the root in a key's statement", NoteError)
        if len(digest) != HASH_SIZE:
            raise NoteError(f"the root in a key's statement has {len(digest)} bytes")
        try:
            verifier = VerifierKey.parse(key)
        except KeyFileError as error:
            raise NoteError(f"a key's statement: {error}") from None
        first = before == str(NO_KEY_BEFORE)
        return cls(
            verifier,
            parse_decimal(size, "the size in a key's statement"),
            digest,
            NO_KEY_BEFORE if first else parse_decimal(before, "the leaf of the key before"),
        )


def sign_statement(statement: KeyStatement, new: SigningKey, old: SigningKey | None) -> str:
    """The statement as a note, signed by the new key and by the one before if there is one."""
    return sign_note(statement.text(), *([new] if old is None else [old, new]))


@dataclass(frozen=True, slots=True)
class KeyInForce:
    """A key, and the leaf that put it in force: it signs every larger log up to the next one's."""

    key: VerifierKey
    leaf: int


@dataclass(frozen=True, slots=True)
class KeyChain:
    """The keys of one log, the first one first; each was put in force by the one before."""

    links: tuple[KeyInForce, ...] = ()

    def at(self, size: int) -> VerifierKey | None:
        """The key that signs a log of that size; None if the log has no key.

        What was signed before keys had leaves was signed by the first.
        """
        for link in reversed(self.links):
            if link.leaf < size:
                return link.key
        return self.links[0].key if self.links else None

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """All keys, the newest one first, as the public file has them."""
        return tuple(link.key for link in reversed(self.links))

    def until(self, size: int) -> tuple[VerifierKey, ...]:
        """The keys that judge a log of that size and all smaller ones, the newest one first."""
        later = sum(link.leaf >= size for link in self.links[1:])
        return self.keys[later:]

    def follow(self, leaf: int, note: str, root_of: Callable[[int], bytes]) -> KeyChain:
        """The chain with one key more, once its statement holds.

        Args:
            leaf: where the statement stands, or is to stand.
            note: the signed statement.
            root_of: the root over the first so many leaves of the log.

        Raises:
            NoteError: it is no statement, not made for this place, or a signature is missing.
        """
        statement = KeyStatement.parse(Note.parse(note).text)
        last = self.links[-1] if self.links else None
        before = NO_KEY_BEFORE if last is None else last.leaf
        if statement.before != before:
            raise NoteError(
                f"the statement of key {statement.key.label} follows leaf {statement.before}, the "
                f"key before it is that of leaf {before}: it was made for another place"
            )
        if not before < statement.size <= leaf or statement.root != root_of(statement.size):
            raise NoteError(
                f"the statement of key {statement.key.label} was made for a log of "
                f"{statement.size} leaves with another root: not for this one"
            )
        if statement.key in self.keys:
            raise NoteError(f"key {statement.key.label} has signed here before; make a new one")
        for key in [statement.key] if last is None else [last.key, statement.key]:
            Note.parse(note).require(key)
        return KeyChain((*self.links, KeyInForce(statement.key, leaf)))

    def open(self, note: str, trusted: Sequence[VerifierKey] = ()) -> Checkpoint:
        """A checkpoint, once the key in force at its size has signed it.

        Args:
            trusted: while the log names no key, one of these has to have signed it.

        Raises:
            NoteError: no checkpoint, or not signed by that key.
        """
        parsed = Note.parse(note)
        key = self.at(Checkpoint.parse(parsed.text).size)
        if key is None and not trusted:
            raise NoteError("no key is known that could have signed it")
        return open_checkpoint(note, key or parsed.signer(trusted))

    def strangers(self, trusted: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Those of some keys that never signed this log."""
        return [key for key in trusted if key not in self.keys]
