"""Handles from a gateway over HTTP: before real servers, to pyhandle and to whoever sends what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from jsonschema import Draft202012Validator
from pyhandle import handleexceptions
from pyhandle.handleclient import PyHandleClient

from csid.identifier import parse
from csid.record import Record, encode
from resolver.store.environment import Store
from tests.support.gateways import GatewayHttp, gateway_http
from tests.support.identifiers import PRINTED
from tests.support.records import FULL
from tests.support.servers import CHECKOUT, PATIENCE, Server, make_data, put_zone, serving

SCHEMA = json.loads((CHECKOUT / "schemas" / "handle-v1.json").read_text(encoding="utf-8"))
AUTHORITY = "20.500.12357"
ACTIVE, MOVED, ENDED, ABSENT = map(parse, PRINTED)
ENDPOINT = "https://a.example:8443/v1"
LATER = "https://later.example:8443"


def zone(endpoint: str) -> str:
    """A zone whose first identifier has an endpoint."""
    lines = [
        "$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 60\n  NS ns\nns A 127.0.0.1",
        f"{MOVED.to_dns_name()} CNAME {ACTIVE.to_dns_name()}",
    ]
    for one, facts in ((ACTIVE, {"state": "active", "endpoints": [endpoint]}), (ENDED, FULL)):
        data = encode(Record(facts))
        lines.append(f"{one.to_dns_name()} TYPE65347 \\# {len(data)} {data.hex()}")
    return "\n".join(lines) + "\n"


class Net(NamedTuple):
    root: Server
    data: Path
    gateway: GatewayHttp

    def get(self, path: str, **more: Any) -> httpx.Response:
        found = httpx.get(f"http://{self.gateway.address}{path}", timeout=PATIENCE, **more)
        if found.headers["content-type"].startswith("application/json"):
            Draft202012Validator(SCHEMA).validate(found.json())
        return found

    def handle(self, name: object, **parameters: Any) -> httpx.Response:
        return self.get(f"/api/handles/{AUTHORITY}.{name}", params=parameters)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("handles")
    data = make_data(folder / "root", zone(ENDPOINT))
    with (
        serving(data) as root,
        gateway_http(folder / "gateway", f"127.0.0.1:{root.port}") as gateway,
    ):
        yield Net(root, data, gateway)


@pytest.fixture(scope="module")
def client(net: Net) -> Any:
    url = f"http://{net.gateway.address}"
    return PyHandleClient("rest").instantiate_for_read_access(handle_server_url=url)


def test_pyhandle_reads_what_an_identifier_resolves_to(client: Any) -> None:
    handle = ACTIVE.to_handle(AUTHORITY)
    assert client.get_value_from_handle(handle, "URL") == ENDPOINT
    assert client.get_value_from_handle(f"hdl:{handle}", "CSID.STATE") == "active"
    found = client.retrieve_handle_record_json(handle, type=["CSID."])
    assert [one["index"] for one in found["values"]] == [100, 101, 103]
    assert client.get_value_from_handle(MOVED.to_handle(AUTHORITY), "HS_ALIAS") == handle
    assert client.get_value_from_handle(ENDED.to_handle(AUTHORITY), "URL") is None
    assert client.retrieve_handle_record(ABSENT.to_handle(AUTHORITY)) is None
    with pytest.raises(handleexceptions.GenericHandleError):
        client.retrieve_handle_record(f"{AUTHORITY}.1/2")


@pytest.mark.parametrize("safe", ["/", "/-", ""])
def test_slashes_stand_as_they_are_or_escaped(net: Net, safe: str) -> None:
    handle = ACTIVE.to_handle(AUTHORITY)
    found = net.get(f"/api/handles/{quote(handle, safe=safe)}?index=1")
    assert (found.status_code, found.json()["handle"]) == (200, handle)


def test_who_has_asked_before_gets_it_from_the_cache_and_with_auth_from_the_authority(
    net: Net,
) -> None:
    def url(**parameters: str) -> str:
        found = net.handle(ACTIVE, type="URL", **parameters).json()
        return str(found["values"][0]["data"]["value"])

    assert url() == ENDPOINT
    with Store.open(net.data, writable=True) as store:
        put_zone(store, zone(LATER))
    try:
        assert url() == ENDPOINT
        assert url(auth="true") == LATER
        assert url() == LATER
    finally:
        with Store.open(net.data, writable=True) as store:
            put_zone(store, zone(ENDPOINT))
        assert url(auth="") == ENDPOINT


def test_what_is_not_there_and_what_is_no_handle(net: Net) -> None:
    absent = net.handle(ABSENT)
    assert (absent.status_code, absent.json()["responseCode"]) == (404, 100)
    wrong = net.get(f"/api/handles/{str(ACTIVE)[:-1]}X", headers={"Accept-Language": "zh"})
    assert (wrong.status_code, wrong.json()["responseCode"]) == (400, 102)
    assert "校验" in wrong.json()["message"]
    for path in ("/api/handles/", "/api/handles/abc", "/api/handles/10.1000/1"):
        found = net.get(path)
        assert (found.status_code, found.json()["responseCode"]) == (400, 102)
    assert net.handle(ACTIVE, index="x").json()["responseCode"] == 4


def test_a_script_calls_a_function_with_it(net: Net) -> None:
    found = net.handle(ACTIVE, callback="show", type="URL")
    assert found.headers["content-type"].lower().replace(" ", "") == (
        "application/javascript;charset=utf-8"
    )
    assert found.text.startswith("show({") and found.text.endswith("});")
    assert found.headers["access-control-allow-origin"] == "*"


def test_head_has_no_body(net: Net) -> None:
    path = f"http://{net.gateway.address}/api/handles/{ACTIVE}"
    found = httpx.head(path)
    assert (found.status_code, found.content) == (200, b"")
    assert int(found.headers["content-length"]) > 0
    assert httpx.put(path).status_code == 405


def test_what_a_segment_means_is_told_of_what_is_not_assigned_too(net: Net) -> None:
    url = f"http://{net.gateway.address}/v1/identifiers/{ABSENT}/explanation"
    found = httpx.get(url, headers={"Accept-Language": "zh-CN"}).json()
    assert [one["segment"] for one in found if not one["part"]] == [
        "owner",
        "industry",
        "location",
        "type",
        "spec",
    ]
    assert found[0]["code"] == ABSENT.owner and "所属主体" in found[0]["text"]
    assert httpx.get(f"{url[:-12]}X/explanation").status_code == 400


def test_nobody_to_ask_is_not_absence(tmp_path: Path) -> None:
    with serving(make_data(tmp_path / "root", zone(ENDPOINT))) as root:
        dead = f"127.0.0.1:{root.port}"
    with gateway_http(tmp_path / "gateway", dead) as gateway:
        found = Net(root, tmp_path, gateway).handle(ACTIVE)
        assert (found.status_code, found.json()["responseCode"]) == (503, 3)
        assert found.headers["retry-after"].isdecimal()
