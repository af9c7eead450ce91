"""What the audit commands are given in files, and what they give: keys, checkpoints, proofs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from gateway.cli import output
from registry.audit import (
    AuditError,
    Checkpoint,
    KeyChain,
    KeyFileError,
    NoteError,
    VerifierKey,
    open_checkpoint,
)
from registry.audit.note import Note
from resolver.files import write_whole

TEXT_MAX: Final = 1 << 20  # characters of a proof, a checkpoint or a file of keys
KEY_FILE: Final = "audit-key.pem"  # in the data directory, unless another is given
VERIFIER_SUFFIX: Final = ".pub"


def add_keys(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """Add --key, a verifier key of the log."""
    instead = "" if required else f" ({KEY_FILE}{VERIFIER_SUFFIX} in the data directory)"
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        required=required,
        metavar="KEY",
        help=f"a verifier key: its file, or the line itself; repeatable 公钥{instead}",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add --output."""
    parser.add_argument("--output", type=Path, metavar="FILE", help="write it there 输出文件")


def keys_of(args: argparse.Namespace) -> list[VerifierKey]:
    """The verifier keys that are trusted: those given, else those of the data directory; none where
    it has none.
    """
    if args.key:
        return [key for given in args.key for key in verifiers_of(given)]
    data: Path | None = args.data
    path = data / f"{KEY_FILE}{VERIFIER_SUFFIX}" if data else None
    return verifiers_of(str(path)) if path and path.is_file() else []


def verifiers_of(given: str) -> list[VerifierKey]:
    """Verifier keys: from a line that is one, or from a file with one in each line."""
    if not Path(given).is_file():
        try:
            return [VerifierKey.parse(given)]
        except KeyFileError as error:
            raise KeyFileError(
                f"{given[:80]}: no such file, and no verifier key: {error}"
            ) from None
    lines = text_of(given).splitlines()
    return [VerifierKey.parse(line) for line in lines if line.strip()] or [VerifierKey.parse("")]


def text_of(name: str) -> str:
    """What a file has, or stdin."""
    try:
        if name == "-":
            return sys.stdin.read(TEXT_MAX)
        with Path(name).open(encoding="utf-8", newline="") as file:
            return file.read(TEXT_MAX)
    except OSError as error:
        raise AuditError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AuditError(f"{name}: is no text") from None


def opened(note: str, args: argparse.Namespace, chain: KeyChain) -> Checkpoint:
    """A checkpoint that was kept elsewhere, once a key has signed it: that of the log's which was
    in force then; or one that was given, as the log may lack the leaf that put it in force.

    Raises:
        NoteError: no checkpoint, or signed by none of these.
    """
    keys = keys_of(args)
    try:
        return chain.open(note, keys)
    except NoteError:
        if not args.key:
            raise
        return open_checkpoint(note, Note.parse(note).signer(keys))


def give(text: str, path: Path | None) -> None:
    """Write a text to a file, or print it."""
    if path is None:
        output.for_data().write(text)
        return
    with write_whole(path) as file:
        file.write(text)
