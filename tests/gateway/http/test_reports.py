"""What gateways report to a node: taken once, below their prefixes alone, seen in its answers."""

from __future__ import annotations

import gzip
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.query
import httpx
import msgpack
import pytest

from csid import status
from gateway.reporting import upward
from tests.support.commands import Node
from tests.support.interface import Interface, offered
from tests.support.registering import OTHER, OWNER, PLACE, identifier
from tests.support.servers import PATIENCE, eventually

HERE = [str(identifier(f"A{number:03}")) for number in range(4)]
AWAY = str(identifier("B001", OTHER, "350102"))
ABSENT = str(identifier("ZZZZ"))


@pytest.fixture(scope="module")
def interface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interface]:
    folder = tmp_path_factory.mktemp("reports")
    node = Node(folder / "node")
    for owner in (OWNER, OTHER):
        node.accredit(owner)
    for one in (*HERE, AWAY):
        node.must("assign", one, "--endpoint", "https://a.example:8443")
    with offered(node, folder) as found:
        yield found


@pytest.fixture(scope="module")
def gateway(interface: Interface) -> Iterator[httpx.Client]:
    with gateway_of(interface, "gw-1") as client:
        yield client


def gateway_of(interface: Interface, name: str, *prefixes: str) -> httpx.Client:
    words = [word for one in prefixes or (PLACE,) for word in ("--prefix", one)]
    key = interface.node.must("gateway", "enrol", name, *words)
    return httpx.Client(
        base_url=f"http://{interface.address}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=PATIENCE,
        trust_env=False,
    )


def sent(number: int, name: str = HERE[0], valid: float = 30, **told: Any) -> dict[str, Any]:
    now = time.time_ns() // 1_000_000
    told = told or {"load": 0.5}
    until = now + round(valid * 1_000)
    return {"identifier": name, "number": number, "taken": now, "until": until, "told": told}


def event(name: str = HERE[0], ident: str = "e1", **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": ident,
        "source": "/pools/1",
        "type": "csid.resource.changed",
        "subject": name,
        "time": "2026-11-26T09:00:00Z",
        "data": {"capacity": {"chips": 8}},
    } | more


def outcomes(answer: httpx.Response, kind: str = "statuses") -> list[str]:
    return [one["outcome"] for one in answer.json()[kind]]


def seen(interface: Interface, name: str) -> dict[str, Any]:
    """What `_status.` says of an identifier."""
    labels = ".".join(reversed(name.lower().split("/")))
    question = dns.message.make_query(f"_status.{labels}.csid.internal.", "TXT")
    answer = dns.query.udp(question, "127.0.0.1", port=interface.server.port, timeout=PATIENCE)
    assert answer.answer, answer
    found = status.read(part.decode() for part in answer.answer[0][0].strings)
    assert found is not None
    return found


def test_statuses_are_taken_once_and_seen(interface: Interface, gateway: httpx.Client) -> None:
    batch = {"statuses": [sent(1, free={"chips": 8}), sent(2, HERE[1], load=1.0)]}
    answer = gateway.post("/v1/reports", json=batch)
    assert answer.status_code == 200 and outcomes(answer) == ["taken", "taken"]
    eventually("it is seen", lambda: seen(interface, HERE[0])["status"] == "free")
    assert seen(interface, HERE[0])["source"] == "gw-1"
    assert seen(interface, HERE[1])["status"] == "busy"
    assert outcomes(gateway.post("/v1/reports", json=batch)) == ["known", "known"]
    other = {"statuses": [batch["statuses"][0] | {"told": {"load": 0.7}}]}
    answer = gateway.post("/v1/reports", json=other)
    assert answer.status_code == 409 and outcomes(answer) == ["different"]
    assert "load" not in seen(interface, HERE[0])


def test_msgpack_and_gzip_say_the_same_as_json(interface: Interface, gateway: httpx.Client) -> None:
    batch = {"statuses": [sent(11, HERE[2], free={"chips": 3.0})]}
    headers = {"Content-Type": "application/msgpack", "Content-Encoding": "gzip"}
    packed = gzip.compress(msgpack.packb(batch))
    answer = gateway.post("/v1/reports", content=packed, headers=headers)
    assert outcomes(answer) == ["taken"], answer.text
    assert outcomes(gateway.post("/v1/reports", json=batch)) == ["known"]


def test_each_report_has_its_own_result(interface: Interface, gateway: httpx.Client) -> None:
    now = time.time_ns() // 1_000_000
    batch = {
        "statuses": [
            sent(21, HERE[3]),
            sent(22, AWAY),
            sent(23, ABSENT),
            sent(24, "no identifier"),
            sent(25, HERE[3], load=2.0),
            sent(26, HERE[3]) | {"until": now - 1},
            sent(27, HERE[3]) | {"taken": now + 3_600_000, "until": now + 3_601_000},
            {"number": 28},
        ]
    }
    answer = gateway.post("/v1/reports", json=batch)
    assert answer.status_code == 200
    assert outcomes(answer) == ["taken", "outside", "absent", *["invalid"] * 5]
    assert [one["status"] for one in answer.json()["statuses"]] == [200, 403, 404, *[422] * 5]
    assert all(one["detail"] for one in answer.json()["statuses"][1:])
    lone = gateway.post("/v1/reports", json={"statuses": [sent(29, AWAY)]})
    assert lone.status_code == 403
    assert seen(interface, AWAY) == {"status": "unknown"}


