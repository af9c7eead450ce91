"""`POST /v1/resolve` of a gateway before real servers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgpack
import pytest

from gateway.resolving.batches import BATCH_MAX, BATCH_OCTETS
from tests.support.gateways import gateway_http
from tests.support.resolved import (
    ABSENT,
    ACTIVE,
    ALIAS,
    INVALID,
    MANY,
    RECORD,
    RETIRED,
    TOMBSTONE,
    TTL,
    network,
)

PATH = "/v1/resolve"
PACKED = "application/msgpack"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("batches")
    with (
        network(folder) as net,
        gateway_http(folder / "gateway", net.top) as gateway,
        gateway.client() as made,
    ):
        yield made


def resolved(client: httpx.Client, given: list[Any]) -> list[dict[str, Any]]:
    """The results, which are the same in both forms but for records."""
    plain = client.post(PATH, json={"identifiers": given})
    assert plain.status_code == 200, plain.text
    assert plain.headers["Content-Type"] == "application/x-ndjson"
    results = [json.loads(line) for line in plain.text.splitlines()]
    headers = {"Content-Type": PACKED, "Accept": PACKED}
    packed = client.post(PATH, content=msgpack.packb({"identifiers": given}), headers=headers)
    assert packed.headers["Content-Type"] == PACKED
    unpacker = msgpack.Unpacker()
    unpacker.feed(packed.content)
    for one, same in zip(results, unpacker, strict=True):
        but = {"record": None, "ttl": None}
        assert {**one, **but} == {**same, **but}
        assert abs(one["ttl"] - same["ttl"]) <= 60
    return results


def test_each_has_its_own_result(client: httpx.Client) -> None:
    given = [str(ACTIVE), str(RETIRED), str(ALIAS), str(ABSENT), "xx", 5, None, [], {"a": 1}]
    given += [ACTIVE.to_dns_name(), ACTIVE.to_handle(), str(INVALID), "", str(ACTIVE)]
    for _ in range(3):  # asked of others, made of the cache, ready
        found = resolved(client, given)
        statuses = [200, 410, 301, 404, 400, 400, 400, 400, 400, 200, 200, 502, 400, 200]
        assert [one["status"] for one in found] == statuses
        texts = [one if isinstance(one, str) else None for one in given]
        assert [one["given"] for one in found] == texts
        for one in (found[0], found[9], found[10], found[13]):
            assert (one["identifier"], one["record"]) == (str(ACTIVE), RECORD)
            assert (one["state"], one["stale"]) == ("active", False)
            assert 0 < one["ttl"] <= TTL
        assert found[1]["record"] == TOMBSTONE
        assert (found[2]["alias_of"], found[2]["record"]) == (str(RETIRED), TOMBSTONE)
        assert 0 < found[3]["ttl"] <= 60
        assert "5 segments" in found[4]["detail"]
        assert "given int" in found[5]["detail"]


def test_results_stand_in_the_order_of_what_was_given(client: httpx.Client) -> None:
    known, new = [str(one) for one in MANY[:700]], [str(one) for one in MANY[700:1_400]]
    resolved(client, known)
    mixed = [one for two in zip(known, new, strict=True) for one in two]
    assert [one["identifier"] for one in resolved(client, mixed)] == mixed


def test_a_batch_of_the_most_is_taken_and_one_more_is_not(client: httpx.Client) -> None:
    most = [str(one) for one in (MANY * 7)[:BATCH_MAX]]
    found = resolved(client, most)
    assert [one["status"] for one in found] == [200] * BATCH_MAX
    assert [one["given"] for one in found] == most
    answer = client.post(PATH, json={"identifiers": [*most, "one more"]})
    assert answer.status_code == 413
    assert "given 10,001" in answer.json()["detail"]
    assert resolved(client, []) == []


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b'{"identifiers": ["a"', "application/json", 400),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"identifiers": "a"}', "application/json", 400),
        (b'{"identifiers": [], "more": 1}', "application/json", 400),
        (b'{"identifiers": ["\xff"]}', "application/json", 400),
        (b'{"identifiers": [' + b"[" * 100_000, "application/json", 400),
        (b"\x81\xabidentifiers\xdd\xff\xff\xff\xff", PACKED, 400),
        (b"\x81\xabidentifiers" + b"\x91" * 100_000, PACKED, 400),
        (b"\xc1", PACKED, 400),
        (b'{"identifiers": []}', "text/plain", 415),
        (b'{"identifiers": []}', PACKED, 400),
        (b'{"identifiers": ["' + b"a" * BATCH_OCTETS + b'"]}', "application/json", 413),
    ],
)
def test_what_is_no_batch_is_refused_with_the_reason(
    client: httpx.Client, body: bytes, media: str, status: int
) -> None:
    answer = client.post(PATH, content=body, headers={"Content-Type": media})
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_result_says_what_the_authority_says_by_now(client: httpx.Client) -> None:
    """The TTL that is told goes down, though the rest is remembered."""
    first = resolved(client, [str(ACTIVE)])[0]["ttl"]
    until = time.monotonic() + 10
    while resolved(client, [str(ACTIVE)])[0]["ttl"] == first:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert resolved(client, [str(ACTIVE)])[0]["ttl"] < first
