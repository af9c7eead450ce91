"""What goes wrong between servers, in words for whoever runs this one."""

from __future__ import annotations

from csid.errors import CsidError


class TransferError(CsidError):
    """A transfer that came to nothing; the zone is as it was before."""
