"""What the audit commands are given in files: keys, checkpoints, proofs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from registry.audit import AuditError, KeyFileError, VerifierKey

KEY_FILE: Final = "audit-key.pem"  # in the data directory unless --key says otherwise
VERIFIER_SUFFIX: Final = ".pub"
TEXT_MAX: Final = 1 << 20  # characters of a proof, a checkpoint or a key


def verifier_of(given: str) -> VerifierKey:
    """A verifier key from its line, or from the file that has it."""
    if not Path(given).is_file():
        try:
            return VerifierKey.parse(given)
        except KeyFileError as error:
            raise KeyFileError(
                f"{given[:80]}: no such file, and no verifier key: {error}"
            ) from None
    return VerifierKey.parse(text_of(given))


def text_of(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.read(TEXT_MAX)
        with Path(name).open(encoding="utf-8") as file:
            return file.read(TEXT_MAX)
    except OSError as error:
        raise AuditError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AuditError(f"{name}: is no text") from None


def keys_of(data: Path) -> list[VerifierKey]:
    """The verifier keys that lie in a data directory, none if no key was made there."""
    path = data / f"{KEY_FILE}{VERIFIER_SUFFIX}"
    return [VerifierKey.parse(line) for line in text_of(str(path)).split()] if path.exists() else []
