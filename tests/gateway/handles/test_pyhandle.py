"""pyhandle, a client of Handle.Net, reads Handles over HTTP from what answers for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from pyhandle import handleexceptions
from pyhandle.handleclient import PyHandleClient

from csid.client.answer import Answer
from csid.errors import CsidError, UnreachableError
from csid.identifier import parse
from gateway.handles.answered import answered
from gateway.handles.asked import identifier_of, read
from tests.gateway.handles.test_answered import ACTIVE, HANDLE, NOW, answer

PREFIX = "20.500.12357"
UNKNOWN = f"{PREFIX}.X00000000000000015/0000/640502/GCV/G15M05X6-7-K0"
SILENT = f"{PREFIX}.N2110101MF00000012/0111/USNYC/SCP/D90M20S1-ZZ9-OA"
KNOWN: dict[str, Answer | CsidError] = {
    str(ACTIVE.identifier): ACTIVE,
    UNKNOWN.removeprefix(f"{PREFIX}."): answer(None, exists=False),
    SILENT.removeprefix(f"{PREFIX}."): UnreachableError("no server answers"),
}


class Proxy(BaseHTTPRequestHandler):
    """GET of a Handle."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        handle = unquote(parts.path.removeprefix("/api/handles/"))
        asked = read(handle, parse_qsl(parts.query, keep_blank_values=True))
        became: Answer | CsidError
        try:
            became = KNOWN[str(identifier_of(asked))]
        except CsidError as error:
            became = error
        made = answered(asked, became, NOW)
        self.send_response(made.status)
        for name, value in {**made.headers, "Content-Length": str(len(made.octets))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(made.octets)

    def log_message(self, *_: Any) -> None:
        """Nothing is told."""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield PyHandleClient("rest").instantiate_for_read_access(handle_server_url=url)
        server.shutdown()


def test_a_value_is_read_by_its_type(client: Any) -> None:
    assert client.get_value_from_handle(HANDLE, "URL") == "https://a.example:8443/v1"
    assert client.get_value_from_handle(HANDLE, "CSID.STATE", auth=True) == "active"
    assert client.get_value_from_handle(HANDLE, "EMAIL") is None


def test_a_record_is_read_whole_and_in_parts(client: Any) -> None:
    record = client.retrieve_handle_record(HANDLE)
    assert json.loads(record["CSID"])["name"] == "杭州一号池"
    assert record["CSID.NAME"] == parse(HANDLE).to_dns_name()
    whole = client.retrieve_handle_record_json(HANDLE, indices=[2, 101])
    assert [one["index"] for one in whole["values"]] == [2, 101]
    typed = client.retrieve_handle_record_json(HANDLE, type=["URL", "CSID.NAME"])
    assert [one["index"] for one in typed["values"]] == [1, 2, 103]
    assert client.retrieve_handle_record_json(HANDLE, type="EMAIL")["values"] == []


def test_what_never_was_is_not_found(client: Any) -> None:
    assert client.retrieve_handle_record_json(UNKNOWN) is None
    with pytest.raises(handleexceptions.HandleNotFoundException):
        client.get_value_from_handle(UNKNOWN, "URL")


def test_silence_is_an_error_and_not_absence(client: Any) -> None:
    with pytest.raises(handleexceptions.GenericHandleError):
        client.retrieve_handle_record_json(SILENT)
