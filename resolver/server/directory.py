"""What stands at the path of the data directory, compared with what the processes have open."""

from __future__ import annotations

from pathlib import Path

from csid.errors import StoreError
from resolver.server.notices import tell
from resolver.store.access import readable_by_others
from resolver.store.environment import Identity, Store, identity


class Directory:
    """The data directory of a running server, and the reader slots in it.

    Attributes:
        path: where it is.
        gone: there was none at the last look.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gone = False
        self._opened = identity(path)
        self._opening: Identity | None = None
        self._store: Store | None = Store.open(path)
        if readable_by_others(path):
            tell(
                f"{path}: data.mdb, which holds the cookie secret, can be read by everybody here; "
                f"chmod o-rwx it"
            )

    def look(self) -> bool:
        """Whether another directory than the one that is open stands there; what is new is said."""
        found = identity(self.path)
        if (found is None) != self.gone:
            self.gone = not self.gone
            tell(
                f"{self.path}: the data directory is gone; what is open is served on"
                if self.gone
                else f"{self.path}: there is a data directory again"
            )
        return found is not None and found != self._opened

    def is_new(self) -> bool:
        """Whether it has changed since the processes last began to open it."""
        return identity(self.path) != self._opening

    def opening(self) -> None:
        """The processes begin to open what stands there."""
        self._opening = identity(self.path)

    def opened(self) -> None:
        """All processes have opened it."""
        self.close()
        found = identity(self.path)
        # Whoever opens a directory first makes its lock file, which is part of what it is.
        same = found and self._opening and found.data == self._opening.data
        self._opened = found if same else self._opening
        self.check_readers()

    def check_readers(self) -> None:
        """Free the slots of readers that died; what goes wrong is said, nobody depends on it."""
        try:
            if self._store is None and not self.gone:
                self._store = Store.open(self.path)
            if self._store is not None:
                self._store.check_readers()
        except StoreError as error:
            tell(str(error))

    def close(self) -> None:
        """End the use of the directory."""
        if self._store is not None:
            self._store.close()
            self._store = None
