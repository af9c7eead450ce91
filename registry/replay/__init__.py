"""Replay: the registry that follows from its audit log, leaf by leaf.

A leaf says what was done, not why it was allowed: its effects on the rows and on the names of the
tree follow from it and from the rows before it, whatever the rules were and are. Verification is a
replay that is compared; a standby is a replay that goes on.
"""

from __future__ import annotations

from registry.replay.effect import ReplayFault
from registry.replay.leaves import Replay

__all__ = ["Replay", "ReplayFault"]
