"""What of UPDATEs the network carries out in its own way, in the order in which it is asked."""

from __future__ import annotations

from registry.network.cuts import Cuts
from registry.zones.updates import Claim


def claims() -> list[Claim]:
    """The claims of a writer (`registry.zones.updates`)."""
    return [Cuts()]
