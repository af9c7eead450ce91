"""The system `selection`, as a whole."""

from __future__ import annotations

from typing import Final

from csid.vocabulary import Words
from gateway.systems.contract import System

SYSTEM: Final = System(
    name="selection",
    words=Words("算力选择系统", "the compute that a demand needs, found, ranked and reached"),
)
