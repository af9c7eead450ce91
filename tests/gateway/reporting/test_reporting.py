"""A gateway that is told of statuses and events, before a real node: they arrive once, whatever
befalls either of them, and what is said of them is true.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgpack
import pytest

from tests.support.commands import Node
from tests.support.gateways import GatewayHttp, gateway_http
from tests.support.interface import Interface, offered
from tests.support.registering import OTHER, OWNER, PLACE, identifier
from tests.support.servers import PATIENCE, eventually

HERE = [str(identifier(f"A{number:03}")) for number in range(5)]
AWAY = str(identifier("B001", OTHER, "350102"))
ABSENT = str(identifier("ZZZZ"))


class Net(NamedTuple):
    interface: Interface
    gateway: GatewayHttp
    client: httpx.Client
    office: httpx.Client
    log: Path


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("reporting")
    node = Node(folder / "node")
    for owner in (OWNER, OTHER):
        node.accredit(owner)
    for one in (*HERE, AWAY):
        node.must("assign", one, "--endpoint", "https://a.example:8443")
    key = folder / "key"
    key.write_text(node.must("gateway", "enrol", "gw-1", "--prefix", PLACE) + "\n")
    with offered(node, folder) as interface, interface.client("auditor") as office:
        options = ["--report-to", f"http://{interface.address}", "--report-key", str(key)]
        top = f"127.0.0.1:{interface.server.port}"
        with gateway_http(folder / "gateway", top, *options) as gateway:
            client = httpx.Client(
                base_url=f"http://{gateway.address}", timeout=PATIENCE, trust_env=False
            )
            with client:
                eventually("it takes reports", lambda: client.post("/v1/status").status_code != 503)
                yield Net(interface, gateway, client, office, folder / "gateway-http.log")


def status_of(net: Net, name: str) -> dict[str, Any]:
    answer = net.client.get(f"/v1/identifiers/{name}/status")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def event(name: str = HERE[0], ident: str = "e1", **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": ident,
        "source": "/pools/1",
        "type": "csid.platform.abnormal",
        "subject": name,
        "time": "2026-11-26T09:00:00Z",
        "data": {"number": "P-1", "kind": "system", "cause": "主机故障"},
    } | more


def kept(net: Net) -> list[str]:
    """The ids of the events that the node keeps."""
    items = net.office.get("/v1/events", params={"limit": 1_000}).json()["items"]
    return [one["event"]["id"] for one in items]


def test_a_status_arrives_and_is_answered(net: Net) -> None:
    assert status_of(net, HERE[0]) == {"identifier": HERE[0], "status": "unknown"}
    posted = {"identifier": HERE[1], "free": {"chips": 8}, "load": 0.5, "by": "agent-1"}
    answer = net.client.post("/v1/status", json=posted)
    assert (answer.status_code, answer.json()) == (202, {"status": 202, "outcome": "taken"})
    eventually("it is seen", lambda: status_of(net, HERE[1])["status"] == "free")
    found = status_of(net, HERE[1])
    assert found["free"] == {"chips": 8} and found["load"] == 0.5 and found["age"] < 20
    assert (found["source"], found["by"], found["health"]) == ("gw-1", "agent-1", "ok")
    answer = net.client.get(
        f"/v1/identifiers/{HERE[1]}/status", headers={"Accept": "application/msgpack"}
    )
    assert msgpack.unpackb(answer.content)["status"] == "free"
    assert net.client.get(f"/v1/identifiers/{ABSENT}/status").status_code == 404
    assert net.client.get("/v1/identifiers/none/status").status_code == 400


def test_many_at_once_each_with_its_own_result(net: Net) -> None:
    many = [{"identifier": HERE[2]}, {"identifier": AWAY}, {"identifier": "x"}, {"load": 1}, 7]
    packed = {"Content-Type": "application/msgpack", "Content-Encoding": "gzip"}
    for answer in (
        net.client.post("/v1/status", json=many),
        net.client.post("/v1/status", json={"items": many}),
        net.client.post("/v1/status", content=gzip.compress(msgpack.packb(many)), headers=packed),
    ):
        assert answer.status_code == 200
        assert [one["status"] for one in answer.json()["items"]] == [202, 403, 422, 422, 422]
    assert net.client.post("/v1/status", json={"identifier": AWAY}).status_code == 403


def test_a_number_that_comes_again_is_known_or_refused(net: Net) -> None:
    posted = {"identifier": HERE[3], "number": 5, "load": 0.5}
    answers = [
        net.client.post("/v1/status", json=one).json()
        for one in (
            posted,
            posted,
            posted | {"load": 0.6},
            posted | {"number": 4},
            posted | {"number": 6},
        )
    ]
    assert [one["outcome"] for one in answers] == [
        "taken",
        "known",
        "different",
        "superseded",
        "taken",
    ]
    assert [one["status"] for one in answers] == [202, 200, 409, 200, 202]


def test_what_was_found_out_earlier_is_superseded(net: Net) -> None:
    for taken, outcome in (
        ("2026-11-26T09:00:02Z", "taken"),
        ("2026-11-26T09:00:01Z", "superseded"),
        ("2026-11-26T17:00:03+08:00", "taken"),
        ("2999-01-01T00:00:00Z", "invalid"),
        ("2026-11-26T09:00:00", "invalid"),  # of which zone?
    ):
        posted = {"identifier": HERE[4], "taken": taken, "valid_seconds": 3_600}
        assert net.client.post("/v1/status", json=posted).json()["outcome"] == outcome, taken


def test_past_its_validity_it_is_unknown(net: Net) -> None:
    posted = {"identifier": HERE[0], "free": {"chips": 1}, "valid_seconds": 1}
    assert net.client.post("/v1/status", json=posted).status_code == 202
    time.sleep(1.1)
    found = status_of(net, HERE[0])
    assert found["status"] == "unknown" and "free" not in found


def test_events_in_each_of_the_modes_arrive_once(net: Net) -> None:
    one = {"Content-Type": "application/cloudevents+json"}
    many = {"Content-Type": "application/cloudevents-batch+json"}
    first = event(ident="m1")
    post = net.client.post
    assert post("/v1/events", content=json.dumps(first), headers=one).status_code == 202
    assert post("/v1/events", json=first).json()["outcome"] == "known"
    assert post("/v1/events", json=first | {"type": "csid.platform.offline"}).status_code == 409
    two = json.dumps([event(ident="m2"), event(ident="m3", extension="x")])
    assert post("/v1/events", content=two, headers=many).status_code == 202
    binary = {
        f"ce-{name}": str(value) for name, value in event(ident="m4").items() if name != "data"
    }
    assert post("/v1/events", json=event()["data"], headers=binary).status_code == 202
    eventually("the node keeps them", lambda: kept(net)[-4:] == ["m1", "m2", "m3", "m4"])
    assert post("/v1/events", json=event(AWAY)).status_code == 403


@pytest.mark.parametrize(
    ("path", "content", "media", "code"),
    [
        ("/v1/status", b"{", "application/json", 400),
        ("/v1/status", b"[]", "application/json", 400),
        ("/v1/status", b"7", "application/json", 400),
        ("/v1/status", b"[" * 100_000, "application/json", 400),
        ("/v1/status", b"{}", "text/plain", 415),
        ("/v1/status", bytes(5 << 20), "application/json", 413),
        ("/v1/events", b"\xc1", "application/msgpack", 400),
        ("/v1/events", b"{}", "application/json", 422),
    ],
)
def test_what_cannot_be_read_is_refused(
    net: Net, path: str, content: bytes, media: str, code: int
) -> None:
    answer = net.client.post(path, content=content, headers={"Content-Type": media})
    assert answer.status_code == code, answer.text


def test_changes_are_followed_by_prefix(net: Net) -> None:
    with net.client.stream("GET", "/v1/status/stream", params={"prefix": HERE[1]}) as followed:
        assert followed.headers["Content-Type"].startswith("text/event-stream")
        lines = followed.iter_lines()
        assert next(lines) == "retry: 2000"
        net.client.post("/v1/status", json={"identifier": HERE[2], "load": 1.0})
        net.client.post("/v1/status", json={"identifier": HERE[1], "load": 1.0, "valid_seconds": 1})
        said = _next(lines)
        assert said["event"] == "status"
        assert json.loads(said["data"])["identifier"] == HERE[1]
        assert json.loads(said["data"])["status"] == "busy"
        after = _next(lines)
        assert json.loads(after["data"])["status"] == "unknown"
    headers = {"Last-Event-ID": said["id"]}
    with net.client.stream(
        "GET", "/v1/status/stream", params={"prefix": HERE[1]}, headers=headers
    ) as followed:
        assert _next(followed.iter_lines()) == after
    headers = {"Last-Event-ID": "another-7"}
    with net.client.stream("GET", "/v1/status/stream", headers=headers) as followed:
        assert _next(followed.iter_lines())["event"] == "missed"
    assert net.client.get("/v1/status/stream", params={"prefix": "x"}).status_code == 400


def _next(lines: Iterator[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith(("event:", "id:", "data:")):
            name, _, value = line.partition(": ")
            found[name] = value
        elif not line and "data" in found:
            return found
    raise AssertionError("the stream has ended")


def test_the_document_has_the_routes(net: Net) -> None:
    paths = net.client.get("/openapi.json").json()["paths"]
    assert {"/v1/status", "/v1/events", "/v1/status/stream"} <= paths.keys()
    assert "/v1/identifiers/{identifier}/status" in paths


def test_while_the_node_is_away_it_waits_on_the_disk(net: Net, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(net.interface.node.must("gateway", "enrol", "gw-2", "--prefix", PLACE))
    top = f"127.0.0.1:{net.interface.server.port}"
    options = ["--report-to", f"http://{net.interface.address}", "--report-key", str(key)]
    (pid,) = net.interface.server.workers("gateway.http.process")
    os.kill(pid, signal.SIGSTOP)
    try:
        with gateway_http(tmp_path / "gateway", top, *options) as gateway:
            base = f"http://{gateway.address}"
            with httpx.Client(base_url=base, timeout=PATIENCE, trust_env=False) as client:
                for number in range(20):
                    posted = event(ident=f"w{number}")
                    eventually(
                        "it is taken",
                        lambda posted=posted, client=client: (
                            client.post("/v1/events", json=posted).status_code < 300
                        ),
                    )
                posted = {"identifier": HERE[2], "load": 0.25}
                assert client.post("/v1/status", json=posted).status_code == 202
            gateway.http.kill()  # with a batch under way, perhaps
            gateway.http.wait()
    finally:
        os.kill(pid, signal.SIGCONT)
    wanted = [f"w{number}" for number in range(20)]
    with gateway_http(tmp_path / "gateway", top, *options):
        eventually("all arrived, once, in order", lambda: kept(net)[-20:] == wanted)
        eventually("the status, too", lambda: status_of(net, HERE[2]).get("load") == 0.25)
    assert len(set(kept(net))) == len(kept(net))
