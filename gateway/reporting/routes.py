"""The routes of a gateway that have to do with reports and statuses, and what works behind them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from csid import names, status
from csid.errors import CsidError, IdentifierError, StoreError
from csid.limits import MAX_NAME_OCTETS
from csid.prefix import SEGMENTS, whole
from csid.protocol import NOERROR, NXDOMAIN, TXT
from csid.status import UNKNOWN
from gateway.http import tokens
from gateway.http.media import JSON, MSGPACK
from gateway.http.problems import Problem
from gateway.reporting import document
from gateway.reporting.changes import Changes, Missed
from gateway.reporting.desk import (
    EVENT_OCTETS,
    RETRY_SECONDS,
    STATUS_OCTETS,
    Desk,
    DeskError,
    Reader,
    Said,
)
from gateway.reporting.sender import ANSWER_SECONDS, Sender
from gateway.reporting.spool import FOLDER, OCTETS, Spool
from gateway.reporting.upward import UpwardError, inflated
from gateway.resolving.calls import Route, encode, media_of, prefers_msgpack
from gateway.resolving.health import Sample
from gateway.resolving.identifiers import named_by
from gateway.resolving.lookups import Question
from gateway.resolving.problems import Fault, unavailable
from gateway.resolving.serving import Gateway
from resolver.cache import entry as entries
from resolver.server.notices import Repeated

STREAMS: Final = 256  # that are followed at a time
PREFIXES: Final = 64  # of one stream
HEARTBEAT_SECONDS: Final = 15.0
AGAIN_SECONDS: Final = 0.2  # between two attempts to have the spool, while a process before has it
AT_ONCE: Final = 32  # bodies that are read or spooled
_LABEL: Final = bytes((len(status.LABEL),)) + status.LABEL
_FAULTS: Final = {400: Fault.MALFORMED, 415: Fault.MEDIA}
_pack: Final = msgspec.msgpack.Encoder().encode


class Node(NamedTuple):
    """Where reports go.

    Attributes:
        url: of the node's interface.
        key: of this gateway, as `csid gateway enrol` has printed it.
        authorities: file of certificates (PEM) that the node's is held against; None: those of the
            machine.
    """

    url: str
    key: str
    authorities: Path | None = None


class ReportingError(CsidError):
    """A gateway cannot report as it was told."""


def key_in(file: Path | None) -> str:
    """The key of this gateway that a file has.

    Raises:
        ReportingError: it has none.
    """
    try:
        text = "" if file is None else file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ReportingError(f"{file}: {error}") from None
    if tokens.named(text) is None:
        raise ReportingError(
            f"{file}: expected the key that csid gateway enrol has printed, on one line"
        )
    return text


class Reporting:
    """Reports and statuses.

    Args:
        gateway: what all routes share.
        folder: of the gateway.
        node: where reports go; None: none are taken.
        complaints: of what is no caller's fault.
        octets: of what may wait for the node.
    """

    def __init__(
        self,
        gateway: Gateway,
        folder: Path,
        node: Node | None,
        complaints: Repeated,
        octets: int = OCTETS,
    ) -> None:
        self._gateway = gateway
        self._folder = folder / FOLDER
        self._node = node
        self._complaints = complaints
        self._octets = octets
        self._pool = ThreadPoolExecutor(1, "spool")
        self._changes = Changes(secrets.token_hex(6))
        self._desk: Desk | None = None
        self._spool: Spool | None = None
        self.sender: Sender | None = None
        self._streams = self._under_way = 0
        self._tasks: list[asyncio.Task[None]] = []
        gateway.further_samples = self.samples

    def routes(self) -> list[Route]:
        """The routes."""
        one = "/v1/identifiers/{identifier}/status"
        return [
            Route("POST", "/v1/status", self.take_statuses, document.STATUS),
            Route("POST", "/v1/events", self.take_events, document.EVENTS),
            Route("GET", "/v1/status/stream", self.stream, document.STREAM),
            Route("GET", one, self.show_status, document.SHOW),
        ]

    def start(self) -> None:
        """Begin to send, and to say what is past its validity."""
        work = [self._end(), *([self._send(self._node)] if self._node is not None else [])]
        self._tasks = [asyncio.create_task(one) for one in work]

    async def close(self) -> None:
        """End all of it; what waits for the node goes on to wait on the disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._spool is not None:
            await self._in_spool(self._spool.close)
        self._pool.shutdown()

    def samples(self) -> Iterator[Sample]:
        """The metrics of reporting; none where nothing is reported."""
        spool, sender = self._spool, self.sender
        if spool is None or sender is None:
            return
        rows = (
            ("waiting", "gauge", "Reports that wait for the node.", len(spool)),
            ("waiting_bytes", "gauge", "Octets of them.", spool.octets),
            ("sent_total", "counter", "Reports that the node has.", sender.sent),
            ("refused_total", "counter", "Reports that it refuses.", sender.refused),
            ("failures_total", "counter", "Batches without an answer.", sender.failures),
        )
        for name, kind, words, value in rows:
            yield f"csid_gateway_reports_{name}", kind, words, value

    async def take_statuses(self, request: Request) -> Response:
        """Answer `POST /v1/status`."""

        def read(desk: Desk, body: bytes, media: str) -> Reader:
            return desk.read_statuses(body, media, time.time_ns() // 1_000_000)

        return await self._take(request, STATUS_OCTETS, read, Desk.spool_statuses)

    async def take_events(self, request: Request) -> Response:
        """Answer `POST /v1/events`."""
        headers = dict(request.headers)

        def read(desk: Desk, body: bytes, media: str) -> Reader:
            return desk.read_events(body, media, headers)

        return await self._take(request, EVENT_OCTETS, read, Desk.spool_events)

    async def show_status(self, request: Request) -> Response:
        """Answer `GET /v1/identifiers/{identifier}/status`.

        Raises:
            Problem: there is no such identifier, or nobody can say.
        """
        named = named_by(self._gateway.suffixes, request.path_params["identifier"])
        name = _LABEL + named.name
        if len(name) > MAX_NAME_OCTETS:
            raise Problem(Fault.NOT_ASSIGNED, f"{named.identifier}: its name is too long")
        entry = await self._gateway.lookups.find(Question(name, TXT))
        rcode = None if entry is None else entries.rcode_of(entry)
        if entry is None or rcode not in (NOERROR, NXDOMAIN):
            raise unavailable(f"{named.identifier}: nobody can say what its status is")
        if rcode == NXDOMAIN:
            raise Problem(Fault.NOT_ASSIGNED, f"{named.identifier}: there is no such name")
        now = time.time()
        said = {"identifier": str(named.identifier), **_said(entry, now)}
        left = max(0, entries.expires(entry) - int(now))
        return _answer(request, 200, said, {"Cache-Control": f"max-age={left}"})

    async def stream(self, request: Request) -> Response:
        """Answer `GET /v1/status/stream`.

        Raises:
            Problem: a prefix is none, or too many follow.
        """
        given = request.query_params.getlist("prefix")
        if len(given) > PREFIXES:
            raise Problem(Fault.MALFORMED, f"prefix: at most {PREFIXES}, given {len(given)}")
        try:
            prefixes = tuple(whole(one, len(SEGMENTS)) for one in given)
        except IdentifierError as error:
            raise Problem(Fault.MALFORMED, f"prefix: {error}") from None
        if self._streams >= STREAMS:
            raise unavailable(f"{STREAMS} streams are followed already; ask again", 10)
        begin = self._begin(request.headers.get("last-event-id"))
        events = self._events(begin, prefixes)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")

    async def _take(
        self,
        request: Request,
        most: int,
        read: Callable[[Desk, bytes, str], Reader],
        spool: Callable[[Desk, Reader], list[Any]],
    ) -> Response:
        desk = self._ready_desk()
        body = await self._gateway.bodies.read(request, most)
        media = media_of(request.headers.get("content-type", ""))
        encoding = request.headers.get("content-encoding", "identity").lower()

        def work() -> tuple[Reader, list[Any]]:
            found = read(desk, _plain(body, encoding, most), media)
            return found, spool(desk, found)

        if self._under_way >= AT_ONCE:
            raise unavailable(f"{AT_ONCE} calls are being taken in; post it again")
        self._under_way += 1
        try:
            given, outcomes = await self._in_spool(work)
        except DeskError as error:
            raise Problem(_FAULTS[error.status], str(error)) from None
        except StoreError as error:
            self._complaints.tell(f"reporting: {error}", "spool")
            raise unavailable("the spool cannot be written; post it again", 5) from None
        finally:
            self._under_way -= 1
        desk.tell(given, outcomes)
        if self.sender is not None:
            self.sender.ring()
        said = desk.said(given, outcomes)
        return _taken(request, said)

    def _ready_desk(self) -> Desk:
        if self._node is None:
            detail = "this gateway reports to no node; its configuration names none"
            raise unavailable(detail, 60)
        if self._desk is None:
            raise unavailable(
                "another process has the spool: one before this one, or that of the first address "
                "over HTTP, which alone takes reports; post it again, or there"
            )
        return self._desk

    async def _send(self, node: Node) -> None:
        """Have the spool, then send from it."""
        spool = await self._opened()
        suffix = names.to_text(self._gateway.suffixes.first)
        desk = Desk(spool, suffix, self._changes)

        def allow(prefixes: tuple[str, ...]) -> None:
            desk.prefixes = prefixes

        verify = str(node.authorities) if node.authorities is not None else True
        async with httpx.AsyncClient(
            base_url=node.url,
            headers={"Authorization": f"Bearer {node.key}"},
            timeout=ANSWER_SECONDS,
            verify=verify,
            trust_env=False,
        ) as client:
            self.sender = Sender(spool, self._in_spool, client, self._complaints, allow)
            self._desk = desk
            while True:
                try:
                    await self.sender.run()
                except Exception as error:  # whatever befalls one batch, others are sent
                    self._complaints.tell(f"reporting: {error!r:.300}", "reporting")
                    await asyncio.sleep(RETRY_SECONDS)

    async def _opened(self) -> Spool:
        while True:
            try:
                self._spool = await self._in_spool(Spool, self._folder, self._octets)
                assert self._spool is not None
                return self._spool
            except (StoreError, OSError) as error:
                self._complaints.tell(f"reporting: {error}", "spool")
                await asyncio.sleep(AGAIN_SECONDS)

    async def _in_spool(self, work: Callable[..., Any], *given: Any) -> Any:
        """Do something in the thread that alone uses the spool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    async def _end(self) -> None:
        """Say what is past its validity."""
        while True:
            await asyncio.sleep(1.0)
            self._changes.end(time.time_ns() // 1_000_000)

    def _begin(self, last: str | None) -> int:
        """The number of the first change that somebody wants who has had another last; -1 if that
        is not known any more.
        """
        if last is None:
            return self._changes.following
        origin, _, number = last.partition("-")
        if origin != self._changes.origin or not number.isdecimal() or len(number) > 16:
            return -1
        return min(int(number) + 1, self._changes.following)

    async def _events(self, number: int, prefixes: tuple[str, ...]) -> AsyncIterator[bytes]:
        """Server-sent events (HTML Living Standard, 9.2)."""
        self._streams += 1
        try:
            yield b"retry: 2000\n\n"
            while True:
                try:
                    found, number = self._changes.since(number, prefixes)
                except Missed:
                    number = self._changes.following
                    yield b"event: missed\nid: %b\ndata: {}\n\n" % self._id(number - 1)
                    continue
                for at, change in found:
                    yield b"event: status\nid: %b\ndata: %b\n\n" % (
                        self._id(at),
                        encode(change.said),
                    )
                await asyncio.sleep(0)  # others have their turn
                if not await self._changes.wait(number, HEARTBEAT_SECONDS):
                    yield b":\n\n"
        finally:
            self._streams -= 1

    def _id(self, number: int) -> bytes:
        return f"{self._changes.origin}-{number}".encode()


def _said(entry: bytes, now: float) -> dict[str, Any]:
    """What an entry says of a status, as it is now: what is past its validity is unknown, however
    long it was kept on the way.
    """
    rdata = entries.only_record(entry, TXT)
    found = status.read(_strings(rdata)) if rdata else None
    if found is None:
        return {"status": UNKNOWN}
    taken, until = (status.moment(found.get(name, "")) for name in ("taken", "until"))
    if taken is not None:
        found["age"] = max(0, int(now - taken))
    if until is None or until <= now:
        for name in ("health", "load", "free"):
            found.pop(name, None)
        found["status"] = UNKNOWN
    return found


def _strings(rdata: bytes) -> list[str]:
    """The strings of TXT (RFC 1035 section 3.3.14)."""
    found, at = [], 0
    while at < len(rdata):
        found.append(rdata[at + 1 : at + 1 + rdata[at]].decode("ascii", "replace"))
        at += 1 + rdata[at]
    return found


def _plain(body: bytes, encoding: str, most: int) -> bytes:
    """A body, not compressed.

    Raises:
        DeskError: it is compressed in another way than by gzip, or becomes too much.
    """
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise DeskError(415, f"Content-Encoding: expected gzip or none, given {encoding[:80]!r}")
    try:
        return inflated(body, most)
    except UpwardError as error:
        raise DeskError(400, str(error)) from None


def _taken(request: Request, said: Said) -> Response:
    headers = {"Retry-After": str(RETRY_SECONDS)} if said.status == 503 else {}
    return _answer(request, said.status, said.body, headers)


def _answer(request: Request, code: int, said: Any, headers: dict[str, str]) -> Response:
    """In the form that the caller prefers."""
    if prefers_msgpack(request.headers.get("accept", "")):
        return Response(_pack(said), code, headers, MSGPACK)
    return Response(encode(said), code, headers, JSON)
