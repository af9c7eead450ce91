"""Handles as the proxy of Handle.Net answers for them: golden responses, and what holds of all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from csid.address import Address
from csid.client.answer import Answer, Authority
from csid.errors import CsidError, IdentifierError, RecordError, RefusedError, UnreachableError
from csid.identifier import Identifier, parse
from csid.record import Record
from gateway.handles.answered import answered
from gateway.handles.asked import FILTERS_MAX, identifier_of, read
from tests.support import identifiers, records
from tests.support.servers import CHECKOUT

SCHEMA = json.loads((CHECKOUT / "schemas" / "handle-v1.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
NAME = "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY"
HANDLE = f"20.500.12357.{NAME}"
NOW = 1_795_000_000  # 2026-11-18T11:06:40Z
ENDPOINTS = ["https://a.example:8443/v1|192.0.2.1", "grpcs://b.example:443"]
PACKED = (
    '{"endpoints":["https://a.example:8443/v1|192.0.2.1","grpcs://b.example:443"],'
    '"name":"杭州一号池","state":"active"}'
)
GOLDEN = (
    '{"responseCode":1,"handle":"20.500.12357.91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY",'
    '"values":[{"index":1,"type":"URL","data":{"format":"string",'
    '"value":"https://a.example:8443/v1"},"ttl":300,"timestamp":"2026-11-18T11:06:40Z"},'
    '{"index":2,"type":"URL","data":{"format":"string","value":"grpcs://b.example:443"},'
    '"ttl":300,"timestamp":"2026-11-18T11:06:40Z"}]}'
)
PRETTY = """\
{
  "responseCode": 100,
  "handle": "20.500.12357.91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY"
}"""
NOBODY = UnreachableError("no server answers")


def answer(
    facts: dict[str, Any] | None, exists: bool = True, alias_of: str | None = None, name: str = NAME
) -> Answer:
    """What a client is told of an identifier."""
    record = None if facts is None else Record(facts)
    server = Authority(Address("192.0.2.53", 53), False, None)
    return Answer(parse(name), record, exists, 300, alias_of, server, "memory", 0.0, 0)


ACTIVE = answer({"state": "active", "name": "杭州一号池", "endpoints": ENDPOINTS})


def said(
    became: Answer | CsidError, *parameters: tuple[str, str], handle: str = HANDLE, **more: Any
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of what is said, which the schema describes."""
    made = answered(read(handle, parameters), became, NOW, **more)
    body = json.loads(made.octets)
    VALIDATOR.validate(body)
    return made.status, body


def values(body: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(one["index"], one["type"], one["data"]["value"]) for one in body["values"]]


def test_a_record_is_values() -> None:
    status, body = said(ACTIVE)
    assert (status, body["responseCode"], body["handle"]) == (200, 1, HANDLE)
    assert values(body) == [
        (1, "URL", "https://a.example:8443/v1"),
        (2, "URL", "grpcs://b.example:443"),
        (100, "CSID", PACKED),
        (101, "CSID.STATE", "active"),
        (103, "CSID.NAME", parse(NAME).to_dns_name()),
    ]


def test_the_answer_to_the_octet() -> None:
    made = answered(read(HANDLE, [("type", "URL")]), ACTIVE, NOW)
    assert made.octets.decode() == GOLDEN
    assert made.headers == {
        "Content-Type": "application/json;charset=UTF-8",
        "Cache-Control": "max-age=300",
        "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
    }


def test_pretty_is_indented_by_two_as_gson_does() -> None:
    absent = answer(None, exists=False)
    for word in ("", "true", "YES"):
        made = answered(read(HANDLE, [("pretty", word)]), absent, NOW)
        assert (made.status, made.octets.decode()) == (404, PRETTY)
    assert b"\n" not in answered(read(HANDLE, [("pretty", "no")]), absent, NOW).octets


@pytest.mark.parametrize(
    ("parameters", "indexes"),
    [
        ([("type", "URL")], [1, 2]),
        ([("type", "url")], [1, 2]),
        ([("type", "URL."), ("index", "101")], [1, 2, 101]),
        ([("index", "1"), ("index", "100")], [1, 100]),
        ([("type", "CSID")], [100]),
        ([("type", "CSID.")], [100, 101, 103]),
        ([("type", "csid.state"), ("type", "EMAIL")], [101]),
        ([("unknown", "1")], [1, 2, 100, 101, 103]),
    ],
)
def test_values_of_any_type_or_index_named(
    parameters: list[tuple[str, str]], indexes: list[int]
) -> None:
    status, body = said(ACTIVE, *parameters)
    assert (status, body["responseCode"]) == (200, 1)
    assert [one["index"] for one in body["values"]] == indexes


@pytest.mark.parametrize(
    "parameter", [("type", "EMAIL"), ("type", "URL.x"), ("type", "UR"), ("index", "7")]
)
def test_a_handle_without_such_values_is_200_and_empty(parameter: tuple[str, str]) -> None:
    assert said(ACTIVE, parameter) == (200, {"responseCode": 200, "handle": HANDLE, "values": []})


def test_a_name_without_a_record_has_no_values() -> None:
    assert said(answer(None)) == (200, {"responseCode": 200, "handle": HANDLE, "values": []})


def test_what_never_was_is_100() -> None:
    gone = answer(None, exists=False)
    assert said(gone) == (404, {"responseCode": 100, "handle": HANDLE})


def test_what_has_ended_leads_nowhere_and_is_told() -> None:
    status, body = said(answer(records.FULL))
    assert (status, body["responseCode"]) == (200, 1)
    found = {type: value for _, type, value in values(body)}
    assert "URL" not in found
    assert found["CSID.STATE"] == "retired"
    assert found["CSID.SUCCESSOR"] == f"20.500.12357.{records.SUCCESSOR}"
    assert json.loads(found["CSID"]) == Record(records.FULL).json()


