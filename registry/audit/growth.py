"""Proofs that a log only grew, in the text that C2SP tlog-witness has for them.

    old 20852014
    <hashes of the consistency path, base64, one a line>

    <the newer signed checkpoint>

Who keeps the last checkpoint seen learns from this that nothing under it was changed since.
"""

from __future__ import annotations

from typing import Final

from registry.audit.checkpoint import Checkpoint, parse_decimal
from registry.audit.errors import NoteError, ProofError
from registry.audit.keys import VerifierKey
from registry.audit.log import Log
from registry.audit.merkle import verify_consistency
from registry.audit.note import Note
from registry.audit.proof import MAX_PROOF, decode_path, encode_path, judge_checkpoint

_BEGIN: Final = "old "


def prove_growth(log: Log, old: int, note: str) -> str:
    """The proof that the first ``old`` leaves are a prefix of a signed checkpoint.

    Raises:
        AuditError: the checkpoint is older than that, or the log is damaged.
        NoteError: ``note`` is not a checkpoint.
    """
    size = Checkpoint.parse(Note.parse(note).text).size
    return "\n".join([f"{_BEGIN}{old}", *encode_path(log.consistency(old, size)), "", note])


def check_growth(text: str, old: Checkpoint, *keys: VerifierKey) -> Checkpoint:
    """Judge a proof of growth from a checkpoint that was opened earlier; the newer checkpoint.

    Args:
        text: the proof.
        old: the earlier checkpoint.
        keys: the keys of the log: one of them has signed the newer checkpoint.

    Raises:
        ProofError: ``step`` says what failed: "format", "signature", "origin", "index" (the
            sizes) or "consistency".
    """
    try:
        size, path, note = _parse(text)
    except NoteError as error:
        raise ProofError("format", str(error)) from error
    new, tree = judge_checkpoint(note, keys)
    if old.origin not in {key.name for key in keys}:
        raise ProofError("origin", f"the earlier checkpoint is of another log, {old.origin[:60]!r}")
    if old.size != size:
        raise ProofError(
            "index",
            f"the proof starts from {size} leaves, the earlier checkpoint has {old.size}: ask for "
            "a proof from that size",
        )
    verify_consistency(tree, old.size, old.root, new.size, new.root, path)
    return new


def is_growth(text: str) -> bool:
    """Whether a text is to be read as a proof of growth."""
    return text.startswith(_BEGIN)


def _parse(text: str) -> tuple[int, tuple[bytes, ...], str]:
    """Old size, path and signed checkpoint of a proof of growth."""
    if len(text) > MAX_PROOF:
        raise NoteError(f"a proof of {len(text)} characters; {MAX_PROOF} are read")
    head, gap, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if not gap or not is_growth(first):
        raise NoteError(
            "a proof of growth begins with 'old' and a number of leaves and has an empty line "
            f"before its checkpoint; given: {text[:60]!r}"
        )
    return parse_decimal(first.removeprefix(_BEGIN), "the old size"), decode_path(lines), note
