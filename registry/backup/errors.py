"""What goes wrong with backups."""

from __future__ import annotations

from csid.errors import CsidError


class BackupError(CsidError):
    """A backup cannot be made, or is not what it says; the message begins with its name."""
