"""The errors a caller of this project can meet: one root, one class per kind of input.

Every message says what was given, what was expected and what to do about it.
"""

from __future__ import annotations


class CsidError(Exception):
    """Root of all errors raised on purpose by this project."""


class IdentifierError(CsidError):
    """A text that is not a compute identifier (算力标识).

    Attributes:
        segment: name of the segment at fault ("owner", "industry", ... or "identifier").
        position: 1-based position of the first wrong character inside that segment, 0 if the
            segment as a whole is wrong.
        reason: what was expected there.
    """

    def __init__(self, segment: str, position: int, reason: str) -> None:
        self.segment = segment
        self.position = position
        self.reason = reason
        place = f"{segment}, position {position}: " if position else f"{segment}: "
        super().__init__(place + reason)


class RecordError(CsidError):
    """A resource record whose field does not hold what the schema asks for."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")


class DomainNameError(CsidError):
    """A domain name that RFC 1035 section 2.3.4 does not allow, or that is not ours to hold."""


class ZoneError(CsidError):
    """Zone data that cannot be served; ``where`` is "file:line" or a domain name."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where}: {reason}")


class StoreError(CsidError):
    """The data directory cannot be used as asked: missing, foreign, newer, full, not permitted."""


class BusyError(StoreError):
    """Others have been writing for too long; nothing was changed."""


class FileError(CsidError):
    """A file that was named and cannot be read or written as asked; the message begins with it."""


class ResolutionError(CsidError):
    """No server says whether the identifier exists; what it is may be known a moment later."""


class UnreachableError(ResolutionError):
    """No answer to be believed came in time: nobody listens, all are silent, or the way is cut."""


class RefusedError(ResolutionError):
    """A server answers, and says neither what is at the name nor that nothing is."""