def test_events_are_kept_once(interface: Interface, gateway: httpx.Client) -> None:
    batch = {"events": [{"number": 1, "event": event()}, {"number": 2, "event": event(ident="e2")}]}
    assert outcomes(gateway.post("/v1/reports", json=batch), "events") == ["taken", "taken"]
    batch["events"].append({"number": 3, "event": event(AWAY, "e3")})
    batch["events"].append({"number": 4, "event": event(type="csid.other.x")})
    answer = gateway.post("/v1/reports", json=batch)
    assert outcomes(answer, "events") == ["known", "known", "outside", "invalid"]
    other = {"events": [{"number": 2, "event": event(ident="e9")}]}
    answer = gateway.post("/v1/reports", json=other)
    assert answer.status_code == 409 and outcomes(answer, "events") == ["different"]
    with interface.client("auditor") as office:
        page = office.get("/v1/events").json()
        assert [one["event"]["id"] for one in page["items"]] == ["e1", "e2"]
        assert [one["gateway"] for one in page["items"]] == ["gw-1", "gw-1"]
        rest = office.get("/v1/events", params={"since": page["next"]})
        assert rest.json() == {"items": [], "next": None}
    with interface.client("read-only") as guest:
        assert guest.get("/v1/events").status_code == 403


def test_only_gateways_report_and_they_do_nothing_else(
    interface: Interface, gateway: httpx.Client
) -> None:
    with interface.client("administrator") as office:
        assert office.post("/v1/reports", json={"statuses": [sent(1)]}).status_code == 403
    with interface.client() as nobody:
        assert nobody.post("/v1/reports", json={"statuses": [sent(1)]}).status_code == 401
    body = {"identifier": str(identifier("C001"))}
    assert gateway.post("/v1/identifiers", json=body).status_code == 403
    assert gateway.post(f"/v1/identifiers/{HERE[0]}/suspend", json={}).status_code == 403


def test_a_gateway_that_was_removed_is_refused(interface: Interface) -> None:
    with gateway_of(interface, "gw-gone") as client:
        assert client.post("/v1/reports", json={"statuses": [sent(1, HERE[3])]}).is_success
        interface.node.must("gateway", "remove", "gw-gone")
        assert client.post("/v1/reports", json={"statuses": [sent(2)]}).status_code == 401


@pytest.mark.parametrize(
    ("content", "headers", "code"),
    [
        (b"{}", {}, 400),
        (b"[]", {}, 400),
        (b'{"statuses": {}}', {}, 400),
        (b"\xff", {}, 400),
        (b"{" * 5_000, {}, 400),
        (b"", {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Encoding": "br"}, 415),
        (b"{}", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"{}")[:-3], {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"{}") + b"x", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(bytes(upward.OCTETS_MAX + 1)), {"Content-Encoding": "gzip"}, 400),
        (b'{"statuses": [' + b"1," * upward.ITEMS_MAX + b"1]}", {}, 400),
    ],
)
def test_what_is_no_batch_is_refused(
    gateway: httpx.Client, content: bytes, headers: dict[str, str], code: int
) -> None:
    every = {"Content-Type": "application/json"} | headers
    answer = gateway.post("/v1/reports", content=content, headers=every)
    assert answer.status_code == code, answer.text


def test_when_a_gateway_was_seen_is_listed(interface: Interface, gateway: httpx.Client) -> None:
    with gateway_of(interface, "gw-seen") as client:
        assert client.post("/v1/reports", json={"statuses": [sent(1, HERE[3])]}).is_success
    listed = interface.node.run("gateway", "list", "--json").json
    (one,) = [row for row in listed if row["name"] == "gw-seen"]
    assert one["last_seen"] is not None and one["statuses"] == 1


def test_a_process_that_is_killed_takes_nothing_twice(
    interface: Interface, gateway: httpx.Client
) -> None:
    batch = {
        "statuses": [sent(901, HERE[2])],
        "events": [{"number": 91, "event": event(ident="k")}],
    }
    assert gateway.post("/v1/reports", json=batch).is_success
    (pid,) = interface.server.workers("gateway.http.process")
    os.kill(pid, signal.SIGKILL)

    def again() -> bool:
        try:
            answer = gateway.post("/v1/reports", json=batch)
        except httpx.TransportError:
            return False
        return outcomes(answer) == ["known"] and outcomes(answer, "events") == ["known"]

    eventually("another process knows it", again)
    assert seen(interface, HERE[2])["number"] == 901
