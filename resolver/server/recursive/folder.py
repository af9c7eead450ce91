"""The folder of a recursive resolver: its cache, the secret of its cookies, where it is asked."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from csid.errors import StoreError
from resolver.cache.store import Cache

SECRET_OCTETS: Final = 16
_CACHE: Final = "cache"
_SECRET: Final = "cookie-secret"


def cache_in(folder: Path) -> Path:
    """Where its cache is."""
    return folder / _CACHE


def prepare(folder: Path, cache_octets: int) -> None:
    """Make what is not there yet, so that whoever opens it finds it.

    Raises:
        StoreError: it cannot be used, or a resolver runs there already.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = folder / f"{_SECRET}.new"
        if not (folder / _SECRET).exists():
            fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            os.write(fd, secrets.token_bytes(SECRET_OCTETS))
            os.close(fd)
            made.rename(folder / _SECRET)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror or error}") from None
    Cache(cache_in(folder), cache_octets).close()


def cookie_secret(folder: Path) -> bytes:
    """The secret of its cookies (RFC 9018).

    Raises:
        StoreError: there is none.
    """
    try:
        found = (folder / _SECRET).read_bytes()
    except OSError as error:
        raise StoreError(f"{folder / _SECRET}: {error.strerror or error}") from None
    if len(found) != SECRET_OCTETS:
        raise StoreError(
            f"{folder / _SECRET}: {len(found)} octets, not {SECRET_OCTETS}; remove it, and the "
            "next start makes another"
        )
    return found


class Folder:
    """The folder of a running resolver, as its supervisor looks after it: nothing is put in its
    place while it runs, so there is nothing to be looked at.

    Attributes:
        path: where it is.
        gone: never.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gone = False

    def look(self) -> bool:
        """Whether another one stands there."""
        return False

    def is_new(self) -> bool:
        """Whether it has changed."""
        return False

    def opening(self) -> None:
        """The processes begin to open it."""

    def opened(self) -> None:
        """All processes have opened it."""
