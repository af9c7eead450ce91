"""The client's questions to a gateway over HTTP: `POST /v1/resolve`, many at a time."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgpack

from csid.address import Address, AddressError
from csid.client.answer import Answer, Authority, Result
from csid.errors import CsidError, IdentifierError, RecordError, RefusedError, UnreachableError
from csid.identifier import Identifier, parse
from csid.record import decode
from gateway.http.media import MSGPACK

AT_ONCE: Final = 1_000  # identifiers of one call
_BUFFER_OCTETS: Final = 1 << 24  # of results that are not whole yet, and one chunk
_PORTS: Final = {"http": 80, "https": 443}
_PATH: Final = "/v1/resolve"
_HEADERS: Final = {"Content-Type": MSGPACK, "Accept": MSGPACK, "User-Agent": "csid"}
_ABSENT: Final = 404
_MALFORMED: Final = 400
_INVALID: Final = 502
_ANSWERED: Final = (
    200,
    301,
    410,
    _ABSENT,
)  # with a record, that of another, of one that is retired


class Calls:
    """What is asked of one gateway, and what its answers are made into. No socket.

    Args:
        url: of the gateway.
        suffix: of the deployment, for the names of aliases; None is that of the scheme.

    Raises:
        AddressError: it is no URL of one.
    """

    def __init__(self, url: str, suffix: str | None) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            port = 0
        if not parts.hostname or not port or parts.query or parts.fragment:
            raise AddressError(
                f"{url[:80]!r} is no URL of a gateway: expected one such as http://127.0.0.1:8080"
            )
        self.url = url.rstrip("/")
        self._server = Address(parts.hostname, port)
        self._suffix = suffix

    def body(self, given: list[str | Identifier]) -> bytes:
        """The body of a call."""
        packed: bytes = msgpack.packb({"identifiers": list(map(str, given))})
        return packed

    def result(self, given: str | Identifier, said: dict[str, Any], seconds: float) -> Result:
        """What became of one."""
        try:
            return Result(given, self._answer(given, said, seconds), None)
        except CsidError as error:
            return Result(given, None, error)

    def failures(self, given: Iterable[str | Identifier], error: Exception) -> Iterator[Result]:
        """The results of those of which nothing was said."""
        reason = UnreachableError(f"{self._server}: {error or type(error).__name__}")
        for one in given:
            yield Result(one, None, reason)

    def refusal(self, status: int, body: bytes) -> CsidError:
        """Why a whole call was not answered."""
        text = body[:300].decode("utf-8", "replace")
        return RefusedError(f"{self._server} answers HTTP {status}: {text}")

    def no_gateway(self, error: Exception) -> CsidError:
        """What is said of an answer that is none of a gateway."""
        return RefusedError(f"no results that can be read: {error!r:.200}")

    def _answer(self, given: str | Identifier, said: dict[str, Any], seconds: float) -> Answer:
        status = said["status"]
        detail = str(said.get("detail", ""))
        if status == _MALFORMED:
            parse(str(given), suffix=self._suffix)  # tells the segment and the position
            raise IdentifierError("identifier", 0, detail)
        if status == _INVALID:
            raise RecordError("record", detail)
        if status not in _ANSWERED:
            raise UnreachableError(f"{self._server}: {detail}")
        record = said.get("record")
        return Answer(
            parse(str(given), suffix=self._suffix),
            None if record is None else decode(msgpack.packb(record)),
            status != _ABSENT,
            said["ttl"],
            self._name(said.get("alias_of")),
            Authority(self._server, False, None),
            "http",
            seconds,
            0,
        )

    def _name(self, other: str | None) -> str | None:
        """The DNS name of what an identifier is an alias of."""
        if other is None or "/" not in other:
            return other
        return parse(other).to_dns_name(self._suffix)


class _Call:
    """One call under way.

    Args:
        given: what is asked for.
    """

    def __init__(self, calls: Calls, given: list[str | Identifier]) -> None:
        self._calls = calls
        self._given = given
        self._done = 0
        self._begun = time.monotonic()
        self._unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=_BUFFER_OCTETS)
        self.request: dict[str, Any] = {
            "method": "POST",
            "url": _PATH,
            "content": calls.body(given),
            "headers": _HEADERS,
        }

    def take(self, octets: bytes) -> Iterator[Result]:
        """The results that are whole with what was just read.

        Raises:
            RefusedError: these are no results of what was asked.
        """
        try:
            self._unpacker.feed(octets)
            for said in self._unpacker:
                one = self._given[self._done]
                result = self._calls.result(one, said, time.monotonic() - self._begun)
                self._done += 1
                yield result
        except (ValueError, TypeError, KeyError, IndexError, msgpack.UnpackException) as error:
            raise self._calls.no_gateway(error) from None

    def end(self, error: Exception | None = None) -> Iterator[Result]:
        """The results of those of which nothing was said."""
        left = self._given[self._done :]
        return self._calls.failures(left, error or EOFError("it ended before all was said"))


class OverHttp:
    """For programs that wait.

    Args:
        timeout: seconds without anything coming.
    """

    def __init__(self, calls: Calls, timeout: float) -> None:
        self._calls = calls
        self._http = httpx.Client(base_url=calls.url, timeout=timeout, trust_env=False)

    def each(self, identifiers: Iterable[str | Identifier]) -> Generator[Result, None, None]:
        """A result for each, in the order given, as they come."""
        rest = iter(identifiers)
        while given := list(islice(rest, AT_ONCE)):
            call = _Call(self._calls, given)
            failure: Exception | None = None
            try:
                with self._http.stream(**call.request) as answer:
                    if answer.status_code != httpx.codes.OK:
                        raise self._calls.refusal(answer.status_code, answer.read())
                    for octets in answer.iter_bytes():
                        yield from call.take(octets)
            except (httpx.HTTPError, CsidError) as error:
                failure = error
            yield from call.end(failure)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


class AsyncOverHttp:
    """For programs that await; as `OverHttp`."""

    def __init__(self, calls: Calls, timeout: float) -> None:
        self._calls = calls
        self._http = httpx.AsyncClient(base_url=calls.url, timeout=timeout, trust_env=False)

    async def each(self, identifiers: Iterable[str | Identifier]) -> AsyncGenerator[Result, None]:
        """See `OverHttp.each`."""
        rest = iter(identifiers)
        while given := list(islice(rest, AT_ONCE)):
            call = _Call(self._calls, given)
            failure: Exception | None = None
            try:
                async with self._http.stream(**call.request) as answer:
                    if answer.status_code != httpx.codes.OK:
                        raise self._calls.refusal(answer.status_code, await answer.aread())
                    async for octets in answer.aiter_bytes():
                        for result in call.take(octets):
                            yield result
            except (httpx.HTTPError, CsidError) as error:
                failure = error
            for result in call.end(failure):
                yield result

    async def aclose(self) -> None:
        """Close its connections."""
        await self._http.aclose()
