"""Checkpoints after C2SP tlog-checkpoint: origin, size and root of a log, as a signed note."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from registry.audit.errors import NoteError
from registry.audit.keys import SigningKey, VerifierKey, decode_base64
from registry.audit.merkle import HASH_SIZE, MAX_TREE_SIZE
from registry.audit.note import Note, sign_note


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to.

    Attributes:
        origin: which log it is; the name of its key.
        size: leaves.
        root: the root hash over them, 32 bytes.
        extensions: further lines, opaque; not recommended.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return "\n".join([self.origin, str(self.size), root, *self.extensions, ""])

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a checkpoint.

        Raises:
            NoteError: a line is missing or not of its form.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise NoteError(
                "a checkpoint has three lines or more, none empty: origin, size, root; "
                f"given: {text[:60]!r}"
            )
        origin, size, root, *extensions = lines
        digest = decode_base64(root, "the root in a checkpoint", NoteError)
        if len(digest) != HASH_SIZE:
            raise NoteError(f"the root in a checkpoint has {len(digest)} bytes, not {HASH_SIZE}")
        number = parse_decimal(size, "the size in a checkpoint")
        return cls(origin, number, digest, tuple(extensions))

    def require_origin(self, origin: str) -> None:
        """Refuse a checkpoint of another log.

        Raises:
            NoteError: the origins differ.
        """
        if self.origin != origin:
            raise NoteError(f"the checkpoint is of log {self.origin[:60]!r}, not of {origin!r}")


def sign_checkpoint(checkpoint: Checkpoint, *keys: SigningKey) -> str:
    """The checkpoint as a note signed by the keys."""
    return sign_note(checkpoint.text(), *keys)


def open_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """Check the signature of a checkpoint and read it; the origin is the name of the key.

    Raises:
        NoteError: not a checkpoint, not signed by the key, or of another log.
    """
    checkpoint = Checkpoint.parse(Note.parse(note).require(key))
    checkpoint.require_origin(key.name)
    return checkpoint


def parse_decimal(text: str, what: str) -> int:
    """A number of leaves: ASCII digits without leading zeroes, below 2**63."""
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_TREE_SIZE))
    if not digits or str(int(text)) != text or int(text) > MAX_TREE_SIZE:
        raise NoteError(f"{what} is a decimal number below 2**63; given: {text[:40]!r}")
    return int(text)
