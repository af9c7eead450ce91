"""How far this machine has seen each node get: a number for each, kept outside its data directory.

A data directory that was put back from a copy is whole and sound, and only what it does not know
any more tells that it is older than what was there. So whoever commits notes how far the node has
got, and whoever is to write asks for it first. The file of a node has two such numbers, mapped into
memory: to note costs no system call, and what a killed process has noted stays. The second one is
noted before a commit, for a process that is killed between its commit and its note.
"""

from __future__ import annotations

import logging
import mmap
import os
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

FOLDER_VARIABLE: Final = "CSID_STATE"
_OF_ROOT: Final = Path("/var/lib/csid/epochs")
_OF_USER: Final = Path("csid", "epochs")  # below $XDG_STATE_HOME, or ~/.local/state
_OCTETS: Final = 16  # numbers in the machine's own order, so that each is stored at one stroke
_log: Final = logging.getLogger("csid")
_open: Final[WeakValueDictionary[Path, Epoch]] = WeakValueDictionary()  # as long as one is in use
_unknown: Final[set[Path]] = set()  # of which was said that they cannot be kept


class Epoch:
    """How far one node has got, as far as this machine has seen.

    Args:
        path: of its file, which is made if it is not there.

    Raises:
        OSError: it can be neither opened nor made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, _OCTETS)  # a full disk is told of here, and not by a signal
            self._octets = memoryview(mmap.mmap(fd, _OCTETS)).cast("Q")
        finally:
            os.close(fd)

    @property
    def seen(self) -> int:
        """The farthest that was noted; 0 if nothing was."""
        return self._octets[0]

    @property
    def meant(self) -> int:
        """The farthest that it may have got, with a commit of which nobody knows the end."""
        return max(self._octets[0], self._octets[1])

    def note(self, reached: int) -> None:
        """The node has got this far; called for what is committed alone."""
        if reached > self._octets[0]:
            self._octets[0] = reached

    def mean(self, reached: int) -> None:
        """What is committed next leads so far."""
        self._octets[1] = reached


def folder() -> Path:
    """Where the files of this user are."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return _OF_ROOT
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / _OF_USER


def epoch_of(node: bytes) -> Epoch | None:
    """The epoch of a node (16 octets); None if it cannot be kept here, which is said once."""
    try:
        path = folder() / node.hex()
    except RuntimeError as error:  # this user has no home
        _say_unknown(Path(node.hex()), str(error))
        return None
    found = _open.get(path)
    if found is None and path not in _unknown:
        try:
            found = _open[path] = Epoch(path)
        except OSError as error:
            _say_unknown(path, error.strerror or str(error))
    return found


def _say_unknown(path: Path, why: str) -> None:
    if path not in _unknown:
        _unknown.add(path)
        _log.warning(
            "csid: %s: cannot be written (%s), so an older copy of this data directory would not "
            "be noticed; name a directory that can, in %s",
            path,
            why,
            FOLDER_VARIABLE,
        )
