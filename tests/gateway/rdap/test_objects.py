"""What RDAP says of identifiers and owners, and what of it is not for everybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from csid.record import Record, encode
from gateway.http import shown
from gateway.rdap import objects
from gateway.visibility import FIELDS, Audience, hidden, visible
from registry.rules.requests import Assign
from registry.tables.enums import WORDS, Kind, Standing, State
from registry.tables.log_entry import decode
from registry.tables.rows import Assignment, Owner
from resolver.store.environment import Settings
from tests.support.commands import Node
from tests.support.interface import offered
from tests.support.registering import OWNER, RECORD, book, identifier

SETTINGS = Settings("csid.internal.", "0.EXAMPLE", bytes(16), bytes(16))
HOLDER = Owner((Kind.RESOURCE_PROVIDER,), Standing.ACCREDITED, "杭州", "noc@a.cn", 9, True, 7, 60)
ONE = str(identifier())


def row(state: State, **facts: object) -> Assignment:
    ended = {"ended": "2026-01-01"} if state is State.RETIRED else {}
    record = encode(Record({"state": WORDS[state].record, **ended, **facts}))
    return Assignment(state, 3, 60, 120, 0, record, "")


def seen(state: State, audience: Audience, **facts: object) -> dict[str, object]:
    return shown.whole_identifier(ONE, row(state, **facts), SETTINGS, audience)


@pytest.mark.parametrize("audience", Audience)
def test_each_field_is_shown_to_those_whom_the_table_names(audience: Audience) -> None:
    of = book()
    of.must(Assign(identifier(), RECORD))
    every = {
        "identifier": seen(State.ACTIVE, audience),
        "owner": shown.owner(OWNER, HOLDER, audience),
        "change": shown.change(0, decode(of.leaves[-1]), audience),
    }
    for kind, fields in FIELDS.items():
        assert set(every[kind]) == set(fields) - set(hidden(kind, audience))


def test_a_field_that_the_table_does_not_have_is_shown_to_nobody() -> None:
    with pytest.raises(KeyError):
        visible("owner", {"mother": "x"}, Audience.KNOWING)


@pytest.mark.parametrize("state", [one for one in State if one is not State.SUPERSEDED])
def test_an_identifier_has_the_status_words_of_its_state(state: State) -> None:
    found = objects.domain(seen(state, Audience.EVERYBODY), None, "https://r.example")
    assert found["status"] == list(WORDS[state].rdap)
    assert found["handle"] == ONE
    assert found["ldhName"].endswith("csid.internal")
    assert [one["eventAction"] for one in found["events"]] == ["registration", "last changed"]
    assert found["events"][0]["eventDate"] == "1970-01-01T00:01:00Z"


def test_its_end_and_its_owner_are_told() -> None:
    whole = seen(State.ACTIVE, Audience.EVERYBODY, valid_until="2027-12-31")
    owner = shown.owner(OWNER, HOLDER, Audience.EVERYBODY)
    found = objects.domain(whole, owner, "https://r.example")
    assert found["events"][-1] == {
        "eventAction": "expiration",
        "eventDate": "2027-12-31T23:59:59+08:00",
    }
    (registrant,) = found["entities"]
    assert registrant["roles"] == ["registrant"]
    assert "noc@a.cn" not in str(found)
    told = objects.answered(found, Audience.EVERYBODY, ("identifier", "owner"))["redacted"]
    assert "owner contact" in {one["name"]["description"] for one in told}


@pytest.mark.parametrize(
    ("contact", "kind"), [("noc@a.cn", "email"), ("张三 0571-1", "note"), ("a@b@c.cn", "note")]
)
def test_whom_to_reach_is_for_those_who_act_for_the_owner(contact: str, kind: str) -> None:
    owner = shown.owner(OWNER, HOLDER._replace(contact=contact), Audience.KNOWING)
    card = objects.entity(owner, "https://r.example")["vcardArray"][1]
    assert [kind, {}, "text", contact] in card
    told = objects.answered(objects.entity(owner, ""), Audience.KNOWING, ("owner",))
    assert told["redacted"] == []


def test_everybody_may_ask(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.accredit(OWNER)
    node.must("assign", ONE)
    with (
        offered(node, tmp_path, more='public-url = "https://r.example/"') as interface,
        interface.client() as anybody,
        interface.client("auditor") as auditor,
    ):
        name = anybody.get(f"/rdap/domain/{ONE}").json()["ldhName"]
        for form in (name, f"{name}.", ONE, ONE.lower()):
            answer = anybody.get(f"/rdap/domain/{form}")
            assert answer.status_code == 200, answer.text
            assert answer.headers["Content-Type"] == objects.MEDIA_TYPE
            assert answer.json()["handle"] == ONE
            assert answer.json()["links"][0]["href"].startswith("https://r.example/rdap/")
        assert "noc@a.cn" not in anybody.get(f"/rdap/entity/{OWNER}").text
        assert "noc@a.cn" in auditor.get(f"/rdap/entity/{OWNER}").text
        assert "domain/NAME" in anybody.get("/rdap/help").text
        for path, status in (
            (f"/rdap/domain/{identifier('9999')}", 404),
            ("/rdap/entity/nobody", 404),
            ("/rdap/entity/主体", 404),
            ("/rdap/domain/what", 400),
        ):
            refused = anybody.get(path)
            assert (refused.status_code, refused.json()["errorCode"]) == (status, status)
        wrong = anybody.get(f"/rdap/entity/{OWNER}", headers={"Authorization": "Bearer x"})
        assert wrong.status_code == 401
