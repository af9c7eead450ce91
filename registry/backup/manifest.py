"""What a backup says of itself, in clear, before all else: three lines of text (schemas/backup.md).

csid backup 1
{"kind":"full", …}       JSON, on one line
SHA-256 of that line     in hex
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Any, BinaryIO, Final

from csid.moments import iso, stamp
from registry.backup.errors import BackupError

MAGIC: Final = b"csid backup 1\n"
LINE_MAX: Final = 1 << 20  # octets of a manifest
KEY_FILE_MAX: Final = 1 << 16  # octets of each file beside the data
KEY_FILES_MAX: Final = 1_000
PAGE_MIN: Final = 512  # octets, of LMDB
PAGE_MAX: Final = 1 << 16
PAGES_MAX: Final = 1 << 32
_HEX_LINE: Final = 65  # octets of a digest and its newline
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_NODE: Final = re.compile(r"[0-9a-f]{32}")
FILE_NAME: Final = re.compile(r"audit-key\.pem[0-9A-Za-z.]{0,20}")


class Kind(Enum):
    """What a backup holds."""

    FULL = "full"
    DIFFERENCE = "difference"  # from the one before


class Sealing(Enum):
    """How the content is encrypted."""

    NONE = "none"
    AGE = "age"  # to recipients
    PASSPHRASE = "passphrase"  # to a key that is in the manifest, under the passphrase


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file beside the data: one of the key of the audit log."""

    name: str
    octets: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Base:
    """The backup that a difference starts from."""

    name: str
    sha256: str  # of its data
    size: int  # leaves
    root: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    Attributes:
        kind: whether it needs another one.
        time: of the moment that it holds: ISO 8601, UTC.
        node: id of the node, 32 hex digits.
        suffix: of the deployment.
        schema: version of the data directory.
        size: leaves of the audit log.
        root: over them, 64 hex digits.
        checkpoint: the last one that was signed, empty if there is none.
        page: octets of a page of the data.
        pages: of the data.
        sha256: of the data, 64 hex digits.
        files: beside the data.
        sealing: how the content is encrypted.
        key: for a passphrase, the key of the content encrypted with it, base64.
        whom: tells the node itself whether another backup is opened with the same: 64 hex digits.
        base: of a difference.
    """

    kind: Kind
    time: str
    node: str
    suffix: str
    schema: str
    size: int
    root: str
    checkpoint: str
    page: int
    pages: int
    sha256: str
    files: tuple[KeyFile, ...]
    sealing: Sealing = Sealing.NONE
    key: str = ""
    whom: str = ""
    base: Base | None = None

    @property
    def name(self) -> str:
        """The name of its file: when, which node, and how far its log had got."""
        moment = stamp(self.time)
        return f"{moment}-{self.node[:8]}-{self.size}-{self.root[:8]}.{self.kind.value}"

    @property
    def octets(self) -> int:
        """Of the data."""
        return self.page * self.pages

    def head(self) -> bytes:
        """The three lines."""
        values = asdict(self) | {"kind": self.kind.value, "sealing": self.sealing.value}
        line = json.dumps(values, ensure_ascii=False, sort_keys=True).encode() + b"\n"
        return MAGIC + line + _digest_line(line)


def _digest_line(line: bytes) -> bytes:
    return sha256(line).hexdigest().encode("ascii") + b"\n"


def read_head(file: BinaryIO, name: str) -> Manifest:
    """The manifest at the beginning of a file.

    Raises:
        BackupError: it is no backup, or its manifest is not as it was written.
    """
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        if MAGIC.startswith(magic) or magic.startswith(b"csid backup "):
            raise BackupError(
                f"{name}: is cut off, or a backup of another version of this program: it begins "
                f"with {magic[:20]!r}, expected {MAGIC!r}"
            )
        raise BackupError(f"{name}: is no backup that csid backup has made")
    line = file.readline(LINE_MAX)
    digest = file.readline(_HEX_LINE)
    if digest != _digest_line(line):
        raise BackupError(
            f"{name}: is cut off or was altered: its manifest has not the sum that stands below "
            "it; take another copy of it, or another backup"
        )
    try:
        return _manifest(json.loads(line))
    except (ValueError, TypeError, KeyError) as error:
        raise BackupError(f"{name}: its manifest cannot be read: {error}") from None


def _manifest(said: Any) -> Manifest:
    files = tuple(KeyFile(**one) for one in said.pop("files"))
    base = said.pop("base")
    found = Manifest(
        kind=Kind(said.pop("kind")),
        sealing=Sealing(said.pop("sealing")),
        files=files,
        base=None if base is None else Base(**base),
        **said,
    )
    _require(found)
    return found


def _require(found: Manifest) -> None:
    """Refuse what no backup says.

    Raises:
        ValueError: it does.
    """
    texts = (found.time, found.node, found.suffix, found.schema, found.root, found.sha256)
    numbers = [found.size, found.page, found.pages]
    numbers += [one.octets for one in found.files]
    digests = [found.root, found.sha256, *(one.sha256 for one in found.files)]
    if found.base is not None:
        digests += [found.base.root, found.base.sha256]
        numbers.append(found.base.size)
    if any(type(one) is not str for one in (*texts, found.checkpoint, found.key, found.whom)):
        raise ValueError("a text is none")
    if any(type(one) is not int or one < 0 for one in numbers):
        raise ValueError("a number is none")
    if not _NODE.fullmatch(found.node) or not all(map(_HEX.fullmatch, digests)):
        raise ValueError("a digest or the node's id is none")
    if not PAGE_MIN <= found.page <= PAGE_MAX or found.pages > PAGES_MAX:
        raise ValueError(f"{found.pages} pages of {found.page} octets")
    if len(found.files) > KEY_FILES_MAX or any(
        not FILE_NAME.fullmatch(one.name) or one.octets > KEY_FILE_MAX for one in found.files
    ):
        raise ValueError("files that are not those of the key of the log")
    if (found.kind is Kind.DIFFERENCE) != (found.base is not None):
        raise ValueError("a difference has a base, and nothing else has")
    moment = datetime.fromisoformat(found.time)
    if moment.utcoffset() is None:
        raise ValueError(f"a time without zone: {found.time}")


def now() -> str:
    """This moment, as manifests have it."""
    return iso(time.time(), "microseconds")
