"""Tells a gateway what is free: `POST /v1/status`, all of a poll together (schemas/status.md)."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import httpx
import msgspec

from csid.moments import iso
from csid.status import VALID_SECONDS_MAX, Told
from gateway.http.media import MSGPACK
from gateway.systems.aggregation.hands import InBook
from gateway.systems.aggregation.known import Settings
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import Book

STATUSES_AT_ONCE: Final = 2_000  # of one call
ANSWER_SECONDS: Final = 30.0
_LEAST_VALID: Final = 30  # seconds
_pack: Final = msgspec.msgpack.Encoder().encode


class Teller:
    """What tells.

    Args:
        book: what is known.
        in_book: runs a function where the book may be used.
        settings: where the gateway is.
    """

    def __init__(self, book: Book, in_book: InBook, settings: Aggregation) -> None:
        self._book = book
        self._in_book = in_book
        self._settings = settings
        self._gateway: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """End the connections."""
        if self._gateway is not None:
            await self._gateway.aclose()

    async def tell(
        self, source: Settings, statuses: Mapping[str, Told], taken: int, now: int
    ) -> str:
        """Tell statuses, by identifier; why some were not taken, or nothing.

        Args:
            taken, now: Unix milliseconds.
        """
        if not statuses or not self._settings.gateway:
            return ""
        number = await self._in_book(self._book.number, source.name, now)
        refused: list[str] = []
        try:
            for posts in status_bodies(source, statuses, taken, now, number):
                refused += await self._post(posts)
        except (httpx.HTTPError, msgspec.MsgspecError, ValueError, OSError, ssl.SSLError) as error:
            return f"the gateway cannot be told: {error!r:.300}"
        return f"{len(refused):,} statuses, such as: {refused[0]}" if refused else ""

    async def _post(self, posts: list[dict[str, Any]]) -> Iterable[str]:
        if self._gateway is None:
            self._gateway = httpx.AsyncClient(
                base_url=self._settings.gateway,
                verify=ssl.create_default_context(cafile=self._settings.gateway_ca),
                timeout=ANSWER_SECONDS,
                trust_env=False,
            )
        headers = {"Content-Type": MSGPACK}
        answer = await self._gateway.post(
            "/v1/status", content=_pack({"items": posts}), headers=headers
        )
        try:
            items = msgspec.json.decode(answer.content, type=_Answer).items
        except msgspec.MsgspecError:
            items = []
        if len(items) != len(posts):
            raise ValueError(f"HTTP {answer.status_code}: {answer.text[:200]}")
        return [
            f"{post['identifier']}: {one.status} {one.outcome} {one.detail}".rstrip()
            for post, one in zip(posts, items, strict=True)
            if one.status >= 400
        ]


class _Item(msgspec.Struct):
    status: int
    outcome: str = ""
    detail: str = ""


class _Answer(msgspec.Struct):
    items: list[_Item] = []


def status_bodies(
    source: Settings, statuses: Mapping[str, Told], taken: int, now: int, number: int
) -> Iterator[list[dict[str, Any]]]:
    """Statuses as they are posted, so many at a time.

    Args:
        statuses: by identifier.
        taken, now: Unix milliseconds.
        number: of all of them.
    """
    said = {
        "taken": iso(min(taken, now) / 1_000, "milliseconds"),
        "valid_seconds": valid_seconds(source),
        "number": number,
    }
    posts = [
        {**msgspec.to_builtins(told), "identifier": identifier, **said}
        for identifier, told in statuses.items()
    ]
    for at in range(0, len(posts), STATUSES_AT_ONCE):
        yield posts[at : at + STATUSES_AT_ONCE]


def valid_seconds(source: Settings) -> int:
    """For how long holds what a source has said."""
    return min(VALID_SECONDS_MAX, max(_LEAST_VALID, 2 * source.interval + 15))
