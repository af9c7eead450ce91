"""Where a source is, as its URL says. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from csid.address import is_here
from gateway.systems.aggregation.readings import ReadingError

_PORTS: Final = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Who answers for a URL (RFC 9110 section 4.3.1)."""

    scheme: str
    host: str
    port: int

    @property
    def is_open(self) -> bool:
        """Whether what is sent there could be read on the way."""
        return self.scheme == "http" and not is_here(self.host)


def file_of(url: str) -> Path | None:
    """The file that is read; None if the source is asked over HTTP."""
    if url.startswith("file://"):
        return Path(unquote(url.removeprefix("file://")))
    return None if "://" in url else Path(url)


def origin_of(url: str) -> Origin:
    """Who answers for a URL.

    Raises:
        ReadingError: it is no URL of HTTP.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        host = parts.hostname or ""
    except ValueError:
        port, host = 0, ""
    if not port or not host or parts.username is not None:
        raise ReadingError(
            f"{url[:120]!r}: expected a URL such as https://host:6820, without a user"
        )
    return Origin(parts.scheme, host, port)
