"""What the service manager that started this program is told: sd_notify(3), as systemd and others
have it.

    READY=1                         all processes answer
    RELOADING=1, MONOTONIC_USEC=    SIGHUP came; READY=1 follows, whatever became of it
    STOPPING=1                      it ends
    WATCHDOG=1                      its loop goes round, twice in WATCHDOG_USEC
    STATUS=                         one line for people

Who told this program where to say so told it alone: its children do not find it in their
environment.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Mapping, MutableMapping
from typing import Final

from resolver.server.notices import Repeated

VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
SEND_SECONDS: Final = 1  # for a manager that does not read; what it does not take then is lost
_MICROSECONDS: Final = 1_000_000


class ServiceManager:
    """Where nobody is to be told, nothing is said.

    Attributes:
        due: when the watchdog is to hear from us, on the monotonic clock in seconds; infinity
            where there is none.

    Args:
        environ: where it is written whom to tell; see VARIABLES.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = {} if environ is None else environ
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._sock: socket.socket | None = None
        self._failures = Repeated()
        self._status = ""
        self._is_reloading = False
        self._interval = _interval(environ)
        self.due = 0.0 if self._interval < float("inf") else float("inf")
        if not self._address:
            return
        if self._address[0] not in "/@":
            self._failures.tell(
                f"NOTIFY_SOCKET={self._address[:80]}: expected a path or @ and a name; nobody is "
                "told how far this program is",
                "service-manager",
            )
            return
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0)
        )

    def ready(self, status: str) -> None:
        """All is as it is to be: after the start, or as far as a reload got."""
        self._is_reloading = False
        self._status = status
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """What there is to be read is being read again."""
        self._is_reloading = True
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}")

    def reloaded(self, status: str) -> None:
        """A reload is through, if there was one."""
        if self._is_reloading:
            self.ready(status)

    def stopping(self) -> None:
        """This program ends."""
        self._tell("STOPPING=1")

    def status(self, status: str) -> None:
        """How it goes, in one line, if that is another than was said last."""
        if status != self._status:
            self._status = status
            self._tell(f"STATUS={status}")

    def alive(self, now: float) -> None:
        """The loop that looks after everything goes round."""
        if now >= self.due:
            self._tell("WATCHDOG=1")
            self.due = now + self._interval

    def close(self) -> None:
        """Say no more."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _tell(self, *lines: str) -> None:
        if self._sock is None:
            return
        # A line feed in a path would begin another word of ours.
        octets = "\n".join(line.replace("\n", " ") for line in lines).encode(
            "utf-8", "backslashreplace"
        )
        where = self._address
        try:
            self._sock.sendto(octets, "\0" + where[1:] if where[0] == "@" else where)
        except OSError as error:
            self._failures.tell(
                f"{where}: the service manager takes no word: {error.strerror}", "service-manager"
            )


def manager_here(environ: MutableMapping[str, str] = os.environ) -> ServiceManager:
    """The manager that this process was started by; what it said is taken out of the environment,
    for it was said to this process alone.
    """
    manager = ServiceManager(environ)
    for name in VARIABLES:
        environ.pop(name, None)
    return manager


def _interval(environ: Mapping[str, str]) -> float:
    """Seconds between two words to the watchdog; infinity if it watches nobody here."""
    with contextlib.suppress(ValueError):
        whole = int(environ.get("WATCHDOG_USEC", ""))
        watched = int(environ.get("WATCHDOG_PID", os.getpid()))
        if whole > 0 and watched == os.getpid():
            return whole / _MICROSECONDS / 2
    return float("inf")
