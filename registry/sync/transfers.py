"""What takes part in each transfer of a zone to this node."""

from __future__ import annotations

from collections.abc import Collection

from csid import names
from resolver.store.write import WriteTransaction
from resolver.sync import zonemd
from resolver.sync.settings import Moment, follow_of
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.intake import Examine, unexamined


def examine_of(moment: Moment, apex: bytes) -> Examine:
    """What looks at a whole zone before it is published."""
    follow = follow_of(moment, apex)
    return zonemd.examine if follow is None or follow.zonemd else unexamined


class StillFollowed:
    """Lets a transfer come to something only if the zone still follows a server then: a watch."""

    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        """Raises TransferError if it does not."""
        self.replaced(txn, apex)

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        """Raises TransferError if it does not."""
        if follow_of(txn, apex) is None:
            origin = names.to_text(names.wire_of_key(apex))
            raise TransferError(f"{origin} follows no server any more")

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        """Nothing: it may be."""
