"""The registry over HTTP: what a service centre does there, on a real node."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from gateway.http.shown import ON_IDENTIFIERS
from registry.audit import VerifierKey, check
from registry.replay.leaves import EFFECTS
from tests.support.commands import Node
from tests.support.interface import Interface, offered
from tests.support.registering import CLASS, OTHER, OWNER, PLACE, POOL, identifier

ONE = str(identifier("A001"))
RECORD = {"state": "active", "endpoints": ["https://a.example:8443"], "count": 8}


@pytest.fixture(scope="module")
def interface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interface]:
    folder = tmp_path_factory.mktemp("interface")
    node = Node(folder / "node")
    for owner in (OWNER, OTHER):
        node.accredit(owner)
    node.must("pool", "add", PLACE, "--class", CLASS, "--count", 100)
    node.must("assign", ONE, "--endpoint", "https://a.example:8443")
    node.must("audit", "key", "--new", "example.cn/log")
    node.must("audit", "checkpoint")
    with offered(node, folder) as found:
        yield found


@pytest.fixture(scope="module")
def desk(interface: Interface) -> Iterator[httpx.Client]:
    """A registrar of OWNER."""
    with interface.client("registrar", "--for-owner", OWNER) as client:
        yield client


@pytest.fixture(scope="module")
def office(interface: Interface) -> Iterator[httpx.Client]:
    with interface.client("administrator") as client:
        yield client


def test_registration(desk: httpx.Client) -> None:
    code = str(identifier("B001"))
    body = {"identifier": code, "record": RECORD, "reason": "首批"}
    answer = desk.post("/v1/identifiers", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["subject"] == code
    found = desk.get(answer.headers["Location"])
    assert found.status_code == 200, found.text
    assert found.json()["record"] == RECORD
    assert found.headers["ETag"] == f'"{found.json()["leaf"]}"'
    assert desk.get(f"/v1/identifiers/{code}").json() == found.json()
    tag = {"If-None-Match": found.headers["ETag"]}
    assert desk.get(f"/v1/identifiers/{code}", headers=tag).status_code == 304
    again = desk.post("/v1/identifiers", json=body)
    assert (again.status_code, again.json()["code"], again.json()["title_zh"]) == (
        409,
        200,
        "已存在",
    )
    assert again.headers["Content-Type"] == "application/problem+json"


def test_nothing_is_done_without_a_token_that_holds(interface: Interface) -> None:
    with interface.client() as nobody:
        for header in ("", "Bearer", "Bearer csid_t1_x", "Basic eDp5", "Bearer csid_none_secret"):
            answer = nobody.get(f"/v1/identifiers/{ONE}", headers={"Authorization": header})
            assert answer.status_code == 401, header
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert nobody.post("/v1/identifiers", json={}).status_code == 401
        assert nobody.get("/v1/openapi.json").status_code == 200


def test_a_token_ends_when_it_is_revoked(interface: Interface) -> None:
    with interface.client("read-only") as reader:
        assert reader.get(f"/v1/identifiers/{ONE}").status_code == 200
        interface.node.must("token", "revoke", f"t{interface._made}")
        assert reader.get(f"/v1/identifiers/{ONE}").status_code == 401


def test_a_role_may_do_what_the_rules_allow_it(
    interface: Interface, desk: httpx.Client, office: httpx.Client
) -> None:
    body = {"identifier": str(identifier("C001", OTHER)), "record": RECORD}
    refused = desk.post("/v1/identifiers", json=body)
    assert (refused.status_code, refused.json()["name"]) == (403, "OWNER_NOT_YOURS")
    assert office.post("/v1/identifiers", json=body).status_code == 201
    for role in ("auditor", "read-only"):
        with interface.client(role) as client:
            refused = client.post("/v1/identifiers", json=body)
            assert (refused.status_code, refused.json()["name"]) == (403, "ROLE_MAY_NOT")
    assert desk.post(f"/v1/owners/{OWNER}/suspend").json()["name"] == "ROLE_MAY_NOT"


def test_a_token_reaches_no_further_than_its_prefixes(interface: Interface) -> None:
    elsewhere = str(identifier("D001", location="330108"))
    with interface.client("administrator", "--prefix", PLACE) as client:
        inside = {"identifier": str(identifier("D001")), "record": RECORD}
        assert client.post("/v1/identifiers", json=inside).status_code == 201
        outside = {"identifier": elsewhere, "record": RECORD}
        assert client.post("/v1/identifiers", json=outside).status_code == 403
        into = client.post(f"/v1/identifiers/{ONE}/alias", json={"to": elsewhere})
        assert into.status_code == 403
        assert client.get(f"/v1/identifiers/{elsewhere}").status_code == 403
        assert client.post(f"/v1/owners/{OWNER}/suspend").status_code == 403
        found = client.get("/v1/identifiers", params={"limit": 1000}).json()["items"]
        assert found
        assert all(one["identifier"].startswith(PLACE) for one in found)
        assert client.get("/v1/identifiers", params={"prefix": OTHER}).status_code == 403
        batch = {"items": [{"op": "suspend", "identifier": elsewhere}]}
        (result,) = client.post("/v1/batches", json=batch).json()["items"]
        assert result["type"] == "urn:csid:problem:forbidden"
        subjects = {one["subject"] for one in client.get("/v1/changes").json()["items"]}
        assert subjects
        assert all(one.startswith(PLACE) for one in subjects)


def test_the_same_key_does_nothing_twice(desk: httpx.Client) -> None:
    body = {"pool": POOL, "record": RECORD}
    key = {"Idempotency-Key": "order-1"}
    first = desk.post("/v1/identifiers", json=body, headers=key)
    assert first.status_code == 201, first.text
    again = desk.post("/v1/identifiers", json=body, headers={"Idempotency-Key": '"order-1"'})
    assert again.json()["subject"] == first.json()["subject"]
    assert again.json()["name"] == "REPLAYED"
    other = desk.post("/v1/identifiers", json=body | {"ttl": 60}, headers=key)
    assert (other.status_code, other.json()["name"]) == (422, "KEY_REUSED")
    batch = {"items": [{"op": "mint", "pool": POOL}] * 3}
    key = {"Idempotency-Key": "order-2"}
    made = desk.post("/v1/batches", json=batch, headers=key).json()["items"]
    repeated = desk.post("/v1/batches", json=batch, headers=key).json()["items"]
    assert len({one["subject"] for one in made}) == 3
    assert [one["subject"] for one in repeated] == [one["subject"] for one in made]
    assert {one["name"] for one in repeated} == {"REPLAYED"}


def test_a_change_is_made_of_what_was_seen_alone(desk: httpx.Client) -> None:
    path = f"/v1/identifiers/{ONE}"
    tag = {"If-Match": desk.get(path).headers["ETag"]}
    assert desk.patch(path, json={"record": {"count": 4}}, headers=tag).status_code == 200
    late = desk.patch(path, json={"record": {"count": 5}}, headers=tag)
    assert (late.status_code, late.json()["name"]) == (412, "CHANGED_SINCE")
    assert desk.get(path).json()["record"]["count"] == 4
    # Where it would not be looked at, it is not passed over in silence.
    assert desk.post(f"{path}/retire", headers=tag).status_code == 400
    assert desk.get(path).json()["state"] == "active"


def test_a_life(desk: httpx.Client, office: httpx.Client) -> None:
    code = str(identifier("E001"))
    path = f"/v1/identifiers/{code}"
    body = {"identifier": code, "record": {"state": "reserved"}}
    assert desk.post("/v1/identifiers", json=body).status_code == 201
    assert desk.post(f"{path}/file").status_code == 200
    assert desk.post(f"{path}/activate").json()["name"] == "ROLE_MAY_NOT"
    for step, state in (("activate", "active"), ("suspend", "suspended"), ("reinstate", "active")):
        assert office.post(f"{path}/{step}", json={"reason": "检修"}).status_code == 200
        assert office.get(path).json()["state"] == state
    assert desk.post(f"{path}/retire", json={"successor": ONE}).status_code == 200
    again = desk.post(f"{path}/retire", json={"successor": ONE})
    assert again.json()["name"] == "UNCHANGED"
    assert office.post(f"{path}/suspend").json()["name"] == "STATE_PROHIBITS"
    history = desk.get(f"{path}/history").json()["items"]
    assert [one["kind"] for one in history] == ["retire", *["advance"] * 4, "assign"]
    assert history[1]["why"] == "检修"
    assert history[1]["by"].startswith("token/")
    assert desk.get(f"{path}/filing").json()["receipt"] is None


def test_owners_agree_on_a_transfer_and_lock_and_renew(
    interface: Interface, desk: httpx.Client
) -> None:
    code = str(identifier("B077"))
    at = f"/v1/identifiers/{code}"
    assert desk.post("/v1/identifiers", json={"identifier": code}).status_code == 201
    since = desk.get("/v1/changes", params={"limit": 1}).json()["size"]
    locked = desk.post(f"{at}/lock", json={"locks": ["transfer"], "reason": "抵押"})
    assert locked.status_code == 200, locked.text
    offer = {"owner": OTHER, "code": "a code of 16 characters", "days": 2}
    assert desk.post(f"{at}/offer", json=offer).status_code == 409
    lifted = desk.post(f"{at}/unlock", json={"locks": ["transfer"], "of": "node"})
    assert lifted.status_code == 403  # the node's are not the owner's to lift
    assert desk.post(f"{at}/unlock", json={"locks": ["transfer"]}).status_code == 200
    for until, status in (("2099-01-01", 200), ("2099-02-30", 422), ("gestern", 422)):
        renewed = desk.post(f"{at}/renew", json={"until": until})
        assert renewed.status_code == status, renewed.text
    assert desk.post(f"{at}/offer", json=offer).status_code == 200
    assert desk.post(f"{at}/cancel", json={}).status_code == 200
    assert desk.post(f"{at}/offer", json=offer).status_code == 200
    taken = {"owner": OTHER, "code": offer["code"]}
    prefixes = ("--prefix", f"{OTHER}/6450/330106")
    with interface.client("registrar", "--for-owner", OTHER, *prefixes) as other:
        assert other.post(f"{at}/accept", json={**taken, "code": "?"}).status_code in (403, 409)
        assert other.post(f"{at}/reject", json={"owner": OWNER}).status_code == 403
        accepted = other.post(f"{at}/accept", json=taken)
        assert accepted.status_code == 200, accepted.text
        assert accepted.json()["subject"].startswith(f"{OTHER}/")
    with interface.client("read-only") as reader:
        page = reader.get("/v1/changes", params={"since": since, "limit": 100}).json()
    kinds = [one["kind"] for one in page["items"] if one["subject"] == code]
    assert kinds == ["renew", "transfer.accept"]  # what everybody may follow


def test_the_feed_has_every_change_that_has_a_record() -> None:
    of_identifiers = {
        kind
        for kind, step in EFFECTS.items()
        if step.__module__ in ("registry.replay.identifiers", "registry.replay.handover")
    }
    assert of_identifiers - {"filing.move", "take.subtree"} == ON_IDENTIFIERS


def test_a_batch_has_a_result_for_each_item(desk: httpx.Client) -> None:
    codes = [str(identifier(f"F{number:03}")) for number in range(450)]
    items: list[object] = [{"op": "assign", "identifier": code} for code in codes]
    items[3] = {"op": "assign", "identifier": codes[3][:-1]}
    items[5] = {"op": "assign", "identifier": str(identifier("F005", OTHER))}
    items[7] = {"op": "explode"}
    items[8] = 8
    items[9] = {"op": "assign", "identifier": codes[9], "colour": "red"}
    results = desk.post("/v1/batches", json={"items": items, "reason": "清点"}).json()["items"]
    assert [number for number, one in enumerate(results) if one["status"] != 200] == [3, 5, 7, 8, 9]
    assert results[5]["name"] == "OWNER_NOT_YOURS"
    assert [one["subject"] for one in results[10:]] == codes[10:]
    assert desk.get(f"/v1/identifiers/{codes[449]}/history").json()["items"][0]["why"] == "清点"
    for wrong in ({}, {"items": []}, {"items": [{}] * 2001}, {"items": [{}], "more": 1}, []):
        assert desk.post("/v1/batches", json=wrong).status_code == 422


def test_pages_stay_the_same_while_others_write(desk: httpx.Client, office: httpx.Client) -> None:
    place = f"{OTHER}/6450/110000/ACV"
    codes = [str(identifier(f"G{number:03}", OTHER, "110000")) for number in range(0, 40, 2)]
    office.post("/v1/batches", json={"items": [{"op": "assign", "identifier": c} for c in codes]})
    seen: list[str] = []
    after = ""
    while True:
        asked = {"prefix": place, "limit": 7, **({"after": after} if after else {})}
        answer = office.get("/v1/identifiers", params=asked).json()
        seen += [one["identifier"] for one in answer["items"]]
        # One that comes before what was seen, and one that goes.
        before = str(identifier(f"G{len(seen) - 7 + 1:03}", OTHER, "110000"))
        office.post("/v1/identifiers", json={"identifier": before})
        if answer["next"] is None:
            break
        after = answer["next"]
    assert [code for code in seen if code in codes] == codes
    assert len(seen) == len(set(seen))
    unknown = office.get("/v1/identifiers", params={"prefix": place, "after": "x"})
    assert unknown.status_code == 422
    named = office.get("/v1/identifiers", params={"prefx": place})
    assert "did you mean prefix?" in named.json()["detail"]


def test_changes_are_followed_from_where_one_was(
    desk: httpx.Client, office: httpx.Client, interface: Interface
) -> None:
    every = []
    at = 0
    while (
        at < (answer := office.get("/v1/changes", params={"since": at, "limit": 50}).json())["size"]
    ):
        every += answer["items"]
        assert answer["next"] > at
        at = answer["next"]
    assert [one["leaf"] for one in every] == list(range(at))
    assert office.get("/v1/changes", params={"since": at}).json()["items"] == []
    beyond = office.get("/v1/changes", params={"since": at + 99, "wait": 30})
    assert "an older copy" in beyond.json()["detail"]
    code = str(identifier("H001"))
    desk.post("/v1/identifiers", json={"identifier": code, "record": RECORD})
    (new,) = office.get("/v1/changes", params={"since": at, "wait": 20}).json()["items"]
    assert (new["subject"], new["record"], new["kind"]) == (code, RECORD, "assign")
    with interface.client("registrar", "--for-owner", OTHER) as other:
        (seen,) = other.get("/v1/changes", params={"since": at, "wait": 1}).json()["items"][:1]
        assert seen["subject"] == code
        assert "by" not in seen and "why" not in seen
        kinds = {one["kind"] for one in other.get("/v1/changes").json()["items"]}
        assert "token.add" not in kinds


def test_owners_and_pools(interface: Interface, desk: httpx.Client, office: httpx.Client) -> None:
    code = "91110000802100433B"
    body = {"owner": code, "kinds": ["resource"], "name": "北京算力", "contact": "noc@b.cn"}
    assert office.post("/v1/owners", json=body).status_code == 201
    assert office.post(f"/v1/owners/{code}/accredit").status_code == 200
    assert office.patch(f"/v1/owners/{code}", json={"quota": 5}).status_code == 200
    whole = office.get(f"/v1/owners/{code}").json()
    assert (whole["quota"], whole["contact"], whole["standing"]) == (5, "noc@b.cn", "accredited")
    assert "contact" not in desk.get(f"/v1/owners/{code}").json()
    assert "contact" in desk.get(f"/v1/owners/{OWNER}").json()
    listed = office.get("/v1/owners", params={"limit": 1}).json()
    assert listed["items"][0]["owner"] == code
    following = office.get("/v1/owners", params={"after": listed["next"], "limit": 9}).json()
    assert [one["owner"] for one in following["items"]] == sorted([OWNER, OTHER])
    place = f"{code}/6450/110000/ACV"
    made = office.post("/v1/pools", json={"place": place, "class": CLASS, "count": 9, "quota": 3})
    assert made.status_code == 200, made.text
    (pool,) = office.get("/v1/pools", params={"prefix": place}).json()["items"]
    assert (pool["pool"], pool["quota"], pool["assigned"]) == (made.json()["subject"], 3, 0)
    assert desk.get("/v1/pools", params={"prefix": place}).json()["items"] == []
    assert office.get("/v1/owners/nobody").status_code == 404


def test_proofs_are_for_those_who_may_know(interface: Interface, desk: httpx.Client) -> None:
    leaves = [one["leaf"] for one in desk.get(f"/v1/identifiers/{ONE}/history").json()["items"]]
    first = desk.get(f"/v1/identifiers/{ONE}/proof", params={"leaf": leaves[-1]})
    assert first.status_code == 200, first.text
    key = VerifierKey.parse((interface.node.data / "audit-key.pem.pub").read_text())
    assert check(first.text, key).index == leaves[-1]
    other = desk.get(f"/v1/identifiers/{ONE}/proof", params={"leaf": leaves[-1] - 1})
    assert other.status_code == 404
    assert desk.get("/v1/checkpoint").text.startswith("example.cn/log\n")
    with interface.client("read-only") as reader:
        assert reader.get(f"/v1/identifiers/{ONE}/proof").status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b'{"identifier": "\\ud800"}', 400),
        (b'{"identifier": "x", "ttl": 1e999}', 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"identifier": 1}', 422),
        (b'{"identifier": "x", "ttl": true}', 422),
        (b'{"identifier": "x", "record": {"ch": 1}}', 422),
        (b" " * (5 << 20), 413),
    ],
)
def test_what_is_no_request_is_a_problem(desk: httpx.Client, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    answer = desk.post("/v1/identifiers", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"] and problem["title_zh"] and problem["detail"]


def test_a_problem_is_told_in_the_language_that_is_asked_for(desk: httpx.Client) -> None:
    body = {"identifier": 1}
    chinese = desk.post("/v1/identifiers", json=body, headers={"Accept-Language": "zh-CN,en;q=0.5"})
    english = desk.post("/v1/identifiers", json=body, headers={"Accept-Language": "en"})
    assert "应为" in chinese.json()["detail"]
    assert chinese.headers["Content-Language"] == "zh"
    assert "expected" in english.json()["detail"]
    assert "Content-Language" not in english.headers
    same = ("type", "status", "title", "title_zh")
    assert [chinese.json()[one] for one in same] == [english.json()[one] for one in same]


def test_what_is_not_there_is_a_problem(desk: httpx.Client) -> None:
    assert desk.get("/v2/identifiers").json()["type"] == "urn:csid:problem:no-such-path"
    assert desk.delete("/v1/identifiers").status_code == 405
    nobody = desk.get(f"/v1/identifiers/{identifier('9999')}")
    assert (nobody.status_code, nobody.json()["name"]) == (404, "NOT_FOUND")
    for path in ("what", "%ff", "%00", "a" * 9_000):
        assert desk.get(f"/v1/identifiers/{path}").status_code == 422
    text = desk.post("/v1/identifiers", content=b"{}", headers={"Content-Type": "text/plain"})
    assert text.status_code == 415


def test_all_that_was_done_stands_in_the_log(interface: Interface) -> None:
    verdict = interface.node.run("audit", "verify")
    assert verdict.code == 0, verdict
