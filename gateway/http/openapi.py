"""The document of the interface (OpenAPI 3.1), made from the table of routes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any, Final

import msgspec

from csid.vocabulary import STANDINGS, STATES
from gateway.http.bodies import OPERATIONS, Member, Operation
from gateway.http.calls import Route
from gateway.http.media import JSON, MSGPACK
from gateway.http.problems import MEDIA_TYPE, Fault
from gateway.http.record_schema import record_schema
from gateway.http.routes import ROUTES
from gateway.http.writing import BATCH_MAX, REASON
from gateway.reporting.statuses import Sent
from gateway.reporting.upward import ITEMS_MAX, OUTCOMES, Numbered
from registry.rules.participants import KIND_BY_WORD
from registry.rules.requests import KEY_MAX, TEXT_MAX
from registry.rules.status import Status

Schema = dict[str, Any]

_STRING: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer", "minimum": 0}
_TIME: Final = {"type": "string", "format": "date-time"}
_MAYBE_STRING: Final = {"type": ["string", "null"]}
_MAYBE_NUMBER: Final = {"type": ["integer", "null"]}
_REASON: Final = Member({"type": "string", "maxLength": TEXT_MAX})


def document() -> Schema:
    """The whole document."""
    paths: Schema = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "csid registry 算力标识登记接口",
            "version": metadata.version("csid"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}, {"certificate": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "certificate": {"type": "mutualTLS"},
            },
            "schemas": schemas(),
        },
    }


def _operation(route: Route) -> Schema:
    made: Schema = {
        "operationId": route.name,
        "summary": f"{route.words.zh} {route.words.en}",
        "parameters": _parameters(route),
        "responses": _answers(route),
    }
    if route.octets:
        body = {"schema": _ref(route.schema)}
        made["requestBody"] = {"required": True, "content": {JSON: body, MSGPACK: body}}
    elif route.writes:
        schema = (
            _ref(route.schema)
            if route.schema
            else _object(_of_body(route.operation), {REASON: _REASON})
        )
        needed = bool(route.schema) or bool(schema.get("required"))
        made["requestBody"] = {"required": needed, "content": {JSON: {"schema": schema}}}
    return made


def _parameters(route: Route) -> list[Schema]:
    found: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in ("identifier", "owner")
        if f"{{{name}}}" in route.path
    ]
    found += [
        {"name": name, "in": "query", "required": member.needed, "schema": dict(member.schema)}
        for name, member in route.query.items()
    ]
    if route.writes:
        schema = {"type": "string", "maxLength": KEY_MAX}
        found.append({"name": "Idempotency-Key", "in": "header", "schema": schema})
    if route.conditional:
        pattern = {"type": "string", "pattern": '^"[0-9]{1,16}"$'}
        found.append({"name": "If-Match", "in": "header", "schema": pattern})
    return found


def _answers(route: Route) -> Schema:
    schema = _ref(route.answer) if route.answer else _STRING
    media = route.media.partition(";")[0]
    good = {"description": route.words.en, "content": {media: {"schema": schema}}}
    problem = {
        "description": "what went wrong (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": _ref("Problem")}},
    }
    codes = {str(route.status): good, "4XX": problem, "5XX": problem}
    return codes | ({"200": good} if route.status != 200 else {})


def _of_body(operation: Operation | None) -> Mapping[str, Member]:
    assert operation is not None
    return {n: m for n, m in operation.members.items() if n not in operation.subject}


def _object(*members: Mapping[str, Member]) -> Schema:
    every = {name: one for some in members for name, one in some.items()}
    made: Schema = {
        "type": "object",
        "properties": {name: dict(one.schema) for name, one in every.items()},
        "additionalProperties": False,
    }
    needed = [name for name, one in every.items() if one.needed]
    return made | ({"required": needed} if needed else {})


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _said(**members: Any) -> Schema:
    """An object that is answered: all its members are there."""
    return {"type": "object", "properties": members, "required": list(members)}


def _page(name: str) -> Schema:
    return _said(items={"type": "array", "items": _ref(name)}, next=_MAYBE_STRING)


@cache
def schemas() -> Schema:
    """All that the document refers to by name."""
    reason = {REASON: _REASON}
    assign, mint = (_object(OPERATIONS[one].members, reason) for one in ("assign", "mint"))
    outcome = _said(
        status=_NUMBER, subject=_STRING, code=_NUMBER, name=_STRING, zh=_STRING, en=_STRING
    )
    identifier = _said(
        identifier=_STRING,
        state={"type": "string", "enum": list(STATES)},
        since=_TIME,
        changed=_TIME,
        leaf=_NUMBER,
        ttl=_NUMBER,
        target=_MAYBE_STRING,
        record=_ref("Record"),
    )
    whole = identifier | {
        "properties": identifier["properties"] | {"dns": _STRING, "handle": _STRING}
    }
    change = _said(
        leaf=_NUMBER,
        kind=_STRING,
        subject=_STRING,
        to=_MAYBE_STRING,
        time=_TIME,
        record={"anyOf": [_ref("Record"), {"type": "null"}]},
        ttl=_MAYBE_NUMBER,
    )
    problem = _said(type=_STRING, title=_STRING, title_zh=_STRING, status=_NUMBER, detail=_STRING)
    return {
        "Record": record_schema(),
        "Registration": {"oneOf": [assign, mint]},
        "Batch": _batch(),
        "BatchResults": _said(
            items={"type": "array", "items": {"anyOf": [_ref("Outcome"), _ref("Problem")]}}
        ),
        "Outcome": outcome,
        "Problem": problem
        | {
            "properties": problem["properties"]
            | {
                "type": {"type": "string", "examples": _types()},
                "code": _NUMBER,
                "name": _STRING,
                "epp": _NUMBER,
                "subject": _STRING,
            }
        },
        "Identifier": identifier,
        "WholeIdentifier": whole,
        "IdentifierPage": _page("Identifier"),
        "Change": change,
        "Changes": _said(items={"type": "array", "items": _ref("Change")}),
        "ChangePage": _said(
            items={"type": "array", "items": _ref("Change")}, next=_NUMBER, size=_NUMBER
        ),
        "Pool": _said(
            pool=_STRING,
            place=_STRING,
            **{"class": _STRING},
            first=_STRING,
            last=_STRING,
            quota=_NUMBER,
            assigned=_NUMBER,
            since=_TIME,
            leaf=_NUMBER,
        ),
        "PoolPage": _page("Pool"),
        "Owner": _said(
            owner=_STRING,
            name=_STRING,
            kinds={"type": "array", "items": {"enum": list(KIND_BY_WORD)}},
            standing={"enum": list(STANDINGS)},
            qualified={"type": "boolean"},
            since=_TIME,
            leaf=_NUMBER,
        ),
        "OwnerPage": _page("Owner"),
        "Filing": _said(identifier=_STRING, state=_STRING, receipt={"type": ["object", "null"]}),
        **_of_reports(),
        "Filings": _said(items={"type": "array", "items": {"type": "object"}}),
    }


def _of_reports() -> Schema:
    """What gateways report, what comes of it, and what is kept."""
    statuses, events = msgspec.json.schema(Sent)["$defs"], msgspec.json.schema(Numbered)["$defs"]
    told = statuses["Told"]
    sent = statuses["Sent"] | {
        "properties": statuses["Sent"]["properties"] | {"told": _ref("Told")}
    }
    result = _said(status=_NUMBER, outcome={"type": "string", "enum": list(OUTCOMES)})
    result["properties"]["detail"] = _STRING
    both = {"statuses": _ref("Sent"), "events": _ref("Numbered")}
    return {
        "Told": told,
        "Sent": sent,
        "Numbered": events["Numbered"],
        "Reports": {
            "type": "object",
            "properties": {
                name: {"type": "array", "items": one, "maxItems": ITEMS_MAX}
                for name, one in both.items()
            },
        },
        "ReportResult": result,
        "ReportResults": _said(
            **{name: {"type": "array", "items": _ref("ReportResult")} for name in both}
        ),
        "Gateway": _said(gateway=_STRING, prefixes={"type": "array", "items": _STRING}),
        "KeptEvent": _said(
            sequence=_NUMBER, gateway=_STRING, number=_NUMBER, came=_TIME, event={"type": "object"}
        ),
        "EventPage": _said(items={"type": "array", "items": _ref("KeptEvent")}, next=_MAYBE_NUMBER),
    }


def _batch() -> Schema:
    key = {"type": "string", "maxLength": KEY_MAX}
    items = [
        _object(
            {"op": Member({"type": "string", "enum": [name]}, True)},
            operation.members,
            {REASON: _REASON, "key": Member(key)},
        )
        for name, operation in OPERATIONS.items()
    ]
    return _object(
        {
            "items": Member(
                {
                    "type": "array",
                    "items": {"oneOf": items},
                    "minItems": 1,
                    "maxItems": BATCH_MAX,
                },
                True,
            ),
            REASON: _REASON,
        }
    )


def _types() -> list[str]:
    return [f"urn:csid:problem:{one.word}" for one in Fault] + [
        f"urn:csid:status:{one.number}" for one in Status if not one.success
    ]