@pytest.mark.parametrize("exists", [True, False])
def test_an_alias_names_the_handle_it_leads_to_and_nothing_else(exists: bool) -> None:
    target = parse(records.SUCCESSOR)
    alias = answer({"state": "active"} if exists else None, exists, target.to_dns_name("a.example"))
    status, body = said(alias, suffix="a.example")
    assert (status, body["responseCode"]) == (200, 1)
    assert values(body) == [(200, "HS_ALIAS", f"20.500.12357.{target}")]


def test_an_alias_of_what_has_no_handle_gives_what_is_found_there() -> None:
    _, body = said(answer({"state": "active"}, alias_of="pool.elsewhere.example."))
    assert [type for _, type, _ in values(body)] == ["CSID", "CSID.STATE", "CSID.NAME"]


@pytest.mark.parametrize(
    ("became", "status", "code"),
    [
        (NOBODY, 503, 3),
        (RefusedError("SERVFAIL"), 503, 3),
        (RecordError("state", "unknown"), 500, 2),
        (IdentifierError("spec", 15, "expected"), 400, 102),
    ],
)
def test_what_cannot_be_said_has_a_code_and_a_reason(
    became: CsidError, status: int, code: int
) -> None:
    made = answered(read(HANDLE, []), became, NOW)
    body = {"responseCode": code, "handle": HANDLE, "message": str(became)}
    assert (made.status, json.loads(made.octets)) == (status, body)
    assert made.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in made.headers) == (status == 503)


@pytest.mark.parametrize(
    "parameters",
    [
        [("index", "one")],
        [("index", "1"), ("index", "")],
        [("index", "９")],
        [("type", "URL")] * (FILTERS_MAX + 1),
    ],
)
def test_parameters_that_cannot_be_read_are_a_protocol_error(
    parameters: list[tuple[str, str]],
) -> None:
    status, body = said(ACTIVE, *parameters)
    assert (status, body["responseCode"]) == (400, 4)


def test_messages_are_in_the_language_asked_for() -> None:
    _, body = said(
        IdentifierError("handle", 0, "is empty; it stands behind /api/handles/"),
        handle="",
        language="zh",
    )
    assert "空" in body["message"]
    assert "handle" not in body


@pytest.mark.parametrize(
    "handle", ["", "abc", "10.1000/1", parse(NAME).to_dns_name(), HANDLE[:-1] + "X", "0.EXAMPLE/"]
)
def test_what_is_no_handle_of_an_identifier_is_refused(handle: str) -> None:
    with pytest.raises(IdentifierError):
        identifier_of(read(handle, []))


@given(identifiers.identifiers(), st.sampled_from(["0.EXAMPLE", "20.500.12357", "86"]))
def test_the_handle_of_an_identifier_is_read_back(one: Identifier, authority: str) -> None:
    handle = one.to_handle(authority)
    assert identifier_of(read(handle, [])) == identifier_of(read(handle.lower(), [])) == one
    assert identifier_of(read(str(one), [])) == one


@given(records.facts, st.integers(0, 2**31 - 1), st.integers(0, 2**32 - 1))
def test_every_record_is_told_whole(facts: dict[str, Any], ttl: int, now: int) -> None:
    given_ = answer(facts)._replace(ttl=ttl)
    body = json.loads(answered(read(HANDLE, []), given_, now).octets)
    VALIDATOR.validate(body)
    found = {one["type"]: one for one in body["values"]}
    assert Record(json.loads(found["CSID"]["data"]["value"])) == given_.record
    assert {one["ttl"] for one in body["values"]} == {ttl}
    indexes = [one["index"] for one in body["values"]]
    assert indexes == sorted(set(indexes))


@given(
    st.text(min_size=1),
    st.lists(
        st.tuples(st.sampled_from(["type", "index", "pretty", "auth", "callback"]), st.text())
    ),
    st.sampled_from([ACTIVE, answer(None, exists=False), NOBODY]),
)
def test_whatever_is_given_the_answer_is_json_or_one_call(
    handle: str, parameters: list[tuple[str, str]], became: Answer | CsidError
) -> None:
    made = answered(read(handle, parameters), became, NOW)
    text = made.octets.decode()
    function = next((value for name, value in parameters if name == "callback"), None)
    if function is not None:
        name, bracket, rest = text.partition("(")
        assert bracket and rest.endswith(");")
        assert all(one.isascii() and (one.isalnum() or one in "_$") for one in name)
        assert not name[:1].isdigit()
        assert "\u2028" not in rest and "\u2029" not in rest
        text = rest.removesuffix(");")
    VALIDATOR.validate(json.loads(text))


def test_a_callback_is_the_name_of_a_function_and_no_more() -> None:
    made = answered(read(HANDLE, [("callback", "alert(1);//"), ("type", "X")]), ACTIVE, NOW)
    assert made.octets.startswith(b'alert_1____({"responseCode":200,')
    assert made.octets.endswith(b"});")
    assert made.headers["Content-Type"] == "application/javascript;charset=UTF-8"
    digits = answered(read(HANDLE, [("callback", "1a")]), ACTIVE, NOW)
    assert digits.octets.startswith(b"_a(")


@pytest.mark.parametrize(
    ("word", "is_set"), [("", True), ("true", True), ("yes", True), ("false", False), ("1", False)]
)
def test_auth_asks_past_the_cache(word: str, is_set: bool) -> None:
    assert read(HANDLE, [("auth", word)]).is_authoritative is is_set
    assert not read(HANDLE, []).is_authoritative
