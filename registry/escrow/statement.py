"""What a deposit says of itself: a signed note (C2SP signed-note) beside its content.

csid escrow deposit 1
{"kind":"full", …}       JSON, on one line

— example.cn/csid-log hI2D…=
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final

from csid.errors import FileError
from csid.moments import stamp
from registry.audit import NoteError, SigningKey, VerifierKey
from registry.audit.note import MAX_NOTE, Note, sign_note
from registry.escrow.errors import EscrowError

SUFFIX: Final = ".deposit"
HEADER: Final = "csid escrow deposit 1"
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_CONTENT: Final = re.compile(r"[0-9A-Za-z.\-]{1,200}\.jsonl\.gz(\.age)?")


class Kind(Enum):
    """What a deposit has (RFC 8909 section 2)."""

    FULL = "full"
    DIFFERENTIAL = "differential"  # what changed since the deposit before


@dataclass(frozen=True, slots=True)
class Statement:
    """What a deposit says of itself.

    Attributes:
        kind: what it has.
        id: its name.
        previous: the name of the deposit before; empty of the first one.
        previous_sha256: of the file of that one's statement.
        time: of the moment that it has (the watermark of RFC 8909): ISO 8601, UTC.
        node: id of the node, 32 hex digits.
        suffix: of the deployment.
        size: leaves of the audit log at that moment.
        root: over them, 64 hex digits.
        previous_size: leaves at the deposit before; 0 of the first one.
        growth: that these are a prefix of the log now: RFC 9162 section 2.1.4, in hex.
        content: name of the file with the objects.
        octets: of it.
        sha256: of it.
        objects: how many of each kind, those deleted included.
        deleted: how many say that they are no more.
    """

    kind: Kind
    id: str
    previous: str
    previous_sha256: str
    time: str
    node: str
    suffix: str
    size: int
    root: str
    previous_size: int
    growth: tuple[str, ...]
    content: str
    octets: int
    sha256: str
    objects: dict[str, int]
    deleted: int

    def signed(self, key: SigningKey) -> str:
        """The note."""
        values = asdict(self) | {"kind": self.kind.value}
        line = json.dumps(values, ensure_ascii=False, sort_keys=True)
        return sign_note(f"{HEADER}\n{line}\n", key)


def name_of(time: str, node: str, size: int, kind: Kind) -> str:
    """The name of a deposit: when, whose, and how far the log had got."""
    moment = stamp(time)
    return f"{moment}-{node[:8]}-{size}-{kind.value}"


def note_in(path: Path) -> str:
    """What a file of a statement has.

    Raises:
        EscrowError: it is no text, or too long.
        FileError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE * 4 + 1).decode()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise EscrowError(f"{path.name}: is no text") from None


def read(note: str, name: str, keys: tuple[VerifierKey, ...] | None) -> Statement:
    """The statement in a note.

    Args:
        name: of its file, for errors.
        keys: one of which has signed it; None does not look.

    Raises:
        EscrowError: it is no statement, or none of the keys has signed it as it stands.
    """
    try:
        parsed = Note.parse(note)
        text = parsed.text if keys is None else parsed.require(parsed.signer(keys))
    except NoteError as error:
        raise EscrowError(f"{name}: {error}") from None
    header, _, line = text.partition("\n")
    if header != HEADER:
        raise EscrowError(f"{name}: is no deposit: begins with {header[:60]!r}, not {HEADER!r}")
    try:
        return _statement(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise EscrowError(f"{name}: its statement cannot be read: {error}") from None


def _statement(said: Any) -> Statement:
    growth = tuple(said.pop("growth"))
    found = Statement(kind=Kind(said.pop("kind")), growth=growth, **said)
    texts = (found.id, found.previous, found.previous_sha256, found.node, found.suffix)
    numbers = (found.size, found.previous_size, found.octets, found.deleted)
    if any(type(one) is not str for one in texts):
        raise ValueError("a text is none")
    if any(type(one) is not int or one < 0 for one in (*numbers, *found.objects.values())):
        raise ValueError("a number is none")
    digests = [found.root, found.sha256, *found.growth]
    digests += [found.previous_sha256] if found.previous else []
    if not all(map(_HEX.fullmatch, digests)):
        raise ValueError("a digest is none")
    if not _CONTENT.fullmatch(found.content):
        raise ValueError(f"content in {found.content[:60]!r}")
    if found.kind is Kind.DIFFERENTIAL and not found.previous:
        raise ValueError("a differential deposit has one before it")
    if datetime.fromisoformat(found.time).utcoffset() is None:
        raise ValueError(f"a time without zone: {found.time}")
    return found
