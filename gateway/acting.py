"""Who may act, as the configuration has it, for the rules (`registry.rules.acting`)."""

from __future__ import annotations

import contextlib
import grp
import pwd
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from csid.errors import CsidError
from gateway.configuration.load import load
from gateway.configuration.sections import ActorSection, Configuration
from gateway.configuration.values import ConfigurationError
from registry.rules.acting import Known
from registry.rules.requests import Role
from registry.writer.keeper import Actors
from resolver.server.notices import tell

LOOK_SECONDS: Final = 1.0  # between two looks whether the file has changed


def known_of(found: Configuration) -> tuple[Known, ...]:
    """Those that the configuration knows by user or group.

    Raises:
        ConfigurationError: an actor is not said as a whole, stands there twice, or is none of this
            machine.
    """
    return _all_known(found)[0]


def _all_known(found: Configuration) -> tuple[tuple[Known, ...], dict[str, Known]]:
    """Those who are known by user or group, and those who are by a name of a certificate."""
    processes: list[Known] = []
    certificates: dict[str, Known] = {}
    seen: dict[object, int] = {}
    for at, said in enumerate(found.actor, start=1):
        one = _known(said, f"[[actor]] number {at}")
        marks: list[object] = [*said.certificate]
        if one.uid is not None or one.gid is not None:
            processes.append(one)
            marks.append((one.uid, one.gid))
        for mark in marks:
            before = seen.setdefault(mark, at)
            if before != at:
                raise ConfigurationError(
                    f"[[actor]] number {at}: is the user, group or certificate of number {before}: "
                    "which of the two acts? Leave one out"
                )
        certificates |= dict.fromkeys(said.certificate, one)
    return tuple(processes), certificates


def _known(said: ActorSection, where: str) -> Known:
    ways = (said.user, said.group, said.uid is not None, said.gid is not None)
    if sum(map(bool, ways)) > 1 or not (any(ways) or said.certificate):
        raise ConfigurationError(
            f"{where}: expected one of user, uid, group, gid, to tell whose processes it is, or a "
            "certificate, or both"
        )
    if said.certificate and not said.name:
        raise ConfigurationError(f"{where}: a certificate names no user: give a name")
    uid = _uid(said.user, where) if said.user else said.uid
    gid = group_id(said.group, where) if said.group else said.gid
    acts_for = frozenset(map(Role, said.acts_for))
    return Known(said.name, Role(said.role), said.owner, acts_for, uid, gid)


def _uid(name: str, where: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ConfigurationError(f"{where}: there is no user {name[:40]!r} here") from None


def group_id(name: str, where: str) -> int:
    """The number of a group.

    Raises:
        ConfigurationError: there is none of this name on this machine.
    """
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigurationError(f"{where}: there is no group {name[:40]!r} here") from None


def known_here(file: Path | None) -> Callable[[], Sequence[Known]]:
    """Those that the configuration of a command knows, read when they are first asked for.

    Args:
        file: as `load` takes it.
    """
    kept: list[tuple[Known, ...]] = []

    def known() -> Sequence[Known]:
        if not kept:
            kept.append(known_of(load(file)))
        return kept[0]

    return known


class ConfiguredActors(Actors):
    """Those that a file knows, read again when it has changed. As long as it says what cannot be,
    or is gone, what it said before holds.

    Args:
        file: of the configuration; it need not be there yet.
        clock: seconds, from any beginning.

    Raises:
        ConfigurationError: the file is there, and says what cannot be.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._due = 0.0
        self._stamp: tuple[int, ...] = ()
        self._known: tuple[Known, ...] = ()
        self._certificates: Mapping[str, Known] = {}
        self._stamp = self._stamp_now()
        if self._stamp:
            self._read()

    def known(self) -> Sequence[Known]:
        """Those that are configured."""
        return self._known

    def holder(self, names: Sequence[str]) -> Known | None:
        """Whose a certificate is, by what it may be named by; the first name that is known."""
        return next((found for one in names if (found := self._certificates.get(one))), None)

    def look(self) -> None:
        """See now and then whether the file has changed."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + LOOK_SECONDS
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            if not stamp:
                raise ConfigurationError(f"{self._file}: is gone")
            self._read()
        except CsidError as error:
            tell(f"{error}; who may act stays as it was", "error", "actors")
        else:
            tell(f"{self._file}: {len(self._known)} actors are known now", "info", "actors")

    def _read(self) -> None:
        found = load(self._file)
        known, certificates = _all_known(found)
        group = group_id(found.node.group, "[node] group") if found.node.group else None
        self._known, self.group, self._certificates = known, group, certificates

    def _stamp_now(self) -> tuple[int, ...]:
        with contextlib.suppress(OSError):
            found = self._file.stat()
            return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
        return ()
