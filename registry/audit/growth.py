"""Proofs that a log only grew, in the text that C2SP tlog-witness has for them.

    old 20852014
    <hashes of the consistency path, base64, one a line>

    <the newer signed checkpoint>

Who keeps the last checkpoint seen learns from this that nothing under it was changed since.
"""

from __future__ import annotations

from registry.audit.checkpoint import Checkpoint, parse_decimal
from registry.audit.errors import NoteError, ProofError
from registry.audit.keys import VerifierKey
from registry.audit.log import Log
from registry.audit.merkle import tree_hash, verify_consistency
from registry.audit.note import Note
from registry.audit.proof import MAX_PROOF, decode_path, encode_path, judge_checkpoint


def prove_growth(log: Log, old: int, note: str) -> str:
    """The proof that the first ``old`` leaves are a prefix of a signed checkpoint.

    Raises:
        AuditError: the checkpoint is older than that, or the log is damaged.
        NoteError: ``note`` is not a checkpoint.
    """
    size = Checkpoint.parse(Note.parse(note).text).size
    return "\n".join([f"old {old}", *encode_path(log.consistency(old, size)), "", note])


def check_growth(text: str, old: Checkpoint, key: VerifierKey) -> Checkpoint:
    """Judge a proof of growth from a checkpoint that was opened earlier; the newer checkpoint.

    Raises:
        ProofError: ``step`` says what failed: "format", "signature", "origin", "index" (the
            sizes) or "consistency".
    """
    try:
        size, path, note = _parse(text)
    except NoteError as error:
        raise ProofError("format", str(error)) from error
    new = judge_checkpoint(note, key)
    if old.origin != new.origin:
        raise ProofError("origin", f"the earlier checkpoint is of another log, {old.origin[:60]!r}")
    if old.size != size:
        raise ProofError(
            "index",
            f"the proof starts from {size} leaves, the earlier checkpoint has {old.size}: ask for "
            "a proof from that size",
        )
    tree = tree_hash(key.algorithm.tree_hash)
    verify_consistency(tree, old.size, old.root, new.size, new.root, path)
    return new


def _parse(text: str) -> tuple[int, tuple[bytes, ...], str]:
    """Old size, path and signed checkpoint of a proof of growth."""
    if len(text) > MAX_PROOF:
        raise NoteError(f"a proof of {len(text)} characters; {MAX_PROOF} are read")
    head, gap, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if not gap or not first.startswith("old "):
        raise NoteError(
            "a proof of growth begins with 'old' and a number of leaves and has an empty line "
            f"before its checkpoint; given: {text[:60]!r}"
        )
    return parse_decimal(first.removeprefix("old "), "the old size"), decode_path(lines), note
