"""`csid.AsyncClient`, with its settings as those of `csid.Client`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.client import Servers, settings, url_in
from resolver.client import asynchronous

if TYPE_CHECKING:
    from csid.client.answer import Result
    from csid.identifier import Identifier
    from gateway.over_http import AsyncOverHttp


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
        url = url_in(servers)
        super().__init__(settings(config).changed(None if url else servers, suffix, timeout, cache))
        self._over_http: AsyncOverHttp | None = None
        if url:
            from gateway.over_http import AsyncOverHttp, Calls  # and httpx with it

            self._over_http = AsyncOverHttp(Calls(url, self.settings.suffix), self.settings.timeout)

    def resolve_each(
        self, identifiers: Iterable[str | Identifier], *, over_tcp: bool = False
    ) -> AsyncGenerator[Result, None]:
        """See `resolver.client.blocking.Client.resolve_each`."""
        if self._over_http is None:
            return super().resolve_each(identifiers, over_tcp=over_tcp)
        return self._over_http.each(identifiers)

    async def aclose(self) -> None:
        """Close its sockets; it is of no use afterwards."""
        await super().aclose()
        if self._over_http is not None:
            await self._over_http.aclose()
