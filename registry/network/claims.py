"""What of UPDATEs the network carries out in its own way, in the order in which it is asked."""

from __future__ import annotations

from registry.network import receipts
from registry.network.cuts import Cuts
from registry.network.holds import Holds
from registry.network.moves import Moves
from registry.zones.updates import Claim


def claims() -> list[Claim]:
    """The claims of a writer (`registry.zones.updates`): those of the national node, and those of
    all others; each looks by itself whether it has anything to do with one.
    """
    return [Cuts(), Moves(), Holds(), receipts.Claim()]
