"""The roles of a node that have something to say to others of their own accord."""

from __future__ import annotations

from typing import Final

from registry.network import filing_duty
from registry.network.hooks import Adds

ROLES: Final[tuple[Adds, ...]] = (filing_duty.adds,)
