"""Who takes UPDATEs before they go the way of all (`registry.zones.updates`)."""

from __future__ import annotations

from registry.network import receipts
from registry.network.cuts import Cuts
from registry.zones.updates import Claim


def claims() -> list[Claim]:
    """Those of a node; each looks by itself whether it has anything to do with one."""
    return [Cuts(), receipts.Claim()]
