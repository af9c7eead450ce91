"""`csid.AsyncClient`, with its settings as those of `csid.Client`."""

from __future__ import annotations

from pathlib import Path

from gateway.client import Servers, settings
from resolver.client import asynchronous


class AsyncClient(asynchronous.AsyncClient):
    """`csid.Client` for programs of an event loop, trio or asyncio; its arguments are the same.

    async with csid.AsyncClient() as client:
        answer = await client.resolve("91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY")
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
