"""Demands that are kept go to a dispatcher once something fits: once, whatever happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.selecting import LARGE, Selecting, selecting
from tests.support.servers import eventually


class Taken:
    """A dispatcher: what it was given, and what it says next."""

    def __init__(self) -> None:
        self.given: list[tuple[str, dict[str, Any]]] = []
        self.says: list[int] = []
        self.address = ""


@contextmanager
def dispatcher() -> Iterator[Taken]:
    taken = Taken()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["content-length"]))
            taken.given.append((self.headers["idempotency-key"], json.loads(octets)))
            self.send_response(taken.says.pop(0) if taken.says else 202)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    taken.address = f"http://127.0.0.1:{server.server_address[1]}/demands"
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def taken() -> Iterator[Taken]:
    with dispatcher() as found:
        yield found


@pytest.fixture(scope="module")
def handing(taken: Taken, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Selecting]:
    folder: Path = tmp_path_factory.mktemp("dispatching")
    with selecting(folder, f'dispatcher = "{taken.address}"') as found:
        yield found


def keep(net: Selecting, **demand: Any) -> str:
    body = {"demand": demand, "dispatch": True}
    made = net.client.post("/v1/demands", json=body)
    assert made.status_code == 201, made.text
    return str(made.headers["location"])


def state(net: Selecting, place: str) -> dict[str, Any]:
    found: dict[str, Any] = net.client.get(place).json()
    return found


def test_it_is_handed_over_once_something_fits(handing: Selecting, taken: Taken) -> None:
    net = handing
    taken.given.clear()
    taken.says[:] = [503, 202]  # it is not there the first time
    place = keep(net, chips=["910B"], per_node=8, free=True)
    assert state(net, place)["state"] == "open"
    assert taken.given == []
    net.tell(LARGE, chips=64, nodes_8=8)
    eventually("it is handed over", lambda: state(net, place)["state"] == "handed")
    name = place.rpartition("/")[2]
    assert [key for key, _ in taken.given] == [name, name]
    given = taken.given[-1][1]
    assert given["asked"]["chips"] == ["910B"]
    assert [one["identifier"] for one in given["selection"]["results"]] == [LARGE]
    assert [one["identifier"] for one in state(net, place)["selected"]] == [LARGE]
    net.tell(LARGE, chips=56, nodes_8=7)
    eventually("it is seen", lambda: net.select(chips=["910B"])[0]["status"]["free"]["chips"] == 56)
    assert len(taken.given) == 2


def test_what_the_dispatcher_does_not_want_is_said(handing: Selecting, taken: Taken) -> None:
    taken.given.clear()
    taken.says[:] = [422]
    place = keep(handing, chips=["910B"])
    eventually("it is refused", lambda: state(handing, place)["state"] == "refused")
    assert "HTTP 422" in state(handing, place)["why"]
    assert len(taken.given) == 1


def test_without_a_dispatcher_nothing_is_to_be_handed_over(net: Selecting) -> None:
    answer: httpx.Response = net.client.post(
        "/v1/demands", json={"demand": {"cards": 1}, "dispatch": True}
    )
    assert answer.status_code == 422
    assert "there is no dispatcher" in answer.json()["detail"]
