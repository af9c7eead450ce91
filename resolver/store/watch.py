"""Who is asked before each write transaction of a store, and told after it."""

from __future__ import annotations

from typing import Protocol

from resolver.store.write import WriteTransaction


class Watch(Protocol):
    """Looks on while a store is written."""

    def admit(self, txn: WriteTransaction, /) -> None:
        """A transaction has begun.

        Raises:
            StoreError: nothing may be written.
        """
        ...

    def reached(self, txn: WriteTransaction, /) -> int:
        """How far the store has got if the transaction is committed as it is."""
        ...

    def committed(self, reached: int, /) -> None:
        """It was."""
        ...
