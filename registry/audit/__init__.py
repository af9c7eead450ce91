"""The audit log: an append-only Merkle tree (RFC 9162) over every change of the registry.

The route of a change: ``Log.append`` hashes it into tiles of the caller's transaction, and
``Log.checkpoint`` signs the tree from time to time. The route back: ``prove`` puts one change and
its path to a checkpoint into a text, ``check`` judges that text with nothing but a public key,
and ``verify`` judges a whole log. The formats stand in ``schemas/audit.md``.
"""

from __future__ import annotations

from registry.audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from registry.audit.errors import AuditError, KeyFileError, NotCoveredError, NoteError, ProofError
from registry.audit.growth import check_growth, is_growth, prove_growth
from registry.audit.keys import SigningKey, VerifierKey
from registry.audit.log import Log
from registry.audit.proof import Checked, Proof, check, prove
from registry.audit.store import MemoryStore, Store
from registry.audit.succession import KeyChain, KeyStatement, sign_statement
from registry.audit.verify import Fault, Report, verify

__all__ = [
    "AuditError",
    "Checked",
    "Checkpoint",
    "Fault",
    "KeyChain",
    "KeyFileError",
    "KeyStatement",
    "Log",
    "MemoryStore",
    "NotCoveredError",
    "NoteError",
    "Proof",
    "ProofError",
    "Report",
    "SigningKey",
    "Store",
    "VerifierKey",
    "check",
    "check_growth",
    "is_growth",
    "open_checkpoint",
    "prove",
    "prove_growth",
    "sign_checkpoint",
    "sign_statement",
    "verify",
]
