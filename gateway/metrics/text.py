"""The state of a node as Prometheus reads it.

Names have a unit and, where they only grow, `_total` behind them; `families.py` lists all there is.
"""

from __future__ import annotations

from gateway.metrics.exposition import exposition
from gateway.metrics.families import FAMILIES, Status


def render(status: Status) -> str:
    """The text for a state of `gateway.status.gather`. A family without a sample is left out: what
    only a running server knows, where none runs.
    """
    return exposition((one.name, one.kind, one.help, one.samples(status)) for one in FAMILIES)
