"""Processes of regions and of a nation that tell each other; what they say when asked."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.systems.aggregation.exchange import Report
from tests.support.regions import Aggregation, Called, nation, region
from tests.support.servers import eventually
from tests.support.shapes import validator
from tests.support.sources import Answering, dripping, endless, hanging, played, saying

EIGHT = "r1,a,H100,8,192,5,100,正常"
FOUR = "r2,b,910B,8,192,4,100,正常"
DRAINED = "r3,c,910B,8,192,8,192,维护"


def regions_of(called: Called) -> set[str]:
    return {one["region"] for one in called.get("neighbours")["items"]}


def chips_of(counted: dict[str, Any]) -> tuple[float, float, float]:
    found = counted["amounts"].get("chips", {"total": 0, "free": 0, "unknown": 0})
    return found["total"], found["free"], found["unknown"]


def total(called: Called, **where: str) -> tuple[float, float, float]:
    return chips_of(called.get("picture", **where)["total"])


def test_the_nation_sees_all_and_a_region_its_neighbours(tmp_path: Path) -> None:
    with nation(tmp_path, "zhejiang 33", "jiangsu 32") as (top, sees, authority):
        places = {"zhejiang": "330106", "jiangsu": "320102"}
        made = {}
        for name, place in places.items():
            key = top.key(name, "ask")
            made[name] = one = region(tmp_path, name, sees.url, key, authority)
            one.has(*([EIGHT] if name == "zhejiang" else [FOUR, DRAINED]))
            one.add(place, "5s")
        with made["zhejiang"].runs() as hangzhou, made["jiangsu"].runs() as nanjing:
            eventually("the nation sees both", lambda: total(sees) == (24, 9, 0))
            by = sees.get("picture", by="province,chip")["items"]
            assert {(*one["by"].values(), *chips_of(one)[:2]) for one in by} == {
                ("330000", "H100", 8, 5),
                ("320000", "Ascend 910B", 16, 4),
            }
            assert all(one["newest_age"] < 60 and one["sources"] for one in by)
            assert total(sees, region="jiangsu")[1] == 4
            seen: dict[str, Any] = {}

            def sees_it() -> bool:
                for one in hangzhou.get("neighbours")["items"]:
                    seen.update(one)
                return bool(seen) and chips_of(seen["total"])[0] == 16

            eventually("they see each other", sees_it)
            assert (seen["source"], seen["stale"], chips_of(seen["total"])) == (
                "nation",
                False,
                (16, 4, 0),
            )
            assert seen["total"]["amounts"]["chips"]["maintenance"] == 8
            assert seen["age"] < 10 and seen["total"]["newest_age"] < 60
            assert regions_of(nanjing) == {"zhejiang"}
            # Its own picture is of itself alone.
            assert total(hangzhou) == (8, 5, 0)
            # What changes is told as a difference.
            made["jiangsu"].has("r2,b,910B,8,192,1,10,正常", DRAINED)
            eventually("it is told", lambda: total(sees, region="jiangsu") == (16, 1, 0))
            health = [one.client.get("/v1/health").json()["status"] for one in (hangzhou, nanjing)]
            assert health == ["ok", "ok"]


def test_nobody_is_believed_about_another_region(tmp_path: Path) -> None:
    with nation(tmp_path, "zhejiang 33") as (top, sees, _):
        given = Report("zhejiang", 1, 0, now_of(sees), 60)
        body = msgspec.json.encode(given)

        def post(key: str) -> Any:
            return sees.client.post(
                "/v1/aggregation/exchange",
                content=body,
                headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            )

        refused = post(top.key("jiangsu", "ask"))
        assert refused.status_code == 403
        assert "the key jiangsu may not report for zhejiang" in refused.json()["detail"]
        assert post(top.key("boss", "operate")).status_code == 403
        assert post(top.key("zhejiang", "ask")).status_code == 200
        assert regions_of(sees) == {"zhejiang"}
        body = body.replace(b'"zhejiang"', b'"jiangsu"')
        unknown = post(top.key("fujian", "ask"))
        assert unknown.status_code == 403
        top("system", "key", "remove", "zhejiang")
        looker = top.key("zhejiang", "read")
        body = msgspec.json.encode(given)
        assert "this needs one to ask" in post(looker).json()["detail"]
        # Without an authority that is known nothing is sent.
        other = region(tmp_path, "fujian", sees.url, "csid_fujian_x", None)
        with other.runs() as alone:
            eventually(
                "it is said", lambda: "CERTIFICATE" in alone.get("neighbours")["why"].upper()
            )


def now_of(called: Called) -> int:
    text: str = called.get("picture")["at"]
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def test_without_keys_nobody_is_a_region(tmp_path: Path) -> None:
    alone = Aggregation(tmp_path, "alone")
    with alone.runs() as called:
        given = msgspec.to_builtins(Report("alone", 1, 0, now_of(called), 60))
        refused = called.client.post("/v1/aggregation/exchange", json=given)
        assert refused.status_code == 403
        assert "who has no key may not report for alone" in refused.json()["detail"]


@pytest.mark.parametrize(
    "kind", ["hanging", "garbage", "endless", "dripping", "refusing", "elsewhere", "lying"]
)
def test_a_broken_nation_harms_no_region(tmp_path: Path, kind: str) -> None:
    over = threading.Event()
    lie = b'{"number": 9007199254740992, "whole": false, "at": 1, "node": "n", "neighbours": []}'
    answers: dict[str, Answering] = {
        "hanging": hanging(over),
        "garbage": saying(b"\xff\x00{" * 1_000),
        "endless": endless,
        "dripping": dripping(over),
        "refusing": saying(b'{"detail": "no"}', 500),
        "elsewhere": saying(b"", 307, Location="http://192.0.2.1/"),
        "lying": saying(lie),
    }
    with played(answers[kind]) as broken:
        one = region(tmp_path, "zhejiang", broken.url, "csid_zhejiang_x", None)
        one.has(EIGHT)
        one.add("330106")
        with one.runs() as called:
            eventually("it has been asked", lambda: broken.asked)
            eventually("it is polled", lambda: total(called) == (8, 5, 0))
            if kind not in ("hanging", "endless", "dripping"):
                eventually("it is said", lambda: called.get("neighbours")["why"])
            health = called.client.get("/v1/health").json()
            assert health["status"] == "ok"
            over.set()


def test_what_it_says_of_its_sources(tmp_path: Path) -> None:
    one = Aggregation(tmp_path, "zhejiang")
    one.has(EIGHT, DRAINED)
    one.add("330106")
    with one.runs() as called:
        eventually("it is polled", lambda: total(called)[0] == 16)
        eventually("that is noted", lambda: called.get("sources")["items"][0]["state"] == "ok")
        (source,) = called.get("sources")["items"]
        assert (source["name"], source["kind"]) == ("stock", "table")
        assert (source["units"], source["pools"], source["registered"]) == (2, 2, 0)
        assert source["age"] < 60 and "url" not in source and "token_file" not in source
        said = called.get("sources/stock/units", limit="1")
        (unit,) = said["items"]
        assert (unit["unit"], unit["free"]["chips"], unit["health"]) == ("r1", 5, "ok")
        assert unit["identifier"].count("/") == 4 and said["after"] == "r1"
        (other,) = called.get("sources/stock/units", after="r1")["items"]
        assert (other["unit"], other["health"], bool(other["why"])) == ("r3", "maintenance", True)
        last = called.get("sources/stock/units", after="机" * 512)  # as long as a key may be
        assert last["items"] == [] and last["after"] is None
        absent = called.client.get("/v1/aggregation/sources/none/units")
        assert absent.status_code == 404
        assert called.get("http_sd") == []  # nothing is registered
        wrong = called.client.get("/v1/aggregation/picture?by=colour")
        assert wrong.status_code == 422 and "'colour'" in wrong.json()["detail"]
        wrong = called.client.get("/v1/aggregation/history?from=yesterday")
        assert wrong.status_code == 422 and "expected a moment" in wrong.json()["detail"]
        eventually("a minute is kept", lambda: called.get("history", step="minute")["items"])
        (minute,) = called.get("history", step="minute", by="type")["items"][-1:]
        assert minute["minutes"] == 1
        shown = one("aggregate", "picture", "--by", "chip,place", "--json")
        assert shown.code == 0 and len(shown.json) == 3
        for row in shown.json:
            validator("aggregate-picture").validate(row)
        table = one("aggregate", "picture", "--by", "place", "--where", "chip=H100")
        assert "330106" in table.out and "5" in table.out
        past = one("aggregate", "history", "--step", "minute", "--json")
        for row in past.json:
            validator("aggregate-history").validate(row)
        assert past.code == 0 and past.json
        assert "合计" not in one("aggregate", "history", "--step", "day").out


def test_what_was_shown_is_judged(tmp_path: Path) -> None:
    one = Aggregation(tmp_path, "zhejiang")
    one.has(*(f"r{n},n{n},H100,8,192,5,100,正常" for n in range(8)))
    one.add("330106")
    with one.runs() as called:
        eventually("it is polled", lambda: total(called)[0] == 64)
        assert "nothing is held back" in judge(called, "accept", "0" * 8).json()["detail"]
    one.has("r0,n0,H100,8,192,5,100,正常")
    assert one("aggregate", "run", "--once").code == 1
    with one.runs() as called:
        (source,) = called.get("sources")["items"]
        held = source["held"]
        assert source["state"] == "held" and held["reasons"][0]["rule"] == "gone"
        assert held["counts"] == {"vanished": 7} and held["more"] == 0
        assert {one["name"] for one in held["changes"]["vanished"]} == {
            f"n{n}" for n in range(1, 8)
        }
        assert called.get("sources/stock")["held"] == held
        assert called.client.get("/v1/aggregation/sources/none").status_code == 404
        other = judge(called, "accept", "f" * 32)
        assert other.status_code == 409 and "something else" in other.json()["detail"]
        assert judge(called, "accept", "").status_code == 422
        refused = judge(called, "refuse", held["digest"])
        assert (refused.status_code, refused.json()["verdict"]) == (200, "refused")
        assert judge(called, "accept", held["digest"][:8]).json()["verdict"] == "accepted"
        eventually("it is applied", lambda: called.get("sources")["items"][0]["state"] == "ok")
        key = one.key("asker", "ask")
        headers = {"Authorization": f"Bearer {key}"}
        answer = called.client.post(
            "/v1/aggregation/sources/stock/accept", json={"shown": "0" * 8}, headers=headers
        )
        assert answer.status_code == 403


def judge(called: Called, verdict: str, shown: str) -> Any:
    path = f"/v1/aggregation/sources/stock/{verdict}"
    return called.client.post(path, json={"shown": shown})
