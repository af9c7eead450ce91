"""What stands at the path of the data directory, compared with what the processes have open.

Nothing of it is opened here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from resolver.server.notices import tell
from resolver.store.access import check_data, readable_by_others
from resolver.store.environment import identity


class Looked(Protocol):
    """A directory that a supervisor looks after; see `Directory`."""

    path: Path
    gone: bool

    def look(self) -> bool: ...

    def is_new(self) -> bool: ...

    def opening(self) -> None: ...

    def opened(self) -> None: ...


class Directory:
    """The data directory of a running server.

    Attributes:
        path: where it is.
        gone: there was none at the last look.

    Raises:
        StoreError: there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gone = False
        check_data(path)
        self._opened = self._opening = identity(path)
        if readable_by_others(path):
            tell(
                f"{path}: data.mdb, which holds the cookie secret, can be read by everybody here; "
                f"chmod o-rwx it",
                event="directory-readable",
            )

    def look(self) -> bool:
        """Whether another directory than the one that is open stands there; what is new is said."""
        found = identity(self.path)
        if (found is None) != self.gone:
            self.gone = not self.gone
            if self.gone:
                said = f"{self.path}: the data directory is gone; what is open is served on"
                tell(said, "error", "directory-gone")
            else:
                tell(f"{self.path}: there is a data directory again", "info", "directory-back")
        return found is not None and found != self._opened

    def is_new(self) -> bool:
        """Whether it has changed since the processes last began to open it."""
        return identity(self.path) != self._opening

    def opening(self) -> None:
        """The processes begin to open what stands there."""
        self._opening = identity(self.path)

    def opened(self) -> None:
        """All processes have opened it."""
        found = identity(self.path)
        # Whoever opens a directory first makes its lock file, which is part of what it is.
        same = found and self._opening and found.data == self._opening.data
        self._opened = found if same else self._opening
