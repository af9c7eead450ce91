"""`csid.Client`: the client with what arguments, the environment and the configuration say, in this
order.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING

from csid.address import Address
from gateway.configuration.places import file_here
from resolver.client import blocking
from resolver.client.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from csid.client.answer import Result
    from csid.identifier import Identifier
    from gateway.over_http import OverHttp

Servers = str | Iterable[str | Address]


class Client(blocking.Client):
    """Resolves compute identifiers; several threads may use one.

        with csid.Client() as client:
            answer = client.resolve("91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY")

    Args:
        servers: whom to ask: addresses, or a text with commas between them ($CSID_SERVERS; one at
            127.0.0.1:5300). Names among them are looked up once, with the first question. Or the
            URL of a gateway, which is then asked over HTTP (and remembers in the client's place).
        suffix: of the deployment ($CSID_SUFFIX; that of the scheme).
        timeout: seconds for an answer, all attempts and servers together (5).
        cache: answers to remember until their TTL ends (10,000), 0 for none.
        config: the configuration file to read ($CSID_CONFIG, /etc/csid/csid.toml).

    Raises:
        CsidError: a setting cannot be.
    """

    def __init__(
        self,
        servers: Servers | None = None,
        *,
        suffix: str | None = None,
        timeout: float | None = None,
        cache: int | None = None,
        config: Path | None = None,
    ) -> None:
        url = url_in(servers)
        super().__init__(settings(config).changed(None if url else servers, suffix, timeout, cache))
        self._over_http: OverHttp | None = None
        if url:
            from gateway.over_http import Calls, OverHttp  # and httpx with it

            self._over_http = OverHttp(Calls(url, self.settings.suffix), self.settings.timeout)

    def resolve_each(
        self, identifiers: Iterable[str | Identifier], *, over_tcp: bool = False
    ) -> Generator[Result, None, None]:
        """See `resolver.client.blocking.Client.resolve_each`."""
        if self._over_http is None:
            return super().resolve_each(identifiers, over_tcp=over_tcp)
        return self._over_http.each(identifiers)

    def close(self) -> None:
        """Close its sockets; it is of no use afterwards."""
        super().close()
        if self._over_http is not None:
            self._over_http.close()


def url_in(servers: Servers | None) -> str:
    """The URL that stands in place of servers; empty if none does."""
    is_url = isinstance(servers, str) and servers.startswith(("http://", "https://"))
    return str(servers) if is_url else ""


def settings(config: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """What the environment says, and in its absence the configuration.

    Raises:
        CsidError: one of them says what cannot be.
    """
    found = DEFAULTS
    file = file_here(config, environ)
    if file is not None:
        from gateway.configuration.load import load  # which takes its time

        said = load(file, environ).client
        found = found.changed(said.servers, said.suffix, said.timeout, said.cache)
    return found.with_environment(environ)
