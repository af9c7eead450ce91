"""Who must agree before a zone is replaced, changed or dropped by anything but its own requests.

The store knows the seam only; the registry, which is the authority below its suffix, fills it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from resolver.store.update import ZoneUpdate
    from resolver.store.write import WriteTransaction


class Guard(Protocol):
    """Agrees to what becomes of zones, or not."""

    def settle(
        self, txn: WriteTransaction, origin: bytes, update: ZoneUpdate | None, begun: object
    ) -> None:
        """Agree finally, inside the transaction that publishes, changes or drops the zone.

        What was written since the zone was looked at is carried over by changing `update`; the
        audit leaf is written here.

        Args:
            update: the zone as it is to be, not yet served (of a replacement, its new generation);
                None if it is dropped. Not to be finished.
            begun: what was found when the zone was looked at, outside the write lock.

        Raises:
            ZoneError: it is refused; the transaction must be undone.
        """

    def told(self, origin: bytes) -> None:
        """Be told, after the commit, that it is done."""


class _NoGuard:
    """Agrees to everything: for stores without a registry."""

    def settle(
        self, txn: WriteTransaction, origin: bytes, update: ZoneUpdate | None, begun: object
    ) -> None:
        return None

    def told(self, origin: bytes) -> None:
        return None


NO_GUARD: Final[Guard] = _NoGuard()
