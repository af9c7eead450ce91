"""Walks from the root over HTTP: as they go now, shared by those who ask meanwhile, and few."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from csid.identifier import make, parse
from csid.record import Record, encode
from gateway.resolving.traces import AT_ONCE
from tests.support.gateways import gateway_http
from tests.support.identifiers import PRINTED
from tests.support.servers import PATIENCE, make_data, serving

ACTIVE, OTHER, *_ = map(parse, PRINTED)
NAME = ACTIVE.to_dns_name()
OWNER = NAME.split(".", 4)[4]
ROOT = f"""\
$TTL 300
@ SOA ns h 1 1 1 1 60
  NS ns
ns A 127.0.0.1
{OWNER} NS ns.{OWNER}
ns.{OWNER} A 127.0.0.41
"""
DATA = encode(Record({"state": "active"})).hex()
BELOW = f"""\
$TTL 300
@ SOA ns h 1 1 1 1 60
  NS ns
ns A 127.0.0.41
{NAME} TYPE65347 \\# {len(DATA) // 2} {DATA}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway before a root and the server of an owner."""
    folder = tmp_path_factory.mktemp("traces")
    with serving(make_data(folder / "root", ROOT)) as root:
        there = [f"127.0.0.41:{root.port}"]
        with (
            serving(make_data(folder / "below", BELOW, OWNER), listen=there),
            gateway_http(folder / "gateway", f"127.0.0.1:{root.port}") as found,
        ):
            yield f"http://{found.address}"


def test_each_step_is_told_from_the_root_on(gateway: str) -> None:
    for _ in range(2):  # nothing of it comes from the cache
        answer = httpx.get(f"{gateway}/v1/identifiers/{ACTIVE}/trace")
        assert answer.headers["cache-control"] == "no-store"
        steps = answer.json()
        assert [one["outcome"] for one in steps] == ["referral", "answer"]
        assert [one["zone"] for one in steps] == ["csid.internal.", OWNER]
        assert {(one["name"], one["type"]) for one in steps} == {(NAME, "TYPE65347")}
        assert steps[1]["server"].startswith("127.0.0.41:")
        assert steps[1]["server_name"] == f"ns.{OWNER}"
        assert all(0 < one["milliseconds"] < 1_000 * PATIENCE for one in steps)


def test_what_was_said_is_told_in_the_language_asked_for(gateway: str) -> None:
    url = f"{gateway}/v1/identifiers/{ACTIVE.to_handle()}/trace?lang=zh"
    assert httpx.get(url).json()[0]["said"].startswith("转介")
    wrong = httpx.get(f"{gateway}/v1/identifiers/{str(ACTIVE)[:-1]}X/trace")
    assert wrong.status_code == 400


def ask_all(address: str, identifiers: list[str]) -> list[httpx.Response]:
    """Ask for all walks at a time."""

    async def every() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            urls = [f"http://{address}/v1/identifiers/{one}/trace" for one in identifiers]
            return await asyncio.gather(*map(client.get, urls))

    return asyncio.run(every())


def test_those_who_ask_for_the_same_walk_share_it_and_for_others_there_are_few(
    tmp_path: Path,
) -> None:
    with (
        serving(make_data(tmp_path / "root", ROOT)) as root,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent,
        gateway_http(tmp_path / "gateway", f"127.0.0.1:{root.port}") as found,
    ):
        silent.bind(("127.0.0.41", root.port))  # the owner's server: it hears, and says nothing
        same = ask_all(found.address, [ACTIVE.to_handle(f"2{one}") for one in range(3 * AT_ONCE)])
        place = ACTIVE.owner, ACTIVE.industry, ACTIVE.location, ACTIVE.type, ACTIVE.capability
        others = [str(make(*place, f"W{number}")) for number in range(3 * AT_ONCE)]
        many = ask_all(found.address, others)
    assert {one.status_code for one in same} == {200}
    assert len({one.text for one in same}) == 1
    assert same[0].json()[-1]["outcome"] == "no answer"
    codes = [one.status_code for one in many]
    # On a slow machine a walk may have ended before the last of them asks.
    assert set(codes) == {200, 429}
    assert codes.count(200) >= AT_ONCE
    assert all(one.headers["retry-after"] for one in many if one.status_code == 429)
