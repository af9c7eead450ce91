"""What a client is told: whom to ask, below which suffix, how long to wait, what to remember."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from csid import address, names
from csid.address import Address
from csid.errors import CsidError

SERVERS_VARIABLE: Final = "CSID_SERVERS"
SUFFIX_VARIABLE: Final = "CSID_SUFFIX"
DEFAULT_PORT: Final = 5300
SERVERS_MAX: Final = 16
SECONDS_MAX: Final = 300.0
REMEMBERED_MAX: Final = 10_000_000


class SettingsError(CsidError):
    """A client was told what cannot be."""


class Settings(NamedTuple):
    """The settings of a client.

    Attributes:
        servers: asked in the order of how fast they answer.
        suffix: of the deployment; None is that of the scheme.
        timeout: seconds for a question, all attempts and servers together.
        cache: answers remembered; 0 for none.
    """

    servers: tuple[Address, ...] = (Address("127.0.0.1", DEFAULT_PORT),)
    suffix: str | None = None
    timeout: float = 5.0
    cache: int = 10_000

    def with_environment(self, environ: Mapping[str, str] = os.environ) -> Settings:
        """These settings, with what the environment says in their place."""
        return self.changed(
            environ.get(SERVERS_VARIABLE) or None, environ.get(SUFFIX_VARIABLE) or None
        )

    def changed(
        self,
        servers: str | Iterable[str | Address] | None = None,
        suffix: str | None = None,
        timeout: float | None = None,
        cache: int | None = None,
    ) -> Settings:
        """These settings with others in their place; None leaves one as it is.

        Raises:
            AddressError, DomainNameError, SettingsError: a value cannot be.
        """
        found = self
        if servers is not None:
            found = found._replace(servers=read_servers(servers))
        if suffix is not None:
            names.from_text(suffix)
            found = found._replace(suffix=suffix)
        if timeout is not None:
            if not (math.isfinite(timeout) and 0 < timeout <= SECONDS_MAX):
                raise SettingsError(
                    f"timeout {timeout!r}: expected seconds above 0, at most {SECONDS_MAX:.0f}"
                )
            found = found._replace(timeout=float(timeout))
        if cache is not None:
            if not 0 <= cache <= REMEMBERED_MAX:
                raise SettingsError(
                    f"cache {cache!r}: expected how many answers to remember, 0 to "
                    f"{REMEMBERED_MAX:,}"
                )
            found = found._replace(cache=cache)
        return found


DEFAULTS: Final = Settings()


def read_servers(servers: str | Iterable[str | Address]) -> tuple[Address, ...]:
    """The servers of a list, or of a text with commas or spaces between them.

    Raises:
        AddressError: one is no address.
        SettingsError: there is none, or too many.
    """
    given = servers.replace(",", " ").split() if isinstance(servers, str) else servers
    found = tuple(
        one if isinstance(one, Address) else address.parse(one, DEFAULT_PORT) for one in given
    )
    if not 0 < len(found) <= SERVERS_MAX:
        raise SettingsError(f"{len(found)} servers: expected 1 to {SERVERS_MAX}")
    return found
