"""The other end of sd_notify(3): a socket where a service manager would listen."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.servers import PATIENCE


class Listening:
    """What a service says, datagram by datagram."""

    def __init__(self, path: Path, sock: socket.socket) -> None:
        self.path = path
        self.heard: list[dict[str, str]] = []
        self._sock = sock

    def until(self, word: str) -> dict[str, str]:
        """The next message that has this word, such as READY."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self._sock.settimeout(end - time.monotonic())
            lines = self._sock.recv(65_536).decode().split("\n")
            message = dict(line.split("=", 1) for line in lines)
            self.heard.append(message)
            if word in message:
                return message
        raise AssertionError(f"no {word} in {self.heard}")

    def rest(self) -> list[dict[str, str]]:
        """What was said and not taken yet."""
        self._sock.settimeout(0.0)
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                lines = self._sock.recv(65_536).decode().split("\n")
                found.append(dict(line.split("=", 1) for line in lines))
        return found


@contextlib.contextmanager
def listening(path: Path) -> Iterator[Listening]:
    """Listen at a path that anybody may write to, as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        path.chmod(0o777)
        yield Listening(path, sock)
