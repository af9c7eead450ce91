"""What a decision comes to: its outcome with what changes, or the rule that does not hold."""

from __future__ import annotations

from typing import NamedTuple

from registry.rules.status import Status
from registry.tables.changes import NOTHING, Changes


class Decision(NamedTuple):
    """What follows from a request.

    ``subject`` is the identifier, pool code, owner, location or prefix concerned: of a success the
    one that holds from now on, so of an alias or a move the new one. ``detail`` says of a refusal
    what was found, what was expected and what to do.
    """

    status: Status
    subject: str
    detail: str = ""
    changes: Changes = NOTHING


class Refusal(NamedTuple):
    """Why a rule does not hold."""

    status: Status
    detail: str

    def about(self, subject: str) -> Decision:
        """The decision that it is: nothing changes."""
        return Decision(self.status, subject, self.detail)
