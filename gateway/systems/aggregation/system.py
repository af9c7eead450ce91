"""The system `aggregation`, as a whole."""

from __future__ import annotations

from typing import Final

from csid.vocabulary import Words
from gateway.systems.contract import System

SYSTEM: Final = System(
    name="aggregation",
    words=Words("算力资源汇聚系统", "compute of providers, read where it is managed"),
)
