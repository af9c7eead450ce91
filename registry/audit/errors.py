"""What can be wrong with an audit log, a signed note, a key or a proof."""

from __future__ import annotations

from csid.errors import CsidError


class AuditError(CsidError):
    """The audit log (审计日志) cannot do what was asked, or its stored data is damaged."""


class NotCoveredError(AuditError):
    """A leaf that is under no checkpoint yet, or not under the one that was given."""


class NoteError(AuditError):
    """A text that is not a signed note or checkpoint, or whose signature does not hold."""


class KeyFileError(AuditError):
    """A private key file or a verifier key that cannot be read."""


class ProofError(AuditError):
    """A proof that does not hold.

    Attributes:
        step: the step of the check that failed: "format", "signature", "origin", "index",
            "inclusion" or "consistency".
        reason: what was found there and what was expected.
    """

    def __init__(self, step: str, reason: str) -> None:
        self.step = step
        self.reason = reason
        super().__init__(f"{step}: {reason}")
