"""What goes wrong with deposits."""

from __future__ import annotations

from csid.errors import CsidError


class EscrowError(CsidError):
    """A deposit cannot be made, or is not what it says; the message begins with its name."""
