"""Asks one source, over HTTP or in a file, within its budget; takes nothing for granted of how long
or how much it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin

import httpx

from gateway.systems.aggregation import pace
from gateway.systems.aggregation.addresses import file_of, origin_of
from gateway.systems.aggregation.known import Settings
from gateway.systems.aggregation.pace import Budget, Limits
from gateway.systems.aggregation.readings import Ask, ReadingError, Said

AT_ONCE: Final = 4  # requests of one source
REDIRECTS: Final = 3
CACHE_OCTETS: Final = 64 << 20  # of answers of one source that are kept, to be said again
LINE_OCTETS: Final = 8 << 20  # of a line of an answer without an end
CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 330.0  # in an answer without an end: Kubernetes ends one after 5 minutes
_REDIRECTED: Final = frozenset({301, 302, 303, 307, 308})
_NOT_MODIFIED: Final = 304
_FOUND_BY: Final = 1_000  # octets
_AS_A_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_VALIDATORS: Final = (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since"))


Apart = Callable[..., Awaitable[Any]]
_Name = tuple[str, tuple[tuple[str, str], ...]]  # path and header fields


class _Kept(NamedTuple):
    conditions: dict[str, str]  # header fields that ask whether it has changed
    said: Said


class Fetcher:
    """What asks a source.

    Args:
        settings: of the source.
        limits: what it may cost.
        apart: runs a function in a thread, where files are read.

    Attributes:
        put_off: seconds that it has asked to be left alone, in the poll that runs.
        requests: since the start.

    Raises:
        ReadingError: its URL is none, or its authorities cannot be read.
    """

    def __init__(
        self, settings: Settings, limits: Limits, apart: Apart = asyncio.to_thread
    ) -> None:
        self._limits = limits
        self._apart = apart
        self._url = settings.url.rstrip("/")
        self._file = file_of(settings.url)
        self._origin = origin_of(settings.url) if self._file is None else None
        self._budget = Budget(limits.requests, time.monotonic())
        self._cache: dict[_Name, _Kept] = {}
        self._cached = 0  # octets
        self._left = limits.poll_octets
        self.put_off = 0.0
        self.requests = 0
        self._client = None if self._file is not None else _client(settings)
        self._headers: dict[str, str] = {}

    def begin(self, headers: Mapping[str, str]) -> None:
        """A poll begins.

        Args:
            headers: sent along with each request.

        Raises:
            ReadingError: they would be sent in the clear.
        """
        self._left = self._limits.poll_octets
        self.put_off = 0.0
        if headers:
            self.require_sealed()
        self._headers = dict(headers)

    def require_sealed(self) -> None:
        """Raises ReadingError where what is sent along could be read on the way."""
        if self._origin is not None and self._origin.is_open:
            where = f"http://{self._origin.host}"
            raise ReadingError(
                f"{where}: the token would be sent in the clear; use https, or no token"
            )

    async def ask(self, asks: Sequence[Ask]) -> list[Said]:
        """What is said to each, in their order.

        Raises:
            ReadingError: something is not said, or more than may be.
        """
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(ask: Ask) -> Said:
            async with gate:
                return await self._one(ask)

        tasks = [asyncio.create_task(one(ask)) for ask in asks]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def lines(self, ask: Ask) -> AsyncIterator[list[bytes]]:
        """An answer without an end, some lines after the other; it ends when the source ends it.

        Raises:
            ReadingError: the source cannot be asked, answers another status than 200, or says a
                line that is too long, or nothing for too long.
        """
        await self._pay()
        request = self._request(ask, self._address(ask))
        request.extensions["timeout"] = httpx.Timeout(
            CONNECT_SECONDS, read=SILENCE_SECONDS
        ).as_dict()
        async with self._sent(request) as answer:
            if answer.status_code != httpx.codes.OK:
                self._note(answer)
                if answer.status_code in (401, 403):
                    raise ReadingError(
                        f"{ask.kind}: HTTP {answer.status_code}: may the account watch, too?"
                    )
                raise ReadingError(f"{ask.kind}: HTTP {answer.status_code}")
            begun = bytearray()  # of a line whose end has not come yet
            async for octets in _octets_of(answer):
                *whole, rest = octets.split(b"\n")
                if whole:
                    yield [bytes(begun + whole[0]), *whole[1:]]
                    begun.clear()
                begun += rest
                if len(begun) > LINE_OCTETS:
                    raise ReadingError(f"{ask.kind}: a line has more than {LINE_OCTETS:,} octets")
            if begun:
                yield [bytes(begun)]

    async def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _one(self, ask: Ask) -> Said:
        if self._file is None:
            await self._pay()
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                if self._file is not None:
                    found: Said = await self._apart(self._read_file, self._file, ask)
                    return found
                return await self._over_http(ask)
        except TimeoutError:
            seconds = self._limits.answer_seconds
            raise ReadingError(f"{ask.kind}: no whole answer within {seconds:g} s") from None

    async def _over_http(self, ask: Ask) -> Said:
        address = self._address(ask)
        kept = self._cache.get(_name_of(ask)) if ask.cached else None
        for hop in range(REDIRECTS + 1):
            if hop:
                await self._pay()
            request = self._request(ask, address)
            if kept is not None:
                request.headers.update(kept.conditions)
            async with self._sent(request) as answer:
                self._note(answer)
                if answer.status_code == _NOT_MODIFIED and kept is not None:
                    return kept.said
                if answer.status_code not in _REDIRECTED:
                    return self._keep(ask, await self._whole(ask, answer))
                address = urljoin(address, answer.headers.get("location", ""))
                if origin_of(address) != self._origin:
                    raise ReadingError(f"{ask.kind}: it sends us elsewhere, to {address[:120]}")
        raise ReadingError(f"{ask.kind}: more than {REDIRECTS} redirects")

    def _address(self, ask: Ask) -> str:
        if ask.path and ask.path[0] not in "/?":
            raise ReadingError(f"{ask.kind}: {ask.path[:80]!r} is no path below the source's URL")
        return self._url + ask.path

    async def _pay(self) -> None:
        """Wait until a request may be made."""
        self.requests += 1
        await asyncio.sleep(self._budget.take(time.monotonic()))

    def _request(self, ask: Ask, address: str) -> httpx.Request:
        assert self._client is not None
        headers = {**self._headers, **ask.headers, "Accept-Encoding": "identity"}
        try:
            return self._client.build_request("GET", address, headers=headers)
        except (httpx.InvalidURL, ValueError) as error:
            raise ReadingError(f"{ask.kind}: {error}") from None

    @contextlib.asynccontextmanager
    async def _sent(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        assert self._client is not None
        try:
            answer = await self._client.send(request, stream=True)
            try:
                yield answer
            finally:
                await answer.aclose()
        except httpx.HTTPError as error:
            words = str(error) or type(error).__name__
            raise ReadingError(f"{request.url.host}: {words[:200]}") from None

    def _note(self, answer: httpx.Response) -> None:
        """Remember that it wants to be left alone, if it does."""
        if answer.status_code in (429, 503):
            wanted = pace.retry_after(_headers_of(answer), time.time())
            self.put_off = max(self.put_off, wanted)

    async def _whole(self, ask: Ask, answer: httpx.Response) -> Said:
        body = bytearray()
        async for octets in _octets_of(answer):
            body += octets
            self._left -= len(octets)
            self._require_room(ask, len(body))
        return Said(answer.status_code, _headers_of(answer), bytes(body))

    def _require_room(self, ask: Ask, octets: int) -> None:
        if octets > self._limits.answer_octets:
            most = self._limits.answer_octets >> 20
            raise ReadingError(f"{ask.kind}: an answer has more than {most} MiB")
        if self._left < 0:
            most = self._limits.poll_octets >> 20
            raise ReadingError(f"{ask.kind}: the answers of this poll have more than {most} MiB")

    def _keep(self, ask: Ask, said: Said) -> Said:
        self._forget(_name_of(ask))
        conditions = {
            condition: said.headers[field]
            for field, condition in _VALIDATORS
            if field in said.headers
        }
        if ask.cached and conditions and said.status == httpx.codes.OK:
            self._cache[_name_of(ask)] = _Kept(conditions, said)
            self._cached += _octets_kept(said)
            while self._cached > CACHE_OCTETS:
                self._forget(next(iter(self._cache)))
        return said

    def _forget(self, name: _Name) -> None:
        kept = self._cache.pop(name, None)
        if kept is not None:
            self._cached -= _octets_kept(kept.said)

    def _read_file(self, file: Path, ask: Ask) -> Said:
        try:
            # Not to wait for somebody to write where there is no file but a pipe.
            with os.fdopen(os.open(file, _AS_A_FILE), "rb") as opened:
                found = os.fstat(opened.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise ReadingError(f"{file}: is no file")
                self._require_room(ask, found.st_size)
                mark = f'"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"'
                kept = self._cache.get(_name_of(ask))
                if kept is not None and kept.said.headers["etag"] == mark:
                    return kept.said
                body = opened.read(self._limits.answer_octets + 1)
        except FileNotFoundError:
            return Said(404, {}, b"")
        except OSError as error:
            raise ReadingError(f"{file}: {error.strerror or error}") from None
        self._require_room(ask, len(body))
        written = formatdate(found.st_mtime, usegmt=True)
        return self._keep(ask, Said(200, {"etag": mark, "last-modified": written}, body))


def _name_of(ask: Ask) -> _Name:
    return ask.path, tuple(sorted(ask.headers.items()))


def _octets_kept(said: Said) -> int:
    """What an answer takes that is kept: its fields as well, and what it is found by."""
    return (
        _FOUND_BY
        + len(said.body)
        + sum(len(name) + len(text) for name, text in said.headers.items())
    )


def _client(settings: Settings) -> httpx.AsyncClient:
    try:
        verify = ssl.create_default_context(cafile=settings.authorities or None)
    except (OSError, ssl.SSLError) as error:
        raise ReadingError(f"{settings.authorities}: {error}") from None
    return httpx.AsyncClient(
        verify=verify,
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=2 * AT_ONCE + 8),
        trust_env=False,
        follow_redirects=False,
        headers={"User-Agent": "csid"},
    )


def _headers_of(answer: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


async def _octets_of(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body, which is not compressed, so that it is as large as it looks."""
    encoding = answer.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise ReadingError(f"its answer is in {encoding[:40]}, which was not asked for")
    async for octets in answer.aiter_raw():
        yield octets
