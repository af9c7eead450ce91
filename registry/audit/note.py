"""Signed notes after C2SP signed-note: a text, an empty line, one line for each signature."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.audit.errors import NoteError
from registry.audit.keys import KEY_ID_SIZE, SigningKey, VerifierKey, decode_base64, require_name

MAX_NOTE: Final = 262_144  # characters; 16 post-quantum signatures take about 110,000
MAX_SIGNATURES: Final = 64  # at least 16 by C2SP signed-note

_DASH: Final = "\u2014 "  # em dash and space begin a signature line


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name, its id (4 bytes), the signature proper."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note whose signatures nobody has checked yet; ``text`` ends in a newline."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: str) -> Note:
        """Take a note apart.

        Raises:
            NoteError: too long, control characters, no text, or a bad signature line.
        """
        _require_plain(note)
        text, gap, tail = note.rpartition("\n\n")
        if not gap or not text or not tail.endswith("\n"):
            raise NoteError(
                "a signed note is a text, an empty line and signature lines, each line ended by "
                f"a newline; given: {note[:60]!r}"
            )
        lines = tail[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise NoteError(f"{len(lines)} signatures in a note, {MAX_SIGNATURES} are read")
        return cls(text + "\n", tuple(_parse_signature(line) for line in lines))

    def require(self, key: VerifierKey) -> str:
        """The text, once the key's signature under it holds.

        Signatures of other keys are ignored, as the format demands.

        Raises:
            NoteError: the key did not sign, or a signature of it does not hold.
        """
        self.signer([key])
        ours = [s for s in self.signatures if (s.name, s.key_id) == (key.name, key.key_id)]
        message = self.text.encode()
        for line in ours:
            if not key.algorithm.verify(key.public, message, line.signature):
                raise NoteError(
                    f"the {key.algorithm.name} signature of {key.label} does "
                    "not hold: the text or the signature has been changed"
                )
        return self.text

    def signer(self, keys: Sequence[VerifierKey]) -> VerifierKey:
        """The first of some keys that a signature says it is of; `require` judges it.

        Raises:
            NoteError: none of them signed.
        """
        signed = {(one.name, one.key_id) for one in self.signatures}
        for key in keys:
            if (key.name, key.key_id) in signed:
                return key
        wanted = ", ".join(key.label for key in keys[:4])
        signers = ", ".join(f"{s.name[:60]}+{s.key_id.hex()}" for s in self.signatures[:4])
        raise NoteError(f"not signed by {wanted}; the signatures are of {signers}")


def sign_note(text: str, *keys: SigningKey) -> str:
    """A text with the signatures of the keys under it.

    Raises:
        NoteError: the text does not end in a newline, or has control characters.
    """
    _require_plain(text)
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends in a newline")
    lines = [text, "\n"]
    for key in keys:
        content = key.verifier.key_id + key.sign(text.encode())
        lines.append(f"{_DASH}{key.name} {base64.b64encode(content).decode('ascii')}\n")
    return "".join(lines)


def _parse_signature(line: str) -> Signature:
    name, gap, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not gap:
        raise NoteError(f"a signature line is '\u2014 name base64'; given: {line[:60]!r}")
    require_name(name, NoteError)
    content = decode_base64(encoded, f"the signature of {name[:60]}", NoteError)
    if len(content) <= KEY_ID_SIZE:
        raise NoteError(f"the signature of {name[:60]} has only {len(content)} bytes")
    return Signature(name, content[:KEY_ID_SIZE], content[KEY_ID_SIZE:])


def _require_plain(note: str) -> None:
    """UTF-8 without control characters other than newline, and not without end."""
    if len(note) > MAX_NOTE:
        raise NoteError(f"a note of {len(note)} characters; {MAX_NOTE} are read")
    if any(sign < " " and sign != "\n" for sign in note):
        raise NoteError("a note has no control characters other than newline; one was given")
    try:
        note.encode()
    except UnicodeEncodeError as error:
        raise NoteError(f"a note is UTF-8 text: {error}") from error
