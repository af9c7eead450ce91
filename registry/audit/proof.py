"""Proofs after C2SP tlog-proof: one leaf, its path and a signed checkpoint in one text.

    c2sp.org/tlog-proof@v1
    extra <the leaf's data, base64>
    index 73894
    <hashes from the leaf's sibling up, base64, one a line>

    <the signed checkpoint>

The "extra" line is not signed by itself; it is trusted only because its hash leads to the root.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from registry.audit.checkpoint import Checkpoint, parse_decimal
from registry.audit.errors import AuditError, NoteError, ProofError
from registry.audit.keys import VerifierKey, decode_base64
from registry.audit.log import Log
from registry.audit.merkle import HASH_SIZE, MAX_PATH, TreeHash, tree_hash, verify_inclusion
from registry.audit.note import MAX_NOTE, Note
from registry.audit.tiles import MAX_LEAF

HEADER: Final = "c2sp.org/tlog-proof@v1"
SUFFIX: Final = ".tlog-proof"
MAX_PROOF: Final = MAX_NOTE + 2 * MAX_LEAF  # characters


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that nobody has checked yet.

    Attributes:
        leaf: the leaf's data.
        index: its place in the log.
        path: hashes from the leaf's sibling up to the root's child.
        note: the signed checkpoint, as text.
    """

    leaf: bytes
    index: int
    path: tuple[bytes, ...]
    note: str

    def text(self) -> str:
        """The proof as a text, for a file with the suffix ".tlog-proof"."""
        path = encode_path(self.path)
        leaf = base64.b64encode(self.leaf).decode("ascii")
        return "\n".join([HEADER, f"extra {leaf}", f"index {self.index}", *path, "", self.note])

    @classmethod
    def parse(cls, text: str) -> Proof:
        """Take a proof apart.

        Raises:
            ProofError: step "format".
        """
        try:
            return cls._parse(text)
        except NoteError as error:
            raise ProofError("format", str(error)) from error

    @classmethod
    def _parse(cls, text: str) -> Proof:
        if len(text) > MAX_PROOF:
            raise NoteError(f"a proof of {len(text)} characters; {MAX_PROOF} are read")
        head, gap, note = text.partition("\n\n")
        lines = head.split("\n")
        if not gap or lines[0] != HEADER:
            raise NoteError(
                f"a proof begins with the line {HEADER!r} and has an empty line before its "
                f"checkpoint; given: {text[:60]!r}"
            )
        if len(lines) < 3 or not lines[1].startswith("extra ") or lines[2][:6] != "index ":
            raise NoteError(
                "the second line of a proof is 'extra' with the leaf's data, the third 'index' "
                f"with its number; given: {lines[1:3]!r:.120}"
            )
        leaf = decode_base64(lines[1].removeprefix("extra "), "the leaf's data", NoteError)
        index = parse_decimal(lines[2].removeprefix("index "), "the leaf's index")
        return cls(leaf, index, decode_path(lines[3:]), note)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a proof that holds has shown: this leaf is at this index of that checkpoint's log."""

    leaf: bytes
    index: int
    checkpoint: Checkpoint


def prove(log: Log, index: int, note: str) -> Proof:
    """The proof that leaf ``index`` is under a signed checkpoint of the log.

    Raises:
        AuditError: the checkpoint does not cover the leaf, or the log has been changed.
        NoteError: ``note`` is not a checkpoint.
    """
    point = Checkpoint.parse(Note.parse(note).text)
    leaf, path = log.leaf(index), tuple(log.inclusion(index, point.size))
    tree = log.state()[1]
    try:
        verify_inclusion(tree, tree.leaf(leaf), index, point.size, path, point.root)
    except ProofError as error:
        raise AuditError(
            f"leaf {index} of the audit log cannot be proved by this checkpoint: the log has been "
            f"changed since, or the checkpoint is of another log; verify the log ({error})"
        ) from error
    return Proof(leaf, index, path, note)


def check(text: str, *keys: VerifierKey) -> Checked:
    """Judge a proof with nothing but the log's verifier keys, one of which has signed.

    Raises:
        ProofError: ``step`` says what failed: "format", "signature", "origin", "index" or
            "inclusion".
    """
    proof = Proof.parse(text)
    checkpoint, tree = judge_checkpoint(proof.note, keys)
    verify_inclusion(
        tree, tree.leaf(proof.leaf), proof.index, checkpoint.size, proof.path, checkpoint.root
    )
    return Checked(proof.leaf, proof.index, checkpoint)


def judge_checkpoint(text: str, keys: Sequence[VerifierKey]) -> tuple[Checkpoint, TreeHash]:
    """The signed checkpoint inside a proof, and the hash of its tree.

    Raises:
        ProofError: step "format", "signature" or "origin".
    """
    step = "format"
    try:
        note = Note.parse(text)
        step = "signature"
        key = note.signer(keys)
        signed = note.require(key)
        step = "format"
        checkpoint = Checkpoint.parse(signed)
        step = "origin"
        checkpoint.require_origin(key.name)
    except NoteError as error:
        raise ProofError(step, str(error)) from error
    return checkpoint, tree_hash(key.algorithm.tree_hash)


def encode_path(path: Iterable[bytes]) -> list[str]:
    """A path as lines of a proof."""
    return [base64.b64encode(digest).decode("ascii") for digest in path]


def decode_path(lines: Sequence[str]) -> tuple[bytes, ...]:
    """The path in lines of a proof.

    Raises:
        NoteError: a line is not a hash, or there are too many.
    """
    if len(lines) > MAX_PATH:
        raise NoteError(f"a path of {len(lines)} hashes; {MAX_PATH} are enough for every log")
    path = tuple(decode_base64(line, "a hash of the path", NoteError) for line in lines)
    if any(len(digest) != HASH_SIZE for digest in path):
        raise NoteError(f"a hash of the path should have {HASH_SIZE} bytes")
    return path
