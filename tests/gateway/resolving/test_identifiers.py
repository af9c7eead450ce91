"""`GET /v1/identifiers/{identifier}` of a gateway before real servers."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import msgpack
import pytest

from csid.explain import explain
from csid.record import Record, decode
from tests.support.gateways import gateway_http
from tests.support.resolved import (
    ABSENT,
    ACTIVE,
    ALIAS,
    ELSEWHERE,
    INVALID,
    OWNER,
    RECORD,
    RETIRED,
    TOMBSTONE,
    TTL,
    network,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("identifiers")
    with (
        network(folder) as net,
        gateway_http(folder / "gateway", net.top) as gateway,
        gateway.client() as made,
    ):
        yield made


def path(text: object) -> str:
    return f"/v1/identifiers/{text}"


def test_an_identifier_is_shown_with_all_that_is_known_of_it(client: httpx.Client) -> None:
    for _ in range(3):  # asked of others, made of the cache, ready
        answer = client.get(path(ACTIVE))
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert said["identifier"] == str(ACTIVE)
        assert said["dns"] == ACTIVE.to_dns_name()
        assert said["handle"] == ACTIVE.to_handle()
        assert (said["state"], said["state_text"]) == ("active", "active")
        assert said["record"] == RECORD
        assert [one["uri"] for one in said["endpoints"]] == [
            "https://a.example:8443/v1",
            "grpcs://b.example:443",
        ]
        assert said["authority"] == {"zone": "csid.internal.", "server": "ns.csid.internal."}
        assert [row["text"] for row in said["explanation"]] == [row.en for row in explain(ACTIVE)]
        assert said["stale"] is False
        assert 0 < said["ttl"] <= TTL
        assert answer.headers["Cache-Control"] == f"max-age={said['ttl']}"
        assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "written",
    [
        quote(str(ACTIVE), safe=""),
        str(ACTIVE).lower(),
        ACTIVE.to_dns_name(),
        ACTIVE.to_dns_name().rstrip("."),
        ACTIVE.to_handle(),
        quote(ACTIVE.to_handle("20.500.1"), safe=""),
        quote("".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in str(ACTIVE))),
    ],
)
def test_it_may_be_written_in_any_form(client: httpx.Client, written: str) -> None:
    assert client.get(path(written)).json()["identifier"] == str(ACTIVE)


def test_it_is_explained_in_the_language_of_who_asks(client: httpx.Client) -> None:
    chinese = [row.zh for row in explain(ACTIVE)]
    for _ in range(2):
        asked = client.get(path(ACTIVE), headers={"Accept-Language": "zh-CN,en;q=0.5"}).json()
        assert [row["text"] for row in asked["explanation"]] == chinese
        assert (asked["language"], asked["state_text"]) == ("zh", "有效")
        said = client.get(path(ACTIVE), params={"lang": "zh"}, headers={"Accept-Language": "en"})
        assert said.json()["explanation"] == asked["explanation"]
        assert client.get(path(ACTIVE)).json()["language"] == "en"
    for wrong in ("fr", ""):
        assert client.get(path(ACTIVE), params={"lang": wrong}).status_code == 400


def test_msgpack_has_the_canonical_map_of_the_record(client: httpx.Client) -> None:
    for _ in range(2):
        answer = client.get(path(ACTIVE), headers={"Accept": "application/msgpack"})
        assert answer.headers["Content-Type"] == "application/msgpack"
        said = msgpack.unpackb(answer.content)
        assert decode(msgpack.packb(said["record"])).json() == Record(RECORD).json()
        plain = client.get(path(ACTIVE)).json()
        assert {**said, "record": None, "ttl": 0} == {**plain, "record": None, "ttl": 0}
    both = client.get(
        path(ACTIVE), headers={"Accept": "application/msgpack;q=0.5, application/json"}
    )
    assert both.headers["Content-Type"] == "application/json"


def test_who_has_an_answer_already_is_told_so(client: httpx.Client) -> None:
    tag = client.get(path(ACTIVE)).headers["ETag"]
    for given in (tag, f'"other", W/{tag}', "*"):
        answer = client.get(path(ACTIVE), headers={"If-None-Match": given})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
    assert client.get(path(ACTIVE), headers={"If-None-Match": '"other"'}).status_code == 200
    for headers in ({"Accept": "application/msgpack"}, {"Accept-Language": "zh"}):
        other = client.get(path(ACTIVE), headers=headers)
        assert other.headers["ETag"] != tag
        assert other.headers["Vary"] == "Accept, Accept-Language"


def test_a_head_has_the_fields_of_the_answer_and_no_body(client: httpx.Client) -> None:
    whole, head = client.get(path(ACTIVE)), client.head(path(ACTIVE))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]


def test_one_that_is_retired_is_gone_and_leaves_its_tombstone(client: httpx.Client) -> None:
    for _ in range(2):
        answer = client.get(path(RETIRED))
        assert answer.status_code == 410
        assert answer.json()["record"] == TOMBSTONE
        assert answer.json()["authority"]["zone"] == OWNER


def test_an_alias_leads_to_what_it_is_an_alias_of(client: httpx.Client) -> None:
    for _ in range(2):
        answer = client.get(path(ALIAS))
        assert answer.status_code == 301
        assert answer.headers["Location"] == path(RETIRED)
        assert answer.json()["alias_of"] == str(RETIRED)
    assert client.get(path(ALIAS), follow_redirects=True).json()["identifier"] == str(RETIRED)
    other = client.get(path(ELSEWHERE))
    assert (other.status_code, other.json()["alias_of"]) == (200, "shop.csid.internal.")


def test_one_that_never_was_is_not_found_and_the_zone_that_says_so_is_named(
    client: httpx.Client,
) -> None:
    for _ in range(2):
        answer = client.get(path(ABSENT))
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "csid.internal. says" in answer.json()["detail"]
        assert answer.headers["Cache-Control"] in {f"max-age={n}" for n in range(50, 61)}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (str(ACTIVE)[:-1] + "0", "check characters"),
        ("xx", "5 segments"),
        (ACTIVE.to_dns_name("other.example"), "suffix"),
        ("a" * 5_000, "512"),
        ("%00%ff", "segments"),
        (str(ACTIVE) + "/status-of-it", "segments"),
    ],
)
def test_what_is_no_identifier_is_refused_with_the_reason(
    client: httpx.Client, text: str, reason: str
) -> None:
    answer = client.get(path(text))
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["detail"]


def test_the_reason_is_told_in_chinese_to_who_reads_that(client: httpx.Client) -> None:
    answer = client.get(path("xx"), headers={"Accept-Language": "zh"})
    assert answer.headers["Content-Language"] == "zh"
    assert answer.json()["title_zh"] == "标识不合规"
    assert "应为" in answer.json()["detail"] or "段" in answer.json()["detail"]


def test_a_record_that_is_not_valid_is_the_fault_of_its_authority(client: httpx.Client) -> None:
    for _ in range(2):
        assert client.get(path(INVALID)).status_code == 502


def test_paths_and_methods_that_there_are_not_are_told(client: httpx.Client) -> None:
    assert client.get("/v1/identifiers/").status_code == 404
    assert client.get("/nothing").status_code == 404
    answer = client.post(path(ACTIVE))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
