"""Sources of compute that answer over HTTP as a test wants them to: well, or badly."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answering = Callable[[BaseHTTPRequestHandler], None]


class Played:
    """A source that is played.

    Attributes:
        url: of it.
        asked: paths with header fields, as they came.
        answer: what answers; may be changed meanwhile.
    """

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                fields = {name.lower(): value for name, value in self.headers.items()}
                outer.asked.append((self.path, fields))
                with contextlib.suppress(OSError):  # whoever asked is gone
                    outer.answer(self)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextlib.contextmanager
def played(answer: Answering) -> Iterator[Played]:
    """A source on a free port."""
    source = Played(answer)
    thread = threading.Thread(target=source.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield source
    finally:
        source.server.shutdown()
        source.server.server_close()
        thread.join()


def saying(body: bytes, status: int = 200, **fields: str) -> Answering:
    """Always this answer; a field's name has _ for -."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in fields.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hanging(over: threading.Event) -> Answering:
    """No answer at all, until the test is over."""

    def answer(_: BaseHTTPRequestHandler) -> None:
        over.wait(60)

    return answer


def dripping(over: threading.Event) -> Answering:
    """A byte now and then, for ever."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not over.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    return answer


def begin(handler: BaseHTTPRequestHandler) -> None:
    """An answer whose length nobody says, which ends with the connection."""
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True


def endless(handler: BaseHTTPRequestHandler) -> None:
    """An answer without an end, as fast as it is taken."""
    begin(handler)
    while True:
        handler.wfile.write(b"[" * 65_536)
