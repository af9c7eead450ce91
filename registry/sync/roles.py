"""What the role of a node adds to its sync process."""

from __future__ import annotations

import time
from typing import Final

from registry.network.catalogs import NodePolicy
from registry.network.membership import RegisterWatch
from registry.sync.duties import filed, filing_duty, handover, hold_duty, leftovers
from registry.sync.hooks import Adds, Network
from registry.tables import transaction, view
from registry.tables.transaction import TransactionView
from resolver.store.environment import Store


def register(store: Store) -> Network:
    """What the register of nodes adds, where a directory is of a network."""
    transaction.open_tables(store)
    with store.read() as read:
        root = view.get_root(TransactionView(read))
    if root is None:
        return Network()
    suffix = store.settings().suffix
    return Network(watch=RegisterWatch(suffix, lambda: int(time.time()), NodePolicy(suffix)))


# The register is looked at before what it decides on.
ROLES: Final[tuple[Adds, ...]] = (
    register,
    filing_duty.adds,
    handover.adds,
    hold_duty.adds,
    leftovers.adds,
    filed.adds,
)
