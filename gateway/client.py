"""`csid.Client`: the client with what arguments, the environment and the configuration say, in this
order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from csid.address import Address
from gateway.configuration.places import file_here
from resolver.client import blocking
from resolver.client.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from pathlib import Path

Servers = str | Iterable[str | Address]


class Client(blocking.Client):
    """Resolves compute identifiers; several threads may use one.

        with csid.Client() as client:
            answer = client.resolve("91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY")

    Args:
        servers: whom to ask: addresses, or a text with commas between them ($CSID_SERVERS; one at
            127.0.0.1:5300). Names among them are looked up once, with the first question.
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
        super().__init__(settings(config).changed(servers, suffix, timeout, cache))


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
