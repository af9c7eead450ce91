"""Bounds of the program that are so wide that no history would come to them, made narrow by chance:
work that is done in pieces, zones whose serials begin near their end, times that are days long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType
from typing import Any, Final

import pytest

from registry.network import filings, handover_units, hold_units
from registry.sync import syncing, walks
from registry.sync.duties import (
    delegated,
    examination,
    filing_duty,
    handover_steps,
    hold_duty,
    receipt_duty,
)
from registry.zones import founding
from resolver.sync.catalog import members
from resolver.sync.transfer import intake

PART_SECONDS: Final = 60  # for which a node answers for a cut that it had
_NARROW: Final[tuple[tuple[ModuleType, str, Any], ...]] = (
    (delegated, "AT_ONCE", 1),
    (examination, "AT_ONCE", 2),
    (filing_duty, "AT_ONCE", 1),
    (filings, "STEPS_AT_ONCE", 1),
    (handover_units, "AT_ONCE", 2),
    (receipt_duty, "AT_ONCE", 2),
    (syncing, "FEED_AT_ONCE", 1),
    (walks, "TOLD_AT_ONCE", 1),
    (walks, "ASKED_AT_ONCE", 1),
    (founding, "SERIAL", 2**32 - 3),
    (intake, "AT_ONCE", 2),
    (members, "CHANGED_AT_ONCE", 1),
    (members, "LOOKED_AT_ONCE", 2),
)


@contextmanager
def narrow(random: Random) -> Iterator[None]:
    """Let some of the bounds be narrow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handover_steps, "PART_SECONDS", PART_SECONDS)
        patch.setattr(hold_units, "STEPS_AT_ONCE", 1)
        patch.setattr(hold_duty, "AT_ONCE", 2)
        for module, name, value in _NARROW:
            if random.random() < 0.5:
                patch.setattr(module, name, value)
        yield
