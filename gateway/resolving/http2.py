"""HTTP/2 (RFC 9113) on the protocol of `h2`: what DNS over HTTPS is asked by. Bounded as HTTP/1.1
is in `gateway.http.connections`: in time, octets, and besides in streams and those taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from gateway.http.connections import HEAD_SECONDS, TAKE_SECONDS

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 section 3.4
STREAMS: Final = 100  # of one connection
HEAD_OCTETS: Final = 16_384  # names, values and 32 for each field
TAKEN_BACK: Final = 200  # streams that a peer may reset more than it lets be answered
_SETTINGS: Final = {
    SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
    SettingCodes.MAX_HEADER_LIST_SIZE: HEAD_OCTETS,
    SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
}
# Of a connection of HTTP/1.1 alone (RFC 9113 section 8.2.2).
_OF_CONNECTION: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)

Message = dict[str, Any]
Headers = list[tuple[bytes, bytes]]


class _Stream:
    """A call under way: what it has sent, and what is awaited by the application."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.body = bytearray()
        self.owed = 0  # octets of the peer's window that are given back once they are taken
        self.is_whole = False  # the peer has sent all
        self.is_gone = False  # nobody waits for the answer any more
        self.is_answered = False
        self.is_head = False
        self.head: Headers | None = None  # of the answer, before it is sent
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Http2Connection(asyncio.Protocol):
    """One connection.

    Args:
        app: what answers.
        state: of the server, which knows all connections and tasks.
        ends: called once, when it is over.
        client, server: addresses of both sides.
        scheme: http or https.
    """

    def __init__(
        self,
        app: ASGIApp,
        state: ServerState,
        ends: Callable[[], None],
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
        scheme: str,
    ) -> None:
        self._app = app
        self._state = state
        self._ends = ends
        self._known = {"client": client, "server": server, "scheme": scheme}
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, _Stream] = {}
        self._idle_due: asyncio.TimerHandle | None = None
        self._take_due: asyncio.TimerHandle | None = None
        self._is_flushing = False
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._left_to_take_back = TAKEN_BACK
        self._is_ending = False
        self._transport: asyncio.Transport

    def begin(self, transport: asyncio.Transport, octets: bytes) -> None:
        """Take a connection over, with what has come already."""
        self._transport = transport
        self._state.connections.add(self)  # type: ignore[arg-type]
        transport.set_protocol(self)
        self._h2.local_settings = Settings(client=False, initial_values=_SETTINGS)
        self._h2.decoder.max_header_list_size = HEAD_OCTETS
        self._h2.initiate_connection()
        self._await_call()
        self._flush()
        if octets:
            self.data_received(octets)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        try:
            for event in self._h2.receive_data(data):
                handle = _HANDLERS.get(type(event))
                if handle is not None:
                    handle(self, event)
        except H2Error:  # there is a frame that says so
            self._end()
            return
        self._flush_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for answers any more."""
        self._state.connections.discard(self)
        for timer in (self._idle_due, self._take_due):
            if timer is not None:
                timer.cancel()
        for stream in list(self._streams.values()):
            self._give_up(stream)
        self._may_write.set()
        self._ends()

    def pause_writing(self) -> None:
        """The peer has to take something first, within TAKE_SECONDS; nothing of it is read until
        then, since what it sends may have to be answered.
        """
        self._may_write.clear()
        self._transport.pause_reading()
        self._take_due = self._loop.call_later(TAKE_SECONDS, self._transport.abort)

    def resume_writing(self) -> None:
        """There is room again."""
        if self._take_due is not None:
            self._take_due.cancel()
            self._take_due = None
        self._transport.resume_reading()
        self._may_write.set()

    def shutdown(self) -> None:
        """Take no further calls, and end once those under way are answered."""
        self._is_ending = True
        if not self._streams:
            self._end()

    # -- what comes

    def _on_request(self, event: h2.events.RequestReceived) -> None:
        assert event.stream_id is not None and event.headers is not None
        stream = _Stream(event.stream_id)
        scope = self._scope(event.headers)
        stream.is_head = scope["method"] == "HEAD"
        self._streams[stream.number] = stream
        if self._idle_due is not None:
            self._idle_due.cancel()
            self._idle_due = None
        stream.task = self._loop.create_task(self._answer(stream, scope))
        self._state.tasks.add(stream.task)
        stream.task.add_done_callback(self._state.tasks.discard)

    def _scope(self, fields: Iterable[Any]) -> Message:
        pseudo: dict[bytes, bytes] = {}
        headers: Headers = []
        for name, value in fields:
            if name.startswith(b":"):
                pseudo[name] = value
            else:
                headers.append((name, value))
        if b":authority" in pseudo:
            headers = [one for one in headers if one[0] != b"host"]
            headers.insert(0, (b"host", pseudo[b":authority"]))
        raw_path, _, query = pseudo.get(b":path", b"*").partition(b"?")
        return self._known | {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2",
            "method": pseudo[b":method"].decode("latin-1"),
            "path": unquote(raw_path.decode("latin-1")),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "state": {},
        }

    def _on_data(self, event: h2.events.DataReceived) -> None:
        assert event.stream_id is not None and event.data is not None
        size = event.flow_controlled_length or 0
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.is_answered:
            self._give_back(event.stream_id, size)
            return
        stream.body += event.data
        stream.owed += size
        stream.changed.set()

    def _on_end(self, event: h2.events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id or 0)
        if stream is not None:
            stream.is_whole = True
            stream.changed.set()

    def _on_reset(self, event: h2.events.StreamReset) -> None:
        stream = self._streams.get(event.stream_id or 0)
        if stream is None:
            return
        self._give_up(stream)
        # Calls that are only begun and taken back cost us, and the peer nothing.
        self._left_to_take_back -= 1
        if self._left_to_take_back < 0:
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)

    def _on_window(self, event: h2.events.WindowUpdated) -> None:
        numbers = [event.stream_id] if event.stream_id else list(self._streams)
        for number in numbers:
            if number in self._streams:
                self._streams[number].changed.set()

    def _on_settings(self, _event: h2.events.RemoteSettingsChanged) -> None:
        for stream in self._streams.values():
            stream.changed.set()

    def _on_farewell(self, _event: h2.events.ConnectionTerminated) -> None:
        self.shutdown()

    # -- a call

    async def _answer(self, stream: _Stream, scope: Message) -> None:
        receive = partial(self._receive, stream)
        try:
            await self._app(scope, receive, partial(self._send, stream))
        except Exception:  # the application has told of it, or the peer has taken the call back
            pass
        finally:
            if not stream.is_answered and not stream.is_gone:
                self._reset(stream, ErrorCodes.INTERNAL_ERROR)
            self._streams.pop(stream.number, None)
            self._left_to_take_back = min(self._left_to_take_back + 1, TAKEN_BACK)
            if not self._streams and not self._transport.is_closing():
                if self._is_ending:
                    self._end()
                else:
                    self._await_call()

    async def _receive(self, stream: _Stream) -> Message:
        while not (stream.body or stream.is_whole or stream.is_gone or stream.is_answered):
            await self._change_of(stream)
        if stream.body or (stream.is_whole and not stream.is_gone and stream.owed >= 0):
            body, owed = bytes(stream.body), stream.owed
            stream.body.clear()
            stream.owed = -1 if stream.is_whole else 0  # the end is told once
            self._give_back(stream.number, owed)
            return {"type": "http.request", "body": body, "more_body": not stream.is_whole}
        while not (stream.is_gone or stream.is_answered):
            await self._change_of(stream)
        return {"type": "http.disconnect"}

    async def _send(self, stream: _Stream, message: Message) -> None:
        if stream.is_gone:
            return
        if message["type"] == "http.response.start":
            status = b"%d" % message["status"]
            fields = [one for one in message["headers"] if one[0].lower() not in _OF_CONNECTION]
            stream.head = [(b":status", status), *((n.lower(), v) for n, v in fields)]
            return
        body, is_last = message.get("body", b""), not message.get("more_body", False)
        if stream.is_head:
            body = b""
        if stream.head is not None:
            head, stream.head = stream.head, None
            self._h2.send_headers(stream.number, head, end_stream=is_last and not body)
            stream.is_answered = is_last and not body
        if body or (is_last and not stream.is_answered):
            await self._send_body(stream, memoryview(body), is_last)
        if is_last and not stream.is_gone:
            stream.is_answered = True
            if not stream.is_whole:  # the rest of the call is not read (RFC 9113 section 8.1)
                self._reset(stream, ErrorCodes.NO_ERROR)
        self._flush_soon()

    async def _send_body(self, stream: _Stream, body: memoryview, is_last: bool) -> None:
        at, size = 0, len(body)
        while True:
            await self._may_write.wait()
            if stream.is_gone or self._transport.is_closing():
                return
            room = min(
                self._h2.local_flow_control_window(stream.number),
                self._h2.max_outbound_frame_size,
            )
            end = min(size, at + room)
            if end > at or at == size:
                ends = end == size
                part = bytes(body[at:end])
                self._h2.send_data(stream.number, part, end_stream=ends and is_last)
                self._flush_soon()
                at = end
                if ends:
                    return
                continue
            self._flush()
            stream.changed.clear()
            try:
                async with asyncio.timeout(TAKE_SECONDS):
                    await self._change_of(stream)
            except TimeoutError:
                self._reset(stream, ErrorCodes.CANCEL)
                stream.is_gone = True
                return

    async def _change_of(self, stream: _Stream) -> None:
        await stream.changed.wait()
        stream.changed.clear()

    def _give_back(self, number: int, size: int) -> None:
        """Let the peer send as much more: on a stream, and on the connection."""
        if size <= 0 or self._transport.is_closing():
            return
        with contextlib.suppress(H2Error):  # the connection is over
            self._h2.acknowledge_received_data(size, number)
        self._flush_soon()

    def _give_up(self, stream: _Stream) -> None:
        stream.is_gone = True
        stream.changed.set()

    def _reset(self, stream: _Stream, code: ErrorCodes) -> None:
        with contextlib.suppress(H2Error):
            self._h2.reset_stream(stream.number, code)
        self._flush_soon()

    # -- the connection

    def _await_call(self) -> None:
        self._idle_due = self._loop.call_later(HEAD_SECONDS, self._end)

    def _end(self, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        with contextlib.suppress(H2Error):
            self._h2.close_connection(code)
        self._flush()
        self._transport.close()

    def _flush_soon(self) -> None:
        """Send what there is at the end of this turn, in one piece."""
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        octets = self._h2.data_to_send()
        if octets and not self._transport.is_closing():
            self._transport.write(octets)


_HANDLERS: Final[dict[type[h2.events.Event], Callable[[Http2Connection, Any], None]]] = {
    h2.events.RequestReceived: Http2Connection._on_request,
    h2.events.DataReceived: Http2Connection._on_data,
    h2.events.StreamEnded: Http2Connection._on_end,
    h2.events.StreamReset: Http2Connection._on_reset,
    h2.events.WindowUpdated: Http2Connection._on_window,
    h2.events.RemoteSettingsChanged: Http2Connection._on_settings,
    h2.events.ConnectionTerminated: Http2Connection._on_farewell,
}
