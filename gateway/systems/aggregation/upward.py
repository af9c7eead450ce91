"""Tells the nation of the region's picture, and hears of its neighbours: `POST
/v1/aggregation/exchange`, once an interval. Whatever the nation does, or does not, costs the region
one request that ends in time, and nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from csid.errors import CsidError
from gateway.http.media import MSGPACK
from gateway.systems.aggregation import credentials, exchange
from gateway.systems.aggregation.addresses import origin_of
from gateway.systems.aggregation.exchange import Answer, ExchangeError, Key, Report, Told
from gateway.systems.aggregation.regions import NEIGHBOURS, Regions, Sent
from gateway.systems.aggregation.settings import Aggregation

PATH: Final = "/v1/aggregation/exchange"
ANSWER_SECONDS: Final = 20.0  # until an answer is whole
_DETAIL: Final = 300  # characters of what is said that are shown
_FAILURES: Final = (
    CsidError,
    httpx.HTTPError,
    msgspec.MsgspecError,
    OSError,
    ValueError,
    RecursionError,  # of what is nested too deep
)
_pack: Final = msgspec.msgpack.Encoder().encode
_answer_of: Final = msgspec.json.Decoder(Answer).decode
InTables = Callable[..., Awaitable[Any]]


class Upward:
    """What tells.

    Args:
        regions: what is kept of others, and of what the nation has.
        in_tables: runs a function where they may be used.
        settings: where the nation is, and who this is.
    """

    def __init__(self, regions: Regions, in_tables: InTables, settings: Aggregation) -> None:
        self._regions = regions
        self._in_tables = in_tables
        self._settings = settings
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def exchange(self, groups: Mapping[Key, Told], now: int) -> str:
        """Tell of a picture, and hear; why it did not work, or nothing.

        Args:
            now: Unix milliseconds.
        """
        sent: Sent = await self._in_tables(self._regions.sent)
        kept = await self._in_tables(self._regions.all, NEIGHBOURS, now)
        report = report_of(sent, groups, self._settings, now)
        have = {one.region: one.mark for one in kept}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._post(msgspec.structs.replace(report, have=have))
            region = self._settings.region
            await self._in_tables(self._regions.hear, answer, region, report.number, now)
        except _FAILURES as error:
            why = f"{self._settings.upward}: {error or type(error).__name__}"[:500]
            failed = msgspec.structs.replace(sent, number=report.number, why=why)
            await self._in_tables(self._regions.send, failed)
            return why
        await self._in_tables(self._regions.send, after(sent, report, groups, answer, now))
        return ""

    async def _post(self, report: Report) -> Answer:
        client = self._client or self._open()
        self._client = client
        headers = {"Content-Type": MSGPACK}
        if self._settings.upward_key is not None:
            headers |= await asyncio.to_thread(_key_in, self._settings.upward_key)
            if origin_of(self._settings.upward).is_open:
                raise ExchangeError("the key would be sent in the clear; use https")
        async with client.stream("POST", PATH, content=_pack(report), headers=headers) as response:
            octets = bytearray()
            async for piece in response.aiter_raw():
                octets += piece
                if len(octets) > exchange.ANSWER_OCTETS:
                    raise ExchangeError(f"an answer of more than {exchange.ANSWER_OCTETS:,} octets")
        if response.status_code != 200:
            raise ExchangeError(f"HTTP {response.status_code}: {_detail_of(bytes(octets))}")
        return _answer_of(bytes(octets))

    def _open(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._settings.upward,
            verify=ssl.create_default_context(cafile=self._settings.upward_ca),
            timeout=ANSWER_SECONDS,
            trust_env=False,
            headers={"Accept-Encoding": "identity"},
        )


def report_of(sent: Sent, groups: Mapping[Key, Told], settings: Aggregation, now: int) -> Report:
    """The next report: what has changed since what the nation has, now and then all."""
    valid = min(exchange.VALID_MAX, 2 * settings.exchange + 15)
    whole = Report(settings.region, sent.number + 1, 0, now, valid, list(groups.values()))
    if not sent.base or sent.whole + 1 >= exchange.WHOLE_EVERY:
        return whole
    changed, again, gone = exchange.between({one.key: one for one in sent.groups}, groups)
    return msgspec.structs.replace(whole, base=sent.base, groups=changed, again=again, gone=gone)


def after(sent: Sent, report: Report, groups: Mapping[Key, Told], answer: Answer, now: int) -> Sent:
    """What the nation has, as it says."""
    number = max(report.number, answer.number)
    if answer.whole or answer.number != report.number:
        return Sent(number, at=now, why="")
    whole = sent.whole + 1 if report.base else 0
    return Sent(number, report.number, whole, now, "", list(groups.values()))


def _key_in(file: Path) -> dict[str, str]:
    return credentials.read(file, "")


def _detail_of(octets: bytes) -> str:
    """What is said of why, as a problem has it (RFC 9457), or as it came."""
    try:
        found = msgspec.json.decode(octets)
        detail = found.get("detail") if isinstance(found, dict) else None
    except (msgspec.MsgspecError, RecursionError):
        detail = None
    return str(detail or octets[:_DETAIL].decode("utf-8", "replace"))[:_DETAIL]
