"""The adapters there are, by the kinds of sources they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.systems.aggregation.readings import Adapter

ADAPTERS: Final[Mapping[str, Adapter]] = {}
